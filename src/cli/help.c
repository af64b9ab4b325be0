/* SPDX-License-Identifier: Apache-2.0 */
/* The list of commands, and what `turnstone help` says about them and about topics. */
#include "cli/help.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/examples.h"
#include "cli/topics.h"
#include "conf/conf.h"
#include "server/config/settings.h"

static const struct args_cmd *const groups[] = {
    cli_server_cmds,
    cli_user_cmds,
    cli_grant_cmds,
    cli_alias_cmds,
    cli_acl_cmds,
    cli_group_mailbox_cmds,
    cli_check_cmds,
    cli_config_cmds,
    cli_domain_cmds,
    cli_port_cmds,
    cli_demo_cmds,
    cli_backup_cmds,
    cli_restore_cmds,
    cli_mailbox_cmds,
    cli_quota_cmds,
    cli_sessions_cmds,
};

#define WIDTH 90
#define GROUPS (sizeof(groups) / sizeof(*groups))

const struct args_cmd *
help_cmd_at(size_t i)
{
	for (size_t g = 0; g < GROUPS; g++)
		for (const struct args_cmd *c = groups[g]; c->name != NULL; c++)
			if (i-- == 0)
				return c;
	return NULL;
}

const struct args_cmd *
help_find(int argc, char **argv, int *words_r)
{
	const struct args_cmd *found = NULL, *c;
	struct buf two = {0};

	*words_r = 0;
	if (argc < 1)
		return NULL;
	buf_puts(&two, argv[0]);
	if (argc > 1)
		buf_printf(&two, " %s", argv[1]);
	for (size_t i = 0; (c = help_cmd_at(i)) != NULL; i++) {
		int words = strchr(c->name, ' ') != NULL ? 2 : 1;

		if (strcmp(c->name, words == 2 ? buf_cstr(&two) : argv[0]) == 0) {
			found = c;
			*words_r = words;
		}
	}
	buf_fini(&two);
	return found;
}

/* Lists those of a group ("user"), or all. */
static void
list_cmds(FILE *f, const char *group)
{
	const struct args_cmd *c;
	size_t n = group != NULL ? strlen(group) : 0;

	for (size_t i = 0; (c = help_cmd_at(i)) != NULL; i++)
		if (group == NULL ||
		    (strncmp(c->name, group, n) == 0 && (c->name[n] == ' ' || c->name[n] == '\0')))
			fprintf(f, "  %-16s %s\n", c->name, c->help);
}

/* Lists the sections of the configuration: each is also a topic. */
static void
list_sections(FILE *f)
{
	struct conf_tables tables = settings_tables();

	for (size_t i = 0; i < tables.n; i++)
		fprintf(f, "  %-16s %soptions of the configuration\n", tables.p[i]->name,
		    tables.p[i]->block ? "a block of " : "");
}

static void
list_topics(FILE *f)
{
	for (const struct topic *t = topics; t->name != NULL; t++)
		fprintf(f, "  %-16s %s\n", t->name, t->help);
	list_sections(f);
}

void
help_usage(FILE *f)
{
	fprintf(f, "usage: turnstone COMMAND [OPTIONS]\n\nCommands:\n");
	list_cmds(f, NULL);
	fprintf(f, "\nTopics:\n");
	list_topics(f);
	fprintf(f, "\nMore: turnstone help COMMAND, TOPIC or OPTION\n");
}

/* Prints text from column `at`, in lines of at most WIDTH; further lines are indented to match. */
static void
wrap(const char *text, size_t at)
{
	size_t column = at;

	while (*text != '\0') {
		size_t word = strcspn(text, " \n");

		if (column > at && column + 1 + word > WIDTH) {
			printf("\n%*s", (int)at, "");
			column = at;
		}
		printf("%s%.*s", column > at ? " " : "", (int)word, text);
		column += word + (column > at);
		text += word;
		text += strspn(text, " \n");
	}
	putchar('\n');
}

static void
show_options(const struct args_cmd *c)
{
	printf("\nOptions:\n");
	for (const struct args_opt *o = c->opts; o->name != NULL; o++) {
		struct buf left = {0};

		buf_printf(&left, "--%s%s%s", o->name, o->value != NULL ? " " : "",
		    o->value != NULL ? o->value : "");
		printf("  %-24s ", buf_cstr(&left));
		wrap(o->help, left.n > 24 ? left.n + 3 : 27);
		buf_fini(&left);
	}
}

static void
show_examples(const struct args_cmd *c)
{
	bool any = false;

	for (const struct example *e = examples; e->cmd != NULL; e++) {
		if (strcmp(e->cmd, c->name) != 0)
			continue;
		printf("%s  # %s\n  %s\n", any ? "" : "\nExamples:\n", e->what, e->line);
		any = true;
	}
}

void
help_cmd(const struct args_cmd *c)
{
	printf("turnstone %s%s%s%s\n    ", c->name, c->operands[0] != '\0' ? " " : "", c->operands,
	    c->opts != NULL ? " [OPTIONS]" : "");
	wrap(c->help, 4);
	if (c->more != NULL) {
		putchar('\n');
		wrap(c->more, 0);
	}
	if (c->opts != NULL)
		show_options(c);
	show_examples(c);
}

