/* SPDX-License-Identifier: Apache-2.0 */
/* Whom a certificate admits, and when that is decided again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "certs.h"
#include "net/tls/certmap.h"
#include "net/tls/peer_int.h"
#include "net/tls/tls_int.h"

enum { BEGIN = 1800000000 }; /* the fake clock; some time in 2027 */

static char dir[] = "/tmp/turnstone-peer-XXXXXX";
static char ca_file[64], crl_file[64];
static struct test_cert ca, other_ca, middle;

static int
set_up(void **state)
{
	const int64_t from = BEGIN - 86400, until = BEGIN + 86400 * 1000L;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(ca_file, sizeof(ca_file), "%s/ca.pem", dir);
	snprintf(crl_file, sizeof(crl_file), "%s/crl.pem", dir);
	test_cert_make(
	    &(struct test_cert_spec){.subject = "CN=CA", .ca = true, .from = from, .until = until},
	    &ca);
	test_cert_make(
	    &(struct test_cert_spec){
	        .subject = "CN=Other", .ca = true, .from = from, .until = until},
	    &other_ca);
	test_cert_make(
	    &(struct test_cert_spec){
	        .subject = "CN=Middle", .issuer = &ca, .ca = true, .from = from, .until = until},
	    &middle);
	test_pem_write(ca_file, ca.cert, NULL, NULL, NULL);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	(void)unlink(ca_file);
	(void)unlink(crl_file);
	(void)rmdir(dir);
	test_cert_free(&ca);
	test_cert_free(&other_ca);
	test_cert_free(&middle);
	return 0;
}

static void
client(const struct test_cert *issuer, int64_t from, int64_t until, const char *usage,
    struct test_cert *c)
{
	test_cert_make(&(struct test_cert_spec){.subject = "CN=gateway",
	                   .issuer = issuer,
	                   .from = from,
	                   .until = until,
	                   .usage = usage},
	    c);
}

/* Does what a reload does. */
static void
load(struct tls_slot *slot, bool crl, const char *subject)
{
	struct certmap_rule rule = {
	    .name = STR("gw"), .subject = str_of(subject), .user = STR("gateway")};
	struct certmap_fault fault;
	struct certmap *map = certmap_new(&rule, 1, STR_NONE, &fault);
	struct tls_options o = {
	    .client_ca = ca_file, .client_crl = crl ? crl_file : NULL, .map = map};
	struct tls_ctx *ctx;

	assert_int_equal(tls_ctx_new(&o, NULL, &ctx), TS_OK);
	tls_slot_set(slot, ctx);
	tls_ctx_free(&ctx);
	certmap_free(&map);
}

static struct tls_peer *
peer_of(const struct test_cert *c, const struct test_cert *with)
{
	STACK_OF(X509) *chain = NULL;

	if (with != NULL) {
		chain = sk_X509_new_null();
		X509_up_ref(with->cert);
		sk_X509_push(chain, with->cert);
	}
	X509_up_ref(c->cert);
	return tls_peer_make(c->cert, chain);
}

static void
expect(struct tls_peer *peer, struct tls_slot *slot, int64_t now, enum tls_standing standing,
    const char *why)
{
	const struct tls_identity *id = tls_peer_identity(peer, slot, now);

	if (id->standing != standing)
		fail_msg("%d, not %d: %s", id->standing, standing, id->why != NULL ? id->why : "");
	if (why != NULL && strstr(id->why, why) == NULL)
		fail_msg("%s", id->why);
	assert_true((id->standing == TLS_PEER_KNOWN) == (id->user.n > 0));
	assert_true((id->standing == TLS_PEER_KNOWN) == (id->why == NULL));
	if (standing == TLS_PEER_KNOWN) {
		assert_true(str_eq(id->user, STR("gateway")));
		assert_true(str_eq(id->rule, STR("gw")));
	}
	assert_true(id->subject.n > 0 && id->issuer.n > 0);
	assert_int_equal(id->fingerprint.n, 7 + 64);
}

