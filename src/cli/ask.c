/* SPDX-License-Identifier: Apache-2.0 */
/* Requests from the command line: to the server, or to a process of our own. */
#include "cli/ask.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/control.h"
#include "control/dialogue.h"
#include "control/ops/ops.h"
#include "server/config/auth_setup.h"
#include "server/config/quota.h"
#include "server/config/settings.h"
#include "server/process/privileges.h"

/* ---- without a server ---- */

/* Runs an operation that needs a store at rest; false: this is not one. */
static bool
run_still(struct conf *conf, struct str wire, const struct channel *ch)
{
	const struct server_settings *s = conf_get(conf, &server_conf);
	struct request req = {0};
	struct ops ops = {.find = ops_find};
	const struct op *op = NULL;
	char *text = NULL;
	enum ts_err err;

	if (request_parse(wire, &req))
		op = ops_find(req.verb);
	if (op == NULL || !op->still) {
		request_fini(&req);
		return false;
	}
	err = settings_open_store_still(conf, request_has(&req, "repair"), &ops.store, &text);
	if (err == TS_EXISTS || (err != TS_OK && err != TS_DAMAGED && err != TS_NOT_FOUND)) {
		fprintf(stderr, "turnstone: the store cannot be opened: %s\n",
		    text != NULL ? text : ts_err_name(err));
	} else {
		ops.recovered = err != TS_OK && text == NULL ? ts_err_name(err) : text;
		ops.auth = ops.store != NULL ? auth_new(ops.store, s->default_domain) : NULL;
		if (ops.auth != NULL)
			auth_setup_offline(conf, ops.auth);
		op_serve(ch, &ops);
		if (ops.auth != NULL)
			auth_free(&ops.auth);
		store_close(&ops.store);
	}
	free(text);
	request_fini(&req);
	return true;
}

/* Limits apply to what commands write, too; users are warned when a server runs. */
static void
limit(struct conf *conf, const struct ops *ops, struct quota_rules **rules_r)
{
	const struct server_settings *s = conf_get(conf, &server_conf);
	struct store_quota_source source;

	*rules_r = quota_rules_new(conf, ops->auth, s->default_domain);
	quota_rules_source(*rules_r, &source);
	store_quota_source(ops->store, &source);
}

/* The process that stands in for the server. */
static void
run_here(struct conf *conf, struct str wire, int fd)
{
	const struct server_settings *s = conf_get(conf, &server_conf);
	struct channel ch = {.fd = fd, .stop = -1, .patience = -1};
	struct ops ops = {.find = ops_find};
	struct quota_rules *rules;

	/* Otherwise files owned by root would be left in the store. */
	if (s->user.n > 0 && geteuid() == 0 && !privileges_drop(s))
		return;
	if (run_still(conf, wire, &ch))
		return;
	if (settings_open_store(conf, &ops.store)) {
		ops.auth = auth_new(ops.store, s->default_domain);
		auth_setup_offline(conf, ops.auth);
		limit(conf, &ops, &rules);
		op_serve(&ch, &ops);
		store_quota_source(ops.store, NULL);
		quota_rules_free(&rules);
		auth_free(&ops.auth);
		store_close(&ops.store);
	}
}

/* Forks it and returns a descriptor to talk to it; -1: errno. */
static int
start_here(struct conf *conf, struct str wire, pid_t *pid_r)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	(void)fflush(NULL); /* or both would write the buffered output */
	*pid_r = fork();
	if (*pid_r == 0) {
		close(pair[0]);
		/* Ctrl-C ends the command; when this process notices, it ends in an orderly way. */
		(void)signal(SIGINT, SIG_IGN);
		run_here(conf, wire, pair[1]);
		(void)fflush(NULL);
		_exit(0);
	}
	close(pair[1]);
	if (*pid_r > 0)
		return pair[0];
	close(pair[0]);
	return -1;
}

/* ---- what is the same with and without ---- */

static int
verdict(const struct args *args, enum talk_answer answer, struct buf *text, struct buf *out)
{
	if (answer == TALK_OK)
		buf_str(out, buf_as_str(text));
	else if (answer == TALK_FAILED && text->n > 0)
		fprintf(stderr, "turnstone %s: %.*s", args->cmd->name, STR_ARG(buf_as_str(text)));
	return answer == TALK_OK ? EXIT_OK : EXIT_FAILED;
}

static int
without_server(const struct args *args, struct conf *conf, struct str wire,
    const struct talk_bulk *bulk, struct buf *out)
{
	struct buf text = {0};
	enum talk_answer answer;
	int code = EXIT_FAILED, status = 0, fd;
	pid_t pid;

	fd = start_here(conf, wire, &pid);
	if (fd < 0) {
		fprintf(stderr, "turnstone %s: %s\n", args->cmd->name, strerror(errno));
		return EXIT_FAILED;
	}
	answer = talk(fd, wire, bulk, &text);
	close(fd);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		fprintf(stderr, "turnstone %s: ended by signal %d\n", args->cmd->name,
		    WTERMSIG(status));
	code = verdict(args, answer, &text, out);
	buf_wipe_fini(&text);
	return code;
}

