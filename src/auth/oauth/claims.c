/* SPDX-License-Identifier: Apache-2.0 */
/* See claims.h. */
#include "auth/oauth/claims.h"

#include "sasl/mech.h"

#define TIME_MAX 9007199254740991.0 /* 2^53 - 1: the largest exact integer in JSON */

/* NumericDate of RFC 7519 section 2: seconds, perhaps with a fraction. */
static bool
time_of(const json_t *json, const char *name, bool *there_r, int64_t *time_r)
{
	const json_t *value = json_object_get(json, name);
	double t;

	*there_r = value != NULL;
	if (value == NULL)
		return true;
	if (!json_is_number(value))
		return false;
	t = json_number_value(value);
	if (!(t >= 0 && t <= TIME_MAX))
		return false;
	*time_r = (int64_t)t;
	return true;
}

static const char *
judge_times(const json_t *json, const struct auth_claim_rules *rules, int64_t now,
    struct auth_claims *claims_r)
{
	int64_t exp = 0, nbf = 0, iat = 0;
	bool has_exp, has_nbf, has_iat;

	if (!time_of(json, "exp", &has_exp, &exp) || !time_of(json, "nbf", &has_nbf, &nbf) ||
	    !time_of(json, "iat", &has_iat, &iat))
		return "one of its times is not valid";
	if (!has_exp && rules->expires)
		return "it does not say when it expires";
	claims_r->expires = has_exp ? exp + rules->leeway : INT64_MAX;
	if (now >= claims_r->expires)
		return "it has expired";
	if (has_nbf && nbf > now + rules->leeway)
		return "it is not valid yet";
	if (has_iat && iat > now + rules->leeway)
		return "it was issued in the future";
	if (rules->max_age == 0)
		return NULL;
	if (!has_iat)
		return "it does not say when it was issued";
	if (now - iat >= rules->max_age + rules->leeway)
		return "it was issued too long ago";
	/* So that no cache keeps it longer. */
	if (iat + rules->max_age + rules->leeway < claims_r->expires)
		claims_r->expires = iat + rules->max_age + rules->leeway;
	return NULL;
}

static bool
is_for_us(const json_t *aud, const struct conf_list *audience)
{
	for (size_t i = 0; i < audience->n; i++)
		if (auth_json_has(aud, audience->items[i]))
			return true;
	return audience->n == 0;
}

/* Words separated by spaces (RFC 6749 section 3.3), or an array of them. */
static bool
has_word(const json_t *value, struct str word)
{
	struct str rest, one;

	if (json_is_array(value))
		return auth_json_has(value, word);
	if (!json_is_string(value))
		return false;
	rest = (struct str){json_string_value(value), json_string_length(value)};
	while (str_split(&rest, ' ', &one))
		if (str_eq(one, word))
			return true;
	return false;
}

static bool
has_scope(const json_t *json, const struct conf_list *scope)
{
	const json_t *value = json_object_get(json, "scope");

	if (value == NULL)
		value = json_object_get(json, "scp");
	for (size_t i = 0; i < scope->n; i++)
		if (!has_word(value, scope->items[i]))
			return false;
	return true;
}

/* Some issuers put it in quotation marks. */
static bool
is_verified(const json_t *json)
{
	const json_t *value = json_object_get(json, "email_verified");

	return json_is_true(value) || auth_json_has(value, STR("true"));
}

const char *
auth_claims_judge(const json_t *json, const struct auth_claim_rules *rules, int64_t now,
    struct auth_claims *claims_r)
{
	struct str iss = auth_json_str(json, "iss");
	const char *why;

	if (rules->issuer.n > 0 && !str_eq(iss, rules->issuer))
		return "it is from another issuer";
	if (!is_for_us(json_object_get(json, "aud"), &rules->audience))
		return "it is for another audience";
	if ((why = judge_times(json, rules, now, claims_r)) != NULL)
		return why;
	if (!has_scope(json, &rules->scope))
		return "its scope is insufficient";
	/* The name is NUL-terminated. */
	claims_r->user = auth_json_str(json, rules->user.p);
	if (claims_r->user.n == 0 || claims_r->user.n > SASL_NAME_MAX)
		return "it names no user";
	/* An address that the issuer has not verified may be anybody's. */
	if (str_eq(rules->user, STR("email")) && !is_verified(json))
		return "its e-mail address is not verified";
	return NULL;
}
