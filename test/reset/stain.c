/* SPDX-License-Identifier: Apache-2.0 */
/* See stain.h. */
#include "stain.h"

#include <stdio.h>

#include "imap/cmd.h"
#include "po.h"
#include "texts/texts.h"

#define USER_MAX 32

#define TURN_FIELDS(slot, FIELD)                                                                   \
	FIELD(slot, bool, stained, )                                                               \
	FIELD(slot, uint32_t, times, )                                                             \
	FIELD(slot, struct buf, words, )
#define LOGIN_FIELDS(slot, FIELD)                                                                  \
	FIELD(slot, char, user, [USER_MAX])                                                        \
	FIELD(slot, bool, armed, )                                                                 \
	FIELD(slot, struct store_watch *, watch, )
#define BOX_FIELDS(slot, FIELD)                                                                    \
	FIELD(slot, roaring_bitmap_t *, uids, )                                                    \
	FIELD(slot, uint64_t, modseq, )

IMAP_SLOT(turn_stain, TURN_FIELDS);
IMAP_SLOT(login_stain, LOGIN_FIELDS);
IMAP_SLOT(box_stain, BOX_FIELDS);

enum stain_bug stain_bug;
unsigned stain_held;
static char kept[USER_MAX]; /* for STAIN_STATIC, STAIN_SHARED, STAIN_CONN */

static void
free_turn(void *arg)
{
	struct turn_stain *turn = arg;

	if (turn->words.p == NULL || stain_bug == STAIN_FREE)
		return;
	buf_fini(&turn->words);
	stain_held--;
}

static void
free_login(void *arg)
{
	struct login_stain *login = arg;

	if (stain_bug == STAIN_SHARED)
		memset(kept, 0, sizeof(kept));
	if (login->watch == NULL)
		return;
	store_watch_free(&login->watch);
	stain_held--;
}

static void
free_box(void *arg)
{
	struct box_stain *box = arg;

	if (box->uids == NULL)
		return;
	roaring_bitmap_free(box->uids);
	stain_held--;
}

static void
watch_fired(void *arg)
{
	(void)arg;
}

/* A language in which there is little to say; it is never freed. */
static const struct texts *
language(void)
{
	static const struct po_entry entries[] = {{{"Unknown command", 15}, {"Was soll das?", 13}},
	    {{"No longer authenticated", 23}, {"Tschau", 6}}};
	static struct texts *german;
	struct buf mo = {0}, refused = {0};
	const char *why;

	if (german == NULL) {
		po_put(&mo, entries, 2);
		german = texts_new(buf_as_str(&mo), &refused, &why);
		buf_fini(&mo);
	}
	return german;
}

static void
stain_turn(struct imap_turn *of, struct turn_stain *turn)
{
	of->texts = language();
	turn->stained = true;
	turn->times++;
	if (turn->words.p == NULL)
		stain_held++;
	buf_puts(&turn->words, "stain");
}

static void
stain_login(struct imap_conn *conn, struct login_stain *login)
{
	struct store_account *account = imap_login(conn)->account;
	struct store_watch *stray;

	snprintf(login->user, sizeof(login->user), "%.*s", STR_ARG(imap_login(conn)->user));
	login->armed = stain_bug != STAIN_FIELD;
	if (login->watch == NULL) {
		login->watch = store_watch_new(account, conn->il->loop, watch_fired, conn);
		store_watch_add_all(login->watch);
		stain_held++;
	}
	if (stain_bug == STAIN_WATCH) {
		stray = store_watch_new(account, conn->il->loop, watch_fired, conn);
		store_watch_add_all(stray);
	}
	memcpy(kept, login->user, sizeof(kept));
	if (stain_bug == STAIN_CONN)
		conn->session.front = str_of(kept);
}

static void
stain_box(const struct imap_box *selected, struct box_stain *box)
{
	if (box->uids == NULL) {
		box->uids = roaring_bitmap_copy(selected->uids);
		stain_held++;
	}
	box->modseq = selected->modseq;
}

static enum imap_next
cmd_stain(struct imap_cmd *cmd)
{
	struct imap_conn *conn = cmd->conn;

	stain_turn(conn->turn, imap_turn_slot(conn, &imap_ext_stain));
	if (imap_login(conn) != NULL)
		stain_login(conn, imap_login_slot(conn, &imap_ext_stain));
	if (imap_box(conn) != NULL)
		stain_box(imap_box(conn), imap_box_slot(conn, &imap_ext_stain));
	return cmd_ok(cmd, "Done");
}

static enum imap_next
cmd_look(struct imap_cmd *cmd)
{
	struct imap_conn *conn = cmd->conn;
	const struct turn_stain *turn = imap_turn_slot(conn, &imap_ext_stain);
	struct buf text = {0};

	buf_printf(&text, "turn %u", turn->times);
	if (imap_login(conn) != NULL) {
		const struct login_stain *login = imap_login_slot(conn, &imap_ext_stain);

		buf_printf(&text, " login %s",
		    stain_bug == STAIN_STATIC || stain_bug == STAIN_SHARED ? kept : login->user);
	}
	if (imap_box(conn) != NULL) {
		const struct box_stain *box = imap_box_slot(conn, &imap_ext_stain);

		buf_printf(&text, " box %llu", (unsigned long long)box->modseq);
	}
	cmd->said = arena_strdup(cmd->arena, buf_cstr(&text)); /* unchanged */
	buf_fini(&text);
	return cmd_ok(cmd, "Done");
}

static const struct imap_cmd_def cmds[] = {
    {.name = "X-STAIN", .states = IMAP_ANY, .start = cmd_stain},
    {.name = "X-LOOK", .states = IMAP_ANY, .start = cmd_look},
    {.name = NULL},
};

const struct imap_ext imap_ext_stain = {.name = "stain",
    .title = "(the reset proof's)",
    .cmds = cmds,
    .slots = {[IMAP_LIFE_TURN] = IMAP_SLOT_OF(turn_stain, free_turn),
        [IMAP_LIFE_LOGIN] = IMAP_SLOT_OF(login_stain, free_login),
        [IMAP_LIFE_BOX] = IMAP_SLOT_OF(box_stain, free_box)}};
