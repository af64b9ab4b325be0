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
 * What a reload cannot refuse, since the server runs already, it warns of: "the next start would
 * fail: FILE:LINE: ...".
 *
 * What only the moment decides is left to the moment: a port in use, the lock of the store, a disk
 * that is full.
 */
#include <sys/types.h>

#include "conf/args.h"
#include "server/config/settings.h"

enum config_check_purpose {
	/* `config check`: for a start and for a reload, so an expired certificate is a fault. */
	CONFIG_CHECK_FILE,
	CONFIG_CHECK_START, /* `serve`, before anything is bound and before the first thread */
	/* A running server takes what is sound by itself.  What the machine lacks for the next
	 * start is a warning: a network interface that is down must not keep a certificate from
	 * being renewed.  What the server cannot see as the user that it has become, or from inside
	 * its sandbox, is named as such where it is another than at the start. */
	CONFIG_CHECK_RELOAD,
};

/* Who starts the server, which may have given up since what it began with. */
struct config_starter {
	uid_t uid;
	bool low_ports; /* may bind ports below 1024, and the like */
	bool chown;     /* may give files away */
};

struct config_check {
	enum config_check_purpose purpose;
	const struct args *args; /* --config, --set */
	/* For a reload: what the server was started by, and with. */
	const struct config_starter *starter;
	const struct conf *started;
	bool sandboxed;
};

/* This process, now. */
void config_starter_now(struct config_starter *starter_r);

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
    const struct settings_listener *listed, size_t n, struct buf *faults);
void config_check_pid_file(
    const struct config_check *how, const struct conf *conf, struct buf *faults);
/* idle.c: what is allowed, and does nothing.  For config_check() only. */
void config_check_idle(const struct conf *conf, struct buf *warnings);
/* start.c: what a start asks of the machine.  For config_check() only; starter is
 * given. */
void config_check_machine(const struct config_check *how, const struct conf *conf,
    struct buf *faults, struct buf *warnings);
/* user.c: the same of what happens as the user that the server becomes.  For a start;
 * and as far as a running server can tell. */
void config_check_as_user(
    const struct config_check *how, struct conf *conf, struct buf *faults, struct buf *warnings);
void config_check_as_server(const struct config_check *how, const struct conf *conf,
    struct buf *faults, struct buf *warnings);
/* Appends databases' and groups' files that cannot be used.  Here and now. */
void config_check_databases(struct conf *conf, struct buf *faults, struct buf *warnings);
/* NULL, or why no file can be made in that folder whoever asks: the kernel's own places. */
const char *config_check_folder_fault(const char *folder);
/* Appends where the option stands, ": " and the text; nothing if it is wrong by itself. */
void config_check_fault(const struct conf *conf, const void *settings, const char *options,
    struct buf *out, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Whom to blame: a listener, or options of settings. */
bool config_check_blame(const struct conf *conf, const struct settings_listener *listener,
    const void *settings, const char *options, struct buf *out);
/* Appends a line: what ("whether there is a user x") is not known to the running server.  Nothing
 * where the options are as at its start. */
void config_check_unseen(const struct config_check *how, const struct conf *conf,
    const void *settings, const char *options, const char *what, struct buf *warnings);
/* Will the process become another user on its way?  False: no, or there is none of that name. */
bool config_check_becomes(const struct config_check *how, const struct conf *conf, uid_t *uid_r);
#endif
