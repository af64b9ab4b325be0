/* SPDX-License-Identifier: Apache-2.0 */
/* See toy.h. */
#include "toy.h"

#include "base/mem.h"

enum { PACKET = 100, TURN = 0x80 };

void
toy_wrap(struct str in, struct buf *out)
{
	buf_be32(out, (uint32_t)in.n + 1);
	buf_putc(out, 'T');
	for (size_t i = 0; i < in.n; i++)
		buf_putc(out, (char)(in.p[i] ^ TURN));
}

bool
toy_unwrap(struct str in, struct buf *out, size_t *used_r)
{
	struct rd rd = rd_of(in);
	uint32_t n = rd_be32(&rd);

	if (rd.bad || n == 0 || in.n - 4 < n || in.p[4] != 'T')
		return false;
	for (size_t i = 1; i < n; i++)
		buf_putc(out, (char)(in.p[4 + i] ^ TURN));
	*used_r = 4 + n;
	return true;
}

static bool
decode(struct sasl_layer *layer, struct str packet, struct buf *out)
{
	size_t used;

	layer->why = "no T";
	return toy_unwrap(packet, out, &used);
}

static bool
encode(struct sasl_layer *layer, struct str in, struct buf *out)
{
	(void)layer;
	for (size_t at = 0; at < in.n; at += PACKET)
		toy_wrap((struct str){in.p + at, in.n - at < PACKET ? in.n - at : PACKET}, out);
	return true;
}

static void
layer_free(struct sasl_layer *layer)
{
	mem_free(layer);
}

static const struct sasl_layer_class layer_class = {
    .decode = decode, .encode = encode, .free = layer_free};

struct toy {
	char names[200];
	bool layer;
};

static struct sasl_layer *
toy_layer(struct sasl_exchange *x)
{
	struct toy *toy = x->own;
	struct sasl_layer *layer;

	if (!toy->layer)
		return NULL;
	layer = mem_zalloc(sizeof(*layer));
	*layer = (struct sasl_layer){.class = &layer_class, .strength = 1, .max_in = 4096};
	return layer;
}

static enum sasl_step
toy_start(struct sasl_exchange *x)
{
	x->challenge = STR_NONE;
	return SASL_STEP_CHALLENGE;
}

static enum sasl_step
toy_step(struct sasl_exchange *x, struct str response)
{
	struct toy *toy;
	struct str rest;

	if (x->own != NULL)
		return SASL_STEP_PROVEN;
	if (response.n >= sizeof(toy->names)) {
		x->why = "too long";
		return SASL_STEP_REFUSED;
	}
	x->own = toy = mem_zalloc(sizeof(*toy));
	memcpy(toy->names, response.p, response.n);
	rest = (struct str){toy->names, response.n};
	if (!str_split(&rest, '\0', &x->result.authzid) ||
	    !str_split(&rest, '\0', &x->result.authcid)) {
		x->why = "no NULs";
		return SASL_STEP_MALFORMED;
	}
	toy->layer = !str_eq(rest, STR("auth"));
	x->challenge = STR("last");
	return str_eq(rest, STR("last")) ? SASL_STEP_CHALLENGE : SASL_STEP_PROVEN;
}

static void
toy_free(void *own)
{
	mem_free(own);
}

static const struct sasl_mech toy = {.name = "X-TOY",
    .flags = SASL_CLIENT_FIRST | SASL_VOUCHES,
    .server_start = toy_start,
    .server_step = toy_step,
    .server_layer = toy_layer,
    .free_own = toy_free,
    .response_max = 20000};
static const struct sasl_mech blocking = {.name = "X-TOY-SLOW",
    .flags = SASL_CLIENT_FIRST | SASL_VOUCHES | SASL_BLOCKS | SASL_TLS_ONLY,
    .server_start = toy_start,
    .server_step = toy_step,
    .server_layer = toy_layer,
    .free_own = toy_free};
static const struct sasl_mech *const mechs[] = {&toy, &blocking};
const struct sasl_mech_list toy_mechs = {mechs, 2};
