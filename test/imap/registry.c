/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: test_registry
 *
 * Words that extensions bring: found by kind and name, without case; two extensions with one word,
 * and one with a word of the base grammar, stop the server at its start.
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

/* Do these stop the program? */
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

static void
print_status(struct imap_conn *conn, const struct store_mailbox_info *mailbox, struct buf *out)
{
	(void)conn;
	(void)mailbox;
	(void)out;
}

#define WORDS(NAME)                                                                                \
	.cmds = (const struct imap_cmd_def[])                                                      \
	{                                                                                          \
		{.name = (NAME), .start = start},                                                  \
		{                                                                                  \
			.name = NULL                                                               \
		}                                                                                  \
	}
#define ENABLES(NAME)                                                                              \
	.enables = (const struct imap_enable[])                                                    \
	{                                                                                          \
		{.name = (NAME), .enable = enable},                                                \
		{                                                                                  \
			.name = NULL                                                               \
		}                                                                                  \
	}
#define ITEMS(NAME)                                                                                \
	.fetch_items = (const struct imap_fetch_item[])                                            \
	{                                                                                          \
		{.name = (NAME), .print = print_item},                                             \
		{                                                                                  \
			.name = NULL                                                               \
		}                                                                                  \
	}
#define KEYS(NAME)                                                                                 \
	.search_keys = (const struct imap_search_key[])                                            \
	{                                                                                          \
		{.name = (NAME), .matches = matches},                                              \
		{                                                                                  \
			.name = NULL                                                               \
		}                                                                                  \
	}
#define STATUS(NAME)                                                                               \
	.status_items = (const struct imap_status_item[])                                          \
	{                                                                                          \
		{.name = (NAME), .print = print_status},                                           \
		{                                                                                  \
			.name = NULL                                                               \
		}                                                                                  \
	}

static void
duplicates(void)
{
	const struct imap_ext all = {.name = "all",
	    WORDS("WORD"),
	    ENABLES("WORD"),
	    ITEMS("WORD"),
	    KEYS("WORD"),
	    STATUS("WORD")};
	const struct imap_ext none = {.name = "none"};

	/* One word of several kinds is as many words. */
	expect(!stops(&all, &none), "one extension alone is taken");
	expect(stops(&all, &(struct imap_ext){.name = "two", WORDS("WORD")}), "two commands stop");
	expect(
	    stops(&all, &(struct imap_ext){.name = "two", ENABLES("word")}), "two to ENABLE stop");
	expect(stops(&all, &(struct imap_ext){.name = "two", ITEMS("WORD")}), "two items stop");
	expect(stops(&all, &(struct imap_ext){.name = "two", KEYS("WORD")}), "two keys stop");
	expect(
	    stops(&all, &(struct imap_ext){.name = "two", STATUS("WORD")}), "two of STATUS stop");
	expect(
	    !stops(&all, &(struct imap_ext){.name = "two", STATUS("WORDS")}), "others are taken");
	expect(
	    stops(&none, &(struct imap_ext){.name = "base", ITEMS("FLAGS")}), "FLAGS is FETCH's");
	expect(
	    stops(&none, &(struct imap_ext){.name = "base", KEYS("UNSEEN")}), "UNSEEN is SEARCH's");
	expect(stops(&none, &(struct imap_ext){.name = "base", STATUS("UIDNEXT")}),
	    "UIDNEXT is STATUS's");
}

static void
all_of_the_server(void)
{
	struct imap_registry *reg = calloc(1, sizeof(*reg));

	imap_registry_build(reg, imap_all_extensions, imap_all_extensions_count);
	for (size_t i = 0; i < imap_all_extensions_count; i++) {
		const struct imap_ext *e = imap_all_extensions[i];

		for (const struct imap_cmd_def *d = e->cmds; d != NULL && d->name != NULL; d++)
			expect(imap_registry_find(reg, str_of(d->name)) == d, d->name);
		for (const struct imap_fetch_item *r = e->fetch_items; r != NULL && r->name != NULL;
		     r++)
			expect(imap_registry_fetch_item(reg, str_of(r->name)) == r, r->name);
		for (const struct imap_search_key *r = e->search_keys; r != NULL && r->name != NULL;
		     r++)
			expect(imap_registry_search_key(reg, str_of(r->name)) == r, r->name);
		for (const struct imap_status_item *r = e->status_items;
		     r != NULL && r->name != NULL; r++)
			expect(imap_registry_status_item(reg, str_of(r->name)) == r, r->name);
	}
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
