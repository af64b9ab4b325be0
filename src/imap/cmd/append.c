/* SPDX-License-Identifier: Apache-2.0 */
/*
 * APPEND (RFC 3501 and RFC 9051 section 6.3.12), also of several messages at once (RFC 3502).
 * Extensions bring forms of data, the response code, and the limit's capability.
 *
 * No message is ever in memory as a whole: its bytes go to a store_upload as they arrive, which
 * blocks the connection's input when it is too slow.  When the command has ended and all uploads
 * are finished (summaries made, large files flushed), one change takes all or none of them.
 */
#include "wire/cmd/append.h"
#include "imap/common/seen.h"
#include "imap/common/surrogate.h"
#include "imap/hide.h"
#include "imap/place/rights.h"
#include "imap/place/shared.h"
#include "imap/settings.h"

struct item { /* one message, linked in order */
	struct item *next;
	struct store_upload *upload;
	const struct imap_append_data *data; /* what its bytes pass through; NULL: nothing */
	void *through;                       /* its state; NULL: ended */
	struct wire_append_message message;
	uint64_t size;
};

struct append {
	struct imap_cmd *cmd;
	struct wire_append parser;
	struct imap_open open;
	struct item *first, *last;
	size_t count, unfinished; /* unfinished: uploads */
	uint64_t bytes;           /* announced so far, without the message that is being parsed */
	enum ts_err err;
	bool opened, has_nul;
	struct str code;                     /* of the OK */
	const struct imap_append_data *data; /* of the message announced; NULL: as it is */
};

static void
free_uploads(void *arg)
{
	struct append *ap = arg;

	for (struct item *i = ap->first; i != NULL; i = i->next) {
		store_upload_free(&i->upload);
		if (i->through != NULL)
			i->data->end(i->through);
	}
}

static struct append *
append_of(struct imap_cmd *cmd)
{
	struct append *ap = cmd->state;

	if (ap != NULL)
		return ap;
	ap = arena_new_object(cmd->arena, struct append);
	ap->cmd = cmd;
	wire_append_init(&ap->parser, cmd->arena, imap_dialect(cmd->conn), NULL);
	arena_on_free(cmd->arena, free_uploads, ap);
	cmd->state = ap;
	return ap;
}

/* ---- while it arrives */

/* Several messages wait for each other in memory: small ones entirely, and all summaries.  A single
 * one is always accepted. */
static bool
has_room(struct imap_cmd *cmd, const struct append *ap)
{
	uint64_t held = ap->parser.message.size;

	if (held > STORE_UPLOAD_MEMORY)
		held = STORE_UPLOAD_MEMORY;
	for (const struct item *i = ap->first; i != NULL; i = i->next)
		held += store_upload_memory(i->upload);
	return ap->count == 0 || held <= cmd_room(cmd);
}

/* Returns whether what is announced fits into the quota.  The lane decides once everything is
 * there; this spares the client a useless transfer. */
static bool
has_quota(
    const struct imap_cmd *cmd, const struct append *ap, enum store_quota_resource *resource_r)
{
	struct store *store = cmd->conn->server->store;
	uint64_t bytes = ap->bytes + ap->parser.message.size;
	struct imap_place place;

	imap_place_of(imap_login(cmd->conn), ap->parser.mailbox, &place);
	if (place.account == NULL ||
	    store_quota_room(place.account, place.mailbox, bytes, ap->count + 1, resource_r))
		return true;
	store_quota_count_refusal(store);
	return false;
}

