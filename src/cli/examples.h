/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_EXAMPLES_H
#define CLI_EXAMPLES_H
/*
 * One or more examples of each command, for the help and the manual page.  In this order they are a
 * tour that begins on an empty machine, and that a test follows: each line must succeed after those
 * before it, in a folder with a file `password.txt`, while alice is reading her mail.
 */
struct example {
	const char *cmd;  /* the command's name; NULL ends */
	const char *what; /* a sentence */
	const char *line; /* as typed; may continue on further lines */
};

extern const struct example examples[];
/* A configuration, in paragraphs as in topics.h. */
extern const char examples_conf[];
#endif
