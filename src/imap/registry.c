/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry of extensions: made once at start from their constant structs,
 * then only read.  What they bring is found by kind and name in an open hash
 * table; slots have fixed offsets in the login and the box.
 */
#include "auth/sharing.h"
#include "imap/cmd.h"
#include "imap/hide.h"
#include "imap/settings.h"
#include "wire/cmd/fetch.h"
#include "wire/cmd/search.h"
#include "wire/cmd/status.h"

#define WORDS (sizeof(((struct imap_registry *)NULL)->words) / sizeof(struct imap_row))

static size_t
hash_of(enum imap_word kind, struct str name)
{
	uint32_t h = 2166136261u + kind;

	for (size_t i = 0; i < name.n; i++)
		h = (h ^ ((unsigned char)name.p[i] & 0xdfu)) * 16777619u; /* ignoring case */
	return (h ^ h >> 15) % WORDS;
}

static const void *
find_word(const struct imap_registry *reg, enum imap_word kind, struct str name)
{
	for (size_t at = hash_of(kind, name); reg->words[at].name != NULL; at = (at + 1) % WORDS)
		if (reg->words[at].kind == kind && str_ieq(str_of(reg->words[at].name), name))
			return reg->words[at].row;
	return NULL;
}

/* Returns whether the engine implements the word itself.  It does not implement all that wire
 * parses. */
static bool
is_base(enum imap_word kind, struct str name)
{
	static const struct wire_name *const known[IMAP_WORD_KINDS] = {
	    [IMAP_WORD_FETCH] = wire_fetch_names,
	    [IMAP_WORD_SEARCH_KEY] = wire_key_names,
	    [IMAP_WORD_STATUS] = wire_status_names,
	};
	const struct wire_name *found =
	    known[kind] != NULL ? wire_name_find(known[kind], name) : NULL;

	if (found == NULL)
		return false;
	if (kind == IMAP_WORD_SEARCH_KEY)
		return wire_key_is_base(found->id);
	return kind != IMAP_WORD_STATUS || found->id != WIRE_STATUS_SIZE;
}

/* If two extensions bring one name, or one brings a name of the engine's, a client's word would be
 * ambiguous. */
static void
add_word(struct imap_registry *reg, enum imap_word kind, const char *name, const void *row,
    const char *cap)
{
	size_t at = hash_of(kind, str_of(name));

	TS_ASSERT(find_word(reg, kind, str_of(name)) == NULL);
	TS_ASSERT(!is_base(kind, str_of(name)));
	TS_ASSERT(++reg->word_count <= WORDS / 2);
	while (reg->words[at].name != NULL)
		at = (at + 1) % WORDS;
	reg->words[at] = (struct imap_row){name, row, cap, kind};
}

static void
add_command(struct imap_registry *reg, const struct imap_cmd_def *def, const char *cap)
{
	add_word(reg, IMAP_WORD_COMMAND, def->name, def, cap);
	TS_ASSERT(reg->cmd_count < IMAP_CMD_MAX - 1);
	reg->cmds[reg->cmd_count++] = def;
}

static void
add_slots(struct imap_registry *reg, size_t i)
{
	const size_t align = sizeof(max_align_t);

	for (int life = 0; life < IMAP_LIVES; life++) {
		const struct imap_slot *slot = &reg->ext[i]->slots[life];
		struct imap_slots *slots = &reg->slots[life];

		slots->at[i] = slots->total;
		slots->total += (slot->size + align - 1) / align * align;
		slots->freed = slots->freed || slot->free != NULL;
		TS_ASSERT((slot->size > 0) == (slot->fields != NULL));
	}
}

/*
 * Commands in the RFCs of the IMAP registry, and of clients in wide use, that this server does not
 * have.  They are BAD like any other word, but logs, transcripts and counters use their names.
 */
static enum imap_next
cmd_lacking(struct imap_cmd *cmd)
{
	return cmd_bad(cmd, "This server does not support this command");
}

#define LACKS(command)                                                                             \
	{                                                                                          \
		.name = (command), .states = IMAP_ANY,                                             \
		.traits = IMAP_TRAIT_UID | IMAP_TRAIT_LACKING, .start = cmd_lacking                \
	}

