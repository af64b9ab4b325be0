/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and prints SEARCH and ESEARCH: see search.h. */
#include "wire/cmd/search.h"

#include "wire/vec.h"

const struct wire_name wire_key_names[] = {
    {"ALL", WIRE_KEY_ALL},
    {"ANSWERED", WIRE_KEY_ANSWERED},
    {"BCC", WIRE_KEY_BCC},
    {"BEFORE", WIRE_KEY_BEFORE},
    {"BODY", WIRE_KEY_BODY},
    {"CC", WIRE_KEY_CC},
    {"DELETED", WIRE_KEY_DELETED},
    {"DRAFT", WIRE_KEY_DRAFT},
    {"FLAGGED", WIRE_KEY_FLAGGED},
    {"FROM", WIRE_KEY_FROM},
    {"HEADER", WIRE_KEY_HEADER},
    {"KEYWORD", WIRE_KEY_KEYWORD},
    {"LARGER", WIRE_KEY_LARGER},
    {"NEW", WIRE_KEY_NEW},
    {"NOT", WIRE_KEY_NOT},
    {"OLD", WIRE_KEY_OLD},
    {"OLDER", WIRE_KEY_OLDER},
    {"ON", WIRE_KEY_ON},
    {"OR", WIRE_KEY_OR},
    {"RECENT", WIRE_KEY_RECENT},
    {"SEEN", WIRE_KEY_SEEN},
    {"SENTBEFORE", WIRE_KEY_SENTBEFORE},
    {"SENTON", WIRE_KEY_SENTON},
    {"SENTSINCE", WIRE_KEY_SENTSINCE},
    {"SINCE", WIRE_KEY_SINCE},
    {"SMALLER", WIRE_KEY_SMALLER},
    {"SUBJECT", WIRE_KEY_SUBJECT},
    {"TEXT", WIRE_KEY_TEXT},
    {"TO", WIRE_KEY_TO},
    {"UID", WIRE_KEY_UID},
    {"UNANSWERED", WIRE_KEY_UNANSWERED},
    {"UNDELETED", WIRE_KEY_UNDELETED},
    {"UNDRAFT", WIRE_KEY_UNDRAFT},
    {"UNFLAGGED", WIRE_KEY_UNFLAGGED},
    {"UNKEYWORD", WIRE_KEY_UNKEYWORD},
    {"UNSEEN", WIRE_KEY_UNSEEN},
    {"YOUNGER", WIRE_KEY_YOUNGER},
    {NULL, 0},
};

const struct wire_name wire_return_names[] = {
    {"MIN", WIRE_RETURN_MIN},
    {"MAX", WIRE_RETURN_MAX},
    {"ALL", WIRE_RETURN_ALL},
    {"COUNT", WIRE_RETURN_COUNT},
    {"SAVE", WIRE_RETURN_SAVE},
    {NULL, 0},
};

struct parser {
	struct wire_in *in;
	struct wire_search *cmd;
	wire_key_ext_f *ext;
	void *arg;
	uint32_t depth;
};

static bool read_key(struct parser *p, struct wire_key **key_r);

/* Reads one more key into *tail, which then moves to its next. */
static bool
read_child(struct parser *p, struct wire_key ***tail)
{
	if (!read_key(p, *tail))
		return false;
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): read_key() has set it */
	*tail = &(**tail)->next;
	return true;
}

/* Counts a key. */
static bool
one_more(struct parser *p)
{
	if (++p->cmd->n_keys > p->in->limits->search_keys)
		return wire_in_limit(p->in, "Too many search keys");
	return true;
}

/* An OR of ORs, on either side, becomes one with many keys: clients build long chains. */
static bool
read_alternatives(struct parser *p, struct wire_key ***tail)
{
	for (size_t left = 2; left > 0;) {
		if (!wire_in_sp(p->in))
			return false;
		if (wire_in_try_word(p->in, "OR")) {
			if (!one_more(p))
				return false;
			left++;
		} else if (!read_child(p, tail))
			return false;
		else
			left--;
	}
	return true;
}

static bool
read_children(struct parser *p, struct wire_key *key)
{
	struct wire_key **tail = &key->child;

	switch (key->id) {
	case WIRE_KEY_NOT:
		return wire_in_sp(p->in) && read_child(p, &tail);
	case WIRE_KEY_OR:
		return read_alternatives(p, &tail);
	default: /* AND, after the parenthesis */
		do {
			if (!read_child(p, &tail))
				return false;
		} while (wire_in_more(p->in));
		return wire_in_close(p->in);
	}
}

