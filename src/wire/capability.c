/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and prints CAPABILITY: see capability.h. */
#include "wire/capability.h"

#include "wire/vec.h"

bool
wire_in_words(struct wire_in *in, struct wire_names *words_r)
{
	struct wire_vec vec = {0};

	*words_r = (struct wire_names){0};
	while (wire_in_more(in)) {
		struct str *word;

		if (wire_in_peek(in) == ']') /* the end of a code, after a blank */
			break;
		word = WIRE_VEC_PUSH(in, &vec, struct str, "Too many words");
		if (word == NULL || !wire_in_atom(in, word))
			return false;
	}
	*words_r = (struct wire_names){vec.v, vec.n};
	return in->error == NULL;
}

bool
wire_in_capability(struct wire_in *in, struct wire_names *words_r)
{
	return wire_in_words(in, words_r) && wire_in_end(in);
}

bool
wire_words_have(const struct wire_names *words, struct str word)
{
	for (size_t i = 0; i < words->n; i++)
		if (str_ieq(words->v[i], word))
			return true;
	return false;
}

/* ---- printing */

void
wire_out_words(struct buf *b, const char *name, const struct str *words, size_t n)
{
	buf_puts(b, name);
	for (size_t i = 0; i < n; i++) {
		buf_putc(b, ' ');
		buf_str(b, words[i]);
	}
}

void
wire_out_words_line(struct buf *b, const char *name, const struct str *words, size_t n)
{
	buf_put(b, "* ", 2);
	wire_out_words(b, name, words, n);
	buf_put(b, "\r\n", 2);
}

void
wire_out_capability_begin(struct buf *b)
{
	buf_puts(b, "CAPABILITY");
}

void
wire_out_capability(struct buf *b, const char *prefix, const char *word)
{
	buf_putc(b, ' ');
	buf_puts(b, prefix);
	buf_puts(b, word);
}