/* Returns whether this message is refused.  If so, sets the tagged reply. */
static bool
message_refused(struct imap_cmd *cmd, struct append *ap)
{
	const struct wire_append_message *m = &ap->parser.message;
	const struct imap_settings *settings = imap_settings(cmd->conn);
	struct store_mailbox_info info;
	enum store_quota_resource resource;
	unsigned missing;
	enum ts_err err;

	if (m->flags.unknown.p != NULL)
		return (void)cmd_bad(cmd, "No such system flag can be set"), true;
	if (m->size > settings->append_limit) /* RFC 7889 section 4 */
		return (void)cmd_no(cmd, "TOOBIG", "The message is larger than APPENDLIMIT"), true;
	if (m->size == 0) /* RFC 3502 section 6.3.11: cancels the whole command */
		return (void)cmd_no(cmd, NULL, "APPEND cancelled; no message was added"), true;
	if (ap->count == (size_t)settings->append_messages)
		return (void)cmd_no(cmd, "LIMIT", "Too many messages in one APPEND"), true;
	if (!has_room(cmd, ap))
		return (void)cmd_no_room(cmd), true;
	if (ap->count == 0)
		ap->parser.mailbox = imap_mailbox_meant(
		    imap_login(cmd->conn), ap->parser.mailbox, &ap->parser.given);
	/* Checked before the message is sent (RFC 9051 section 6.3.12: TRYCREATE). */
	if (ap->count > 0 || imap_mailbox_lookup(imap_login(cmd->conn), ap->parser.mailbox,
	                         AUTH_RIGHT_INSERT, &info, &err, &missing)) {
		if (has_quota(cmd, ap, &resource))
			return false;
		return (void)cmd_no_quota(cmd, resource), true;
	}
	if (err == TS_DENIED)
		return (void)cmd_no_right(cmd, missing), true;
	return (void)cmd_no_target(cmd, ap->parser.mailbox), true;
}

static void
upload_finished(void *arg, enum ts_err err)
{
	struct append *ap = arg;

	if (err != TS_OK && ap->err == TS_OK)
		ap->err = err;
	ap->unfinished--;
	if (ap->unfinished == 0 && ap->cmd->upload_waits)
		imap_resume(ap->cmd);
}

static void
upload_ready(void *arg)
{
	cmd_unhold(arg);
}

static void
nobody_waits(void *arg)
{
	(void)arg;
}

/* Passes bytes through what an extension has for this form of data, and into the store. */
static bool
upload(struct append *ap, struct str bytes, bool last)
{
	struct buf text = {0};
	bool ok;

	ap->last->data->feed(ap->last->through, bytes, last, &text);
	ok = text.n == 0 || store_upload_write(ap->last->upload, buf_as_str(&text),
	                        last ? nobody_waits : upload_ready, ap->cmd);
	buf_fini(&text);
	return ok;
}

static void
finish_last(struct append *ap)
{
	struct item *item = ap->last;

	if (item == NULL)
		return;
	if (item->through != NULL) {
		(void)upload(ap, STR(""), true); /* little: no need to wait */
		item->data->end(item->through);
		item->through = NULL;
	}
	ap->unfinished++;
	store_upload_finish(item->upload, upload_finished, ap);
}

static void
begin_item(struct imap_cmd *cmd, struct append *ap, const struct imap_append_data *data)
{
	struct item *item = arena_new_object(cmd->arena, struct item);

	item->message = ap->parser.message;
	item->upload = store_upload_new(cmd->conn->server->store, cmd->conn->server->workers,
	    cmd->conn->il->loop, imap_login(cmd->conn)->who);
	item->data = data;
	if (data != NULL)
		item->through = data->begin();
	if (ap->last != NULL)
		ap->last->next = item;
	else
		ap->first = item;
	ap->last = item;
	ap->count++;
	ap->bytes += item->message.size;
}

static const struct imap_step segment_step, uploads_step;

static void
append_bytes(struct imap_cmd *cmd, struct str bytes)
{
	struct append *ap = cmd->state;
	bool ready;

	/* RFC 9051 section 4.3: NUL is allowed only in a literal8. */
	if (!ap->last->message.literal8 && memchr(bytes.p, '\0', bytes.n) != NULL)
		ap->has_nul = true;
	ready = ap->last->through != NULL
	            ? upload(ap, bytes, false)
	            : store_upload_write(ap->last->upload, bytes, upload_ready, cmd);
	if (!ready)
		cmd_hold(cmd);
}