/* Bounds the recursion. */
static bool
read_nested(struct parser *p, struct wire_key *key)
{
	bool ok;

	if (++p->depth > p->in->limits->search_depth)
		return wire_in_limit(p->in, "Search too deeply nested");
	ok = read_children(p, key);
	p->depth--;
	return ok;
}

/* Clients may send a number in quotes. */
static bool
read_number(struct wire_in *in, struct wire_key *key)
{
	bool quoted = wire_in_try_char(in, '"');

	return wire_in_number64(in, &key->number) && (!quoted || wire_in_char(in, '"'));
}

static bool
read_age(struct wire_in *in, struct wire_key *key)
{
	bool quoted = wire_in_try_char(in, '"');
	uint32_t seconds;
	bool ok = wire_in_nz_number(in, &seconds) && (!quoted || wire_in_char(in, '"'));

	key->number = seconds;
	return ok;
}

/* Quotes are allowed around an argument; where a key is expected they would not turn a string into
 * a set. */
static bool
read_uids(struct wire_in *in, struct wire_key *key)
{
	bool quoted = wire_in_try_char(in, '"');

	return wire_in_set(in, &key->set) && (!quoted || wire_in_char(in, '"'));
}

/* Reads an atom, possibly in quotes. */
static bool
read_keyword(struct wire_in *in, struct wire_key *key)
{
	struct str text;
	struct wire_in sub;

	if (wire_in_peek(in) != '"')
		return wire_in_atom(in, &key->text);
	if (!wire_in_quoted(in, &text))
		return false;
	sub = wire_in_sub(in, text);
	if (!wire_in_atom(&sub, &key->text) || sub.p != sub.end)
		return wire_in_fail(in, "Expected a keyword");
	return true;
}

static bool
read_arguments(struct parser *p, struct wire_key *key)
{
	struct wire_in *in = p->in;

	switch (key->id) {
	case WIRE_KEY_NOT:
	case WIRE_KEY_OR:
		return read_nested(p, key);
	case WIRE_KEY_KEYWORD:
	case WIRE_KEY_UNKEYWORD:
		return wire_in_sp(in) && read_keyword(in, key);
	case WIRE_KEY_HEADER:
		if (!wire_in_sp(in) || !wire_in_astring(in, &key->field))
			return false;
		return wire_in_sp(in) && wire_in_astring(in, &key->text);
	case WIRE_KEY_BCC:
	case WIRE_KEY_BODY:
	case WIRE_KEY_CC:
	case WIRE_KEY_FROM:
	case WIRE_KEY_SUBJECT:
	case WIRE_KEY_TEXT:
	case WIRE_KEY_TO:
		return wire_in_sp(in) && wire_in_astring(in, &key->text);
	case WIRE_KEY_BEFORE:
	case WIRE_KEY_ON:
	case WIRE_KEY_SINCE:
	case WIRE_KEY_SENTBEFORE:
	case WIRE_KEY_SENTON:
	case WIRE_KEY_SENTSINCE:
		return wire_in_sp(in) && wire_in_date(in, &key->day);
	case WIRE_KEY_LARGER:
	case WIRE_KEY_SMALLER:
		return wire_in_sp(in) && read_number(in, key);
	case WIRE_KEY_OLDER:
	case WIRE_KEY_YOUNGER:
		return wire_in_sp(in) && read_age(in, key);
	case WIRE_KEY_UID:
		return wire_in_sp(in) && read_uids(in, key);
	default: /* without arguments */
		return true;
	}
}

bool
wire_key_is_base(enum wire_key_id id)
{
	return id != WIRE_KEY_OLDER && id != WIRE_KEY_YOUNGER && id < WIRE_KEY_OTHER;
}

static bool
read_named_key(struct parser *p, struct wire_key *key)
{
	const struct wire_name *known;
	struct str name;

	if (!wire_in_name(p->in, &name))
		return false;
	known = wire_name_find(wire_key_names, name);
	if (known != NULL) {
		key->id = known->id;
		return read_arguments(p, key);
	}
	key->id = WIRE_KEY_OTHER;
	key->text = name;
	if (p->ext != NULL && p->ext(p->in, name, key, p->arg))
		return p->in->error == NULL;
	return wire_in_fail(p->in, "Unknown search key");
}

