/* SPDX-License-Identifier: Apache-2.0 */
/* Rules that map certificates to users, see certmap.h. */
#include "net/tls/certmap.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "sasl/names.h"

enum { SHA256_LEN = 32 };

struct rule {
	struct certmap_rule text; /* copied */
	X509_NAME *subject, *issuer;
	unsigned char digest[SHA256_LEN];
	struct str user; /* prepared */
};

struct certmap {
	size_t refs; /* atomic */
	struct arena *arena;
	struct str default_domain;
	struct rule *rules;
	size_t n;
};

/* ---- making */

static bool
parse_fingerprint(struct str text, unsigned char *digest)
{
	struct str hex = text;
	size_t n = 0;

	if (!str_has_iprefix(text, STR("sha256:")))
		return false;
	hex.p += 7;
	hex.n -= 7;
	for (size_t i = 0; i < hex.n; i++) {
		static const char digits[] = "0123456789abcdef";
		const char *at;

		if (hex.p[i] == ':' && n > 0 && n % 2 == 0 && n < 2 * (size_t)SHA256_LEN)
			continue;
		at = memchr(digits, ascii_lower((unsigned char)hex.p[i]), 16);
		if (at == NULL || n == 2 * (size_t)SHA256_LEN)
			return false;
		digest[n / 2] = (unsigned char)(digest[n / 2] << 4 | (at - digits));
		n++;
	}
	return n == 2 * (size_t)SHA256_LEN;
}

static const char *
email_fault(struct str pattern)
{
	struct str local, host;

	if (pattern.n == 0)
		return NULL;
	if (!str_is_ascii(pattern) || !sasl_name_split(pattern, &local, &host) || host.n == 0)
		return "an e-mail address, or *@HOST for any of a host";
	if (str_chr(host, '*') != NULL || (str_chr(local, '*') != NULL && local.n > 1))
		return "* stands for the whole of what is before the @, or not at all";
	return NULL;
}

static const char *
uri_fault(struct str pattern)
{
	const char *star = str_chr(pattern, '*');

	if (pattern.n == 0)
		return NULL;
	if (!str_is_ascii(pattern) || str_chr(pattern, ':') == NULL)
		return "a URI, with its scheme";
	if (star != NULL && (star != pattern.p + pattern.n - 1 || pattern.n < 5 ||
	                        star[-1] != '/' || star[-2] == '/' || star[-2] == ':'))
		return "* stands for the last segment of the path, or not at all";
	return NULL;
}

static bool
map_fault(struct certmap_fault *fault, enum certmap_part part, const char *why)
{
	fault->part = part;
	fault->why = why;
	return false;
}

static bool
has_condition(const struct certmap_rule *r)
{
	return r->subject.n > 0 || r->issuer.n > 0 || r->san_email.n > 0 || r->san_uri.n > 0 ||
	       r->fingerprint.n > 0;
}

static bool
make_user(struct certmap *map, struct rule *rule, struct certmap_fault *fault)
{
	struct buf user = {0};
	bool ok = true;

	if ((rule->text.from == CERTMAP_FIXED) != (rule->text.user.n > 0))
		return map_fault(fault, CERTMAP_PART_USER, "either a user or user_from is needed");
	if (rule->text.from == CERTMAP_SAN_EMAIL && rule->text.san_email.n == 0)
		return map_fault(
		    fault, CERTMAP_PART_USER, "user_from = san_email needs a san_email");
	if (rule->text.from == CERTMAP_FIXED) {
		ok = sasl_name_full(rule->text.user, map->default_domain, &user);
		rule->user = arena_str(map->arena, buf_as_str(&user));
	}
	buf_fini(&user);
	return ok || map_fault(fault, CERTMAP_PART_USER, "is not a valid user name");
}

