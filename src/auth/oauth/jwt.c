/* SPDX-License-Identifier: Apache-2.0 */
/* See jwt.h. */
#include "auth/oauth/jwt.h"

struct parts {
	struct str header, claims, signature; /* base64url */
	struct str text;                      /* the signed part */
};

static bool
cut_token(struct str token, struct parts *parts_r)
{
	struct str rest = token;

	if (!str_split(&rest, '.', &parts_r->header) || rest.p == NULL ||
	    !str_split(&rest, '.', &parts_r->claims) || rest.p == NULL ||
	    str_chr(rest, '.') != NULL)
		return false;
	parts_r->signature = rest;
	parts_r->text = (struct str){token.p, token.n - rest.n - 1};
	return true;
}

/* The caller frees it. */
static json_t *
object_of(struct str part, size_t max)
{
	struct buf text = {0};
	json_t *json = NULL;

	if (part.n <= 2 * max && auth_base64url_decode(part, &text))
		json = auth_json_object(buf_as_str(&text), max);
	buf_wipe_fini(&text);
	return json;
}

static bool
is_named(const struct conf_list *list, struct str name)
{
	for (size_t i = 0; i < list->n; i++)
		if (str_eq(list->items[i], name))
			return true;
	return false;
}

/* RFC 8725 section 3.11: reject other kinds of token from the same issuer. */
static bool
is_access_token(const json_t *header)
{
	struct str typ = auth_json_str(header, "typ");

	if (json_object_get(header, "typ") == NULL)
		return true;
	return str_ieq(typ, STR("JWT")) || str_ieq(typ, STR("at+jwt")) ||
	       str_ieq(typ, STR("application/at+jwt"));
}

/* Ignores keys in the header (jwk, jku, x5c, x5u). */
static const char *
check_signature(const struct parts *parts, const json_t *header, const struct auth_jwt_rules *rules)
{
	struct str name = auth_json_str(header, "alg"), kid = auth_json_str(header, "kid");
	const struct auth_alg *alg = auth_alg_find(name);
	struct buf signature = {0};
	const char *why = "its signature is not base64";

	if (alg == NULL || !is_named(&rules->algorithms, name))
		return "its algorithm is not accepted";
	if (json_object_get(header, "crit") != NULL)
		return "it has unknown critical extensions";
	if (json_object_get(header, "kid") != NULL && kid.p == NULL)
		return "its kid is invalid";
	if (!is_access_token(header))
		return "it is not an access token";
	if (auth_base64url_decode(parts->signature, &signature) &&
	    auth_jwks_verify(rules->keys, alg, kid, parts->text, buf_as_str(&signature), &why))
		why = NULL;
	buf_wipe_fini(&signature);
	return why;
}

const char *
auth_jwt_verify(struct str token, const struct auth_jwt_rules *rules, int64_t now,
    struct buf *name_r, int64_t *expires_r)
{
	struct auth_claims claims;
	struct parts parts;
	json_t *json;
	const char *why = "it is not a JWT";

	if (!cut_token(token, &parts))
		return why;
	json = object_of(parts.header, AUTH_JWT_HEADER_MAX);
	if (json == NULL)
		return why;
	why = check_signature(&parts, json, rules);
	json_decref(json);
	if (why != NULL)
		return why;
	/* The signature is verified: now read the claims. */
	json = object_of(parts.claims, AUTH_JWT_CLAIMS_MAX);
	if (json == NULL)
		return "its claims are not JSON";
	why = auth_claims_judge(json, &rules->claims, now, &claims);
	if (why == NULL) {
		buf_str(name_r, claims.user);
		*expires_r = claims.expires;
	}
	json_decref(json);
	return why;
}
