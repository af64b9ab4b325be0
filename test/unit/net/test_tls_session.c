/* SPDX-License-Identifier: Apache-2.0 */
/* Handshakes in memory: tickets and their keys, certificates by name, OCSP responses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/ocsp.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "certs.h"
#include "net/tls/tls_int.h"

enum { PERIOD = 3600 * 1000 };

static char dir[] = "/tmp/turnstone-tls-XXXXXX";
static char cert_file[64], key_file[64], named_file[64], ocsp_file[64], ca_file[64];
static struct test_cert ca, own, named;

static int
set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(cert_file, sizeof(cert_file), "%s/cert.pem", dir);
	snprintf(key_file, sizeof(key_file), "%s/key.pem", dir);
	snprintf(named_file, sizeof(named_file), "%s/named.pem", dir);
	snprintf(ocsp_file, sizeof(ocsp_file), "%s/ocsp.der", dir);
	snprintf(ca_file, sizeof(ca_file), "%s/ca.pem", dir);
	test_cert_make(&(struct test_cert_spec){.subject = "CN=CA", .ca = true}, &ca);
	test_cert_make(
	    &(struct test_cert_spec){.subject = "CN=own", .issuer = &ca, .usage = "serverAuth"},
	    &own);
	test_cert_make(
	    &(struct test_cert_spec){.subject = "CN=named", .issuer = &ca, .usage = "serverAuth"},
	    &named);
	test_pem_write(cert_file, own.cert, ca.cert, NULL, NULL);
	test_pem_write(key_file, NULL, NULL, NULL, own.key);
	test_pem_write(named_file, named.cert, ca.cert, NULL, named.key);
	test_pem_write(ca_file, ca.cert, NULL, NULL, NULL);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	(void)unlink(cert_file);
	(void)unlink(key_file);
	(void)unlink(named_file);
	(void)unlink(ocsp_file);
	(void)unlink(ca_file);
	(void)rmdir(dir);
	test_cert_free(&ca);
	test_cert_free(&own);
	test_cert_free(&named);
	return 0;
}

static struct tls_ctx *
server(struct tls_tickets *tickets)
{
	static const struct str names[] = {{"a.example", 9}, {"*.B.example", 11}};
	const struct tls_named by_name = {names, 2, named_file, NULL, NULL};
	struct tls_options o = {.cert_file = cert_file,
	    .key_file = key_file,
	    .named = &by_name,
	    .named_count = 1,
	    .client_ca = ca_file,
	    .tickets = tickets,
	    .ticket_ms = PERIOD};
	struct tls_ctx *ctx;

	assert_int_equal(tls_ctx_new(&o, NULL, &ctx), TS_OK);
	return ctx;
}

struct dial {
	int version;
	const char *host;
	SSL_SESSION *session; /* to resume, or NULL */
	const struct tls_terms *terms;
	bool ask_ocsp;
	/* the result */
	bool reused;
	SSL_SESSION *got; /* the caller's */
	char subject[64];
	struct buf ocsp;
};

static void
shake(SSL *a, SSL *b)
{
	for (int i = 0; i < 20 && (!SSL_is_init_finished(a) || !SSL_is_init_finished(b)); i++) {
		(void)SSL_do_handshake(a);
		(void)SSL_do_handshake(b);
	}
	assert_true(SSL_is_init_finished(a) && SSL_is_init_finished(b));
}

static int
keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct dial *d = SSL_get_app_data(ssl);

	SSL_SESSION_free(d->got);
	d->got = session;
	return 1;
}

