/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mechanisms of libsasl2 against the library's own client: DIGEST-MD5, with each of its layers.
 * Its server and its client share a process, so this can open it only once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sasl/sasl.h>

#include "base/mem.h"
#include "sasl/cyrus.h"

#define REALM "example.test"

static struct sasl_cyrus *cyrus;
static unsigned lookups;

static enum sasl_cyrus_found
find(void *arg, struct str name, unsigned char secret_r[16], uint64_t *stamp_r)
{
	(void)arg;
	lookups++;
	if (str_eq(name, STR("away")))
		return SASL_CYRUS_UNAVAILABLE;
	if (!str_eq(name, STR("anna")))
		return SASL_CYRUS_UNKNOWN;
	sasl_digest_md5_secret(name, STR(REALM), STR("blue sea"), secret_r);
	*stamp_r = 7;
	return SASL_CYRUS_FOUND;
}

/* ---- the client */

struct client {
	sasl_conn_t *conn;
	const char *user, *acts_for;
	sasl_secret_t *secret;
	sasl_callback_t callbacks[5];
};

static int
simple(void *context, int id, const char **text_r, unsigned *len_r)
{
	const struct client *c = context;

	*text_r = id == SASL_CB_AUTHNAME ? c->user : c->acts_for;
	if (len_r != NULL)
		*len_r = (unsigned)strlen(*text_r);
	return SASL_OK;
}

static int
password(sasl_conn_t *conn, void *context, int id, sasl_secret_t **secret_r)
{
	(void)conn;
	(void)id;
	*secret_r = ((struct client *)context)->secret;
	return SASL_OK;
}

static int
realm(void *context, int id, const char **realms, const char **realm_r)
{
	(void)context;
	(void)id;
	*realm_r = realms[0];
	return SASL_OK;
}

static void
client_new(
    struct client *c, const char *user, const char *word, const char *acts_for, unsigned strength)
{
	sasl_security_properties_t props = {
	    .min_ssf = strength, .max_ssf = strength, .maxbufsize = 4096};
	size_t n = strlen(word);

	*c = (struct client){.user = user, .acts_for = acts_for};
	c->secret = calloc(1, sizeof(*c->secret) + n);
	c->secret->len = n;
	memcpy(c->secret->data, word, n);
	c->callbacks[0] = (sasl_callback_t){SASL_CB_AUTHNAME, (int (*)(void))(void *)simple, c};
	c->callbacks[1] = (sasl_callback_t){SASL_CB_USER, (int (*)(void))(void *)simple, c};
	c->callbacks[2] = (sasl_callback_t){SASL_CB_PASS, (int (*)(void))(void *)password, c};
	c->callbacks[3] = (sasl_callback_t){SASL_CB_GETREALM, (int (*)(void))(void *)realm, c};
	c->callbacks[4] = (sasl_callback_t){SASL_CB_LIST_END, NULL, NULL};
	assert_int_equal(
	    sasl_client_new("imap", "localhost", NULL, NULL, c->callbacks, 0, &c->conn), SASL_OK);
	assert_int_equal(sasl_setprop(c->conn, SASL_SEC_PROPS, &props), SASL_OK);
}

static void
client_free(struct client *c)
{
	sasl_dispose(&c->conn);
	free(c->secret);
}

/* Runs both sides up to the server's last message. */
static enum sasl_step
talk(struct sasl_exchange *x, struct client *c)
{
	const char *out = NULL, *mech;
	unsigned n = 0;
	enum sasl_step step = sasl_exchange_start(x, NULL);

	assert_int_equal(
	    sasl_client_start(c->conn, "DIGEST-MD5", NULL, &out, &n, &mech), SASL_CONTINUE);
	while (step == SASL_STEP_CHALLENGE) {
		int rc = sasl_client_step(
		    c->conn, x->challenge.p, (unsigned)x->challenge.n, NULL, &out, &n);

		assert_true(rc == SASL_OK || rc == SASL_CONTINUE);
		step = sasl_exchange_step(x, (struct str){out, n});
	}
	return step;
}

static const struct sasl_mech *
mech(void)
{
	struct sasl_mech_list list = sasl_cyrus_mechs(cyrus);

	assert_int_equal(list.n, 1);
	assert_string_equal(list.mechs[0]->name, "DIGEST-MD5");
	return list.mechs[0];
}

/* ---- tests */

static void
secrets(void **state)
{
	static const struct {
		const char *name, *password, *hex;
	} rows[] = {{"anna", "blue sea", "12c3f81f893afae9b7922a73ba923137"},
	    {"j\303\270rn", "\316\261\316\262\316\263", "757aaaca7430e53623444c042938781a"},
	    {"kim", "gr\303\274n", "c31880aa431d5acb5f89b67766b6d66f"},
	    {"\316\261", "x", "93500efa422a109f1fc772b6a559910c"}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		unsigned char secret[16];
		char hex[33];

		sasl_digest_md5_secret(
		    str_of(rows[i].name), STR(REALM), str_of(rows[i].password), secret);
		for (size_t k = 0; k < 16; k++)
			snprintf(hex + 2 * k, 3, "%02x", secret[k]);
		assert_string_equal(hex, rows[i].hex);
	}
}

static void
from_client(struct sasl_layer *layer, struct client *c, struct str text)
{
	const char *out;
	unsigned n;
	struct buf got = {0};

	for (size_t at = 0; at < text.n; at += 1000) {
		assert_int_equal(sasl_encode(c->conn, text.p + at,
		                     (unsigned)(text.n - at < 1000 ? text.n - at : 1000), &out, &n),
		    SASL_OK);
		assert_true(n - 4 <= layer->max_in);
		assert_true(layer->class->decode(layer, (struct str){out, n}, &got));
	}
	assert_int_equal(got.n, text.n);
	assert_memory_equal(got.p, text.p, text.n);
	buf_fini(&got);
}