static bool
read_key(struct parser *p, struct wire_key **key_r)
{
	struct wire_key *key;
	char c = wire_in_peek(p->in);

	if (p->in->error != NULL)
		return false;
	if (!one_more(p))
		return false;
	key = arena_try_object(p->in->arena, struct wire_key);
	if (key == NULL)
		return wire_in_no_memory(p->in);
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): never NULL */
	*key_r = key;
	if (wire_in_try_open(p->in)) {
		key->id = WIRE_KEY_AND;
		return read_nested(p, key);
	}
	if (c == '*' || c == '$' || (c >= '0' && c <= '9')) {
		key->id = WIRE_KEY_SET;
		return wire_in_set(p->in, &key->set);
	}
	return read_named_key(p, key);
}

bool
wire_search_read_returns(struct wire_in *in, struct wire_search *cmd)
{
	struct wire_params *params = &cmd->return_other;
	size_t kept = 0;

	cmd->has_return = true;
	if (!wire_in_sp(in) || !wire_in_params(in, params))
		return false;
	if (params->n == 0) /* RFC 4731 section 3.1 */
		cmd->returns = WIRE_RETURN_ALL;
	for (size_t i = 0; i < params->n; i++) {
		const struct wire_name *known =
		    wire_name_find(wire_return_names, params->v[i].name);

		if (known == NULL)
			params->v[kept++] = params->v[i];
		else if (params->v[i].value.p != NULL)
			return wire_in_fail(in, "This option takes no value");
		else
			cmd->returns |= known->id;
	}
	params->n = kept;
	return true;
}

bool
wire_search_read_keys(struct wire_in *in, struct wire_search *cmd, wire_key_ext_f *ext, void *arg)
{
	struct parser p = {.in = in, .cmd = cmd, .ext = ext, .arg = arg};
	struct wire_key **tail;

	cmd->root = arena_try_object(in->arena, struct wire_key);
	if (cmd->root == NULL)
		return wire_in_no_memory(in);
	cmd->root->id = WIRE_KEY_AND;
	tail = &cmd->root->child;
	do {
		if (!read_child(&p, &tail))
			return false;
	} while (wire_in_more(in));
	return wire_in_end(in);
}

bool
wire_search_parse(struct wire_in *in, struct wire_search *cmd_r, wire_key_ext_f *ext, void *arg)
{
	*cmd_r = (struct wire_search){0};
	if (!wire_in_sp(in))
		return false;
	if (wire_in_try_word(in, "RETURN") &&
	    (!wire_search_read_returns(in, cmd_r) || !wire_in_sp(in)))
		return false;
	if (wire_in_try_word(in, "CHARSET") &&
	    (!wire_in_sp(in) || !wire_in_astring(in, &cmd_r->charset) || !wire_in_sp(in)))
		return false;
	return wire_search_read_keys(in, cmd_r, ext, arg);
}

/* ---- printing the command */

struct printer {
	struct buf *b;
	const struct wire_dialect *d;
	wire_key_ext_print_f *ext;
	void *arg;
};

static void print_key(struct printer *p, const struct wire_key *key);

/* OR takes two keys; more become nested ORs, on the right. */
static void
print_alternatives(struct printer *p, const struct wire_key *key)
{
	for (; key->next != NULL; key = key->next) {
		buf_puts(p->b, "OR ");
		print_key(p, key);
		buf_putc(p->b, ' ');
	}
	print_key(p, key);
}

static void
print_all(struct printer *p, const struct wire_key *key)
{
	for (const struct wire_key *k = key; k != NULL; k = k->next) {
		if (k != key)
			buf_putc(p->b, ' ');
		print_key(p, k);
	}
}

static void
print_text(struct printer *p, struct str text)
{
	buf_putc(p->b, ' ');
	wire_out_astring(p->b, p->d, text);
}

