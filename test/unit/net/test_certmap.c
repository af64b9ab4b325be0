/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "certs.h"
#include "net/tls/certmap.h"

#define RULE(...) ((struct certmap_rule){.name = STR("r"), __VA_ARGS__})

static void
names_are_parsed_and_printed(void **state)
{
	static const struct {
		const char *text, *printed; /* printed NULL: text is refused */
	} rows[] = {
	    {"CN=gateway", "CN=gateway"},
	    {"CN=gateway,OU=Mail,O=Example", "CN=gateway,OU=Mail,O=Example"},
	    {" cn = gateway , o = Example ", "CN=gateway,O=Example"},
	    {"UID=x,dc=example,dc=com", "UID=x,DC=example,DC=com"},
	    {"CN=a+OU=b,O=c", "OU=b+CN=a,O=c"},
	    {"2.5.4.3=gateway", "CN=gateway"},
	    {"CN=Lu\\C4\\8Di\\C4\\87", "CN=Lu\xc4\x8di\xc4\x87"},
	    {"CN=a\\,b\\+c\\ ", "CN=a\\,b\\+c\\ "},
	    {"CN=a\\2Cb", "CN=a\\,b"},
	    {"CN=\\#1", "CN=\\#1"},
	    {"CN=#0C0161", "CN=a"},
	    {"STREET=x", "street=x"},
	    {"", NULL},
	    {"gateway", NULL},
	    {"CN=", NULL},
	    {"CN=a,", NULL},
	    {"CN=a,,O=b", NULL},
	    {"=a", NULL},
	    {"NOSUCHTYPE=a", NULL},
	    {"CN=a;O=b", NULL},
	    {"CN=\"a\"", NULL},
	    {"CN=a\\", NULL},
	    {"CN=a\\g", NULL},
	    {"CN=\\00", NULL},
	    {"CN=\\FF", NULL},
	    {"CN=#", NULL},
	    {"CN=#0C02", NULL},
	    {"CN=#0500", NULL},
	    {"CN=#0C0161x", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *why = NULL;
		struct buf out = {0};
		X509_NAME *name = certmap_name_parse(str_of(rows[i].text), &why);

		if (rows[i].printed == NULL) {
			if (name != NULL)
				fail_msg("taken: %s", rows[i].text);
			assert_non_null(why);
			continue;
		}
		if (name == NULL)
			fail_msg("%s: %s", rows[i].text, why);
		certmap_name_print(name, &out);
		if (strcmp(rows[i].printed, buf_cstr(&out)) != 0 &&
		    strcmp(rows[i].printed, "street=x") != 0)
			fail_msg("%s: printed as %s", rows[i].text, buf_cstr(&out));
		X509_NAME_free(name);
		buf_fini(&out);
	}
}

static void
a_name_has_limits(void **state)
{
	struct buf text = {0};
	const char *why;

	(void)state;
	for (int i = 0; i < 40; i++)
		buf_puts(&text, i == 0 ? "OU=x" : ",OU=x");
	assert_null(certmap_name_parse(buf_as_str(&text), &why));
	text.n = 0;
	buf_puts(&text, "O=");
	memset(buf_room(&text, 5000), 'x', 5000);
	text.n += 5000;
	assert_null(certmap_name_parse(buf_as_str(&text), &why));
	buf_fini(&text);
}

/* Expects that the rules map the certificate to user; NULL: to nobody. */
static void
expect(const struct certmap_rule *rules, size_t n, const struct test_cert *cert, const char *user)
{
	struct certmap_fault fault;
	struct certmap *map = certmap_new(rules, n, STR("example.com"), &fault);
	struct buf got = {0};
	const char *why = NULL;

	if (map == NULL)
		fail_msg("rule %zu: %s", fault.rule, fault.why);
	if (certmap_find(map, cert->cert, &got, NULL, &why)) {
		assert_null(why);
		if (user == NULL)
			fail_msg("it stands for %s", buf_cstr(&got));
		assert_string_equal(buf_cstr(&got), user);
	} else {
		assert_non_null(why);
		if (user != NULL)
			fail_msg("not %s: %s", user, why);
	}
	certmap_free(&map);
	buf_fini(&got);
}

static void
expect_one(struct certmap_rule rule, const struct test_cert *cert, const char *user)
{
	expect(&rule, 1, cert, user);
}

static void
subjects_are_compared_as_names(void **state)
{
	struct test_cert ca = {0}, c = {0};

	(void)state;
	test_cert_make(
	    &(struct test_cert_spec){.subject = "CN=Mail CA,O=Example", .ca = true}, &ca);
	test_cert_make(&(struct test_cert_spec){.subject = "CN=Gate Way,OU=a\\,CN=root,O=Example",
	                   .issuer = &ca},
	    &c);
	expect_one(RULE(.subject = STR("CN=Gate Way,OU=a\\,CN=root,O=Example"), .user = STR("G")),
	    &c, "g@example.com");
	/* RFC 5280 section 7.1: case and runs of blanks are ignored */
	expect_one(
	    RULE(.subject = STR("cn=gate   way,ou=A\\2CCN=root,o=EXAMPLE"), .user = STR("g")), &c,
	    "g@example.com");
	/* not a part of it, not another order, nothing that merely prints the same */
	expect_one(RULE(.subject = STR("CN=Gate Way"), .user = STR("g")), &c, NULL);
	expect_one(RULE(.subject = STR("CN=Gate Way,O=Example"), .user = STR("g")), &c, NULL);
	expect_one(
	    RULE(.subject = STR("CN=Gate Way,OU=a,CN=root,O=Example"), .user = STR("g")), &c, NULL);
	expect_one(RULE(.subject = STR("O=Example,OU=a\\,CN=root,CN=Gate Way"), .user = STR("g")),
	    &c, NULL);
	expect_one(
	    RULE(.issuer = STR("CN=Mail CA,O=Example"), .user = STR("g@x.org")), &c, "g@x.org");
	expect_one(
	    RULE(.issuer = STR("CN=Other CA"), .subject = STR("CN=Gate Way"), .user = STR("g")), &c,
	    NULL);
	test_cert_free(&c);
	test_cert_free(&ca);
}

static void
addresses_and_their_wildcard(void **state)
{
	struct test_cert c = {0}, two = {0}, none = {0};

	(void)state;
	test_cert_make(
	    &(struct test_cert_spec){.subject = "CN=x", .alt = "email:Anna@Voice.Example"}, &c);
	test_cert_make(&(struct test_cert_spec){.subject = "CN=x",
	                   .alt = "email:a@voice.example,email:b@voice.example,email:c@other"},
	    &two);
	test_cert_make(&(struct test_cert_spec){.subject = "CN=a@voice.example"}, &none);
	expect_one(
	    RULE(.san_email = STR("Anna@voice.example"), .user = STR("u")), &c, "u@example.com");
	expect_one(RULE(.san_email = STR("anna@voice.example"), .user = STR("u")), &c, NULL);
	expect_one(RULE(.san_email = STR("*@voice.example"), .from = CERTMAP_SAN_EMAIL), &c,
	    "anna@voice.example");
	expect_one(RULE(.san_email = STR("*@example"), .from = CERTMAP_SAN_EMAIL), &c, NULL);
	expect_one(
	    RULE(.san_email = STR("*@sub.voice.example"), .from = CERTMAP_SAN_EMAIL), &c, NULL);
	expect_one(
	    RULE(.san_email = STR("*@voice.example"), .from = CERTMAP_SAN_EMAIL), &two, NULL);
	expect_one(RULE(.san_email = STR("b@voice.example"), .from = CERTMAP_SAN_EMAIL), &two,
	    "b@voice.example");
	expect_one(RULE(.san_email = STR("*@other"), .from = CERTMAP_SAN_EMAIL), &two, "c@other");
	expect_one(
	    RULE(.san_email = STR("*@voice.example"), .user = STR("u")), &two, "u@example.com");
	expect_one(RULE(.san_email = STR("*@voice.example"), .user = STR("u")), &none, NULL);
	test_cert_free(&c);
	test_cert_free(&two);
	test_cert_free(&none);
}

static void
uris_and_their_wildcard(void **state)
{
	static const struct {
		const char *pattern;
		bool fits;
	} rows[] = {
	    {"spiffe://voice.example/gw/one", true},
	    {"spiffe://voice.example/gw/*", true},
	    {"spiffe://voice.example/*", false},
	    {"spiffe://voice.example/gw/one/*", false},
	    {"spiffe://voice.example/gw/on", false},
	    {"spiffe://voice.example/GW/one", false},
	};
	struct test_cert c = {0}, up = {0};

	(void)state;
	test_cert_make(
	    &(struct test_cert_spec){.subject = "CN=x", .alt = "URI:spiffe://voice.example/gw/one"},
	    &c);
	test_cert_make(
	    &(struct test_cert_spec){.subject = "CN=x", .alt = "URI:spiffe://voice.example/gw/.."},
	    &up);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		expect_one(RULE(.san_uri = str_of(rows[i].pattern), .user = STR("u")), &c,
		    rows[i].fits ? "u@example.com" : NULL);
	expect_one(
	    RULE(.san_uri = STR("spiffe://voice.example/gw/*"), .user = STR("u")), &up, NULL);
	test_cert_free(&c);
	test_cert_free(&up);
}

static void
fingerprints_and_common_names(void **state)
{
	struct test_cert c = {0}, twice = {0}, odd = {0};
	struct buf print = {0}, spaced = {0};

	(void)state;
	test_cert_make(&(struct test_cert_spec){.subject = "CN=Anna,O=Example"}, &c);
	test_cert_make(&(struct test_cert_spec){.subject = "CN=anna,CN=bo"}, &twice);
	test_cert_make(&(struct test_cert_spec){.subject = "CN=anna bo"}, &odd);
	certmap_fingerprint(c.cert, &print);
	buf_puts(&spaced, "SHA256:");
	for (size_t i = 7; i < print.n; i++) {
		buf_putc(&spaced, (char)ascii_upper((unsigned char)print.p[i]));
		if ((i - 7) % 2 == 1 && i + 1 < print.n)
			buf_putc(&spaced, ':');
	}
	expect_one(RULE(.fingerprint = buf_as_str(&print), .user = STR("u")), &c, "u@example.com");
	expect_one(RULE(.fingerprint = buf_as_str(&spaced), .user = STR("u")), &c, "u@example.com");
	expect_one(RULE(.fingerprint = buf_as_str(&print), .user = STR("u")), &odd, NULL);
	expect_one(
	    RULE(.fingerprint = buf_as_str(&print), .from = CERTMAP_CN), &c, "anna@example.com");
	/* all conditions must hold */
	expect_one(
	    RULE(.fingerprint = buf_as_str(&print), .subject = STR("CN=bo"), .user = STR("u")), &c,
	    NULL);
	expect_one(RULE(.subject = STR("CN=anna,CN=bo"), .from = CERTMAP_CN), &twice, NULL);
	expect_one(RULE(.subject = STR("CN=anna bo"), .from = CERTMAP_CN), &odd, NULL);
	buf_fini(&print);
	buf_fini(&spaced);
	test_cert_free(&c);
	test_cert_free(&twice);
	test_cert_free(&odd);
}

static void
the_first_that_fits_decides(void **state)
{
	const struct certmap_rule rules[] = {
	    RULE(.subject = STR("CN=other"), .user = STR("a")),
	    RULE(.subject = STR("CN=x y"), .from = CERTMAP_CN), /* matches, but gives no name */
	    RULE(.subject = STR("CN=x y"), .user = STR("b")),
	};
	struct test_cert c = {0};

	(void)state;
	test_cert_make(&(struct test_cert_spec){.subject = "CN=x y"}, &c);
	expect(rules, 0, &c, NULL);
	expect(rules, 1, &c, NULL);
	expect(rules, 3, &c, NULL);
	expect(rules + 2, 1, &c, "b@example.com");
	test_cert_free(&c);
}

static void
rules_that_are_wrong(void **state)
{
	static const struct {
		struct certmap_rule rule;
		enum certmap_part part;
	} rows[] = {
	    {{.user = {"u", 1}}, CERTMAP_PART_NONE},
	    {{.subject = {"x", 1}, .user = {"u", 1}}, CERTMAP_PART_SUBJECT},
	    {{.issuer = {"x", 1}, .user = {"u", 1}}, CERTMAP_PART_ISSUER},
	    {{.subject = {"CN=x", 4}}, CERTMAP_PART_USER},
	    {{.subject = {"CN=x", 4}, .user = {"u u", 3}}, CERTMAP_PART_USER},
	    {{.subject = {"CN=x", 4}, .user = {"u", 1}, .from = CERTMAP_CN}, CERTMAP_PART_USER},
	    {{.subject = {"CN=x", 4}, .from = CERTMAP_SAN_EMAIL}, CERTMAP_PART_USER},
	    {{.san_email = {"*", 1}, .user = {"u", 1}}, CERTMAP_PART_SAN_EMAIL},
	    {{.san_email = {"*@*", 3}, .user = {"u", 1}}, CERTMAP_PART_SAN_EMAIL},
	    {{.san_email = {"a*@x", 4}, .user = {"u", 1}}, CERTMAP_PART_SAN_EMAIL},
	    {{.san_email = {"a@*.x", 5}, .user = {"u", 1}}, CERTMAP_PART_SAN_EMAIL},
	    {{.san_uri = {"*", 1}, .user = {"u", 1}}, CERTMAP_PART_SAN_URI},
	    {{.san_uri = {"x://*", 5}, .user = {"u", 1}}, CERTMAP_PART_SAN_URI},
	    {{.san_uri = {"x:/*", 4}, .user = {"u", 1}}, CERTMAP_PART_SAN_URI},
	    {{.san_uri = {"x://y/*/z", 9}, .user = {"u", 1}}, CERTMAP_PART_SAN_URI},
	    {{.san_uri = {"x://y/a*", 8}, .user = {"u", 1}}, CERTMAP_PART_SAN_URI},
	    {{.fingerprint = {"sha256:00", 9}, .user = {"u", 1}}, CERTMAP_PART_FINGERPRINT},
	    {{.fingerprint = {"sha1:00", 7}, .user = {"u", 1}}, CERTMAP_PART_FINGERPRINT},
	};
	struct certmap_fault fault;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct certmap_rule two[] = {
		    RULE(.subject = STR("CN=x"), .user = STR("u")), rows[i].rule};

		if (certmap_new(two, 2, STR_NONE, &fault) != NULL)
			fail_msg("row %zu was taken", i);
		assert_int_equal(fault.rule, 1);
		assert_int_equal(fault.part, rows[i].part);
		assert_non_null(fault.why);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_are_parsed_and_printed),
	    cmocka_unit_test(a_name_has_limits),
	    cmocka_unit_test(subjects_are_compared_as_names),
	    cmocka_unit_test(addresses_and_their_wildcard),
	    cmocka_unit_test(uris_and_their_wildcard),
	    cmocka_unit_test(fingerprints_and_common_names),
	    cmocka_unit_test(the_first_that_fits_decides),
	    cmocka_unit_test(rules_that_are_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
