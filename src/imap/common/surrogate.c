/* SPDX-License-Identifier: Apache-2.0 */
/* Surrogates of messages with UTF-8 in their header: see surrogate.h. */
#include "imap/common/surrogate.h"

#include "imap/hide.h"
#include "imap/settings.h"
#include "mail/summary.h"
#include "mail/surrogate.h"
#include "wire/cmd/body.h"
#include "wire/cmd/envelope.h"

bool
imap_takes_utf8(const struct imap_conn *conn)
{
	return imap_dialect(conn)->utf8 || imap_is_hidden(conn, STR("UTF8=ACCEPT"));
}

bool
imap_wants_surrogates(const struct imap_conn *conn)
{
	return imap_settings(conn)->downgrades && !imap_takes_utf8(conn);
}

/* ---- parsing and printing again */

/* A summary has no more than its own limits allow. */
static const struct wire_limits limits = {.list_depth = 2 * MAIL_NESTING_MAX, .items = UINT32_MAX};

/* A field that cannot be shown is left out (RFC 6858 section 2.4). */
static void
drop(struct str *text)
{
	if (mail_surrogate_needed(*text))
		*text = STR_NONE;
}

static void
encode(struct arena *a, struct str *text)
{
	struct buf made = {0};

	if (!mail_surrogate_needed(*text))
		return;
	mail_surrogate_words(*text, " ", &made);
	*text = arena_str(a, buf_as_str(&made));
	buf_fini(&made);
}

static struct mail_address
address_of(const struct wire_address *a)
{
	struct mail_address made = {
	    .name = a->name, .route = a->adl, .mailbox = a->mailbox, .host = a->host};

	if (a->host.p == NULL)
		made.kind = a->mailbox.p == NULL ? MAIL_ADDRESS_END : MAIL_ADDRESS_GROUP;
	return made;
}

static void
change_address(struct arena *arena, struct wire_address *a)
{
	struct mail_address before = address_of(a), made;
	struct buf text = {0};

	made = mail_surrogate_address(&before, &text);
	if (text.n > 0)
		*a = (struct wire_address){
		    .name = made.name.p != NULL ? arena_str(arena, made.name) : STR_NONE,
		    .adl = made.route,
		    .mailbox = arena_str(arena, made.mailbox),
		    .host = made.host};
	buf_fini(&text);
}

static void
change_envelope(struct arena *a, struct wire_envelope *e)
{
	drop(&e->date);
	encode(a, &e->subject);
	for (int i = 0; i < WIRE_ENVELOPE_LISTS; i++)
		for (size_t k = 0; k < e->lists[i].n; k++)
			change_address(a, &e->lists[i].v[k]);
	drop(&e->in_reply_to);
	drop(&e->message_id);
}

/* RFC 6858 section 2.2. */
static void
change_params(struct wire_body_fields *params)
{
	size_t n = 0;

	for (size_t i = 0; i + 1 < params->n; i += 2) {
		if (mail_surrogate_needed(params->v[i]) || mail_surrogate_needed(params->v[i + 1]))
			continue;
		params->v[n++] = params->v[i];
		params->v[n++] = params->v[i + 1];
	}
	params->n = n;
}

static void
change_body(struct arena *a, struct wire_body *body)
{
	for (; body != NULL; body = body->next) {
		change_params(&body->params);
		drop(&body->id);
		drop(&body->description);
		drop(&body->md5);
		drop(&body->disposition);
		change_params(&body->disposition_params);
		for (size_t i = 0; i < body->languages.n; i++)
			if (mail_surrogate_needed(body->languages.v[i]))
				body->languages.n = 0;
		drop(&body->location);
		if (body->envelope != NULL)
			change_envelope(a, body->envelope);
		change_body(a, body->child);
	}
}

/* ---- texts */

static bool
changed(struct arena *a, struct str text, bool envelope, struct buf *out)
{
	struct wire_envelope e;
	struct wire_body body;
	struct wire_in in;

	wire_in_init(&in, text, a, NULL, &limits);
	if (envelope ? !wire_in_envelope(&in, &e) : !wire_in_body(&in, &body))
		return false;
	if (envelope) {
		change_envelope(a, &e);
		wire_out_envelope(out, &wire_dialect_rev1, &e);
	} else {
		change_body(a, &body);
		wire_out_body(out, &wire_dialect_rev1, &body);
	}
	return true;
}

static bool
surrogate(struct str text, bool envelope, struct buf *out)
{
	struct arena *a;
	size_t before = out->n;
	bool differs = false;

	if (!str_is_ascii(text)) {
		a = arena_new(NULL, ARENA_OTHER, 4096);
		differs = changed(a, text, envelope, out) &&
		          !str_eq((struct str){out->p + before, out->n - before}, text);
		arena_free(&a);
	}
	if (!differs) {
		out->n = before;
		wire_out_fetch_bytes(out, text);
	}
	return differs;
}

bool
imap_surrogate_envelope(struct str text, struct buf *out)
{
	return surrogate(text, true, out);
}

bool
imap_surrogate_structure(struct str text, struct buf *out)
{
	return surrogate(text, false, out);
}
