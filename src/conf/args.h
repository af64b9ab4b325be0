/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_ARGS_H
#define CONF_ARGS_H
/*
 * The command line: a subcommand, its options from a table, its operands.
 * Options are `--name`, `--name VALUE` or `--name=VALUE`, anywhere behind the
 * subcommand; `--` ends them.
 */
#include <stdbool.h>
#include <stddef.h>

/* Exit codes. */
enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_DAMAGE = 3,    /* damage was found, or not all could be done */
	EXIT_NO_SERVER = 4, /* no server runs, and this needs one */
	EXIT_REFUSED = 5    /* `grant explain`: not permitted */
};

struct args_opt {
	const char *name;  /* without the dashes; NULL ends a table */
	const char *value; /* what stands for the value in the help; NULL: it takes none */
	const char *help;
};

struct args;

struct args_cmd {
	const char *name;     /* "user add" */
	const char *operands; /* for the help; "" */
	int min, max;         /* how many operands; max -1: any number */
	const char *help;     /* one line */
	const char *more;     /* further paragraphs, may be NULL */
	const struct args_opt *opts;
	int (*run)(const struct args *args); /* gives the exit code */
};

struct args {
	const struct args_cmd *cmd;
	const char *const *operands;
	size_t operand_count;
	/* private */
	const struct args_opt **opt;
	const char **value;
	size_t count;
};

/* Fills args from what stands behind the subcommand; prints what is wrong to standard error. */
bool args_parse(const struct args_cmd *cmd, int argc, char **argv, struct args *args_r);
void args_fini(struct args *args);
bool args_has(const struct args *args, const char *name);
/* The last one given; NULL: not given. */
const char *args_get(const struct args *args, const char *name);
/* The i-th of an option that may be repeated; NULL at the end. */
const char *args_nth(const struct args *args, const char *name, size_t i);
/* False, with a message, when it is given and no number from min to max. */
bool args_number(const struct args *args, const char *name, unsigned long long min,
    unsigned long long max, unsigned long long def, unsigned long long *value_r);
#endif