static bool
make_rule(struct certmap *map, struct rule *rule, struct certmap_fault *fault)
{
	const struct certmap_rule *t = &rule->text;
	const char *why;

	if (!has_condition(t))
		return map_fault(fault, CERTMAP_PART_NONE,
		    "a condition is needed: subject, issuer, san_email, san_uri or fingerprint");
	if (t->subject.n > 0 && (rule->subject = certmap_name_parse(t->subject, &why)) == NULL)
		return map_fault(fault, CERTMAP_PART_SUBJECT, why);
	if (t->issuer.n > 0 && (rule->issuer = certmap_name_parse(t->issuer, &why)) == NULL)
		return map_fault(fault, CERTMAP_PART_ISSUER, why);
	if ((why = email_fault(t->san_email)) != NULL)
		return map_fault(fault, CERTMAP_PART_SAN_EMAIL, why);
	if ((why = uri_fault(t->san_uri)) != NULL)
		return map_fault(fault, CERTMAP_PART_SAN_URI, why);
	if (t->fingerprint.n > 0 && !parse_fingerprint(t->fingerprint, rule->digest))
		return map_fault(fault, CERTMAP_PART_FINGERPRINT,
		    "sha256: and 64 hex digits, as `openssl x509 -noout -fingerprint -sha256` "
		    "prints them");
	return make_user(map, rule, fault);
}

static void
copy_rule(struct arena *a, const struct certmap_rule *from, struct certmap_rule *to)
{
	*to = (struct certmap_rule){.name = arena_str(a, from->name),
	    .subject = arena_str(a, from->subject),
	    .issuer = arena_str(a, from->issuer),
	    .san_email = arena_str(a, from->san_email),
	    .san_uri = arena_str(a, from->san_uri),
	    .fingerprint = arena_str(a, from->fingerprint),
	    .user = arena_str(a, from->user),
	    .from = from->from};
}

struct certmap *
certmap_new(const struct certmap_rule *rules, size_t n, struct str default_domain,
    struct certmap_fault *fault_r)
{
	struct arena *a = arena_new(NULL, ARENA_OTHER, 1024);
	struct certmap *map = arena_new_object(a, struct certmap);

	*fault_r = (struct certmap_fault){0};
	map->refs = 1;
	map->arena = a;
	map->n = n;
	map->default_domain = arena_str(a, default_domain);
	map->rules = arena_zalloc(a, (n > 0 ? n : 1) * sizeof(*map->rules));
	for (size_t i = 0; i < n; i++) {
		fault_r->rule = i;
		copy_rule(a, &rules[i], &map->rules[i].text);
		if (!make_rule(map, &map->rules[i], fault_r)) {
			certmap_free(&map);
			return NULL;
		}
	}
	return map;
}

struct certmap *
certmap_ref(struct certmap *map)
{
	(void)__atomic_add_fetch(&map->refs, 1, __ATOMIC_RELAXED);
	return map;
}

