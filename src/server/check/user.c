/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of what a server does after it has become the user that it runs as: folders, user
 * databases, the sandbox.  They run in a process of their own, which becomes that user and reports
 * through a pipe.  See config_check.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "imap/settings.h"
#include "server/check/config_check.h"
#include "server/config/quota.h"
#include "server/process/privileges.h"
#include "server/process/sandbox.h"
#include "server/process/sasl.h"

struct looking {
	const struct conf *conf;
	const struct args *args;
	bool becomes; /* becomes server.user; else it stays as it is */
	char name[64];
	struct buf faults, warnings;
};

static void
set_name(struct looking *l)
{
	const struct server_settings *s = conf_get(l->conf, &server_conf);
	struct passwd pw, *found = NULL;
	char text[4096];
	const char *name = "of this process";

	if (l->becomes)
		name = s->user.p;
	else if (getpwuid_r(geteuid(), &pw, text, sizeof(text), &found) == 0 && found != NULL)
		name = found->pw_name;
	(void)snprintf(l->name, sizeof(l->name), "%s", name);
}

static const char *
user_name(const struct looking *l)
{
	return l->name;
}

/* " (permission denied for user X)" */
static void
put_reason(const struct looking *l, int code, struct buf *out)
{
	buf_puts(out, strerrordesc_np(code));
	if (code == EACCES || code == EPERM)
		buf_printf(out, " for user %s", user_name(l));
}

/* ---- folders ---- */

static bool
is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Whether this is a symbolic link to something missing: nothing can be made under its name. */
static bool
is_dangling(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISLNK(st.st_mode) && stat(path, &st) != 0 &&
	       errno == ENOENT;
}

/* Whether files can be made in that folder.  made: the server makes it if it is missing, so the
 * folder above counts. */
static bool
folder_ok(const struct looking *l, const char *path, bool made, struct buf *why)
{
	char *copy = mem_strdup(path), *slash;
	const char *fault;
	bool there;
	int code = 0;

	while (made && !is_dangling(copy) && access(copy, F_OK) != 0 &&
	       (errno == ENOENT || errno == ENOTDIR) && (slash = strrchr(copy, '/')) != NULL &&
	       copy[1] != '\0')
		slash[slash == copy ? 1 : 0] = '\0';
	there = strcmp(copy, path) == 0;
	fault = is_dangling(copy) ? "is a dangling symbolic link" : config_check_folder_fault(copy);
	if (access(copy, F_OK) == 0 && !is_folder(copy))
		code = ENOTDIR;
	/* A missing folder is made before the server becomes the user. */
	else if (!(made && !there && l->becomes) &&
	         faccessat(AT_FDCWD, copy, W_OK | X_OK, AT_EACCESS) != 0)
		code = errno;
	if (fault != NULL) {
		buf_printf(why, "%s: %s", copy, fault);
	} else if (code != 0) {
		buf_printf(why, "%s: ", copy);
		put_reason(l, code, why);
	}
	mem_free(copy);
	return code == 0 && fault == NULL;
}

static void
folder_of(const char *path, struct buf *out)
{
	const char *slash = strrchr(path, '/');

	buf_put(out, path, slash == NULL || slash == path ? 1 : (size_t)(slash - path));
}

static void
check_folder(struct looking *l, const char *options, const char *path, bool made)
{
	struct buf why = {0};

	if (!folder_ok(l, path, made, &why))
		config_check_fault(l->conf, conf_get(l->conf, &server_conf), options, &l->faults,
		    "%s", buf_cstr(&why));
	buf_fini(&why);
}