static void
connect_to(struct tls_ctx *ctx, struct dial *d)
{
	SSL_CTX *cctx = SSL_CTX_new(TLS_client_method());
	SSL *c, *s = tls_ssl_new(ctx, -1, d->terms, NULL);
	const unsigned char *ocsp = NULL;
	BIO *cb = NULL, *sb = NULL;
	char byte;
	long n;

	SSL_CTX_set_session_cache_mode(cctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(cctx, keep_session);
	c = SSL_new(cctx);
	assert_true(c != NULL && s != NULL && BIO_new_bio_pair(&cb, 0, &sb, 0) == 1);
	SSL_set_bio(c, cb, cb);
	SSL_set_bio(s, sb, sb);
	SSL_set_app_data(c, d);
	SSL_set_connect_state(c);
	assert_int_equal(SSL_set_min_proto_version(c, d->version), 1);
	assert_int_equal(SSL_set_max_proto_version(c, d->version), 1);
	/* The macro for it casts const away. */
	if (d->host != NULL)
		assert_int_equal(SSL_ctrl(c, SSL_CTRL_SET_TLSEXT_HOSTNAME,
		                     TLSEXT_NAMETYPE_host_name, (void *)(uintptr_t)d->host),
		    1);
	if (d->session != NULL)
		assert_int_equal(SSL_set_session(c, d->session), 1);
	if (d->ask_ocsp)
		SSL_set_tlsext_status_type(c, TLSEXT_STATUSTYPE_ocsp);
	shake(c, s);
	/* TLS 1.3 sends the ticket after the handshake. */
	assert_int_equal(SSL_write(s, "x", 1), 1);
	assert_int_equal(SSL_read(c, &byte, 1), 1);
	/* In a resumed session TLS 1.2 has no callback for the new ticket. */
	if (d->got == NULL)
		d->got = SSL_get1_session(c);
	d->reused = SSL_session_reused(s) == 1;
	assert_int_equal(d->reused, SSL_session_reused(c));
	(void)X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(c)),
	    NID_commonName, d->subject, sizeof(d->subject));
	n = SSL_get_tlsext_status_ocsp_resp(c, &ocsp);
	if (n > 0)
		buf_put(&d->ocsp, ocsp, (size_t)n);
	/* Without close_notify a session counts as broken. */
	(void)SSL_shutdown(s);
	(void)SSL_shutdown(c);
	SSL_free(c);
	SSL_free(s);
	SSL_CTX_free(cctx);
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

/* Whether a session from `first` is resumed with `second`. */
static bool
resumes(struct tls_ctx *first, struct tls_ctx *second, int version, const struct tls_terms *a,
    const struct tls_terms *b)
{
	struct dial d = {.version = version, .terms = a}, e = {.version = version, .terms = b};

	connect_to(first, &d);
	assert_false(d.reused);
	assert_non_null(d.got);
	e.session = d.got;
	connect_to(second, &e);
	SSL_SESSION_free(d.got);
	SSL_SESSION_free(e.got);
	return e.reused;
}

static void
sessions_go_on_with_another_context(void **state)
{
	struct tls_tickets *tickets = tls_tickets_new(PERIOD), *others = tls_tickets_new(PERIOD);
	struct tls_ctx *a = server(tickets), *b = server(tickets), *c = server(others);
	const struct tls_terms one = {TLS_CLIENT_REQUEST, "one"}, two = {TLS_CLIENT_REQUEST, "two"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_true(resumes(a, a, versions[i], NULL, NULL));
		assert_true(resumes(a, b, versions[i], NULL, NULL));
		assert_false(resumes(a, c, versions[i], NULL, NULL));
		assert_true(resumes(a, b, versions[i], &one, &one));
		assert_false(resumes(a, b, versions[i], &one, &two));
		assert_false(resumes(a, b, versions[i], NULL, &one));
	}
	tls_ctx_free(&a);
	tls_ctx_free(&b);
	tls_ctx_free(&c);
	tls_tickets_free(&tickets);
	tls_tickets_free(&others);
}

static void
keys_are_taken_for_one_period_more(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct tls_tickets *tickets = tls_tickets_new(PERIOD);
		struct tls_ctx *ctx = server(tickets);
		struct dial d = {.version = versions[i]}, e = {.version = versions[i]},
		            f = {.version = versions[i]}, g = {.version = versions[i]},
		            h = {.version = versions[i]};
		uint64_t now = clock_mono_ms();

		connect_to(ctx, &d);
		/* A period later another key makes tickets; old tickets are still accepted. */
		tls_tickets_rotate(tickets, now + PERIOD + 1000);
		e.session = d.got;
		connect_to(ctx, &e);
		assert_true(e.reused);
		/* With a new ticket, from the new key. */
		h.session = e.got;
		connect_to(ctx, &h);
		assert_true(h.reused);
		/* One more: the first ticket is no longer valid. */
		tls_tickets_rotate(tickets, now + 2 * (uint64_t)PERIOD + 1000);
		f.session = d.got;
		connect_to(ctx, &f);
		assert_false(f.reused);
		/* Switched off: tickets are neither accepted nor issued. */
		tls_tickets_set_period(tickets, 0);
		g.session = f.got;
		connect_to(ctx, &g);
		assert_false(g.reused);
		SSL_SESSION_free(d.got);
		SSL_SESSION_free(e.got);
		SSL_SESSION_free(f.got);
		SSL_SESSION_free(g.got);
		SSL_SESSION_free(h.got);
		tls_ctx_free(&ctx);
		tls_tickets_free(&tickets);
	}
}