static void
a_certificate_expires_in_the_middle(void **state)
{
	struct tls_slot *slot = tls_slot_new();
	struct test_cert c = {0};
	struct tls_peer *peer;

	(void)state;
	client(&ca, BEGIN, BEGIN + 100, NULL, &c);
	load(slot, false, "CN=gateway");
	peer = peer_of(&c, NULL);
	expect(peer, slot, BEGIN - 1, TLS_PEER_REFUSED, "not yet valid");
	expect(peer, slot, BEGIN, TLS_PEER_KNOWN, NULL);
	expect(peer, slot, BEGIN + 50, TLS_PEER_KNOWN, NULL);
	expect(peer, slot, BEGIN + 100, TLS_PEER_KNOWN, NULL);
	expect(peer, slot, BEGIN + 101, TLS_PEER_REFUSED, "expired");
	/* A clock that is set back. */
	expect(peer, slot, BEGIN + 60, TLS_PEER_KNOWN, NULL);
	expect(peer, slot, BEGIN - 10, TLS_PEER_REFUSED, "not yet valid");
	tls_peer_free(&peer);
	tls_slot_free(&slot);
	test_cert_free(&c);
}

static void
write_crl(const struct test_cert *revoked, int64_t update, int64_t next)
{
	X509_CRL *crl = test_crl_make(&ca, revoked != NULL ? revoked->cert : NULL, update, next);

	test_pem_write(crl_file, NULL, NULL, crl, NULL);
	X509_CRL_free(crl);
}

static void
it_is_revoked_in_the_middle(void **state)
{
	struct tls_slot *slot = tls_slot_new();
	struct test_cert c = {0}, d = {0};
	struct tls_peer *peer, *other;

	(void)state;
	client(&ca, BEGIN, BEGIN + 10000, NULL, &c);
	client(&ca, BEGIN, BEGIN + 10000, NULL, &d);
	write_crl(&d, BEGIN, BEGIN + 1000);
	load(slot, true, "CN=gateway");
	peer = peer_of(&c, NULL);
	other = peer_of(&d, NULL);
	expect(peer, slot, BEGIN + 1, TLS_PEER_KNOWN, NULL);
	expect(other, slot, BEGIN + 1, TLS_PEER_REFUSED, "revoked");
	/* An expired list says nothing about anybody. */
	expect(peer, slot, BEGIN + 1000, TLS_PEER_KNOWN, NULL);
	expect(peer, slot, BEGIN + 1001, TLS_PEER_REFUSED, "CRL has expired");
	write_crl(&d, BEGIN + 1000, BEGIN + 2000);
	expect(peer, slot, BEGIN + 1002, TLS_PEER_REFUSED, NULL); /* not read yet */
	load(slot, true, "CN=gateway");
	expect(peer, slot, BEGIN + 1002, TLS_PEER_KNOWN, NULL);
	write_crl(&c, BEGIN + 1000, BEGIN + 2000);
	load(slot, true, "CN=gateway");
	expect(peer, slot, BEGIN + 1002, TLS_PEER_REFUSED, "revoked");
	expect(other, slot, BEGIN + 1002, TLS_PEER_KNOWN, NULL);
	tls_peer_free(&peer);
	tls_peer_free(&other);
	tls_slot_free(&slot);
	test_cert_free(&c);
	test_cert_free(&d);
}

static void
the_map_changes_in_the_middle(void **state)
{
	struct tls_slot *slot = tls_slot_new();
	struct test_cert c = {0};
	struct tls_peer *peer;

	(void)state;
	client(&ca, BEGIN, BEGIN + 100, NULL, &c);
	peer = peer_of(&c, NULL);
	load(slot, false, "CN=gateway");
	expect(peer, slot, BEGIN, TLS_PEER_KNOWN, NULL);
	load(slot, false, "CN=somebody else");
	expect(peer, slot, BEGIN, TLS_PEER_UNMAPPED, "certificate_map");
	load(slot, false, "CN=gateway");
	expect(peer, slot, BEGIN, TLS_PEER_KNOWN, NULL);
	tls_slot_set(slot, NULL);
	expect(peer, slot, BEGIN, TLS_PEER_REFUSED, "client_ca");
	tls_peer_free(&peer);
	tls_slot_free(&slot);
	test_cert_free(&c);
}

