/* SPDX-License-Identifier: Apache-2.0 */
/* Distinguished names as text (RFC 4514), printing and parsing: see certmap.h. */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>

#include "net/tls/certmap.h"

#include "base/ascii.h"

enum { TYPE_MAX = 64, VALUE_MAX = 1024, PARTS_MAX = 32 };

static int
hex_digit(char c)
{
	return ascii_hex((char)ascii_lower((unsigned char)c));
}

static bool
hex_pair(struct str s, unsigned char *byte_r)
{
	int high = s.n >= 2 ? hex_digit(s.p[0]) : -1, low = s.n >= 2 ? hex_digit(s.p[1]) : -1;

	if (high < 0 || low < 0)
		return false;
	*byte_r = (unsigned char)(high << 4 | low);
	return true;
}

static void
skip_bytes(struct str *rest, size_t n)
{
	rest->p += n;
	rest->n -= n;
}

static void
skip_blanks(struct str *rest)
{
	while (rest->n > 0 && rest->p[0] == ' ')
		skip_bytes(rest, 1);
}

/* attributeType "=": section 3; by descriptor or in dotted digits. */
static ASN1_OBJECT *
take_type(struct str *rest)
{
	char text[TYPE_MAX];
	size_t n = 0;

	while (n < rest->n && n < sizeof(text) - 1 && rest->p[n] != '=' && rest->p[n] != ' ') {
		text[n] = rest->p[n];
		n++;
	}
	text[n] = '\0';
	skip_bytes(rest, n);
	skip_blanks(rest);
	if (n == 0 || rest->n == 0 || rest->p[0] != '=')
		return NULL;
	skip_bytes(rest, 1);
	/* Descriptors are case-insensitive; OpenSSL's names are not. */
	if (str_ieq(str_of(text), STR("street")))
		return OBJ_nid2obj(NID_streetAddress);
	if (str_ieq(str_of(text), STR("uid")))
		return OBJ_nid2obj(NID_userId);
	if (n <= 2)
		for (size_t i = 0; i < n; i++)
			text[i] = (char)ascii_upper((unsigned char)text[i]);
	return OBJ_txt2obj(text, 0);
}

/* "#" and the value's BER in hex digits: section 2.4. */
static const char *
take_hex(struct str *rest, unsigned char *value, size_t *n_r)
{
	size_t n = 0;

	skip_bytes(rest, 1);
	while (n < VALUE_MAX && hex_pair(*rest, &value[n])) {
		skip_bytes(rest, 2);
		n++;
	}
	*n_r = n;
	skip_blanks(rest);
	return n > 0 ? NULL : "no hex digits after #";
}

/* A value with escapes (section 3), up to an unescaped comma or plus sign. */
static const char *
take_value(struct str *rest, unsigned char *value, size_t *n_r)
{
	size_t n = 0, kept = 0; /* up to the last escaped character or non-blank */

	while (rest->n > 0 && rest->p[0] != ',' && rest->p[0] != '+') {
		char c = rest->p[0];
		bool escaped = c == '\\';

		if (n == VALUE_MAX)
			return "a value is too long";
		if (c == '\0' || strchr("\"<>;", c) != NULL)
			return "a character that must be escaped with a backslash";
		if (escaped) {
			skip_bytes(rest, 1);
			if (rest->n == 0)
				return "a backslash at the end";
			if (hex_pair(*rest, &value[n]))
				skip_bytes(rest, 1);
			else if (strchr(" \"#+,;<=>\\", rest->p[0]) == NULL || rest->p[0] == '\0')
				return "a backslash before what needs none";
			else
				value[n] = (unsigned char)rest->p[0];
		} else
			value[n] = (unsigned char)c;
		skip_bytes(rest, 1);
		n++;
		if (escaped || c != ' ')
			kept = n;
	}
	*n_r = kept;
	if (memchr(value, '\0', kept) != NULL)
		return "a NUL in a value";
	return str_is_utf8((struct str){(char *)value, kept}) ? NULL : "a value is not UTF-8";
}

