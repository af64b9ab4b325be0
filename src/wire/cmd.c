/* SPDX-License-Identifier: Apache-2.0 */
/* Commands with few arguments: see cmd.h. */
#include "wire/cmd.h"

#include "base/base64.h"
#include "base/buf.h"
#include "wire/vec_int.h"

bool
wire_cmd_head(struct wire_in *in, struct wire_head *head_r)
{
	*head_r = (struct wire_head){0};
	if (!wire_in_tag(in, &head_r->tag))
		return false;
	if (wire_in_at_end(in))
		return wire_in_fail(in, "Missing command");
	if (wire_in_peek(in) != ' ') { /* the beginning of a tag is nobody's tag */
		head_r->tag = STR_NONE;
		return wire_in_fail(in, "A tag expected");
	}
	if (!wire_in_char(in, ' ') || !wire_in_name(in, &head_r->name))
		return false;
	if (!str_eq(head_r->name, STR("UID")))
		return true;
	head_r->uid = true;
	if (wire_in_at_end(in))
		return wire_in_fail(in, "Missing command behind UID");
	return wire_in_sp(in) && wire_in_name(in, &head_r->name);
}

bool
wire_none_parse(struct wire_in *in)
{
	return wire_in_end(in);
}

bool
wire_authenticate_parse(struct wire_in *in, struct wire_authenticate *cmd_r)
{
	*cmd_r = (struct wire_authenticate){0};
	if (!wire_in_sp(in) || !wire_in_name(in, &cmd_r->mech))
		return false;
	/* A blank with nothing behind it may be meant for an empty response or for none. */
	if (wire_in_at_line_end(in))
		return true;
	cmd_r->has_initial = true;
	return wire_in_sp(in) && wire_in_base64(in, &cmd_r->initial) && wire_in_end(in);
}

