/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_CHECK_CONFIG_CHECK_H
#define SERVER_CHECK_CONFIG_CHECK_H
/*
 * server/check: would a server start?  Start here; one file each for the configuration file alone,
 * for paths, for the machine, and for the user that the server becomes.
 *
 * Would a server start with this configuration, or accept it at a reload?  `serve`, `config check`
 * and `reload` all ask here, so they cannot disagree.  It finds all faults at once, each a line
 * "FILE:LINE: OPTION: what is wrong, and what would be right"; it binds no port, makes nothing, and
 * does not disturb a running server.
 *
 * The server is often started by another user than the one it runs as: what it does after it has
 * become `server.user` is checked in a process that has become that user.
 *
 * A reload cannot refuse what concerns only a start, so it warns: "the next start would fail:
 * FILE:LINE: ...".
 *
 * Some things show only when they happen, so they are not checked: a port in use, the store's lock,
 * a full disk.
 */
#include <sys/types.h>

#include "conf/args.h"
#include "server/config/settings.h"

enum config_check_purpose {
	/* `config check`: for both start and reload, so an expired certificate is a fault */
	CONFIG_CHECK_FILE,
	CONFIG_CHECK_START, /* `serve`, before anything is bound and before the first thread */
	/* A running server accepts what is valid by itself.  Whatever the machine lacks for the
	 * next start is a warning: a network interface that is down must not prevent the renewal of
	 * a certificate.  Whatever the server cannot check, as the user it has become or from
	 * inside its sandbox, is named if it differs from the start. */
	CONFIG_CHECK_RELOAD,
};

/* The process at the server's start; the server may have given up some of these rights since. */
struct config_starter {
	uid_t uid;
	bool low_ports; /* may bind ports below 1024 */
	bool chown;     /* may give files away */
};

struct config_check {
	enum config_check_purpose purpose;
	const struct args *args; /* --config, --set */
	/* for a reload: who started the server, and with what */
	const struct config_starter *starter;
	const struct conf *started;
	bool sandboxed;
	/* Gets the catalogues that were read, which are the caller's; NULL: they are not wanted. */
	struct texts_set **languages_r;
};

/* Fills it from this process as it is now. */
void config_starter_now(struct config_starter *starter_r);

/*
 * Loads and checks a configuration.  BLOCKING.  Appends lines: faults, which keep a server from
 * starting, and warnings about what will go wrong later (may be NULL).  True: no faults; the caller
 * owns a reference to *conf_r.
 */
bool config_check(
    const struct config_check *how, struct buf *faults, struct buf *warnings, struct conf **conf_r);
/* paths.c: checks that no two paths are the same where the server makes one of them, and what is at
 * server.pid_file.  For config_check() only. */
void config_check_paths(const struct config_check *how, const struct conf *conf,
    const struct settings_listener *listed, size_t n, struct buf *faults);
void config_check_pid_file(
    const struct config_check *how, const struct conf *conf, struct buf *faults);
/* idle.c: warns of what is allowed but has no effect.  For config_check() only. */
void config_check_idle(const struct conf *conf, struct buf *warnings);
/* start.c: what a start needs from the machine.  For config_check() only; starter is set. */
void config_check_machine(const struct config_check *how, const struct conf *conf,
    struct buf *faults, struct buf *warnings);
/* user.c: the same for what happens as the user that the server becomes: for a start, and as far as
 * a running server can tell. */
void config_check_as_user(
    const struct config_check *how, struct conf *conf, struct buf *faults, struct buf *warnings);
void config_check_as_server(const struct config_check *how, const struct conf *conf,
    struct buf *faults, struct buf *warnings);
/* The same at once, of a running server: whether it may run the command of quotas. */
void config_check_command(const struct conf *conf, struct buf *faults);
/* Appends faults for each unusable file of the databases and the groups.  BLOCKING, in this
 * process. */
void config_check_databases(struct conf *conf, struct buf *faults, struct buf *warnings);
/* NULL, or the reason why nobody can make a file in that folder: it is one of the kernel's own. */
const char *config_check_folder_fault(const char *folder);
/* Appends the option's place, ": " and the text; nothing if the option is invalid by itself. */
void config_check_fault(const struct conf *conf, const void *settings, const char *options,
    struct buf *out, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Appends what to blame: a listener, or options of settings. */
bool config_check_blame(const struct conf *conf, const struct settings_listener *listener,
    const void *settings, const char *options, struct buf *out);
/* Appends a line: the running server cannot tell `what` ("whether there is a user x").  Nothing if
 * the options are the same as at its start. */
void config_check_unseen(const struct config_check *how, const struct conf *conf,
    const void *settings, const char *options, const char *what, struct buf *warnings);
/* Whether the process will become another user as it starts.  False: no, or there is no such
 * user. */
bool config_check_becomes(const struct config_check *how, const struct conf *conf, uid_t *uid_r);
#endif
