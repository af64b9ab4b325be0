/* SPDX-License-Identifier: Apache-2.0 */
/* SEARCH: see search.h. */
#include "wire/search.h"

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

/* One more key within *tail, which moves on to its next. */
static bool
read_child(struct parser *p, struct wire_key ***tail)
{
	if (!read_key(p, *tail))
		return false;
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

/* An OR of ORs, on whichever side they are, is one of many keys: clients make long chains. */
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
	default: /* AND, behind the parenthesis */
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

/* A number may stand in quotes, as clients send it. */
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

/* An atom, also in quotes. */
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
		return wire_in_fail(in, "A keyword expected");
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
		return wire_in_sp(in) && wire_in_set(in, &key->set);
	default: /* alone */
		return true;
	}
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
	*key_r = key = arena_new_object(p->in->arena, struct wire_key);
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

/* "(MIN COUNT)" */
static bool
read_returns(struct wire_in *in, struct wire_search *cmd)
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
wire_search_parse(struct wire_in *in, struct wire_search *cmd_r, wire_key_ext_f *ext, void *arg)
{
	struct parser p = {.in = in, .cmd = cmd_r, .ext = ext, .arg = arg};
	struct wire_key **tail;

	*cmd_r = (struct wire_search){0};
	cmd_r->root = arena_new_object(in->arena, struct wire_key);
	cmd_r->root->id = WIRE_KEY_AND;
	tail = &cmd_r->root->child;
	if (!wire_in_sp(in))
		return false;
	if (wire_in_try_word(in, "RETURN") && (!read_returns(in, cmd_r) || !wire_in_sp(in)))
		return false;
	if (wire_in_try_word(in, "CHARSET") &&
	    (!wire_in_sp(in) || !wire_in_astring(in, &cmd_r->charset) || !wire_in_sp(in)))
		return false;
	do {
		if (!read_child(&p, &tail))
			return false;
	} while (wire_in_more(in));
	return wire_in_end(in);
}