static const struct imap_cmd_def lacking[] = {
    LACKS("CANCELUPDATE"), /* RFC 5267 */
    LACKS("COMPARATOR"),
    LACKS("LANGUAGE"), /* RFC 5255 */
    LACKS("CONVERSIONS"),
    LACKS("CONVERT"), /* RFC 5259 */
    LACKS("ESEARCH"), /* RFC 7377 */
    LACKS("GENURLAUTH"),
    LACKS("RESETKEY"),
    LACKS("URLFETCH"), /* RFC 4467 */
    LACKS("GETANNOTATION"),
    LACKS("SETANNOTATION"), /* drafts of RFC 5464 */
    LACKS("GETJMAPACCESS"), /* RFC 9698 */
    LACKS("GETMETADATA"),
    LACKS("SETMETADATA"), /* RFC 5464 */
    LACKS("NOTIFY"),      /* RFC 5465 */
    LACKS("PARTIAL"),     /* RFC 1730 */
    LACKS("REPLACE"),     /* RFC 8508 */
    LACKS("RLIST"),
    LACKS("RLSUB"), /* RFC 2193 */
    LACKS("XAPPLEPUSHSERVICE"),
    LACKS("XLIST"),
    {.name = NULL},
};

/* add_word() stops at a row that is dead because an extension brings the command. */
static void
add_lacking(struct imap_registry *reg)
{
	for (const struct imap_cmd_def *d = lacking; d->name != NULL; d++)
		add_command(reg, d, NULL);
}

static void
list_capability(struct imap_cap_list *list, const struct imap_cap *cap)
{
	TS_ASSERT(list->n < sizeof(list->cap) / sizeof(list->cap[0]));
	list->cap[list->n++] = cap;
}

static void
add_capabilities(struct imap_registry *reg, const struct imap_cap *caps)
{
	static const unsigned states[] = {IMAP_NOAUTH, IMAP_AUTH, IMAP_SELECTED};

	for (const struct imap_cap *c = caps; c != NULL && c->word != NULL; c++)
		for (size_t i = 0; i < 3; i++) {
			if ((c->states & states[i]) == 0)
				continue;
			if (c->when != NULL)
				list_capability(&reg->conditional[states[i] / 2], c);
			if (c->words != NULL)
				list_capability(&reg->wordy[states[i] / 2], c);
		}
}

#define ADD(kind, type, rows)                                                                      \
	for (const type *r = (rows); r != NULL && r->name != NULL; r++)                            \
	add_word(reg, (kind), r->name, r, cap)

/* Each row must be implemented in exactly one way. */
static void
check_rows(const struct imap_ext *ext)
{
	for (const struct imap_fetch_item *r = ext->fetch_items; r != NULL && r->name != NULL; r++)
		TS_ASSERT((r->print != NULL) != (r->locate != NULL));
	for (const struct imap_search_key *r = ext->search_keys; r != NULL && r->name != NULL; r++)
		TS_ASSERT((r->matches != NULL) +
		                  (r->matches_summary != NULL && r->needs_summary == NULL) +
		                  (r->text != NULL) + (r->choose != NULL) ==
		              1 &&
		          (r->needs_summary == NULL ||
		              (r->matches != NULL && r->matches_summary != NULL)));
	for (const struct imap_sort_key *r = ext->sort_keys; r != NULL && r->name != NULL; r++)
		TS_ASSERT(
		    (r->number != NULL) != (r->column != 0) && (r->column & (r->column - 1)) == 0);
	for (const struct imap_notify_event *r = ext->notify_events; r != NULL && r->name != NULL;
	     r++)
		TS_ASSERT(r->scopes == IMAP_NOTIFY_SELECTED ||
		          (r->happened != NULL && (r->status != NULL) != (r->print != NULL)));
}

/* Returns what stands for all rows of a file: its only capability, unless that says otherwise. */
static const char *
only_cap(const struct imap_ext *ext)
{
	const struct imap_cap *caps = ext->caps;

	return caps != NULL && caps->word != NULL && caps[1].word == NULL && caps->brings == NULL
	           ? caps->word
	           : NULL;
}

/* Adds capabilities that say which rows, of any file, they stand for. */
static void
add_brings(struct imap_registry *reg, const struct imap_ext *ext)
{
	for (const struct imap_cap *c = ext->caps; c != NULL && c->word != NULL; c++) {
		struct str names = str_of(c->brings != NULL ? c->brings : ""), name;

		while (names.n > 0 && str_split(&names, ' ', &name))
			for (size_t at = 0; at < WORDS; at++)
				if (reg->words[at].name != NULL &&
				    str_eq(str_of(reg->words[at].name), name))
					reg->words[at].cap = c->word;
	}
}