/* Finds what the current message's data passes through; false: nobody accepts that form. */
static bool
find_data(struct imap_cmd *cmd, const struct append *ap, const struct imap_append_data **data_r)
{
	const struct imap_registry *reg = &cmd->conn->server->reg;
	bool utf8 = ap->parser.message.utf8;

	*data_r = NULL;
	if (utf8 && imap_shown(cmd->conn, imap_registry_append_data(reg, STR("UTF8"))) == NULL)
		return false;
	if (!ap->parser.message.literal8)
		return true;
	*data_r = imap_shown(cmd->conn, imap_registry_append_data(reg, STR("LITERAL8")));
	return utf8 || *data_r != NULL;
}

static enum imap_next
append_message(struct imap_cmd *cmd)
{
	struct append *ap = cmd->state;

	if (message_refused(cmd, ap))
		return IMAP_DONE;
	begin_item(cmd, ap, ap->data);
	return cmd_literal_stream(cmd, append_bytes, &segment_step);
}

/* Runs at each stop of the framer: at a literal, and at the command's end. */
static enum imap_next
append_segment(struct imap_cmd *cmd)
{
	static const struct imap_step message_step = {"append-message", append_message};
	struct append *ap = append_of(cmd);

	switch (wire_append_feed(&ap->parser, cmd->segment)) {
	case WIRE_APPEND_STRING:
		if (cmd->literal_too_big)
			return cmd_bad(cmd, "The mailbox name is too long");
		return cmd_literal_inline(cmd, &segment_step);
	case WIRE_APPEND_MESSAGE:
		finish_last(ap);
		if (ap->count > 0 && imap_is_hidden(cmd->conn, STR("MULTIAPPEND")))
			return cmd_bad(cmd, "One message at a time");
		if (!find_data(cmd, ap, &ap->data))
			return cmd_bad(cmd, "Unknown kind of message data");
		return cmd_reach(cmd, ap->parser.mailbox, &message_step);
	case WIRE_APPEND_END:
		finish_last(ap);
		return cmd_goto(cmd, &uploads_step);
	case WIRE_APPEND_BAD:
		break;
	}
	cmd->in.error = ap->parser.error;
	cmd->in.impossible = ap->parser.impossible;
	cmd->in.too_much = ap->parser.too_much;
	return cmd_bad_syntax(cmd);
}

static const struct imap_step segment_step = {"append-segment", append_segment};

/* ---- when everything is there */

static enum imap_next
append_ok(struct imap_cmd *cmd)
{
	const struct append *ap = cmd->state;

	if (cmd->change->err != TS_OK)
		return cmd_change_err(cmd, cmd->change);
	imap_tell_name(cmd, ap->parser.given, ap->open.name, 0);
	return cmd_ok_code(cmd, ap->code, "Appended");
}

/* Returns the new messages that the user has read already, as far as the rights go. */
static roaring_bitmap_t *
appended_seen(const struct append *ap, const struct store_change *change)
{
	roaring_bitmap_t *uids = roaring_bitmap_create();
	uint32_t uid = change->first_uid;

	for (const struct item *i = ap->first; i != NULL; i = i->next, uid++)
		if ((i->message.flags.system & WIRE_FLAG_SEEN) != 0 &&
		    (ap->open.rights & AUTH_RIGHT_SEEN) != 0)
			roaring_bitmap_add(uids, uid);
	return uids;
}