static void
without_tickets_nothing_is_resumed(void **state)
{
	struct tls_ctx *ctx = server(NULL);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct dial d = {.version = versions[i]}, e = {.version = versions[i]};

		connect_to(ctx, &d);
		e.session = d.got;
		connect_to(ctx, &e);
		assert_false(e.reused);
		SSL_SESSION_free(d.got);
		SSL_SESSION_free(e.got);
	}
	tls_ctx_free(&ctx);
}

static void
names_choose_certificates(void **state)
{
	static const struct {
		const char *host, *subject;
	} rows[] = {
	    {NULL, "own"},
	    {"a.example", "named"},
	    {"A.EXAMPLE", "named"},
	    {"x.b.example", "named"},
	    {"b.example", "own"},
	    {"x.y.b.example", "own"},
	    {".b.example", "own"},
	    {"aa.example", "own"},
	};
	struct tls_ctx *ctx = server(NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct dial d = {.version = TLS1_3_VERSION, .host = rows[i].host};

		connect_to(ctx, &d);
		if (strcmp(d.subject, rows[i].subject) != 0)
			fail_msg("%s: %s", rows[i].host, d.subject);
		SSL_SESSION_free(d.got);
	}
	tls_ctx_free(&ctx);
}

/* For a certificate, signed by the CA or somebody else. */
static void
write_ocsp(const struct test_cert *about, const struct test_cert *signer, int status, int64_t from,
    int64_t until)
{
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	OCSP_CERTID *id = OCSP_cert_to_id(NULL, about->cert, ca.cert);
	ASN1_TIME *a = ASN1_GENERALIZEDTIME_set(NULL, (time_t)from),
	          *b = ASN1_GENERALIZEDTIME_set(NULL, (time_t)until);
	OCSP_RESPONSE *response;
	unsigned char *der = NULL;
	FILE *f = fopen(ocsp_file, "we");
	int n;

	assert_non_null(OCSP_basic_add1_status(basic, id, status, 0,
	    status == V_OCSP_CERTSTATUS_REVOKED ? a : NULL, a, until != 0 ? b : NULL));
	assert_int_equal(
	    OCSP_basic_sign(basic, signer->cert, signer->key, EVP_sha256(), NULL, 0), 1);
	response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	n = i2d_OCSP_RESPONSE(response, &der);
	assert_true(f != NULL && n > 0 && fwrite(der, 1, (size_t)n, f) == (size_t)n);
	assert_int_equal(fclose(f), 0);
	OPENSSL_free(der);
	OCSP_RESPONSE_free(response);
	OCSP_BASICRESP_free(basic);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(a);
	ASN1_TIME_free(b);
}

/* refused: words of the reason; NULL: accepted, and sent or not. */
static void
expect_ocsp(const char *refused, bool sent)
{
	struct buf why = {0}, warnings = {0};
	struct tls_fault fault = {0};
	struct tls_options o = {.cert_file = cert_file,
	    .key_file = key_file,
	    .ocsp_file = ocsp_file,
	    .warnings = &warnings,
	    .fault = &fault};
	struct tls_ctx *ctx;

	if (refused != NULL) {
		assert_int_equal(tls_ctx_new(&o, &why, &ctx), TS_INVALID);
		assert_int_equal(fault.part, TLS_PART_OCSP);
		if (strstr(buf_cstr(&why), refused) == NULL)
			fail_msg("%s", buf_cstr(&why));
	} else {
		assert_int_equal(tls_ctx_new(&o, &why, &ctx), TS_OK);
		assert_int_equal(strstr(buf_cstr(&warnings), "out of date") == NULL, sent);
		for (size_t i = 0; i < 2; i++)
			for (int ask = 0; ask < 2; ask++) {
				struct dial d = {.version = versions[i], .ask_ocsp = ask != 0};

				connect_to(ctx, &d);
				assert_int_equal(d.ocsp.n > 0, sent && ask != 0);
				SSL_SESSION_free(d.got);
				buf_fini(&d.ocsp);
			}
		tls_ctx_free(&ctx);
	}
	buf_fini(&why);
	buf_fini(&warnings);
}

