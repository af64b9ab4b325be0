/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_HELPER_COMMAND_WIRE_H
#define AUTH_HELPER_COMMAND_WIRE_H
/* Messages between whoever wants a program run and the helper. */
#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"

enum { COMMAND_WORDS_MAX = 64 }; /* of arguments, and of the environment */

struct command_request {
	uint32_t ms; /* the time it has */
	/* What execve() gets: the first argument is the program's path, each of env "NAME=value".
	 * They contain no NUL bytes; the parser adds one after each. */
	struct str args[COMMAND_WORDS_MAX], env[COMMAND_WORDS_MAX];
	size_t arg_count, env_count;
};

struct command_reply {
	enum command_end {
		COMMAND_EXITED = 1, /* code: the status */
		COMMAND_KILLED,     /* the signal; not ours */
		COMMAND_TIMEOUT,    /* it was killed when its time was over */
		COMMAND_NOT_STARTED /* an errno */
	} end;
	unsigned code;
};

void command_request_print(const struct command_request *r, struct buf *out);
bool command_request_parse(struct str text, struct arena *arena, struct command_request *r_r);
void command_reply_print(const struct command_reply *r, struct buf *out);
bool command_reply_parse(struct str text, struct command_reply *r_r);
#endif
