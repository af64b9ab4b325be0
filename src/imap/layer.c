/* SPDX-License-Identifier: Apache-2.0 */
/* See layer.h: a layer of SASL as one of the stream. */
#include "imap/layer.h"

#include "base/mem.h"
#include "net/layer.h"

enum { LENGTH = 4 };

struct imap_layer {
	struct stream_layer stream;
	struct sasl_layer *sasl;
	bool on;
};

static bool
decode(struct stream_layer *stream, struct str in, size_t room, struct buf *out, size_t *used_r)
{
	struct sasl_layer *sasl = ((struct imap_layer *)(void *)stream)->sasl;
	struct rd rd = rd_of(in);
	uint32_t n;

	(void)room; /* one buffer at a time, which is bounded */
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
	struct sasl_layer *sasl = ((struct imap_layer *)(void *)stream)->sasl;

	if (sasl->class->encode(sasl, in, out))
		return true;
	stream->why = sasl->why;
	return false;
}

static const struct stream_layer_class class = {
    .name = "SASL security layer", .decode = decode, .encode = encode};

struct imap_layer *
imap_layer_new(struct sasl_layer *sasl)
{
	struct imap_layer *layer = mem_zalloc(sizeof(*layer));

	layer->stream.class = &class;
	layer->sasl = sasl;
	return layer;
}

void
imap_layer_free(struct imap_layer **lp)
{
	struct imap_layer *layer = *lp;

	*lp = NULL;
	if (layer == NULL)
		return;
	sasl_layer_free(&layer->sasl);
	mem_free(layer);
}

void
imap_layer_begin(struct imap_conn *conn)
{
	struct imap_layer *layer = imap_login(conn)->layer;

	if (layer == NULL || layer->on)
		return;
	layer->on = true;
	stream_push(conn->stream, &layer->stream);
}

void
imap_layer_end(struct imap_conn *conn, struct imap_layer *layer)
{
	if (layer == NULL || !layer->on)
		return;
	layer->on = false;
	stream_pop(conn->stream);
}