static void
who_is_not_believed(void **state)
{
	struct tls_slot *slot = tls_slot_new();
	struct test_cert unknown = {0}, server = {0}, self = {0}, below = {0};
	struct tls_peer *peer;

	(void)state;
	load(slot, false, "CN=gateway");
	client(&other_ca, BEGIN, BEGIN + 100, NULL, &unknown);
	client(&ca, BEGIN, BEGIN + 100, "serverAuth", &server);
	client(NULL, BEGIN, BEGIN + 100, NULL, &self);
	client(&middle, BEGIN, BEGIN + 100, NULL, &below);
	peer = peer_of(&unknown, &other_ca);
	expect(peer, slot, BEGIN, TLS_PEER_REFUSED, "self-signed");
	tls_peer_free(&peer);
	peer = peer_of(&server, NULL);
	expect(peer, slot, BEGIN, TLS_PEER_REFUSED, "purpose");
	tls_peer_free(&peer);
	peer = peer_of(&self, NULL);
	expect(peer, slot, BEGIN, TLS_PEER_REFUSED, "self-signed");
	tls_peer_free(&peer);
	/* A chain needs its intermediate certificates. */
	peer = peer_of(&below, NULL);
	expect(peer, slot, BEGIN, TLS_PEER_REFUSED, "local issuer");
	tls_peer_free(&peer);
	peer = peer_of(&below, &middle);
	expect(peer, slot, BEGIN, TLS_PEER_KNOWN, NULL);
	tls_peer_free(&peer);
	/* With lists, each CA in the chain needs one. */
	write_crl(NULL, BEGIN, BEGIN + 1000);
	load(slot, true, "CN=gateway");
	peer = peer_of(&below, &middle);
	expect(peer, slot, BEGIN, TLS_PEER_REFUSED, "unable to get certificate CRL");
	tls_peer_free(&peer);
	/* An anchor that signs nothing is trusted for itself. */
	test_pem_write(ca_file, ca.cert, self.cert, NULL, NULL);
	load(slot, true, "CN=gateway");
	peer = peer_of(&self, NULL);
	expect(peer, slot, BEGIN, TLS_PEER_KNOWN, NULL);
	tls_peer_free(&peer);
	test_pem_write(ca_file, ca.cert, NULL, NULL, NULL);
	tls_slot_free(&slot);
	test_cert_free(&unknown);
	test_cert_free(&server);
	test_cert_free(&self);
	test_cert_free(&below);
}

static void
refused_file(bool crl, const char *text)
{
	struct tls_options o = {.client_ca = ca_file, .client_crl = crl ? crl_file : NULL};
	struct tls_fault fault = {0};
	struct tls_ctx *ctx;
	struct buf why = {0};

	o.fault = &fault;
	assert_int_equal(tls_ctx_new(&o, &why, &ctx), TS_INVALID);
	assert_int_equal(fault.part, crl ? TLS_PART_CLIENT_CRL : TLS_PART_CLIENT_CA);
	if (strstr(buf_cstr(&why), text) == NULL ||
	    strstr(buf_cstr(&why), crl ? crl_file : ca_file) == NULL)
		fail_msg("%s", buf_cstr(&why));
	buf_fini(&why);
}

static void
files_that_are_wrong(void **state)
{
	struct test_cert old = {0}, twin = {0};
	X509_CRL *crl;

	(void)state;
	test_pem_write(ca_file, NULL, NULL, NULL, NULL);
	refused_file(false, "holds no certificate (PEM)");
	(void)unlink(ca_file);
	refused_file(false, "No such file");
	test_cert_make(
	    &(struct test_cert_spec){.subject = "CN=Old", .ca = true, .from = 1000, .until = 2000},
	    &old);
	test_pem_write(ca_file, old.cert, NULL, NULL, NULL);
	refused_file(false, "have expired");
	test_pem_write(ca_file, ca.cert, NULL, NULL, NULL);
	test_pem_write(crl_file, NULL, NULL, NULL, NULL);
	refused_file(true, "holds no list");
	test_cert_make(&(struct test_cert_spec){.subject = "CN=CA", .ca = true}, &twin);
	crl = test_crl_make(&twin, NULL, BEGIN, BEGIN + 10);
	test_pem_write(crl_file, NULL, NULL, crl, NULL);
	refused_file(true, "not signed by the CA of that name");
	X509_CRL_free(crl);
	test_cert_free(&old);
	test_cert_free(&twin);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_certificate_expires_in_the_middle),
	    cmocka_unit_test(it_is_revoked_in_the_middle),
	    cmocka_unit_test(the_map_changes_in_the_middle),
	    cmocka_unit_test(who_is_not_believed),
	    cmocka_unit_test(files_that_are_wrong),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