static void
print_arguments(struct printer *p, const struct wire_key *key)
{
	switch (key->id) {
	case WIRE_KEY_KEYWORD:
	case WIRE_KEY_UNKEYWORD:
		buf_putc(p->b, ' ');
		buf_str(p->b, key->text);
		break;
	case WIRE_KEY_HEADER:
		print_text(p, key->field);
		print_text(p, key->text);
		break;
	case WIRE_KEY_BCC:
	case WIRE_KEY_BODY:
	case WIRE_KEY_CC:
	case WIRE_KEY_FROM:
	case WIRE_KEY_SUBJECT:
	case WIRE_KEY_TEXT:
	case WIRE_KEY_TO:
		print_text(p, key->text);
		break;
	case WIRE_KEY_BEFORE:
	case WIRE_KEY_ON:
	case WIRE_KEY_SINCE:
	case WIRE_KEY_SENTBEFORE:
	case WIRE_KEY_SENTON:
	case WIRE_KEY_SENTSINCE:
		buf_putc(p->b, ' ');
		wire_out_date(p->b, key->day);
		break;
	case WIRE_KEY_LARGER:
	case WIRE_KEY_SMALLER:
	case WIRE_KEY_OLDER:
	case WIRE_KEY_YOUNGER:
		buf_putc(p->b, ' ');
		buf_u64(p->b, key->number);
		break;
	case WIRE_KEY_UID:
		buf_putc(p->b, ' ');
		wire_set_print(p->b, &key->set);
		break;
	default: /* without arguments */
		break;
	}
}

static void
print_key(struct printer *p, const struct wire_key *key)
{
	switch (key->id) {
	case WIRE_KEY_AND:
		buf_putc(p->b, '(');
		print_all(p, key->child);
		buf_putc(p->b, ')');
		break;
	case WIRE_KEY_OR:
		print_alternatives(p, key->child);
		break;
	case WIRE_KEY_NOT:
		buf_puts(p->b, "NOT ");
		print_key(p, key->child);
		break;
	case WIRE_KEY_SET:
		wire_set_print(p->b, &key->set);
		break;
	case WIRE_KEY_OTHER:
		if (p->ext != NULL)
			p->ext(p->b, p->d, key, p->arg);
		else
			buf_str(p->b, key->text);
		break;
	default:
		buf_puts(p->b, wire_name_of(wire_key_names, key->id));
		print_arguments(p, key);
		break;
	}
}

void
wire_search_print_returns(struct buf *b, const struct wire_search *cmd)
{
	const char *between = "(";

	buf_puts(b, " RETURN ");
	wire_out_bits(b, wire_return_names, cmd->returns, &between);
	if (cmd->return_other.n > 0 || *between == '(')
		buf_puts(b, between);
	wire_out_params(b, &cmd->return_other);
	buf_putc(b, ')');
}

void
wire_search_print_keys(struct buf *b, const struct wire_dialect *d, const struct wire_search *cmd,
    wire_key_ext_print_f *ext, void *arg)
{
	struct printer p = {.b = b, .d = d, .ext = ext, .arg = arg};

	buf_putc(b, ' ');
	print_all(&p, cmd->root->child);
}

void
wire_search_print(struct buf *b, const struct wire_dialect *d, const struct wire_search *cmd,
    wire_key_ext_print_f *ext, void *arg)
{
	if (cmd->has_return)
		wire_search_print_returns(b, cmd);
	if (cmd->charset.p != NULL) {
		buf_puts(b, " CHARSET ");
		wire_out_astring(b, d, cmd->charset);
	}
	wire_search_print_keys(b, d, cmd, ext, arg);
}

/* ---- the responses */

void
wire_out_search_begin(struct buf *b)
{
	buf_puts(b, "* SEARCH");
}

void
wire_out_search_add(struct buf *b, const uint32_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_putc(b, ' ');
		buf_u64(b, ids[i]);
	}
}

void
wire_out_search_end(struct buf *b)
{
	buf_put(b, "\r\n", 2);
}

void
wire_out_search_end_modseq(struct buf *b, uint64_t modseq)
{
	if (modseq > 0) {
		buf_puts(b, " (MODSEQ ");
		buf_u64(b, modseq);
		buf_putc(b, ')');
	}
	wire_out_search_end(b);
}

static void
put_named(struct buf *b, const char *name, uint64_t n)
{
	buf_puts(b, name);
	buf_u64(b, n);
}

void
wire_out_esearch_begin(struct buf *b, const struct wire_esearch *e, struct wire_set_out *all_r)
{
	buf_puts(b, "* ESEARCH");
	if (e->tag.n > 0) {
		buf_puts(b, " (TAG ");
		wire_out_quoted(b, e->tag);
		buf_putc(b, ')');
	}
	if (e->uid)
		buf_puts(b, " UID");
	if ((e->has & WIRE_RETURN_MIN) != 0)
		put_named(b, " MIN ", e->min);
	if ((e->has & WIRE_RETURN_MAX) != 0)
		put_named(b, " MAX ", e->max);
	if ((e->has & WIRE_RETURN_COUNT) != 0)
		put_named(b, " COUNT ", e->count);
	if ((e->has & WIRE_RETURN_ALL) != 0)
		buf_puts(b, " ALL ");
	*all_r = (struct wire_set_out){.b = b};
}

