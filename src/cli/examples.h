/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_EXAMPLES_H
#define CLI_EXAMPLES_H
/*
 * An example or more of each command, for the help and the manual page.  In
 * this order they are a walk from an empty machine on, which a test goes: each
 * line has to succeed where those before it were run, in a folder with a file
 * `password.txt`, while alice reads her mail.
 */
struct example {
	const char *cmd;  /* the command's name; NULL ends */
	const char *what; /* a sentence */
	const char *line; /* as it is typed; may go on in further lines */
};

extern const struct example examples[];
/* A configuration, in paragraphs as topics.h describes them. */
extern const char examples_conf[];
#endif