static void
to_client(struct sasl_layer *layer, struct client *c, struct str text)
{
	struct buf wire = {0}, got = {0};
	struct rd rd;

	assert_true(layer->class->encode(layer, text, &wire));
	rd = rd_of(buf_as_str(&wire));
	while (rd_left(&rd) > 0) {
		const char *start = (const char *)rd.p, *out;
		uint32_t size = rd_be32(&rd);
		unsigned n;

		assert_true(size <= 4096); /* what the client accepts */
		(void)rd_bytes(&rd, size);
		assert_false(rd.bad);
		assert_int_equal(sasl_decode(c->conn, start, size + 4, &out, &n), SASL_OK);
		buf_put(&got, out, n);
	}
	assert_int_equal(got.n, text.n);
	assert_memory_equal(got.p, text.p, text.n);
	buf_fini(&got);
	buf_fini(&wire);
}

static void
layers(void **state)
{
	/* The plugin leaks memory with the last one, which a sanitizer would report. */
#if defined(__SANITIZE_ADDRESS__) || defined(__clang__)
	static const unsigned strengths[] = {0, 1};
#else
	static const unsigned strengths[] = {0, 1, 128};
#endif
	struct buf large = {0};

	(void)state;
	for (unsigned i = 0; i < 5000; i++)
		buf_printf(&large, "line %u\r\n", i);
	for (size_t i = 0; i < sizeof(strengths) / sizeof(*strengths); i++) {
		struct sasl_exchange *x = sasl_exchange_new(mech());
		struct sasl_layer *layer;
		struct buf out = {0};
		struct client c;

		client_new(&c, "anna", "blue sea", "bo", strengths[i]);
		assert_int_equal(talk(x, &c), SASL_STEP_PROVEN);
		assert_true(str_eq(x->result.authcid, STR("anna")));
		assert_true(str_eq(x->result.authzid, STR("bo")));
		assert_int_equal(x->stamp, 7);
		layer = sasl_exchange_layer(x);
		assert_int_equal(layer != NULL, strengths[i] > 0);
		sasl_exchange_free(&x); /* the layer lives on */
		if (layer != NULL) {
			assert_int_equal(layer->strength, strengths[i]);
			from_client(layer, &c, STR("a1 NOOP\r\n"));
			to_client(layer, &c, STR("a1 OK\r\n"));
			from_client(layer, &c, buf_as_str(&large));
			to_client(layer, &c, buf_as_str(&large));
			/* Not what the client sent. */
			assert_false(layer->class->decode(layer,
			    STR("\0\0\0\x16"
			        "0123456789012345\0\1\0\0\0\0"),
			    &out));
			assert_non_null(layer->why);
			buf_fini(&out);
			sasl_layer_free(&layer);
		}
		client_free(&c);
	}
	buf_fini(&large);
}

static void
refused(void **state)
{
	static const struct {
		const char *user, *password;
		enum sasl_step step;
	} rows[] = {{"anna", "green sea", SASL_STEP_REFUSED},
	    {"nobody", "blue sea", SASL_STEP_REFUSED}, {"away", "blue sea", SASL_STEP_UNAVAILABLE}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct sasl_exchange *x = sasl_exchange_new(mech());
		struct client c;

		lookups = 0;
		client_new(&c, rows[i].user, rows[i].password, rows[i].user, 1);
		assert_int_equal(talk(x, &c), rows[i].step);
		assert_non_null(x->why);
		assert_int_equal(lookups, 1);
		sasl_exchange_free(&x);
		client_free(&c);
	}
}

static void
malformed(void **state)
{
	static const char *const texts[] = {"", "=", "username=", "username=\"anna\"",
	    "username=\"anna\",realm=\"x\",realm=\"y\"", "\xff\xfe", ",,,,"};
	struct str initial = STR("username=\"anna\"");
	struct sasl_exchange *x;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		x = sasl_exchange_new(mech());
		assert_int_equal(sasl_exchange_start(x, NULL), SASL_STEP_CHALLENGE);
		assert_int_equal(sasl_exchange_step(x, str_of(texts[i])), SASL_STEP_REFUSED);
		sasl_exchange_free(&x);
	}
	x = sasl_exchange_new(mech());
	assert_int_equal(sasl_exchange_start(x, &initial), SASL_STEP_MALFORMED);
	sasl_exchange_free(&x);
	/* Abandoned before it began, and halfway. */
	x = sasl_exchange_new(mech());
	sasl_exchange_free(&x);
	x = sasl_exchange_new(mech());
	assert_int_equal(sasl_exchange_start(x, NULL), SASL_STEP_CHALLENGE);
	sasl_exchange_free(&x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(secrets),
	    cmocka_unit_test(layers),
	    cmocka_unit_test(refused),
	    cmocka_unit_test(malformed),
	};
	static const struct str names[] = {{"digest-md5", 10}};
	struct sasl_cyrus_options o = {.mechanisms = names,
	    .mechanism_n = 1,
	    .host = STR("localhost"),
	    .realm = STR(REALM),
	    .max_strength = 256,
	    .digest_md5_encrypts = true,
	    .buffer = 65536};
	struct buf why = {0};
	int failed;

	if (!sasl_cyrus_open(&o, &why, &cyrus)) {
		print_message("skipped: %s", buf_cstr(&why));
		buf_fini(&why);
		return 77;
	}
	sasl_cyrus_set_users(cyrus, &(struct sasl_cyrus_users){.digest_md5 = find});
	if (sasl_client_init(NULL) != SASL_OK)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	/* The client is not closed: its plugin forgets a cache at the end. */
	sasl_cyrus_close(&cyrus);
	return failed;
}