void
wire_out_esearch_modseq(struct buf *b, uint64_t modseq)
{
	put_named(b, " MODSEQ ", modseq);
}

void
wire_out_esearch_end(struct buf *b, struct wire_set_out *all)
{
	wire_set_out_end(all);
	buf_put(b, "\r\n", 2);
}

void
wire_out_esearch(struct buf *b, const struct wire_esearch *e)
{
	struct wire_set_out none;

	wire_out_esearch_begin(b, e, &none);
	if ((e->has & WIRE_RETURN_ALL) != 0)
		wire_set_print(b, &e->all);
	if (e->other.n > 0)
		buf_putc(b, ' ');
	wire_out_params(b, &e->other);
	wire_out_esearch_end(b, &none);
}

static size_t
count_blanks(const struct wire_in *in)
{
	size_t n = 0;

	for (const char *p = in->p; p < in->end; p++)
		n += *p == ' ';
	return n;
}

/* RFC 7162 section 3.1.5: "(MODSEQ n)" */
static bool
read_search_modseq(struct wire_in *in, uint64_t *modseq)
{
	return wire_in_open(in) && wire_in_try_word(in, "MODSEQ") && wire_in_sp(in) &&
	       wire_in_number64(in, modseq) && wire_in_close(in);
}

bool
wire_in_search(struct wire_in *in, struct wire_search_data *data_r)
{
	size_t most = count_blanks(in);

	*data_r = (struct wire_search_data){0};
	if (most > in->limits->set_ranges)
		return wire_in_limit(in, "Too many numbers");
	data_r->v = arena_try_array(in->arena, most, sizeof(*data_r->v));
	if (data_r->v == NULL)
		return wire_in_no_memory(in);
	while (wire_in_more(in)) {
		if (wire_in_peek(in) == '(') {
			if (!read_search_modseq(in, &data_r->modseq))
				return wire_in_fail(in, "Expected MODSEQ");
			break;
		}
		if (!wire_in_nz_number(in, &data_r->v[data_r->n++]))
			return false;
	}
	return wire_in_end(in);
}

/* RFC 4466 section 2.6.2: "(TAG "a1")" */
static bool
read_correlator(struct wire_in *in, struct str *tag)
{
	if (!wire_in_open(in))
		return false;
	if (!wire_in_try_word(in, "TAG"))
		return wire_in_fail(in, "Expected TAG");
	return wire_in_sp(in) && wire_in_string(in, tag) && wire_in_close(in);
}

static bool
read_result(struct wire_in *in, struct wire_esearch *e, struct wire_vec *other)
{
	struct wire_param param, *kept;
	struct wire_in value;
	const struct wire_name *known;

	if (!wire_in_param(in, &param))
		return false;
	known = wire_name_find(wire_return_names, param.name);
	if (known == NULL || known->id == WIRE_RETURN_SAVE) {
		kept = WIRE_VEC_PUSH(in, other, struct wire_param, "Too many results");
		if (kept != NULL)
			*kept = param;
		return kept != NULL;
	}
	e->has |= known->id;
	value = wire_in_sub(in, param.value);
	if (known->id == WIRE_RETURN_MIN)
		(void)wire_in_nz_number(&value, &e->min);
	else if (known->id == WIRE_RETURN_MAX)
		(void)wire_in_nz_number(&value, &e->max);
	else if (known->id == WIRE_RETURN_COUNT)
		(void)wire_in_number64(&value, &e->count);
	else
		(void)wire_in_set(&value, &e->all);
	return wire_in_end(&value) || wire_in_fail(in, value.error);
}

bool
wire_in_esearch(struct wire_in *in, struct wire_esearch *e_r)
{
	struct wire_vec other = {0};

	*e_r = (struct wire_esearch){0};
	if (wire_in_sp_then(in, '(') && (!wire_in_sp(in) || !read_correlator(in, &e_r->tag)))
		return false;
	while (wire_in_more(in)) {
		if (wire_in_try_word(in, "UID"))
			e_r->uid = true;
		else if (!read_result(in, e_r, &other))
			return false;
	}
	e_r->other = (struct wire_params){other.v, other.n};
	return wire_in_end(in);
}
