/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server says: how a command ends, with OK, NO or BAD and a response code (RFC 9051
 * section 7.1, RFC 5530), and other texts for people.  Only this file looks texts up in the
 * client's language, and only this file turns an error of the store into words for the client.
 */
#include <stdarg.h>

#include "imap/cmd.h"
#include "texts/texts.h"

#ifdef TS_DEBUG
/* The documentation lists all existing codes. */
void
imap_check_code(const struct imap_conn *conn, struct str code)
{
	const char *blank = code.n > 0 ? memchr(code.p, ' ', code.n) : NULL;

	if (blank != NULL)
		code.n = (size_t)(blank - code.p);
	TS_ASSERT(code.n == 0 || imap_registry_code(&conn->server->reg, code) != NULL);
}
#endif

static enum imap_next
set_result(struct imap_cmd *cmd, enum imap_result result, struct str code, const char *text)
{
	TS_ASSERT(cmd->result == IMAP_RESULT_NONE);
	imap_check_code(cmd->conn, code);
	cmd->result = result;
	cmd->code = code;
	cmd->text = text;
	return IMAP_DONE;
}

/* ---- texts for people */

struct str
cmd_text(const struct imap_cmd *cmd)
{
	return str_of(cmd->said != NULL ? cmd->said : texts_find(imap_texts(cmd->conn), cmd->text));
}

void
imap_print_reply(struct imap_cmd *cmd)
{
	static const enum wire_cond cond[] = {
	    [IMAP_RESULT_OK] = WIRE_OK,
	    [IMAP_RESULT_NO] = WIRE_NO,
	    [IMAP_RESULT_BAD] = WIRE_BAD,
	};

	wire_out_cond(imap_out(cmd->conn), cmd->greeting ? STR_NONE : cmd->tag,
	    cmd->greeting ? WIRE_PREAUTH : cond[cmd->result], cmd->code, cmd_text(cmd));
}

void
imap_say(struct imap_conn *conn, enum wire_cond cond, struct str code, const char *text)
{
	wire_out_cond(
	    imap_out(conn), STR_NONE, cond, code, str_of(texts_find(imap_texts(conn), text)));
}

void
imap_say_end(struct imap_conn *conn, const char *text)
{
	wire_out_ok_end(imap_out(conn), str_of(texts_find(imap_texts(conn), text)));
}

void
imap_say_continue(struct imap_conn *conn, const char *text)
{
	wire_out_continue(imap_out(conn), str_of(texts_find(imap_texts(conn), text)));
}

/* ---- tagged replies */

enum imap_next
cmd_ok(struct imap_cmd *cmd, const char *text)
{
	return set_result(cmd, IMAP_RESULT_OK, STR_NONE, text);
}

enum imap_next
cmd_ok_code(struct imap_cmd *cmd, struct str code, const char *text)
{
	return set_result(cmd, IMAP_RESULT_OK, code, text);
}

struct str
cmd_code_of(struct imap_cmd *cmd, imap_code_f *const *hooks)
{
	struct buf code = {0};
	struct str s = STR_NONE;

	for (; *hooks != NULL && code.n == 0; hooks++)
		(*hooks)(cmd, cmd->change, &code);
	if (code.n > 0)
		s = arena_str(cmd->arena, buf_as_str(&code));
	buf_fini(&code);
	return s;
}

enum imap_next
cmd_no(struct imap_cmd *cmd, const char *code, const char *text)
{
	return set_result(cmd, IMAP_RESULT_NO, str_of(code), text);
}

enum imap_next
cmd_no_with(struct imap_cmd *cmd, const char *code, const char *format, ...)
{
	struct buf text = {0};
	va_list ap;

	/* The reply that ends a turn is printed in the language of the next one. */
	TS_ASSERT(cmd->after != IMAP_AFTER_NEW_TURN);
	va_start(ap, format);
	texts_vprint(imap_texts(cmd->conn), &text, format, ap);
	va_end(ap);
	cmd->said = arena_str(cmd->arena, buf_as_str(&text)).p;
	buf_fini(&text);
	return cmd_no(cmd, code, format);
}

enum imap_next
cmd_bad(struct imap_cmd *cmd, const char *text)
{
	return set_result(cmd, IMAP_RESULT_BAD, STR_NONE, text);
}

enum imap_next
cmd_bad_code(struct imap_cmd *cmd, const char *code, const char *text)
{
	return set_result(cmd, IMAP_RESULT_BAD, str_of(code), text);
}

bool
cmd_is_attempt(const struct imap_cmd *cmd)
{
	return cmd->in.impossible || cmd->in.too_much;
}

enum imap_next
cmd_bad_syntax(struct imap_cmd *cmd)
{
	if (cmd->in.impossible) /* RFC 5530 section 3: CANNOT, LIMIT */
		return cmd_no(cmd, "CANNOT", cmd->in.error);
	if (cmd->in.too_much)
		return cmd_no(cmd, "LIMIT", cmd->in.error);
	return cmd_bad(cmd, cmd->in.error != NULL ? cmd->in.error : "Syntax error");
}

