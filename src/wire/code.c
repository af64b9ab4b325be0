/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and prints response codes: see code.h. */
#include "wire/code.h"

#include "wire/capability.h"
#include "wire/out.h"

/* Codes with arguments. */
static const struct wire_name code_names[] = {
    {"UIDNEXT", WIRE_CODE_NUMBER},
    {"UIDVALIDITY", WIRE_CODE_NUMBER},
    {"UNSEEN", WIRE_CODE_NUMBER},
    {"HIGHESTMODSEQ", WIRE_CODE_NUMBER},
    {"PERMANENTFLAGS", WIRE_CODE_FLAGS},
    {"CAPABILITY", WIRE_CODE_WORDS},
    {"BADCHARSET", WIRE_CODE_CHARSETS},
    {"APPENDUID", WIRE_CODE_APPENDUID},
    {"COPYUID", WIRE_CODE_COPYUID},
    {"MODIFIED", WIRE_CODE_SET},
    {"DOWNGRADED", WIRE_CODE_SET},
    {NULL, 0},
};

/* ---- parsing */

/* A name ends before "]", which is not an ATOM-CHAR.  Its arguments are all bytes up to there. */
static bool
read_raw(struct wire_in *in, struct str *args)
{
	const char *from;

	if (!wire_in_try_char(in, ' '))
		return in->error == NULL;
	from = in->p;
	while (in->p < in->end && *in->p != ']' && *in->p != '\r' && *in->p != '\n')
		in->p++;
	*args = str_range(from, in->p);
	return true;
}

static bool
read_uidvalidity(struct wire_in *in, struct wire_code *code)
{
	uint32_t n;
	bool ok = wire_in_sp(in) && wire_in_nz_number(in, &n);

	code->number = ok ? n : 0;
	return ok;
}

static bool
read_set(struct wire_in *in, struct wire_set *set)
{
	return wire_in_sp(in) && wire_in_set(in, set);
}

static bool
read_arguments(struct wire_in *in, struct wire_code *code)
{
	switch (code->kind) {
	case WIRE_CODE_NUMBER:
		return wire_in_sp(in) && wire_in_number64(in, &code->number);
	case WIRE_CODE_FLAGS:
		return wire_in_sp(in) && wire_in_flags_told(in, &code->flags);
	case WIRE_CODE_WORDS:
		return wire_in_words(in, &code->words);
	case WIRE_CODE_CHARSETS:
		return !wire_in_sp_then(in, '(') ||
		       (wire_in_sp(in) && wire_in_astrings(in, &code->words));
	case WIRE_CODE_APPENDUID:
		return read_uidvalidity(in, code) && read_set(in, &code->to);
	case WIRE_CODE_COPYUID:
		return read_uidvalidity(in, code) && read_set(in, &code->from) &&
		       read_set(in, &code->to);
	case WIRE_CODE_SET:
		return read_set(in, &code->from);
	case WIRE_CODE_PLAIN:
		break;
	}
	return read_raw(in, &code->args);
}

bool
wire_in_code(struct wire_in *in, struct wire_code *code_r)
{
	const struct wire_name *known;

	*code_r = (struct wire_code){0};
	if (!wire_in_name(in, &code_r->name))
		return false;
	known = wire_name_find(code_names, code_r->name);
	code_r->kind = known != NULL ? (enum wire_code_args)known->id : WIRE_CODE_PLAIN;
	return read_arguments(in, code_r);
}

/* ---- printing */

void
wire_out_code_number(struct buf *b, const char *name, uint64_t n)
{
	buf_puts(b, name);
	buf_putc(b, ' ');
	buf_u64(b, n);
}

void
wire_out_code_permanentflags(
    struct buf *b, unsigned system, const struct str *keywords, size_t n_keywords, bool star)
{
	buf_puts(b, "PERMANENTFLAGS ");
	wire_out_flags(b, system, keywords, n_keywords, star);
}

void
wire_out_code_downgraded_begin(struct buf *b, struct wire_set_out *set_r)
{
	buf_puts(b, "DOWNGRADED ");
	*set_r = (struct wire_set_out){.b = b};
}

void
wire_out_code_appenduid(struct buf *b, uint32_t uidvalidity, const struct wire_set *uids)
{
	buf_puts(b, "APPENDUID ");
	buf_u64(b, uidvalidity);
	buf_putc(b, ' ');
	wire_set_print(b, uids);
}

void
wire_out_code_copyuid_begin(struct buf *b, uint32_t uidvalidity, struct wire_set_out *set_r)
{
	wire_out_code_number(b, "COPYUID", uidvalidity);
	buf_putc(b, ' ');
	*set_r = (struct wire_set_out){.b = b};
}

void
wire_out_code_copyuid_to(struct wire_set_out *set)
{
	wire_set_out_end(set);
	buf_putc(set->b, ' ');
	*set = (struct wire_set_out){.b = set->b};
}

void
wire_out_code_modified_begin(struct buf *b, struct wire_set_out *set_r)
{
	buf_puts(b, "MODIFIED ");
	*set_r = (struct wire_set_out){.b = b};
}

void
wire_out_code_badcharset(struct buf *b, const char *const *charsets, size_t n)
{
	buf_puts(b, "BADCHARSET");
	for (size_t i = 0; i < n; i++) {
		buf_puts(b, i == 0 ? " (" : " ");
		buf_puts(b, charsets[i]);
	}
	if (n > 0)
		buf_putc(b, ')');
}

static void
put_sets(struct buf *b, const struct wire_code *code)
{
	if (code->kind != WIRE_CODE_SET) {
		buf_putc(b, ' ');
		buf_u64(b, code->number);
	}
	if (code->kind != WIRE_CODE_APPENDUID) {
		buf_putc(b, ' ');
		wire_set_print(b, &code->from);
	}
	if (code->kind != WIRE_CODE_SET) {
		buf_putc(b, ' ');
		wire_set_print(b, &code->to);
	}
}

static void
put_arguments(struct buf *b, const struct wire_dialect *d, const struct wire_code *code)
{
	switch (code->kind) {
	case WIRE_CODE_NUMBER:
		buf_putc(b, ' ');
		buf_u64(b, code->number);
		break;
	case WIRE_CODE_FLAGS:
		buf_putc(b, ' ');
		wire_out_flag_list(b, &code->flags);
		break;
	case WIRE_CODE_WORDS:
		for (size_t i = 0; i < code->words.n; i++) {
			buf_putc(b, ' ');
			buf_str(b, code->words.v[i]);
		}
		break;
	case WIRE_CODE_CHARSETS:
		if (code->words.n == 0)
			break;
		buf_putc(b, ' ');
		wire_out_astrings(b, d, &code->words);
		break;
	case WIRE_CODE_APPENDUID:
	case WIRE_CODE_COPYUID:
	case WIRE_CODE_SET:
		put_sets(b, code);
		break;
	case WIRE_CODE_PLAIN:
		if (code->args.p == NULL)
			break;
		buf_putc(b, ' ');
		buf_str(b, code->args);
		break;
	}
}

void
wire_out_code(struct buf *b, const struct wire_dialect *d, const struct wire_code *code)
{
	buf_str(b, code->name);
	if (code->name.n > 0)
		put_arguments(b, d, code);
}