static enum imap_next
append_done(struct imap_cmd *cmd)
{
	static const struct imap_step ok = {"append-ok", append_ok};
	struct append *ap = cmd->state;
	struct store_reader reader = imap_open_reader(&ap->open);
	struct store_change *change = cmd->change;
	roaring_bitmap_t *seen;

	if (change->err == TS_NOT_FOUND)
		return cmd_no_target(cmd, ap->open.name);
	if (change->err != TS_OK)
		return cmd_change_err(cmd, change);
	ap->code = cmd_code_of(cmd, cmd->conn->server->reg.appended);
	seen = appended_seen(ap, change);
	if (roaring_bitmap_is_empty(seen)) {
		roaring_bitmap_free(seen);
		return append_ok(cmd);
	}
	change = imap_seen_change(cmd, &reader, seen, STORE_FLAGS_ADD);
	return change != NULL ? cmd_change(cmd, change, &ok) : append_ok(cmd);
}

static enum imap_next
append_submit(struct imap_cmd *cmd)
{
	static const struct imap_step done = {"append-done", append_done};
	struct append *ap = cmd->state;
	struct store_change *change;
	size_t n = 0;

	if (ap->open.mailbox == NULL && ap->open.err == TS_NOT_FOUND)
		return cmd_no_target(cmd, ap->open.name);
	if (ap->open.mailbox == NULL)
		return cmd_open_err(cmd, &ap->open);
	change = cmd_change_of(cmd, STORE_CHANGE_APPEND, ap->open.mailbox);
	change->bounds = imap_rights_bounds(ap->open.rights);
	change->items = arena_array(change->arena, ap->count, sizeof(*change->items));
	change->item_count = ap->count;
	for (struct item *i = ap->first; i != NULL; i = i->next, n++) {
		change->items[n] = (struct store_append_item){
		    .upload = i->upload,
		    .dated = i->message.has_time,
		    .internaldate = i->message.has_time ? i->message.time.unix_s : 0,
		    .zone = i->message.has_time ? i->message.time.zone_min : 0,
		    .flags = imap_flags_of(&i->message.flags),
		    .keywords = store_change_names(
		        change, i->message.flags.keywords, i->message.flags.n_keywords),
		    .keyword_count = i->message.flags.n_keywords,
		};
		i->upload = NULL; /* the change's now */
	}
	return cmd_change(cmd, change, &done);
}

/* RFC 9755 section 4. */
static bool
has_8bit_header(const struct append *ap)
{
	for (const struct item *i = ap->first; i != NULL; i = i->next)
		if (mail_summary_flags(store_upload_summary(i->upload)) & MAIL_SUMMARY_8BIT)
			return true;
	return false;
}

/* Runs when the command has reached its end, and again when the last upload is finished. */
static enum imap_next
append_uploads(struct imap_cmd *cmd)
{
	static const struct imap_step submit = {"append-submit", append_submit};
	struct append *ap = cmd->state;

	cmd->upload_waits = ap->unfinished > 0;
	if (cmd->upload_waits)
		return IMAP_WAIT;
	if (ap->has_nul)
		return cmd_bad(cmd, "NUL in a literal; use literal8");
	if (ap->err != TS_OK)
		return cmd_err(cmd, ap->err);
	if (!imap_takes_utf8(cmd->conn) && has_8bit_header(ap))
		return cmd_no(cmd, "CANNOT", N_("8-bit bytes in a header need ENABLE UTF8=ACCEPT"));
	ap->open.name = ap->parser.mailbox;
	return cmd_open_mailbox(cmd, &ap->open, AUTH_RIGHT_INSERT, &submit);
}

static const struct imap_step uploads_step = {"append-uploads", append_uploads};

static const struct imap_cmd_def cmds[] = {
    {.name = "APPEND",
        .states = IMAP_LOGGED_IN,
        .traits = IMAP_TRAIT_STREAM | IMAP_TRAIT_MAY_EXPUNGE,
        .start = append_segment},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "MULTIAPPEND", .rfc = "3502", .states = IMAP_LOGGED_IN, .brings = ""},
    {.word = NULL},
};

const struct imap_ext imap_ext_append = {
    .name = "append", .title = "APPEND, MULTIAPPEND (RFC 3502)", .caps = caps, .cmds = cmds};
