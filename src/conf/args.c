/* SPDX-License-Identifier: Apache-2.0 */
/* Parses the options and operands of a subcommand. */
#include "conf/args.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

enum { ARGS_OPTS_MAX = 64 };

static bool
complain(const struct args_cmd *cmd, const char *what, const char *about)
{
	fprintf(stderr, "turnstone %s: %s%s\n", cmd->name, what, about);
	fprintf(stderr, "usage: turnstone %s%s%s%s\nSee: turnstone help %s\n", cmd->name,
	    cmd->operands[0] != '\0' ? " " : "", cmd->operands,
	    cmd->opts != NULL ? " [OPTIONS]" : "", cmd->name);
	return false;
}

/* Suggests the option that was probably meant, or lists all. */
static bool
no_option(const struct args_cmd *cmd, const char *word, struct str name)
{
	const char *names[ARGS_OPTS_MAX] = {NULL}, *near;
	size_t n = 0;

	for (const struct args_opt *o = cmd->opts; o != NULL && o->name != NULL; o++) {
		TS_ASSERT(n < ARGS_OPTS_MAX);
		names[n++] = o->name;
	}
	near = str_nearest(name, names, n);
	fprintf(stderr, "turnstone %s: there is no option %s", cmd->name, word);
	if (near != NULL)
		fprintf(stderr, "; did you mean --%s?", near);
	else if (n == 0)
		fprintf(stderr, "; this command has none");
	else
		fprintf(stderr, "; there are:");
	for (size_t i = 0; near == NULL && i < n; i++)
		fprintf(stderr, "%s --%s", i > 0 ? "," : "", names[i]);
	fprintf(stderr, "\nSee: turnstone help %s\n", cmd->name);
	return false;
}

static const struct args_opt *
find_opt(const struct args_cmd *cmd, struct str name)
{
	for (const struct args_opt *o = cmd->opts; o != NULL && o->name != NULL; o++)
		if (str_eq(str_of(o->name), name))
			return o;
	return NULL;
}

/* Takes the option argv[*i] and its value. */
static bool
take_option(struct args *args, int argc, char **argv, int *i)
{
	const char *word = argv[*i], *equals = strchr(word, '=');
	struct str name = {
	    word + 2, equals != NULL ? (size_t)(equals - word) - 2 : strlen(word) - 2};
	const struct args_opt *o = find_opt(args->cmd, name);
	const char *value = equals != NULL ? equals + 1 : NULL;

	if (o == NULL)
		return no_option(args->cmd, word, name);
	if (o->value == NULL && value != NULL)
		return complain(args->cmd, "no value is allowed in ", word);
	if (o->value != NULL && value == NULL) {
		if (*i + 1 >= argc)
			return complain(args->cmd, "a value is missing after ", word);
		value = argv[++*i];
	}
	if (o->value != NULL && strcmp(o->value, "FILE") == 0 && value[0] == '\0')
		return complain(args->cmd, "a file must be named after ", word);
	args->opt[args->count] = o;
	args->value[args->count++] = value;
	return true;
}

bool
args_parse(const struct args_cmd *cmd, int argc, char **argv, struct args *args_r)
{
	const char **operands = mem_zalloc(((size_t)argc + 1) * sizeof(*operands));
	bool only_operands = false, ok = true;

	*args_r = (struct args){.cmd = cmd, .operands = operands};
	args_r->opt = mem_zalloc(((size_t)argc + 1) * sizeof(struct args_opt *));
	args_r->value = mem_zalloc(((size_t)argc + 1) * sizeof(char *));
	for (int i = 0; ok && i < argc; i++) {
		if (!only_operands && strcmp(argv[i], "--") == 0)
			only_operands = true;
		else if (!only_operands && strncmp(argv[i], "--", 2) == 0)
			ok = take_option(args_r, argc, argv, &i);
		else
			operands[args_r->operand_count++] = argv[i];
	}
	if (ok && args_r->operand_count < (size_t)cmd->min)
		ok = complain(cmd, "something is missing: ", cmd->operands);
	if (ok && cmd->max >= 0 && args_r->operand_count > (size_t)cmd->max)
		ok = complain(cmd, "too much on the line: ", operands[cmd->max]);
	if (!ok)
		args_fini(args_r);
	return ok;
}

void
args_fini(struct args *args)
{
	mem_free((void *)(uintptr_t)args->operands);
	mem_free((void *)(uintptr_t)args->opt);
	mem_free((void *)(uintptr_t)args->value);
	*args = (struct args){0};
}

const char *
args_nth(const struct args *args, const char *name, size_t n)
{
	for (size_t i = 0; i < args->count; i++)
		if (strcmp(args->opt[i]->name, name) == 0 && n-- == 0)
			return args->value[i] != NULL ? args->value[i] : "";
	return NULL;
}

bool
args_has(const struct args *args, const char *name)
{
	return args_nth(args, name, 0) != NULL;
}

const char *
args_get(const struct args *args, const char *name)
{
	const char *last = NULL, *v;

	for (size_t i = 0; (v = args_nth(args, name, i)) != NULL; i++)
		last = v;
	return last;
}

bool
args_number(const struct args *args, const char *name, unsigned long long min,
    unsigned long long max, unsigned long long def, unsigned long long *value_r)
{
	const char *text = args_get(args, name);
	uint64_t v;

	*value_r = def;
	if (text == NULL)
		return true;
	if (!str_u64(str_of(text), max, &v) || v < min) {
		fprintf(stderr, "turnstone %s: --%s must be a number from %llu to %llu, not '%s'\n",
		    args->cmd->name, name, min, max, text);
		return false;
	}
	*value_r = v;
	return true;
}