/* RFC 5530 section 3: OVERQUOTA is about the user's quota; a full disk is the server's problem and
 * may pass.  The client's log may be all that the administrator gets to see. */
static enum imap_next
no_space(struct imap_cmd *cmd)
{
	struct engine_space space;
	struct buf size = {0};

	store_refused_space(cmd->conn->server->store, &space);
	if (engine_space_lacking(&space) == 0)
		return cmd_no(
		    cmd, "UNAVAILABLE", "The server is out of disk space; try again later");
	buf_size(&size, engine_space_lacking(&space));
	(void)cmd_no_with(cmd, "UNAVAILABLE",
	    "The server is out of disk space (%s short); try again later", buf_cstr(&size));
	buf_fini(&size);
	return IMAP_DONE;
}

enum imap_next
cmd_err(struct imap_cmd *cmd, enum ts_err err)
{
	TS_ASSERT(err < TS_ERR_COUNT);
	cmd->conn->il->stats.errors[err]++;
	switch (err) {
	case TS_NOT_FOUND:
		return cmd_no(cmd, "NONEXISTENT", "No such mailbox");
	case TS_EXISTS:
		return cmd_no(cmd, "ALREADYEXISTS", "A mailbox with this name already exists");
	case TS_INVALID:
		return cmd_no(cmd, "CANNOT", "Not possible for a mailbox with this name");
	case TS_DENIED:
		return cmd_no(cmd, "NOPERM", "Permission denied");
	case TS_CONDITION:
		return cmd_no(cmd, NULL, "The mailbox changed in the meantime; try again");
	case TS_LIMIT:
		return cmd_no(cmd, "LIMIT", "A server limit has been reached");
	case TS_FULL:
		return no_space(cmd);
	case TS_IO:
	case TS_UNAVAILABLE:
	case TS_CANCELLED:
		return cmd_no(cmd, "UNAVAILABLE", "The mail store is unavailable; try again later");
	case TS_DAMAGED:
		return cmd_no(
		    cmd, "SERVERBUG", "Stored data is damaged; please contact the administrator");
	case TS_BUG:
		return cmd_no(cmd, "SERVERBUG", "Internal error; please contact the administrator");
	case TS_UNKNOWN:
		/* Nobody knows what happened, so nothing may be said about it. */
		imap_bye(cmd->conn, "UNAVAILABLE", "The outcome of the last command is unknown");
		return IMAP_DONE;
	case TS_OK:
	case TS_ERR_COUNT:
		break;
	}
	TS_WRONG("no error to tell of");
}

enum imap_next
cmd_change_err(struct imap_cmd *cmd, const struct store_change *change)
{
	static const char *const limits[] = {
	    [STORE_LIMIT_OTHER] = N_("A server limit has been reached"),
	    [STORE_LIMIT_KEYWORDS] = N_("The mailbox cannot have more keywords"),
	    [STORE_LIMIT_KEYWORD_BYTES] = N_("A new keyword is too long"),
	    [STORE_LIMIT_MEMORY] = N_("Too many messages at once"),
	    [STORE_LIMIT_UIDS] = N_("The mailbox has no UIDs left"),
	    [STORE_LIMIT_PROPERTIES] = N_("No more properties can be added"),
	    [STORE_LIMIT_PROPERTY_BYTES] = N_("A value is too long"),
	    [STORE_LIMIT_PROPERTY_TOTAL] = N_("All properties together are too large"),
	    [STORE_LIMIT_QUOTA_STORAGE] = NULL,
	    [STORE_LIMIT_QUOTA_MESSAGE] = NULL,
	    [STORE_LIMIT_QUOTA_MAILBOX] = NULL,
	};

	if (change->err != TS_LIMIT)
		return cmd_err(cmd, change->err);
	cmd->conn->il->stats.errors[TS_LIMIT]++;
	if (limits[change->limit] == NULL)
		return cmd_no_quota(
		    cmd, (enum store_quota_resource)(change->limit - STORE_LIMIT_QUOTA_STORAGE));
	return cmd_no(cmd, "LIMIT", limits[change->limit]);
}

/* RFC 9208 section 4.3.1. */
enum imap_next
cmd_no_quota(struct imap_cmd *cmd, enum store_quota_resource resource)
{
	static const char *const texts[] = {
	    [STORE_QUOTA_STORAGE] = N_("Not enough space is left in your quota"),
	    [STORE_QUOTA_MESSAGE] = N_("Your quota allows no more messages"),
	    [STORE_QUOTA_MAILBOX] = N_("Your quota allows no more mailboxes"),
	};

	return cmd_no(cmd, "OVERQUOTA", texts[resource]);
}

enum imap_next
cmd_goto(struct imap_cmd *cmd, const struct imap_step *step)
{
	cmd->step = step;
	return IMAP_GO;
}