static void
ocsp_responses(void **state)
{
	int64_t now = (int64_t)time(NULL);
	struct test_cert responder = {0};
	FILE *f;

	(void)state;
	write_ocsp(&own, &ca, V_OCSP_CERTSTATUS_GOOD, now - 60, now + 3600);
	expect_ocsp(NULL, true);
	write_ocsp(&own, &ca, V_OCSP_CERTSTATUS_GOOD, now - 60, 0);
	expect_ocsp(NULL, true); /* no end */
	write_ocsp(&own, &ca, V_OCSP_CERTSTATUS_GOOD, now - 7200, now - 3600);
	expect_ocsp(NULL, false); /* its time is over */
	write_ocsp(&own, &ca, V_OCSP_CERTSTATUS_GOOD, now + 3600, now + 7200);
	expect_ocsp(NULL, false); /* not yet */
	write_ocsp(&own, &ca, V_OCSP_CERTSTATUS_REVOKED, now - 60, now + 3600);
	expect_ocsp("revoked", false);
	write_ocsp(&named, &ca, V_OCSP_CERTSTATUS_GOOD, now - 60, now + 3600);
	expect_ocsp("not about the certificate", false);
	write_ocsp(&own, &own, V_OCSP_CERTSTATUS_GOOD, now - 60, now + 3600);
	expect_ocsp("not signed by", false);
	/* Whom the CA has authorized (RFC 6960 section 4.2.2.2), and whom it has not. */
	test_cert_make(
	    &(struct test_cert_spec){.subject = "CN=r", .issuer = &ca, .usage = "OCSPSigning"},
	    &responder);
	write_ocsp(&own, &responder, V_OCSP_CERTSTATUS_GOOD, now - 60, now + 3600);
	expect_ocsp(NULL, true);
	test_cert_free(&responder);
	test_cert_make(
	    &(struct test_cert_spec){.subject = "CN=r", .usage = "OCSPSigning"}, &responder);
	write_ocsp(&own, &responder, V_OCSP_CERTSTATUS_GOOD, now - 60, now + 3600);
	expect_ocsp("not signed by", false);
	test_cert_free(&responder);
	f = fopen(ocsp_file, "we");
	assert_true(f != NULL && fputs("junk", f) >= 0 && fclose(f) == 0);
	expect_ocsp("no OCSP response", false);
	(void)unlink(ocsp_file);
	expect_ocsp("No such file", false);
}

static void
an_own_certificate_that_has_expired(void **state)
{
	struct test_cert old = {0};
	struct buf why = {0}, warnings = {0};
	struct tls_options o = {.cert_file = ocsp_file, .warnings = &warnings};
	struct tls_ctx *ctx;

	(void)state;
	test_cert_make(
	    &(struct test_cert_spec){.subject = "CN=old", .from = 1000, .until = 2000}, &old);
	test_pem_write(ocsp_file, old.cert, NULL, NULL, old.key);
	assert_int_equal(tls_ctx_new(&o, &why, &ctx), TS_INVALID);
	assert_non_null(strstr(buf_cstr(&why), "expired"));
	o.expired = true;
	assert_int_equal(tls_ctx_new(&o, &why, &ctx), TS_OK);
	assert_non_null(strstr(buf_cstr(&warnings), "expired"));
	tls_ctx_free(&ctx);
	test_cert_free(&old);
	buf_fini(&why);
	buf_fini(&warnings);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sessions_go_on_with_another_context),
	    cmocka_unit_test(keys_are_taken_for_one_period_more),
	    cmocka_unit_test(without_tickets_nothing_is_resumed),
	    cmocka_unit_test(names_choose_certificates),
	    cmocka_unit_test(ocsp_responses),
	    cmocka_unit_test(an_own_certificate_that_has_expired),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
