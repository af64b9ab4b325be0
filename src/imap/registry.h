/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_REGISTRY_H
#define IMAP_REGISTRY_H
/* The registry: what extensions bring (imap/ext.h), by kind and name. */
#include "imap/ext.h"

struct arena;
struct imap_rules;

#define IMAP_EXT_MAX 64
#define IMAP_CMD_MAX 128

enum imap_word { /* kinds of names that extensions bring */
	IMAP_WORD_COMMAND,
	IMAP_WORD_ENABLE,
	IMAP_WORD_CODE,
	IMAP_WORD_FETCH,
	IMAP_WORD_FETCH_MODIFIER,
	IMAP_WORD_STORE_MODIFIER,
	IMAP_WORD_SEARCH_KEY,
	IMAP_WORD_SEARCH_RETURN,
	IMAP_WORD_SORT,
	IMAP_WORD_STATUS,
	IMAP_WORD_LIST_SELECT,
	IMAP_WORD_LIST_RETURN,
	IMAP_WORD_SELECT,
	IMAP_WORD_CREATE,
	IMAP_WORD_APPEND,
	IMAP_WORD_NOTIFY,
	IMAP_WORD_KINDS
};

#define IMAP_HOOKS_MAX 8

struct imap_registry { /* made once at start, constant afterwards */
	const struct imap_ext *ext[IMAP_EXT_MAX];
	size_t count;
	struct imap_slots { /* of one lifetime */
		size_t at[IMAP_EXT_MAX], total;
		bool freed; /* a slot has a free() */
	} slots[IMAP_LIVES];
	struct imap_row {         /* an open hash table by kind and name */
		const char *name; /* NULL: free */
		const void *row;
		const char *cap; /* the CAPABILITY word that stands for it; NULL: none */
		enum imap_word kind;
	} words[1024];
	unsigned word_count;
	const struct imap_cmd_def *cmds[IMAP_CMD_MAX];
	unsigned cmd_count;  /* less than IMAP_CMD_MAX */
	unsigned list_attrs; /* WIRE_ATTR_*: those shown only if a row has them */
	/* Hooks: each array ends in NULL. */
	imap_code_f *created[IMAP_HOOKS_MAX + 1], *appended[IMAP_HOOKS_MAX + 1],
	    *copied[IMAP_HOOKS_MAX + 1], *stored[IMAP_HOOKS_MAX + 1];
	void (*selected[IMAP_HOOKS_MAX + 1])(struct imap_conn *conn);
	void (*flags_printed[IMAP_HOOKS_MAX + 1])(
	    const struct imap_box *box, const struct store_message *record, struct buf *out);
	void (*about_to_tell[IMAP_HOOKS_MAX + 1])(
	    struct imap_conn *conn, const struct imap_news *news);
	void (*expunged[IMAP_HOOKS_MAX + 1])(struct imap_box *box);
	/* By imap_state() / 2.  A switch reads both lists twice. */
	struct imap_cap_list { /* in the order in which capabilities are shown */
		const struct imap_cap *cap[64];
		unsigned n;
	} conditional[3], wordy[3]; /* those with a condition; those that print words */
};
void imap_registry_build(
    struct imap_registry *reg, const struct imap_ext *const *all, size_t count);
/* Returns the CAPABILITY word that stands for a row that was found; NULL: there is none. */
const char *imap_registry_cap_of(const struct imap_registry *reg, const void *row);
/* Collects the engine's and the extensions' tables of options, up to 3 + count of them. */
size_t imap_conf_tables(
    const struct imap_ext *const *all, size_t count, const struct conf_table **tables);
/* Allocates the slots of an owner with this arena.  They are freed before what was entered into the
 * arena until now. */
unsigned char *imap_slots_new(
    const struct imap_registry *reg, enum imap_life life, struct arena *owner);
/* capability.c.  Frees the printed capabilities. */
void imap_forget_capabilities(struct imap_rules *rules);
/* Look up by name, ignoring case; NULL: no extension has it.  On behalf of a client pass the row
 * through imap_shown() (imap/hide.h). */
const struct imap_cmd_def *imap_registry_find(const struct imap_registry *reg, struct str name);
const struct imap_enable *imap_registry_enable(const struct imap_registry *reg, struct str name);
const struct imap_code *imap_registry_code(const struct imap_registry *reg, struct str name);
const struct imap_fetch_item *imap_registry_fetch_item(
    const struct imap_registry *reg, struct str name);
const struct imap_fetch_modifier *imap_registry_fetch_modifier(
    const struct imap_registry *reg, struct str name);
const struct imap_store_modifier *imap_registry_store_modifier(
    const struct imap_registry *reg, struct str name);
const struct imap_search_key *imap_registry_search_key(
    const struct imap_registry *reg, struct str name);
const struct imap_search_return *imap_registry_search_return(
    const struct imap_registry *reg, struct str name);
const struct imap_sort_key *imap_registry_sort_key(
    const struct imap_registry *reg, struct str name);
const struct imap_status_item *imap_registry_status_item(
    const struct imap_registry *reg, struct str name);
const struct imap_list_select *imap_registry_list_select(
    const struct imap_registry *reg, struct str name);
const struct imap_list_return *imap_registry_list_return(
    const struct imap_registry *reg, struct str name);
const struct imap_select_param *imap_registry_select_param(
    const struct imap_registry *reg, struct str name);
const struct imap_create_param *imap_registry_create_param(
    const struct imap_registry *reg, struct str name);
const struct imap_append_data *imap_registry_append_data(
    const struct imap_registry *reg, struct str name);
const struct imap_notify_event *imap_registry_notify_event(
    const struct imap_registry *reg, struct str name);
#endif