const char *
imap_registry_cap_of(const struct imap_registry *reg, const void *row)
{
	for (size_t at = 0; at < WORDS; at++)
		if (reg->words[at].name != NULL && reg->words[at].row == row)
			return reg->words[at].cap;
	return NULL;
}

static void
add_words(struct imap_registry *reg, const struct imap_ext *ext)
{
	const char *cap = only_cap(ext);

	check_rows(ext);
	for (const struct imap_cmd_def *d = ext->cmds; d != NULL && d->name != NULL; d++)
		add_command(reg, d, cap);
	ADD(IMAP_WORD_ENABLE, struct imap_enable, ext->enables);
	ADD(IMAP_WORD_CODE, struct imap_code, ext->codes);
	ADD(IMAP_WORD_FETCH, struct imap_fetch_item, ext->fetch_items);
	ADD(IMAP_WORD_FETCH_MODIFIER, struct imap_fetch_modifier, ext->fetch_modifiers);
	ADD(IMAP_WORD_STORE_MODIFIER, struct imap_store_modifier, ext->store_modifiers);
	ADD(IMAP_WORD_SEARCH_KEY, struct imap_search_key, ext->search_keys);
	ADD(IMAP_WORD_SEARCH_RETURN, struct imap_search_return, ext->search_returns);
	ADD(IMAP_WORD_SORT, struct imap_sort_key, ext->sort_keys);
	ADD(IMAP_WORD_STATUS, struct imap_status_item, ext->status_items);
	ADD(IMAP_WORD_LIST_SELECT, struct imap_list_select, ext->list_selects);
	ADD(IMAP_WORD_LIST_RETURN, struct imap_list_return, ext->list_returns);
	ADD(IMAP_WORD_SELECT, struct imap_select_param, ext->select_params);
	ADD(IMAP_WORD_CREATE, struct imap_create_param, ext->create_params);
	ADD(IMAP_WORD_APPEND, struct imap_append_data, ext->append_data);
	ADD(IMAP_WORD_NOTIFY, struct imap_notify_event, ext->notify_events);
}

/* Returns the attributes that are shown only on request. */
static unsigned
attrs_of(const struct imap_ext *ext)
{
	unsigned attrs = 0;

	for (const struct imap_list_select *r = ext->list_selects; r != NULL && r->name != NULL;
	     r++)
		attrs |= r->attrs;
	for (const struct imap_list_return *r = ext->list_returns; r != NULL && r->name != NULL;
	     r++)
		attrs |= r->attrs;
	return attrs;
}

#define HOOK(moment)                                                                               \
	if (ext->moment != NULL) {                                                                 \
		size_t at = 0;                                                                     \
                                                                                                   \
		while (reg->moment[at] != NULL)                                                    \
			at++;                                                                      \
		TS_ASSERT(at < IMAP_HOOKS_MAX);                                                    \
		reg->moment[at] = ext->moment;                                                     \
	}

static void
add_hooks(struct imap_registry *reg, const struct imap_ext *ext)
{
	HOOK(created)
	HOOK(appended)
	HOOK(copied)
	HOOK(stored)
	HOOK(selected)
	HOOK(flags_printed)
	HOOK(about_to_tell)
	HOOK(expunged)
}

void
imap_registry_build(struct imap_registry *reg, const struct imap_ext *const *all, size_t count)
{
	TS_ASSERT(count <= IMAP_EXT_MAX);
	*reg = (struct imap_registry){.count = count};
	for (size_t i = 0; i < count; i++) {
		reg->ext[i] = all[i];
		add_slots(reg, i);
		add_capabilities(reg, all[i]->caps);
		reg->list_attrs |= attrs_of(all[i]);
		add_words(reg, all[i]);
		add_hooks(reg, all[i]);
	}
	add_lacking(reg);
	for (size_t i = 0; i < count; i++)
		add_brings(reg, all[i]);
}

size_t
imap_conf_tables(const struct imap_ext *const *all, size_t count, const struct conf_table **tables)
{
	size_t n = 0;

	tables[n++] = &imap_conf;
	tables[n++] = &imap_hide_conf;
	tables[n++] = &auth_sharing_conf;
	for (size_t i = 0; i < count; i++)
		if (all[i]->conf != NULL)
			tables[n++] = all[i]->conf;
	return n;
}

