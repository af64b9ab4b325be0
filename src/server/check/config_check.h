/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_CHECK_CONFIG_CHECK_H
#define SERVER_CHECK_CONFIG_CHECK_H
/*
 * server/check: would a server start?  Start here; the files answer for the file alone, for paths,
 * for the machine, and for the user that the server becomes.
 *
 * Would a server start with this configuration, or take it at a reload?  `serve`, `config check`
 * and `reload` ask here and nowhere else, so that they cannot disagree.  All faults are found at
 * once, each a line "FILE:LINE: OPTION: what is wrong, and what would be right"; no port is bound,
 * nothing is made, and a server that runs is not disturbed.
 *
 * Who starts the server is often not who it runs as: what it does after it has become
 * `server.user` is looked at in a process that has become that user.
 *
 * What only the moment decides is left to the moment: a port in use, the lock of the store, a disk
 * that is full.
 */
#include "conf/args.h"
#include "server/config/settings.h"

enum config_check_purpose {
	/* `config check`: for a start and for a reload, so an expired certificate is a fault. */
	CONFIG_CHECK_FILE,
	CONFIG_CHECK_START, /* `serve`, before anything is bound and before the first thread */
	/* A running server: what is asked of the machine for a start only is left out, since the
	 * server may not be able to see it. */
	CONFIG_CHECK_RELOAD,
};

struct config_check {
	enum config_check_purpose purpose;
	const struct args *args; /* --config, --set */
};

/*
 * Loads and looks.  BLOCKING.  Lines are appended: faults, for which a server does not start, and
 * warnings, of what will go wrong later (may be NULL).  True: no faults; a reference to *conf_r is
 * the asker's.
 */
bool config_check(
    const struct config_check *how, struct buf *faults, struct buf *warnings, struct conf **conf_r);
/* paths.c: no two of its paths are one, where the server makes one of them; and what
 * is at server.pid_file.  For config_check() only. */
void config_check_paths(const struct config_check *how, const struct conf *conf,
    const struct app_listener *listed, size_t n, struct buf *faults);
void config_check_pid_file(
    const struct config_check *how, const struct conf *conf, struct buf *faults);
/* start.c: what a start asks of the machine.  For config_check() only. */
void config_check_machine(const struct config_check *how, const struct conf *conf,
    struct buf *faults, struct buf *warnings);
/* user.c: the same of what happens as the user that the server becomes. */
void config_check_as_user(
    const struct config_check *how, struct conf *conf, struct buf *faults, struct buf *warnings);
/* Appends where the option stands, ": " and the text; nothing if it is wrong by itself. */
void config_check_fault(const struct conf *conf, const void *settings, const char *options,
    struct buf *out, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Will the process become another user on its way?  Who; NULL: no, or there is none of that name.
 */
struct passwd;
const struct passwd *config_check_becomes(const struct conf *conf);
#endif