static const char *
add_hex(X509_NAME *name, const ASN1_OBJECT *type, const unsigned char *value, size_t n, int set)
{
	const unsigned char *p = value;
	ASN1_TYPE *any = d2i_ASN1_TYPE(NULL, &p, (long)n);
	bool ok = any != NULL && p == value + n && any->type != V_ASN1_BOOLEAN &&
	          any->type != V_ASN1_OBJECT && any->type != V_ASN1_NULL &&
	          X509_NAME_add_entry_by_OBJ(name, type, any->type,
	              ASN1_STRING_get0_data(any->value.asn1_string),
	              ASN1_STRING_length(any->value.asn1_string), -1, set) == 1;

	ASN1_TYPE_free(any);
	return ok ? NULL : "the value after # is not valid BER";
}

/* Takes one attribute.  set: -1 if it belongs to the previous part, 0 if it begins one. */
static const char *
take_attribute(struct str *rest, X509_NAME *name, int set)
{
	unsigned char value[VALUE_MAX];
	ASN1_OBJECT *type;
	const char *why;
	bool hex;
	size_t n;

	skip_blanks(rest);
	type = take_type(rest);
	if (type == NULL)
		return "it is made of TYPE=VALUE, as in CN=gateway,O=Example";
	skip_blanks(rest);
	hex = rest->n > 0 && rest->p[0] == '#';
	why = hex ? take_hex(rest, value, &n) : take_value(rest, value, &n);
	if (why == NULL && hex)
		why = add_hex(name, type, value, n, set);
	else if (why == NULL && n == 0)
		why = "an empty value";
	else if (why == NULL && X509_NAME_add_entry_by_OBJ(
	                            name, type, V_ASN1_UTF8STRING, value, (int)n, -1, set) != 1)
		why = "a value that this type cannot have";
	ASN1_OBJECT_free(type);
	return why;
}

/* Text has the most specific part first, the name itself has it last (section 2.1). */
static X509_NAME *
reversed(const X509_NAME *from)
{
	X509_NAME *to = X509_NAME_new();
	int n = X509_NAME_entry_count(from), end = n;

	while (end > 0) {
		int first = end - 1, set;

		set = X509_NAME_ENTRY_set(X509_NAME_get_entry(from, first));
		while (
		    first > 0 && X509_NAME_ENTRY_set(X509_NAME_get_entry(from, first - 1)) == set)
			first--;
		for (int i = first; i < end; i++)
			if (to != NULL && X509_NAME_add_entry(to, X509_NAME_get_entry(from, i), -1,
			                      i == first ? 0 : -1) != 1) {
				X509_NAME_free(to);
				to = NULL;
			}
		end = first;
	}
	return to;
}

X509_NAME *
certmap_name_parse(struct str text, const char **why_r)
{
	X509_NAME *name = X509_NAME_new(), *result = NULL;
	struct str rest = text;
	int set = 0;

	*why_r = name == NULL ? "no memory" : NULL;
	while (*why_r == NULL) {
		if (X509_NAME_entry_count(name) == PARTS_MAX)
			*why_r = "too many parts";
		else
			*why_r = take_attribute(&rest, name, set);
		if (*why_r != NULL || rest.n == 0)
			break;
		if (rest.p[0] != ',' && rest.p[0] != '+')
			*why_r = "text after a value";
		set = rest.p[0] == '+' ? -1 : 0;
		skip_bytes(&rest, 1);
	}
	if (*why_r == NULL && (result = reversed(name)) == NULL)
		*why_r = "no memory";
	X509_NAME_free(name);
	ERR_clear_error();
	return result;
}

void
certmap_name_print(const X509_NAME *name, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *p;
	long n;

	/* Characters beyond ASCII stay as they are: log lines are UTF-8. */
	if (bio != NULL && X509_NAME_print_ex(bio, name, 0,
	                       XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >= 0) {
		n = BIO_get_mem_data(bio, &p);
		buf_put(out, p, n > 0 ? (size_t)n : 0);
	}
	BIO_free(bio);
	ERR_clear_error();
}

void
certmap_fingerprint(const X509 *cert, struct buf *out)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (X509_digest(cert, EVP_sha256(), digest, &n) != 1)
		n = 0;
	buf_puts(out, "sha256:");
	buf_hex(out, digest, n);
}