void
certmap_free(struct certmap **mp)
{
	struct certmap *map = *mp;
	struct arena *a;

	*mp = NULL;
	if (map == NULL || __atomic_sub_fetch(&map->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (size_t i = 0; i < map->n; i++) {
		X509_NAME_free(map->rules[i].subject);
		X509_NAME_free(map->rules[i].issuer);
	}
	a = map->arena;
	arena_free(&a);
}

/* ---- finding */

/* Gets the string if it is plain text: a NUL inside would hide what follows. */
static bool
plain_text(const ASN1_STRING *s, struct str *text_r)
{
	int n = s != NULL ? ASN1_STRING_length(s) : 0;

	*text_r = (struct str){
	    n > 0 ? (const char *)ASN1_STRING_get0_data(s) : NULL, n > 0 ? (size_t)n : 0};
	return n > 0 && str_chr(*text_r, '\0') == NULL;
}

/* RFC 5280 section 7.5: hosts are case-insensitive, the part before the @ is not. */
static bool
email_fits(struct str pattern, struct str email)
{
	struct str want_local, want_host, local, host;

	if (!sasl_name_split(pattern, &want_local, &want_host) ||
	    !sasl_name_split(email, &local, &host) || !str_ieq(want_host, host))
		return false;
	return str_eq(want_local, STR("*")) || str_eq(want_local, local);
}

static bool
uri_fits(struct str pattern, struct str uri)
{
	struct str front = pattern, segment = uri;

	if (pattern.p[pattern.n - 1] != '*')
		return str_eq(pattern, uri);
	front.n--;
	if (!str_has_prefix(uri, front) || uri.n == front.n)
		return false;
	segment.p += front.n;
	segment.n -= front.n;
	for (size_t i = 0; i < segment.n; i++)
		if (strchr("/?#%", segment.p[i]) != NULL)
			return false;
	return !str_eq(segment, STR(".")) && !str_eq(segment, STR(".."));
}

/*
 * Returns whether one of the certificate's names of that kind matches.  *name_r is it, valid as
 * long as names; *several_r: another, different one matches too.
 */
static bool
san_fits(
    const GENERAL_NAMES *names, int type, struct str pattern, struct str *name_r, bool *several_r)
{
	int n = names != NULL ? sk_GENERAL_NAME_num(names) : 0;

	*name_r = STR_NONE;
	*several_r = false;
	for (int i = 0; i < n; i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
		struct str text;

		if (g->type != type || !plain_text(g->d.ia5, &text) ||
		    !(type == GEN_EMAIL ? email_fits(pattern, text) : uri_fits(pattern, text)))
			continue;
		if (name_r->n > 0 && !str_eq(*name_r, text))
			*several_r = true;
		*name_r = text;
	}
	return name_r->n > 0;
}

struct look { /* at one certificate */
	X509 *cert;
	GENERAL_NAMES *names;
	struct str email; /* that matched */
	bool emails;      /* several matched */
};

static bool
digest_fits(const struct look *look, const unsigned char *digest)
{
	unsigned char got[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	return X509_digest(look->cert, EVP_sha256(), got, &n) == 1 && n == SHA256_LEN &&
	       memcmp(got, digest, SHA256_LEN) == 0;
}

static bool
rule_fits(const struct rule *rule, struct look *look)
{
	const struct certmap_rule *t = &rule->text;
	struct str uri;
	bool several;

	if (rule->subject != NULL &&
	    X509_NAME_cmp(rule->subject, X509_get_subject_name(look->cert)) != 0)
		return false;
	if (rule->issuer != NULL &&
	    X509_NAME_cmp(rule->issuer, X509_get_issuer_name(look->cert)) != 0)
		return false;
	if (t->fingerprint.n > 0 && !digest_fits(look, rule->digest))
		return false;
	if (t->san_uri.n > 0 && !san_fits(look->names, GEN_URI, t->san_uri, &uri, &several))
		return false;
	return t->san_email.n == 0 ||
	       san_fits(look->names, GEN_EMAIL, t->san_email, &look->email, &look->emails);
}

static bool
user_of_cn(const struct certmap *map, X509 *cert, struct buf *user, const char **why_r)
{
	const X509_NAME *subject = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1), n;
	unsigned char *utf8 = NULL;
	struct str name;
	bool ok;

	*why_r = "the subject has not one common name";
	if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
		return false;
	n = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	name = (struct str){(const char *)utf8, n > 0 ? (size_t)n : 0};
	*why_r = "the common name is no user name";
	ok = name.n > 0 && sasl_name_full(name, map->default_domain, user);
	OPENSSL_free(utf8);
	return ok;
}

static bool
user_of(const struct certmap *map, const struct rule *rule, const struct look *look,
    struct buf *user, const char **why_r)
{
	switch (rule->text.from) {
	case CERTMAP_FIXED:
		buf_str(user, rule->user);
		return true;
	case CERTMAP_SAN_EMAIL:
		*why_r = look->emails ? "more than one e-mail address fits"
		                      : "the e-mail address is no user name";
		return !look->emails && sasl_name_full(look->email, map->default_domain, user);
	case CERTMAP_CN:
		return user_of_cn(map, look->cert, user, why_r);
	}
	TS_WRONG("no such source of a name");
}

bool
certmap_find(
    const struct certmap *map, X509 *cert, struct buf *user, struct str *rule_r, const char **why_r)
{
	struct look look = {
	    .cert = cert, .names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL)};
	const struct rule *rule = NULL;
	bool ok = false;

	*why_r = "no rule of certificate_map fits";
	for (size_t i = 0; rule == NULL && i < map->n; i++)
		if (rule_fits(&map->rules[i], &look))
			rule = &map->rules[i];
	if (rule != NULL) {
		*why_r = NULL;
		ok = user_of(map, rule, &look, user, why_r);
		if (ok)
			*why_r = NULL;
		if (rule_r != NULL)
			*rule_r = rule->text.name;
	}
	GENERAL_NAMES_free(look.names);
	ERR_clear_error();
	return ok;
}