/* ---- look-ups */

#define FIND(suffix, type, kind)                                                                   \
	const struct type *imap_registry_##suffix(                                                 \
	    const struct imap_registry *reg, struct str name)                                      \
	{                                                                                          \
		return find_word(reg, (kind), name);                                               \
	}

FIND(find, imap_cmd_def, IMAP_WORD_COMMAND)
FIND(enable, imap_enable, IMAP_WORD_ENABLE)
FIND(code, imap_code, IMAP_WORD_CODE)
FIND(fetch_item, imap_fetch_item, IMAP_WORD_FETCH)
FIND(fetch_modifier, imap_fetch_modifier, IMAP_WORD_FETCH_MODIFIER)
FIND(store_modifier, imap_store_modifier, IMAP_WORD_STORE_MODIFIER)
FIND(search_key, imap_search_key, IMAP_WORD_SEARCH_KEY)
FIND(search_return, imap_search_return, IMAP_WORD_SEARCH_RETURN)
FIND(sort_key, imap_sort_key, IMAP_WORD_SORT)
FIND(status_item, imap_status_item, IMAP_WORD_STATUS)
FIND(list_select, imap_list_select, IMAP_WORD_LIST_SELECT)
FIND(list_return, imap_list_return, IMAP_WORD_LIST_RETURN)
FIND(select_param, imap_select_param, IMAP_WORD_SELECT)
FIND(create_param, imap_create_param, IMAP_WORD_CREATE)
FIND(append_data, imap_append_data, IMAP_WORD_APPEND)
FIND(notify_event, imap_notify_event, IMAP_WORD_NOTIFY)

/* ---- slots and settings */

static size_t
ext_index(const struct imap_registry *reg, const struct imap_ext *ext)
{
	for (size_t i = 0; i < reg->count; i++)
		if (reg->ext[i] == ext)
			return i;
	TS_WRONG("an extension that is not registered");
}

static void *
find_slot(const struct imap_conn *conn, const struct imap_ext *ext, enum imap_life life,
    unsigned char *bytes)
{
	const struct imap_registry *reg = &conn->server->reg;

	TS_ASSERT(ext->slots[life].size > 0);
	return bytes + reg->slots[life].at[ext_index(reg, ext)];
}

void *
imap_turn_slot(const struct imap_conn *conn, const struct imap_ext *ext)
{
	return find_slot(conn, ext, IMAP_LIFE_TURN, conn->turn->slots);
}

void *
imap_login_slot(const struct imap_conn *conn, const struct imap_ext *ext)
{
	TS_ASSERT(imap_login(conn) != NULL);
	return find_slot(conn, ext, IMAP_LIFE_LOGIN, imap_login(conn)->slots);
}

void *
imap_box_slot(const struct imap_conn *conn, const struct imap_ext *ext)
{
	TS_ASSERT(imap_box(conn) != NULL);
	return find_slot(conn, ext, IMAP_LIFE_BOX, imap_box(conn)->slots);
}

struct owned_slots {
	const struct imap_registry *reg;
	enum imap_life life;
	unsigned char *bytes;
};

static void
free_slots(void *arg)
{
	const struct owned_slots *owned = arg;
	const struct imap_registry *reg = owned->reg;

	for (size_t i = 0; i < reg->count; i++) {
		const struct imap_slot *slot = &reg->ext[i]->slots[owned->life];

		if (slot->free != NULL)
			slot->free(owned->bytes + reg->slots[owned->life].at[i]);
	}
}

unsigned char *
imap_slots_new(const struct imap_registry *reg, enum imap_life life, struct arena *owner)
{
	const struct imap_slots *slots = &reg->slots[life];
	struct owned_slots *owned;
	unsigned char *bytes;

	if (slots->total == 0)
		return NULL;
	bytes = arena_zalloc(owner, slots->total);
	if (slots->freed) {
		owned = arena_new_object(owner, struct owned_slots);
		*owned = (struct owned_slots){reg, life, bytes};
		arena_on_free(owner, free_slots, owned);
	}
	return bytes;
}

const void *
imap_ext_settings(const struct imap_conn *conn, const struct imap_ext *ext)
{
	return conf_get(conn->turn->rules->conf, ext->conf);
}
