/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_ARGS_H
#define CONF_ARGS_H
/*
 * The command line: a subcommand, its options (from a table) and its operands.  Options are
 * `--name`, `--name VALUE` or `--name=VALUE`, anywhere after the subcommand; `--` ends them.
 */
#include <stdbool.h>
#include <stddef.h>

/* Exit codes. */
enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_DAMAGE = 3,    /* damage was found, or part of the work failed */
	EXIT_NO_SERVER = 4, /* this needs a running server, and there is none */
	EXIT_REFUSED = 5    /* `grant explain`: not permitted; `acl explain`: no rights */
};

struct args_opt {
	const char *name;  /* without the dashes; NULL ends the table */
	const char *value; /* what the help calls it, such as FILE; NULL: the option takes none */
	const char *help;
};

struct args;

struct args_cmd {
	const char *name;     /* "user add" */
	const char *operands; /* for the help; "" */
	int min, max;         /* number of operands; max -1: unlimited */
	const char *help;     /* one line */
	const char *more;     /* further paragraphs; may be NULL */
	const struct args_opt *opts;
	int (*run)(const struct args *args); /* returns the exit code */
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

/* Parses everything after the subcommand.  False: prints what is wrong to standard error. */
bool args_parse(const struct args_cmd *cmd, int argc, char **argv, struct args *args_r);
void args_fini(struct args *args);
bool args_has(const struct args *args, const char *name);
/* The value last given; NULL: the option is not given. */
const char *args_get(const struct args *args, const char *name);
/* The i-th value of a repeatable option; NULL after the last. */
const char *args_nth(const struct args *args, const char *name, size_t i);
/* False, with a message, if the option is given and is not a number from min to max. */
bool args_number(const struct args *args, const char *name, unsigned long long min,
    unsigned long long max, unsigned long long def, unsigned long long *value_r);
#endif