/* Whether this is the first word of any commands ("user"). */
static bool
is_group(const char *word)
{
	const struct args_cmd *c;
	size_t n = strlen(word);

	for (size_t i = 0; (c = help_cmd_at(i)) != NULL; i++)
		if (strncmp(c->name, word, n) == 0 && c->name[n] == ' ')
			return true;
	return false;
}

/* Words that could have been meant. */
struct words {
	char **p;
	size_t n, cap;
};

static void
words_add(struct words *w, struct str word)
{
	if (w->n == w->cap) {
		w->cap = w->cap == 0 ? 64 : w->cap * 2;
		w->p = mem_realloc(w->p, w->cap * sizeof(*w->p));
	}
	w->p[w->n] = mem_zalloc(word.n + 1);
	memcpy(w->p[w->n++], word.p, word.n);
}

/* Adds the whole name, and its first part. */
static void
words_add_parts(struct words *w, const char *name, const char *end)
{
	words_add(w, str_of(name));
	words_add(w, (struct str){.p = name, .n = strcspn(name, end)});
}

static void
words_fini(struct words *w)
{
	while (w->n > 0)
		mem_free(w->p[--w->n]);
	mem_free(w->p);
}

static void
words_of_topics(struct words *w)
{
	struct conf_tables tables = settings_tables();

	for (const struct topic *t = topics; t->name != NULL; t++)
		words_add(w, str_of(t->name));
	for (size_t t = 0; t < tables.n; t++) {
		words_add(w, str_of(tables.p[t]->name));
		for (size_t i = 0; i < tables.p[t]->n; i++)
			words_add_parts(w, tables.p[t]->opts[i].name, ".");
	}
}

static void
suggest(int argc, char **argv, bool with_topics)
{
	struct words words = {0};
	const struct args_cmd *c;
	struct buf asked = {0};
	const char *near;

	buf_puts(&asked, argv[0]);
	if (is_group(argv[0]) && argc > 1)
		buf_printf(&asked, " %s", argv[1]);
	for (size_t i = 0; (c = help_cmd_at(i)) != NULL; i++)
		words_add_parts(&words, c->name, " ");
	if (with_topics)
		words_of_topics(&words);
	near = str_nearest(buf_as_str(&asked), (const char *const *)words.p, words.n);
	if (near != NULL)
		fprintf(stderr, "Did you mean: %s\n", near);
	words_fini(&words);
	buf_fini(&asked);
}

void
help_no_cmd(int argc, char **argv)
{
	bool group = is_group(argv[0]);

	if (group && argc == 1)
		fprintf(stderr, "turnstone %s: which of these is meant?\n", argv[0]);
	else
		fprintf(stderr, "turnstone: there is no command '%s%s%s'\n", argv[0],
		    group ? " " : "", group ? argv[1] : "");
	if (!group || argc > 1)
		suggest(argc, argv, false);
	if (group)
		list_cmds(stderr, argv[0]);
	else
		fprintf(stderr, "See: turnstone help\n");
}

static bool
show_topic(const char *name)
{
	const struct topic *t = topic_find(name);
	struct buf out = {0};
	bool found = true;

	if (t != NULL)
		topic_text(t, &out);
	else
		found = topic_options(name, &out);
	(void)fwrite(out.p, 1, out.n, stdout);
	buf_fini(&out);
	return found;
}

/* For a command or a group that shares its name with options: `who` and `user`. */
static void
show_option_too(const char *name)
{
	struct buf out = {0};

	if (topic_options(name, &out))
		printf("\nOptions of that name in the configuration:\n\n%s", buf_cstr(&out));
	buf_fini(&out);
}

/* `user`: its commands, then the topic or the options of that name.  If a topic also has commands
 * (`config`), the topic comes first. */
static void
help_group(const char *name)
{
	bool topic = topic_find(name) != NULL;

	if (topic && show_topic(name))
		printf("\nCommands:\n");
	else
		printf("turnstone %s ...\n", name);
	list_cmds(stdout, name);
	if (!topic)
		show_option_too(name);
}

static int
help_unknown(int argc, char **argv)
{
	fprintf(stderr, "turnstone: there is no command, topic or option '%s%s%s'\n", argv[0],
	    argc > 1 ? " " : "", argc > 1 ? argv[1] : "");
	suggest(argc, argv, true);
	if (is_group(argv[0])) {
		list_cmds(stderr, argv[0]);
	} else {
		fprintf(stderr, "Topics:\n");
		list_topics(stderr);
		fprintf(stderr, "Commands: see turnstone help\n");
	}
	return EXIT_USAGE;
}

int
help_run(int argc, char **argv)
{
	int words;
	const struct args_cmd *c = help_find(argc, argv, &words);

	if (argc == 0) {
		help_usage(stdout);
	} else if (c != NULL) {
		help_cmd(c);
		if (argc == 1)
			show_option_too(argv[0]);
	} else if (argc == 1 && is_group(argv[0])) {
		help_group(argv[0]);
	} else if (argc > 1 || !show_topic(argv[0])) {
		return help_unknown(argc, argv);
	}
	return EXIT_OK;
}
