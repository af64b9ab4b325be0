/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by commands that name a mailbox: finds it in memory or has a worker
 * load it.
 */
#include "imap/place/rights.h"
#include "imap/place/shared.h"
#include "store/own.h"
#include "wire/utf7.h"

static void
unref_mailbox(void *arg)
{
	struct imap_open *open = arg;

	store_own_unref(&open->own);
	store_mailbox_unref(&open->mailbox);
}

static enum work_end
load_own_run(struct imap_job *job)
{
	struct imap_open *open = job->state;

	open->err = store_own_load(open->user, store_account_id(open->account),
	    store_mailbox_id(open->mailbox), &open->own);
	return WORK_DONE;
}

static enum work_end
load_run(struct imap_job *job)
{
	struct imap_open *open = job->state;

	open->err = store_mailbox_load(open->account, open->in_account, &open->mailbox);
	return WORK_DONE;
}

static enum imap_next
open_own_loaded(struct imap_cmd *cmd)
{
	struct imap_open *open = cmd->opening;

	cmd->opening = NULL;
	if (open->err != TS_OK)
		store_mailbox_unref(&open->mailbox);
	return cmd_goto(cmd, open->next);
}

/*
 * Where a list gives the rights, they are those of the mailbox that was found, whatever its name
 * was given to meanwhile.
 */
static enum imap_next
open_found(struct imap_cmd *cmd)
{
	static const struct imap_step loaded = {"open-own-loaded", open_own_loaded};
	struct imap_open *open = cmd->opening;
	struct imap_place own;

	if (open->mailbox != NULL && open->foreign) {
		open->rights = imap_rights_on(imap_login(cmd->conn), open->name, open->mailbox);
		open->err = imap_rights_wanted(open->rights, open->needed, &open->missing);
		if (open->err != TS_OK)
			store_mailbox_unref(&open->mailbox);
	}
	imap_place_own(imap_login(cmd->conn), STR_NONE, &own);
	open->user = own.account;
	if (open->mailbox != NULL && open->account != open->user &&
	    store_mailbox_has_own(open->mailbox))
		return cmd_job(cmd, WORK_SHORT, load_own_run, open, &loaded);
	cmd->opening = NULL;
	return cmd_goto(cmd, open->next);
}

static const struct imap_step found_step = {"open-found", open_found};

static enum imap_next
open_reached(struct imap_cmd *cmd)
{
	struct imap_open *open = cmd->opening;
	struct store_mailbox_info info;
	struct imap_place place;

	if (open->given != NULL)
		open->name = imap_mailbox_meant(imap_login(cmd->conn), open->name, open->given);
	imap_place_of(imap_login(cmd->conn), open->name, &place);
	open->account = place.account;
	open->in_account = place.mailbox;
	open->foreign = place.shared;
	open->rights = place.rights;
	open->err = imap_rights_wanted(place.rights, open->needed, &open->missing);
	/* A missing mailbox is not refused for lack of a right. */
	if (open->err == TS_DENIED && !place.shared &&
	    !store_account_lookup(place.account, place.mailbox, &info))
		open->err = TS_NOT_FOUND;
	if (open->err != TS_OK)
		return cmd_goto(cmd, &found_step);
	arena_on_free(cmd->arena, unref_mailbox, open);
	open->mailbox = store_mailbox_find(open->account, open->in_account, &open->err);
	if (open->err != TS_NOT_FOUND)
		cmd->conn->il->stats.mailbox[open->mailbox != NULL]++;
	if (open->mailbox != NULL)
		open->err = TS_OK;
	else if (open->err == TS_UNAVAILABLE)
		return cmd_job(cmd, WORK_SHORT, load_run, open, &found_step);
	return cmd_goto(cmd, &found_step);
}

enum imap_next
cmd_open_mailbox(
    struct imap_cmd *cmd, struct imap_open *open, unsigned needed, const struct imap_step *next)
{
	static const struct imap_step reached = {"open-reached", open_reached};

	TS_ASSERT(cmd->opening == NULL);
	open->needed = needed;
	open->next = next;
	open->mailbox = NULL;
	cmd->opening = open;
	return cmd_reach(cmd, open->name, &reached);
}

enum imap_next
cmd_open_err(struct imap_cmd *cmd, const struct imap_open *open)
{
	return open->err == TS_DENIED ? cmd_no_right(cmd, open->missing) : cmd_err(cmd, open->err);
}

void
imap_tell_name(struct imap_cmd *cmd, struct str given, struct str name, unsigned attrs)
{
	if (given.p == NULL || !imap_dialect(cmd->conn)->rev2)
		return;
	if ((attrs & WIRE_ATTR_NONEXISTENT) == 0)
		attrs |= imap_mailbox_has_children(imap_login(cmd->conn), name)
		             ? WIRE_ATTR_HASCHILDREN
		             : WIRE_ATTR_HASNOCHILDREN;
	wire_out_list(imap_out(cmd->conn), imap_dialect(cmd->conn),
	    &(struct wire_list_row){.attrs = attrs,
	        .delimiter = wire_separator(imap_dialect(cmd->conn)),
	        .name = name,
	        .oldname = given});
}
