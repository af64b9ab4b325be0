/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binary parts to base64.  The first byte is the length of the pieces, which must give the same
 * result as the whole; a second pass changes nothing, and the message keeps its parts, with the
 * same bytes once decoded.
 */
#include "base/err.h"
#include "mail/summary.h"
#include "mail/unbinary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
convert(struct str in, size_t piece, struct buf *out)
{
	struct mail_unbinary *u = mail_unbinary_new();

	for (size_t i = 0; i < in.n; i += piece)
		mail_unbinary_feed(
		    u, (struct str){in.p + i, in.n - i < piece ? in.n - i : piece}, false, out);
	mail_unbinary_feed(u, STR(""), true, out);
	mail_unbinary_free(&u);
}

static void
decode(const struct mail_part *p, struct str message, struct buf *out)
{
	struct mail_decoder d;

	out->n = 0;
	mail_decoder_init(&d, p->encoding);
	mail_decode(&d, (struct str){message.p + p->body_off, p->body_len}, true, out);
}

static void
compare(struct str in, struct str out)
{
	struct buf a = {0}, b = {0}, x = {0}, y = {0};
	struct mail_summary s, t;

	mail_summarize(in, NULL, &a);
	mail_summarize(out, NULL, &b);
	TS_ASSERT(mail_summary_open(buf_as_str(&a), &s) == TS_OK);
	TS_ASSERT(mail_summary_open(buf_as_str(&b), &t) == TS_OK);
	TS_ASSERT(s.part_count == t.part_count);
	for (uint32_t i = 0; i < s.part_count; i++) {
		struct mail_part p, q;

		mail_summary_part(&s, i, &p);
		mail_summary_part(&t, i, &q);
		TS_ASSERT(p.kind == q.kind && p.parent == q.parent && str_eq(p.type, q.type));
		if (p.kind != MAIL_PART_LEAF || p.encoding != MAIL_ENCODING_BINARY)
			continue;
		decode(&p, in, &x);
		decode(&q, out, &y);
		TS_ASSERT(str_eq(buf_as_str(&x), buf_as_str(&y)));
	}
	buf_fini(&a);
	buf_fini(&b);
	buf_fini(&x);
	buf_fini(&y);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf out = {0}, pieces = {0}, again = {0};
	struct str in;

	if (size < 2)
		return 0;
	in = (struct str){(const char *)data + 1, size - 1};
	convert(in, in.n, &out);
	convert(in, 1 + (size_t)data[0], &pieces);
	TS_ASSERT(str_eq(buf_as_str(&out), buf_as_str(&pieces)));
	convert(buf_as_str(&out), out.n + 1, &again);
	TS_ASSERT(str_eq(buf_as_str(&out), buf_as_str(&again)));
	compare(in, buf_as_str(&out));
	buf_fini(&out);
	buf_fini(&pieces);
	buf_fini(&again);
	return 0;
}
