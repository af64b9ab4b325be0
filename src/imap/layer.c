/* SPDX-License-Identifier: Apache-2.0 */
/* See layer.h. */
#include "imap/layer.h"

#include "base/mem.h"
#include "net/deflate.h"

/* ---- a SASL layer as one of the stream */

enum { LENGTH = 4 };

struct sasl {
	struct imap_layer layer;
	struct stream_layer stream;
	struct sasl_layer *sasl;
};

static struct sasl_layer *
sasl_of(struct stream_layer *stream)
{
	return list_entry(stream, struct sasl, stream)->sasl;
}

static bool
decode(struct stream_layer *stream, struct str in, size_t room, struct buf *out, size_t *used_r)
{
	struct sasl_layer *sasl = sasl_of(stream);
	struct rd rd = rd_of(in);
	uint32_t n;

	(void)room; /* one buffer at a time, whose size is bounded */
	if (in.n < LENGTH)
		return true;
	n = rd_be32(&rd);
	if (n == 0 || n > sasl->max_in) {
		stream->why =
		    n == 0 ? "an empty buffer" : "a buffer that is larger than was agreed";
		return false;
	}
	if (in.n - LENGTH < n)
		return true;
	*used_r = LENGTH + n;
	if (sasl->class->decode(sasl, (struct str){in.p, LENGTH + n}, out))
		return true;
	stream->why = sasl->why;
	return false;
}

static bool
encode(struct stream_layer *stream, struct str in, struct buf *out)
{
	struct sasl_layer *sasl = sasl_of(stream);

	if (sasl->class->encode(sasl, in, out))
		return true;
	stream->why = sasl->why;
	return false;
}

static const struct stream_layer_class class = {
    .name = "SASL security layer", .decode = decode, .encode = encode};

static void
free_sasl(struct imap_layer *layer)
{
	struct sasl *own = list_entry(layer, struct sasl, layer);

	sasl_layer_free(&own->sasl);
	mem_free(own);
}

struct imap_layer *
imap_layer_new(struct sasl_layer *sasl)
{
	struct sasl *own = mem_zalloc(sizeof(*own));

	own->stream.class = &class;
	own->layer =
	    (struct imap_layer){.stream = &own->stream, .free = free_sasl, .secures = true};
	own->sasl = sasl;
	return &own->layer;
}

/* ---- compression */

static void
free_compressing(struct imap_layer *layer)
{
	deflate_layer_free(layer->stream);
	mem_free(layer);
}

struct imap_layer *
imap_layer_compressing(const struct imap_conn *conn, int level)
{
	struct imap_layer *layer = mem_zalloc(sizeof(*layer));

	layer->stream = deflate_layer_new(conn->il->loop, level);
	layer->free = free_compressing;
	layer->compresses = true;
	layer->reserved = DEFLATE_MEMORY;
	return layer;
}

/* ---- the stack */

bool
imap_layers_secure(const struct imap_conn *conn)
{
	for (const struct imap_layer *l = imap_login(conn)->layers; l != NULL; l = l->below)
		if (l->secures)
			return true;
	return false;
}

bool
imap_layers_compress(const struct imap_conn *conn)
{
	for (const struct imap_layer *l = imap_login(conn)->layers; l != NULL; l = l->below)
		if (l->compresses)
			return true;
	return false;
}

void
imap_layer_push(struct imap_login *login, struct imap_layer *layer)
{
	layer->below = login->layers;
	login->layers = layer;
}

static void
begin(struct imap_conn *conn, struct imap_layer *layer)
{
	if (layer == NULL || layer->on)
		return;
	begin(conn, layer->below);
	layer->on = true;
	stream_push(conn->session.stream, layer->stream);
}

void
imap_layers_begin(struct imap_conn *conn)
{
	begin(conn, imap_login(conn)->layers);
}

void
imap_layers_move(struct imap_conn *conn, struct imap_login *from, struct imap_login *to)
{
	to->layers = from->layers;
	from->layers = NULL;
	if (to->layers != NULL)
		stream_forget(conn->session.stream);
}

void
imap_layers_end(struct imap_conn *conn, struct imap_login *login)
{
	struct imap_layer *layer;

	while ((layer = login->layers) != NULL) {
		login->layers = layer->below;
		if (layer->on && conn->session.stream != NULL)
			stream_pop(conn->session.stream);
		layer->on = false;
		layer->free(layer);
	}
}