static struct str
without_line_end(struct str line)
{
	if (line.n > 0 && line.p[line.n - 1] == '\n')
		line.n--;
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

enum wire_sasl_line
wire_sasl_line_parse(struct arena *a, struct str line, struct str *bytes_r)
{
	struct buf b = {0};

	*bytes_r = STR_NONE;
	line = without_line_end(line);
	if (str_eq(line, STR("*"))) /* RFC 9051 section 6.2.2 */
		return WIRE_SASL_CANCEL;
	if (!base64_decode(line, &b)) {
		buf_wipe_fini(&b);
		return WIRE_SASL_BAD;
	}
	*bytes_r = arena_str(a, buf_as_str(&b));
	buf_wipe_fini(&b);
	return WIRE_SASL_DATA;
}

bool
wire_done_parse(struct str line)
{
	return str_ieq(str_trim(line), STR("DONE"));
}

bool
wire_login_parse(struct wire_in *in, struct wire_login *cmd_r)
{
	return wire_in_sp(in) && wire_in_astring(in, &cmd_r->user) && wire_in_sp(in) &&
	       wire_in_astring(in, &cmd_r->password) && wire_in_end(in);
}

bool
wire_enable_parse(struct wire_in *in, struct wire_names *names_r)
{
	struct wire_vec vec = {0};

	*names_r = (struct wire_names){0};
	do {
		if (vec.n >= in->limits->items)
			return wire_in_limit(in, "Too many names");
		if (!wire_in_sp(in) ||
		    !wire_in_name(in, WIRE_VEC_PUSH(in->arena, &vec, struct str)))
			return false;
	} while (!wire_in_at_end(in));
	*names_r = (struct wire_names){vec.v, vec.n};
	return true;
}

bool
wire_id_parse(struct wire_in *in, struct wire_id *id_r)
{
	struct wire_vec vec = {0};

	*id_r = (struct wire_id){0};
	if (wire_in_at_end(in)) /* without anything it can only mean NIL */
		return true;
	if (!wire_in_sp(in))
		return false;
	if (wire_in_try_word(in, "NIL"))
		return wire_in_end(in);
	if (!wire_in_open(in))
		return false;
	if (wire_in_try_char(in, ')'))
		return wire_in_end(in);
	do {
		struct wire_pair *pair;

		if (vec.n >= in->limits->items)
			return wire_in_limit(in, "Too many fields");
		pair = WIRE_VEC_PUSH(in->arena, &vec, struct wire_pair);
		/* Strings in RFC 2971; atoms say the same. */
		if (wire_in_try_word(in, "NIL"))
			return wire_in_fail(in, "A string expected");
		if (!wire_in_astring(in, &pair->name) || !wire_in_sp(in) ||
		    (!wire_in_try_word(in, "NIL") && !wire_in_astring(in, &pair->value)))
			return false;
	} while (wire_in_more(in));
	*id_r = (struct wire_id){vec.v, vec.n};
	return wire_in_close(in) && wire_in_end(in);
}

bool
wire_select_parse(struct wire_in *in, struct wire_select *cmd_r)
{
	*cmd_r = (struct wire_select){0};
	if (!wire_in_sp(in) || !wire_in_mailbox(in, &cmd_r->mailbox))
		return false;
	if (wire_in_at_end(in))
		return true;
	return wire_in_sp(in) && wire_in_params(in, &cmd_r->params) && wire_in_end(in);
}

/* RFC 6154 section 5.1: the value of USE is a list of attributes. */
static bool
parse_use(struct wire_in *in, struct str raw, struct wire_names *use)
{
	struct wire_in sub = wire_in_sub(in, raw);
	struct wire_flags flags;

	/* As a list of flags it has been checked; take it once more for the spelling. */
	if (raw.p == NULL || !wire_in_flag_list(&sub, &flags) || flags.n_keywords > 0 ||
	    wire_in_peek(&sub) != '\0')
		return wire_in_fail(in, "Bad USE");
	use->v = arena_array(in->arena, raw.n / 2, sizeof(*use->v));
	raw = (struct str){raw.p + 1, raw.n - 2};
	for (struct str one; str_split(&raw, ' ', &one);)
		if (one.n > 0)
			use->v[use->n++] = one;
	return true;
}

bool
wire_create_parse(struct wire_in *in, struct wire_create *cmd_r)
{
	struct wire_params *params = &cmd_r->params;
	size_t kept = 0;

	*cmd_r = (struct wire_create){0};
	if (!wire_in_sp(in) || !wire_in_mailbox(in, &cmd_r->mailbox))
		return false;
	if (wire_in_at_end(in))
		return true;
	if (!wire_in_sp(in) || !wire_in_params(in, params) || !wire_in_end(in))
		return false;
	for (size_t i = 0; i < params->n; i++) {
		if (!str_eq(params->v[i].name, STR("USE"))) {
			params->v[kept++] = params->v[i];
			continue;
		}
		if (cmd_r->has_use)
			return wire_in_fail(in, "USE given twice");
		cmd_r->has_use = true;
		if (!parse_use(in, params->v[i].value, &cmd_r->use))
			return false;
	}
	params->n = kept;
	return true;
}

bool
wire_mailbox_parse(struct wire_in *in, struct str *mailbox_r)
{
	return wire_in_sp(in) && wire_in_mailbox(in, mailbox_r) && wire_in_end(in);
}

bool
wire_rename_parse(struct wire_in *in, struct wire_rename *cmd_r)
{
	struct str given;

	*cmd_r = (struct wire_rename){0};
	if (!wire_in_sp(in) || !wire_in_mailbox(in, &cmd_r->from))
		return false;
	given = in->given;
	if (!wire_in_sp(in) || !wire_in_mailbox(in, &cmd_r->to))
		return false;
	if (given.p != NULL || in->given.p != NULL)
		cmd_r->given = given.p != NULL ? given : cmd_r->from;
	return wire_in_end(in);
}

bool
wire_copy_parse(struct wire_in *in, struct wire_copy *cmd_r)
{
	return wire_in_sp(in) && wire_in_set(in, &cmd_r->set) && wire_in_sp(in) &&
	       wire_in_mailbox(in, &cmd_r->mailbox) && wire_in_end(in);
}

bool
wire_uid_expunge_parse(struct wire_in *in, struct wire_set *set_r)
{
	return wire_in_sp(in) && wire_in_set(in, set_r) && wire_in_end(in);
}