static int
with_server(const struct args *args, const char *path, int fd, struct str wire,
    const struct talk_bulk *bulk, struct buf *out)
{
	struct buf text = {0};
	enum talk_answer answer = talk(fd, wire, bulk, &text);
	int code;

	close(fd);
	code = verdict(args, answer, &text, out);
	if (answer == TALK_NONE)
		fprintf(stderr, "turnstone %s: the server on %s did not finish its answer\n",
		    args->cmd->name, path);
	buf_wipe_fini(&text);
	return code;
}

static bool
needs_server(struct str wire)
{
	struct str verb;
	const struct op *op;

	str_split(&wire, '\n', &verb);
	op = ops_find(verb);
	return op != NULL && op->needs_server;
}

/* Without a configuration, nobody has asked for a store in the default place; but one that exists
 * is used. */
static bool
may_begin(const struct args *args, const struct conf *conf)
{
	const struct server_settings *s = conf_get(conf, &server_conf);

	if (settings_path(args) != NULL || access(s->data.p, F_OK) == 0)
		return true;
	fprintf(stderr, "turnstone %s: no server is running, and there is no data folder %s\n",
	    args->cmd->name, s->data.p);
	return false;
}

static int
ask_conf(const struct args *args, struct conf *conf, struct str wire, const struct talk_bulk *bulk,
    struct buf *out)
{
	struct buf path = {0};
	int code = EXIT_FAILED, fd;

	settings_control_path(conf, &path);
	fd = control_dial(buf_cstr(&path));
	if (fd >= 0) {
		code = with_server(args, buf_cstr(&path), fd, wire, bulk, out);
	} else if (errno != ENOENT && errno != ECONNREFUSED && errno != ENOTDIR) {
		fprintf(stderr, "turnstone %s: the control socket %s: %s\n", args->cmd->name,
		    buf_cstr(&path), strerror(errno));
	} else if (needs_server(wire)) {
		fprintf(stderr, "turnstone %s: no server is running (there is none on %s)\n",
		    args->cmd->name, buf_cstr(&path));
		settings_hint(args);
		code = EXIT_NO_SERVER;
	} else if (!may_begin(args, conf)) {
		settings_hint(args);
	} else {
		code = without_server(args, conf, wire, bulk, out);
	}
	buf_fini(&path);
	return code;
}

/* A running server has a configuration in force, whatever faults the file may have by now. */
static bool
ask_running(const struct args *args, struct str wire, const struct talk_bulk *bulk, struct buf *out,
    int *code_r)
{
	struct conf *conf = NULL;
	struct buf path = {0};
	int fd = -1;

	if (settings_find(args, &conf)) {
		settings_control_path(conf, &path);
		fd = control_dial(buf_cstr(&path));
	}
	if (fd >= 0)
		*code_r = with_server(args, buf_cstr(&path), fd, wire, bulk, out);
	conf_unref(&conf);
	buf_fini(&path);
	return fd >= 0;
}

int
ask_with(const struct args *args, struct buf *wire, const struct talk_bulk *bulk, struct buf *out)
{
	struct conf *conf = NULL;
	int code = EXIT_FAILED;

	if (wire->n > REQUEST_BYTES_MAX)
		fprintf(stderr, "turnstone %s: the request is too large (%zu bytes)\n",
		    args->cmd->name, wire->n);
	else if (!ask_running(args, buf_as_str(wire), bulk, out, &code) &&
	         settings_load(args, &conf))
		code = ask_conf(args, conf, buf_as_str(wire), bulk, out);
	buf_wipe_fini(wire);
	conf_unref(&conf);
	return code;
}

int
ask_quiet(const struct args *args, struct buf *wire, struct buf *out)
{
	return ask_with(args, wire, NULL, out);
}

int
ask(const struct args *args, struct buf *wire)
{
	struct buf out = {0};
	int code = ask_quiet(args, wire, &out);

	(void)fwrite(out.p, 1, out.n, stdout);
	buf_fini(&out);
	return code;
}

int
ask_in_dialogue(const struct args *args, struct buf *wire,
    void (*speak)(struct dialogue *d, void *arg), void *arg)
{
	struct talk_bulk bulk;
	struct dialogue *d = dialogue_new(speak, arg, &bulk);
	struct buf out = {0};
	int code = ask_with(args, wire, &bulk, &out);

	dialogue_free(&d);
	buf_fini(&out);
	return code;
}