/* A certificate of the server's own, left by another user, could be neither read nor replaced. */
static void
check_own_certificate(struct looking *l)
{
	static const char *const files[] = {"cert.pem", "key.pem"};
	const struct server_settings *s = conf_get(l->conf, &server_conf);
	const struct tls_settings *tls = conf_get(l->conf, &tls_conf);
	struct buf path = {0}, why = {0};

	/* If the data folder is not a folder, that was reported. */
	for (size_t i = 0; tls->certificate.n == 0 && is_folder(s->data.p) && i < 2; i++) {
		path.n = why.n = 0;
		buf_printf(&path, "%s/tls/%s", s->data.p, files[i]);
		if (faccessat(AT_FDCWD, buf_cstr(&path), R_OK, AT_EACCESS) == 0 || errno == ENOENT)
			continue;
		put_reason(l, errno, &why);
		config_check_fault(l->conf, s, "server.data", &l->faults, "%s: %s", buf_cstr(&path),
		    buf_cstr(&why));
	}
	buf_fini(&path);
	buf_fini(&why);
}

static void
check_ready_file(struct looking *l)
{
	const struct server_settings *s = conf_get(l->conf, &server_conf);
	const char *file = args_get(l->args, "ready-file");
	struct buf folder = {0}, why = {0};

	if (file == NULL)
		return;
	folder_of(file, &folder);
	if (!str_eq(buf_as_str(&folder), s->data) &&
	    !folder_ok(l, strchr(file, '/') != NULL ? buf_cstr(&folder) : ".", false, &why))
		buf_printf(&l->faults, "--ready-file: %s\n", buf_cstr(&why));
	buf_fini(&folder);
	buf_fini(&why);
}

static void
check_folders(struct looking *l)
{
	const struct server_settings *s = conf_get(l->conf, &server_conf);
	struct buf path = {0};

	check_folder(l, "server.data", s->data.p, true);
	buf_printf(&path, "%s/store", s->data.p);
	if (is_folder(buf_cstr(&path)))
		check_folder(l, "server.data", buf_cstr(&path), true);
	path.n = 0;
	if (s->control.n > 0) {
		folder_of(s->control.p, &path);
		if (!str_eq(buf_as_str(&path), s->data))
			check_folder(l, "server.control", buf_cstr(&path), false);
	}
	path.n = 0;
	if (s->pid_file.n > 0) {
		folder_of(s->pid_file.p, &path);
		if (!str_eq(buf_as_str(&path), s->data))
			check_folder(l, "server.pid_file", buf_cstr(&path), false);
	}
	buf_fini(&path);
}

/* ---- files ---- */

/* The databases report themselves what is wrong with these files. */
static bool
is_read_below(const char *option)
{
	return strcmp(option, "file") == 0 || strcmp(option, "jwks") == 0 ||
	       strcmp(option, "auth.group_file") == 0;
}

static bool
is_for_tls(const struct conf *conf, const void *settings)
{
	struct conf_blocks blocks = conf_blocks(conf, &certificate_conf);

	for (size_t i = 0; i < blocks.n; i++)
		if (blocks.p[i].settings == settings)
			return true;
	return settings == conf_get(conf, &tls_conf);
}

static void
check_path(
    void *arg, const struct conf *conf, const void *settings, const char *option, struct str path)
{
	struct looking *l = arg;

	if (is_read_below(option) || faccessat(AT_FDCWD, path.p, R_OK, AT_EACCESS) == 0)
		return;
	if (is_for_tls(conf, settings))
		config_check_fault(conf, settings, option, &l->warnings,
		    "%s: user %s cannot read it: it is read at the start, by root, but a reload "
		    "will fail; give the file and its folder to a group of that user (chgrp, "
		    "chmod g+r)",
		    path.p, user_name(l));
	else
		config_check_fault(conf, settings, option, &l->warnings,
		    "%s: user %s, as whom the server runs, cannot read it", path.p, user_name(l));
}

static void
check_files(struct looking *l)
{
	const char *path = settings_path(l->args);

	if (!l->becomes)
		return; /* found when the options were checked */
	conf_each_readable(l->conf, check_path, l);
	if (path != NULL && faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) != 0)
		buf_printf(&l->warnings,
		    "%s: user %s cannot read it: a reload will fail; give the file to a group of "
		    "that user\n",
		    path, user_name(l));
}

