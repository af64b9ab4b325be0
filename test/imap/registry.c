/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: test_registry
 *
 * Words from extensions: found by kind and name, case-insensitively; two extensions with the same
 * word, or one with a word of the base grammar, stop the server at its start.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "imap/ext/list.h"

static unsigned failed;

static void
expect(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "not so: %s\n", what);
	failed++;
}

/* Whether these stop the program. */
static bool
stops(const struct imap_ext *one, const struct imap_ext *other)
{
	const struct imap_ext *both[] = {one, other};
	pid_t pid = fork();
	int status;

	if (pid < 0) {
		perror("fork");
		exit(1);
	}
	if (pid == 0) {
		struct imap_registry *reg = calloc(1, sizeof(*reg));
		struct rlimit none = {0, 0};

		(void)setrlimit(RLIMIT_CORE, &none);
		(void)signal(SIGABRT, SIG_DFL);
		if (freopen("/dev/null", "w", stderr) == NULL)
			_exit(1);
		imap_registry_build(reg, both, 2);
		free(reg);
		_exit(0);
	}
	(void)waitpid(pid, &status, 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static enum imap_next
start(struct imap_cmd *cmd)
{
	(void)cmd;
	return IMAP_DONE;
}

static void
enable(struct imap_conn *conn)
{
	(void)conn;
}

static void
print_item(const struct imap_fetched *message, struct buf *out)
{
	(void)message;
	(void)out;
}

static bool
matches(const struct wire_key *key, const struct store_message *record)
{
	(void)key;
	(void)record;
	return true;
}

static int64_t
number(const struct store_message *record)
{
	return record->uid;
}

static void
print_status(struct imap_conn *conn, const struct store_account *account,
    const struct store_mailbox_info *mailbox, struct buf *out)
{
	(void)account;
	(void)conn;
	(void)mailbox;
	(void)out;
}

/* A table with one row. */
#define ROW(table, type, NAME, does)                                                               \
	.table = (const struct type[])                                                             \
	{                                                                                          \
		{.name = (NAME), does},                                                            \
		{                                                                                  \
			.name = NULL                                                               \
		}                                                                                  \
	}
#define WORDS(NAME) ROW(cmds, imap_cmd_def, NAME, .start = start)
#define ENABLES(NAME) ROW(enables, imap_enable, NAME, .enable = enable)
#define CODES(NAME) ROW(codes, imap_code, NAME, .when = "always")
#define ITEMS(NAME) ROW(fetch_items, imap_fetch_item, NAME, .print = print_item)
#define KEYS(NAME) ROW(search_keys, imap_search_key, NAME, .matches = matches)
#define RETURNS(NAME) ROW(search_returns, imap_search_return, NAME, .says_none = true)
#define SORTS(NAME) ROW(sort_keys, imap_sort_key, NAME, .number = number)
#define EVENTS(NAME) ROW(notify_events, imap_notify_event, NAME, .scopes = IMAP_NOTIFY_SELECTED)
#define STATUS(NAME) ROW(status_items, imap_status_item, NAME, .print = print_status)
#define SELECTS(NAME) ROW(list_selects, imap_list_select, NAME, .recursive = true)
#define LIST_RETURNS(NAME) ROW(list_returns, imap_list_return, NAME, .attrs = 1)
#define PARAMS(NAME) ROW(create_params, imap_create_param, NAME, .apply = apply)
#define DATA(NAME) ROW(append_data, imap_append_data, NAME, .begin = begin)

static bool
apply(struct imap_cmd *cmd, const struct wire_create *args, struct store_change *change)
{
	(void)cmd;
	(void)args;
	(void)change;
	return true;
}

static void *
begin(void)
{
	return NULL;
}

static void
duplicates(void)
{
	const struct imap_ext all = {.name = "all",
	    WORDS("WORD"),
	    ENABLES("WORD"),
	    CODES("WORD"),
	    ITEMS("WORD"),
	    KEYS("WORD"),
	    RETURNS("WORD"),
	    SORTS("WORD"),
	    EVENTS("WORD"),
	    STATUS("WORD"),
	    SELECTS("WORD"),
	    LIST_RETURNS("WORD"),
	    PARAMS("WORD"),
	    DATA("WORD")};
	const struct imap_ext none = {.name = "none"};

	/* The same word in several kinds is as many words. */
	expect(!stops(&all, &none), "one extension alone is taken");
	expect(stops(&all, &(struct imap_ext){.name = "two", WORDS("WORD")}), "two commands stop");
	expect(
	    stops(&all, &(struct imap_ext){.name = "two", ENABLES("word")}), "two to ENABLE stop");
	expect(stops(&all, &(struct imap_ext){.name = "two", ITEMS("WORD")}), "two items stop");
	expect(stops(&all, &(struct imap_ext){.name = "two", KEYS("WORD")}), "two keys stop");
	expect(
	    stops(&all, &(struct imap_ext){.name = "two", STATUS("WORD")}), "two of STATUS stop");
	expect(stops(&all, &(struct imap_ext){.name = "two", CODES("WORD")}), "two codes stop");
	expect(stops(&all, &(struct imap_ext){.name = "two", RETURNS("WORD")}),
	    "two of SEARCH RETURN stop");
	expect(stops(&all, &(struct imap_ext){.name = "two", SORTS("word")}), "two of SORT stop");
	expect(
	    stops(&all, &(struct imap_ext){.name = "two", EVENTS("Word")}), "two of NOTIFY stop");
	expect(stops(&all, &(struct imap_ext){.name = "two", SELECTS("WORD")}), "two of LIST stop");
	expect(stops(&all, &(struct imap_ext){.name = "two", LIST_RETURNS("WORD")}),
	    "two of LIST RETURN stop");
	expect(
	    stops(&all, &(struct imap_ext){.name = "two", PARAMS("word")}), "two of CREATE stop");
	expect(stops(&all, &(struct imap_ext){.name = "two", DATA("WORD")}), "two of APPEND stop");
	expect(
	    !stops(&all, &(struct imap_ext){.name = "two", STATUS("WORDS")}), "others are taken");
	expect(
	    stops(&none, &(struct imap_ext){.name = "base", ITEMS("FLAGS")}), "FLAGS is FETCH's");
	expect(
	    stops(&none, &(struct imap_ext){.name = "base", KEYS("UNSEEN")}), "UNSEEN is SEARCH's");
	expect(stops(&none, &(struct imap_ext){.name = "base", STATUS("UIDNEXT")}),
	    "UIDNEXT is STATUS's");
	expect(stops(&none, &(struct imap_ext){.name = "mute",
	                        .search_keys = (const struct imap_search_key[]){{.name = "MUTE"},
	                            {.name = NULL}}}),
	    "a key that nothing decides stops");
	expect(stops(&none, &(struct imap_ext){.name = "mute",
	                        .fetch_items = (const struct imap_fetch_item[]){{.name = "MUTE"},
	                            {.name = NULL}}}),
	    "an item that nothing prints stops");
	expect(stops(&none, &(struct imap_ext){.name = "mute",
	                        .sort_keys = (const struct imap_sort_key[]){{.name = "MUTE"},
	                            {.name = NULL}}}),
	    "a key without a value stops");
	expect(stops(&none,
	           &(struct imap_ext){.name = "two",
	               .sort_keys = (const struct imap_sort_key[]){{.name = "TWO", .column = 3},
	                   {.name = NULL}}}),
	    "a key of two columns stops");
	expect(stops(&none,
	           &(struct imap_ext){.name = "mute",
	               .notify_events =
	                   (const struct imap_notify_event[]){
	                       {.name = "MUTE", .scopes = IMAP_NOTIFY_MAILBOXES}, {.name = NULL}}}),
	    "an event that nothing tells stops");
	/* wire parses them, and an extension handles them. */
	expect(!stops(&none, &(struct imap_ext){.name = "left", KEYS("OLDER")}), "OLDER is free");
	expect(!stops(&none, &(struct imap_ext){.name = "left", STATUS("SIZE")}), "SIZE is free");
}

#define FINDS(table, type, suffix)                                                                 \
	for (const struct type *r = e->table; r != NULL && r->name != NULL; r++)                   \
	expect(imap_registry_##suffix(reg, str_of(r->name)) == r, r->name)

/* Every word that wire parses and the engine does not handle has an extension. */
static void
left_words(const struct imap_registry *reg)
{
	for (const struct wire_name *w = wire_key_names; w->name != NULL; w++)
		expect(wire_key_is_base(w->id) ||
		           imap_registry_search_key(reg, str_of(w->name)) != NULL,
		    w->name);
	for (const struct wire_name *w = wire_return_names; w->name != NULL; w++)
		expect(imap_registry_search_return(reg, str_of(w->name)) != NULL, w->name);
	for (const struct wire_name *w = wire_list_select_names; w->name != NULL; w++)
		expect(imap_registry_list_select(reg, str_of(w->name)) != NULL, w->name);
	for (const struct wire_name *w = wire_list_return_names; w->name != NULL; w++)
		expect(imap_registry_list_return(reg, str_of(w->name)) != NULL, w->name);
	expect(imap_registry_status_item(reg, STR("SIZE")) != NULL, "SIZE");
	expect(imap_registry_fetch_item(reg, STR("BINARY")) != NULL, "BINARY");
	expect(imap_registry_fetch_item(reg, STR("BINARY.SIZE")) != NULL, "BINARY.SIZE");
	expect(imap_registry_create_param(reg, STR("USE")) != NULL, "USE");
}

static void
all_of_the_server(void)
{
	struct imap_registry *reg = calloc(1, sizeof(*reg));

	imap_registry_build(reg, imap_all_extensions, imap_all_extensions_count);
	for (size_t i = 0; i < imap_all_extensions_count; i++) {
		const struct imap_ext *e = imap_all_extensions[i];

		FINDS(cmds, imap_cmd_def, find);
		FINDS(enables, imap_enable, enable);
		FINDS(codes, imap_code, code);
		FINDS(fetch_items, imap_fetch_item, fetch_item);
		FINDS(search_keys, imap_search_key, search_key);
		FINDS(search_returns, imap_search_return, search_return);
		FINDS(sort_keys, imap_sort_key, sort_key);
		FINDS(notify_events, imap_notify_event, notify_event);
		FINDS(status_items, imap_status_item, status_item);
		FINDS(list_selects, imap_list_select, list_select);
		FINDS(list_returns, imap_list_return, list_return);
		FINDS(create_params, imap_create_param, create_param);
		FINDS(append_data, imap_append_data, append_data);
	}
	left_words(reg);
	expect(imap_registry_find(reg, STR("Noop")) != NULL, "names are found without case");
	expect(imap_registry_find(reg, STR("NOSUCH")) == NULL, "a word that nobody brings");
	expect(imap_registry_fetch_item(reg, STR("NOOP")) == NULL, "a word of another kind");
	free(reg);
}

int
main(void)
{
	duplicates();
	all_of_the_server();
	return failed > 0;
}