static void
check_command(const struct looking *l, struct buf *faults)
{
	const struct quota_settings *s = conf_get(l->conf, &quota_conf);
	const char *path = s->warn_command.n > 0 ? s->warn_command.items[0].p : "";
	struct buf why = {0};
	struct stat st;

	if (path[0] != '/') /* none, or reported */
		return;
	if (stat(path, &st) != 0)
		put_reason(l, errno, &why);
	else if (!S_ISREG(st.st_mode))
		buf_puts(&why, "it is not a file");
	else if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) != 0)
		put_reason(l, errno, &why);
	if (why.n > 0 && conf_blame_item(l->conf, s, "quota.warn_command", 0, faults))
		buf_printf(faults, ": cannot be run: %s\n", buf_cstr(&why));
	buf_fini(&why);
}

/* ---- databases, mechanisms, sandbox ---- */

/* The version of the format: 5, then 1 or 2. */
static void
check_keytab(struct looking *l)
{
	const struct imap_settings *s = conf_get(l->conf, &imap_conf);
	FILE *f = s->kerberos_keytab.n > 0 ? fopen(s->kerberos_keytab.p, "re") : NULL;

	if (f == NULL)
		return; /* an unreadable one was reported */
	if (fgetc(f) != 5 || (fgetc(f) | 3) != 3)
		config_check_fault(l->conf, s, "auth.kerberos_keytab", &l->faults,
		    "%s is not a keytab", s->kerberos_keytab.p);
	(void)fclose(f);
}

static void
check_sasl(struct looking *l)
{
	struct sasl_cyrus *cyrus = NULL;

	server_sasl_prepare(l->conf);
	(void)server_sasl_open(l->conf, &l->faults, &cyrus);
	sasl_cyrus_close(&cyrus);
}

/* The last check, since nothing leads out of the sandbox. */
static void
check_sandbox(struct looking *l)
{
	const struct server_settings *s = conf_get(l->conf, &server_conf);
	struct sandbox_paths paths = {0};
	struct sandbox_state state;
	struct buf why = {0};
	struct str rest, line;

	if (s->sandbox != SANDBOX_REQUIRE)
		return;
	sandbox_add_system(&paths);
	if (!sandbox_enter(&paths, &state, &why)) {
		rest = buf_as_str(&why);
		while (str_split(&rest, '\n', &line))
			if (line.n > 0)
				config_check_fault(l->conf, s, "server.sandbox", &l->faults,
				    "require: %.*s", STR_ARG(line));
	}
	sandbox_paths_fini(&paths);
	buf_fini(&why);
}

/* ---- the process ---- */

static void
hush(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)level;
	(void)context;
	(void)text;
	(void)arg;
}

static void
write_text(int fd, const struct buf *text)
{
	size_t done = 0;
	ssize_t n = 1;

	while (done < text->n && (n > 0 || errno == EINTR)) {
		n = write(fd, text->p + done, text->n - done);
		done += n > 0 ? (size_t)n : 0;
	}
}

/* Sends faults, a NUL, then warnings. */
static void
look_as_user(struct looking *l, struct conf *conf, int fd)
{
	struct buf all = {0};

	log_set_sink(hush, NULL);
	if (l->becomes && !privileges_drop_helper(conf_get(l->conf, &server_conf)))
		buf_printf(&l->faults, "cannot become user %s: %s\n", user_name(l),
		    strerrordesc_np(errno));
	else {
		check_folders(l);
		check_own_certificate(l);
		check_ready_file(l);
		check_files(l);
		config_check_databases(conf, &l->faults, &l->warnings);
		check_command(l, &l->faults);
		check_keytab(l);
		check_sasl(l);
		check_sandbox(l);
	}
	buf_str(&all, buf_as_str(&l->faults));
	buf_putc(&all, '\0');
	buf_str(&all, buf_as_str(&l->warnings));
	write_text(fd, &all);
	_exit(0);
}

static bool
read_to_end(int fd, struct buf *out)
{
	ssize_t n = 1;

	while (n > 0 || (n < 0 && errno == EINTR)) {
		n = read(fd, buf_room(out, 4096), 4096);
		out->n += n > 0 ? (size_t)n : 0;
	}
	return n == 0;
}

static void
read_findings(int fd, pid_t pid, struct buf *faults, struct buf *warnings)
{
	struct buf all = {0};
	struct str rest, part;
	bool ok = read_to_end(fd, &all);
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	rest = buf_as_str(&all);
	ok = ok && str_chr(rest, '\0') != NULL && str_split(&rest, '\0', &part);
	if (ok) {
		buf_str(faults, part);
		buf_str(warnings, rest);
	} else {
		buf_puts(
		    warnings, "what the server does as the user it runs as could not be checked\n");
	}
	buf_fini(&all);
}

void
config_check_as_user(
    const struct config_check *how, struct conf *conf, struct buf *faults, struct buf *warnings)
{
	struct looking l = {.conf = conf, .args = how->args};
	int fds[2];
	uid_t uid;
	pid_t pid;

	/* A bad user was reported; the rest is checked as the calling user. */
	l.becomes = config_check_becomes(how, conf, &uid);
	set_name(&l);
	if (pipe2(fds, O_CLOEXEC) != 0 || (pid = fork()) < 0) {
		buf_printf(warnings, "what the server does as user %s could not be checked: %s\n",
		    user_name(&l), strerrordesc_np(errno));
		return;
	}
	if (pid == 0)
		look_as_user(&l, conf, fds[1]);
	(void)close(fds[1]);
	read_findings(fds[0], pid, faults, warnings);
	(void)close(fds[0]);
}

/* ---- in a server that runs ---- */

void
config_check_unseen(const struct config_check *how, const struct conf *conf, const void *settings,
    const char *options, const char *what, struct buf *warnings)
{
	if (conf_same(conf, settings, options, how->started) ||
	    !conf_blame(conf, settings, options, warnings))
		return;
	buf_printf(warnings,
	    ": %s is not known to the running server: run `turnstone config check`\n", what);
}

/* Whether the next start would lead to the server's present user. */
static bool
is_user_now(const struct config_check *how, const struct conf *conf)
{
	const struct server_settings *s = conf_get(conf, &server_conf);
	uid_t uid = how->starter->uid;

	if (conf_same(conf, s, "server.user", how->started))
		return true;
	if (uid == 0 && s->user.n > 0 && !config_check_becomes(how, conf, &uid))
		return false;
	return uid == geteuid();
}

void
config_check_command(const struct conf *conf, struct buf *faults)
{
	struct looking l = {.conf = conf};

	set_name(&l);
	check_command(&l, faults);
}

void
config_check_as_server(const struct config_check *how, const struct conf *conf, struct buf *faults,
    struct buf *warnings)
{
	const struct server_settings *s = conf_get(conf, &server_conf);
	const struct imap_settings *imap = conf_get(conf, &imap_conf);
	struct looking l = {
	    .conf = conf, .args = how->args, .becomes = how->starter->uid == 0 && s->user.n > 0};
	uid_t uid;

	set_name(&l);
	if (is_user_now(how, conf)) {
		check_folders(&l);
		check_own_certificate(&l);
		check_keytab(&l);
	} else if (how->sandboxed || config_check_becomes(how, conf, &uid)) {
		/* An unknown user was reported. */
		config_check_unseen(how, conf, s, "server.user",
		    "what that user may do with folders and files", warnings);
	}
	if (imap->sasl_mechanisms.n > 0)
		config_check_unseen(how, conf, imap,
		    "auth.sasl_mechanisms auth.sasl_host auth.kerberos_keytab",
		    "whether libsasl2 can offer these", warnings);
	if (s->sandbox == SANDBOX_REQUIRE && !how->sandboxed)
		config_check_unseen(how, conf, s, "server.sandbox",
		    "whether this machine has all of the sandbox", warnings);
	buf_str(faults, buf_as_str(&l.faults));
	buf_str(warnings, buf_as_str(&l.warnings));
	buf_fini(&l.faults);
	buf_fini(&l.warnings);
}
