/* SPDX-License-Identifier: Apache-2.0 */
/* The server's figures, for people and for programs. */
#include "cli/cmd/status.h"

#include <stdio.h>

#include "base/json.h"
#include "cli/cli.h"

/* ---- the lines ---- */

static bool
next_figure(struct str *lines, struct str *key_r, struct str *value_r)
{
	struct str line;

	while (str_split(lines, '\n', &line)) {
		if (!str_split(&line, ':', key_r) || key_r->n == 0)
			continue;
		*value_r = str_trim(line);
		return true;
	}
	return false;
}

static struct str
text_at(struct str lines, const char *name)
{
	struct str key, value;

	while (next_figure(&lines, &key, &value))
		if (str_eq(key, str_of(name)))
			return value;
	return STR_NONE;
}

static uint64_t
number_at(struct str lines, const char *name)
{
	uint64_t n = 0;

	(void)str_u64(text_at(lines, name), UINT64_MAX, &n);
	return n;
}

static bool
has_figure(struct str lines, const char *name)
{
	return text_at(lines, name).p != NULL;
}

/* ---- units ---- */

void
status_bytes(uint64_t n, struct buf *out)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double v = (double)n / 1024;
	unsigned u = 0;

	if (n < 1024) {
		buf_printf(out, "%llu bytes", (unsigned long long)n);
		return;
	}
	/* Avoids 1024.0 of a unit after rounding. */
	for (; v >= 1023.95; u++)
		v /= 1024;
	buf_printf(out, "%.1f %s", v, units[u]);
}

void
status_time(uint64_t seconds, struct buf *out)
{
	static const struct {
		const char *name;
		uint64_t seconds;
	} units[] = {{"day", 86400}, {"hour", 3600}, {"minute", 60}, {"second", 1}};
	unsigned u = 0;

	while (u < 3 && seconds < units[u].seconds)
		u++;
	for (unsigned i = u; i < 4 && i < u + 2; i++) {
		uint64_t n = seconds / units[i].seconds;

		seconds %= units[i].seconds;
		if (i == u || n > 0)
			buf_printf(out, "%s%llu %s%s", i > u ? " " : "", (unsigned long long)n,
			    units[i].name, CLI_S(n));
	}
}

/* 1,234,567 */
static void
put_count(struct buf *out, uint64_t n)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			buf_putc(out, ',');
		buf_putc(out, digits[i]);
	}
}

/* "1 message", "2,000 messages" */
static void
put_things(struct buf *out, uint64_t n, const char *one, const char *many)
{
	put_count(out, n);
	buf_printf(out, " %s", n == 1 ? one : many);
}

static void
label(struct buf *out, const char *name)
{
	buf_printf(out, "  %-13s", name);
}

/* ---- the page ---- */

static void
put_title(struct str lines, struct buf *out)
{
	buf_printf(out, "Turnstone %.*s, running for ", STR_ARG(text_at(lines, "version")));
	status_time(number_at(lines, "uptime_seconds"), out);
	buf_printf(out, " (process %.*s)\n", STR_ARG(text_at(lines, "pid")));
}

static void
put_connections(struct str lines, struct buf *out)
{
	label(out, "Connections");
	put_count(out, number_at(lines, "connections"));
	buf_puts(out, " open, ");
	put_count(out, number_at(lines, "logged_in"));
	buf_puts(out, " logged in, of ");
	put_things(out, number_at(lines, "users_logged_in"), "user", "users");
	buf_puts(out, "; from mail servers ");
	put_count(out, number_at(lines, "lmtp_connections"));
	buf_putc(out, '\n');
}

static void
put_mail(struct str lines, struct buf *out)
{
	label(out, "Mail");
	if (has_figure(lines, "mail_cut_off"))
		buf_puts(out, "more than ");
	put_things(out, number_at(lines, "mail_messages"), "message", "messages");
	buf_puts(out, " in ");
	put_things(out, number_at(lines, "mail_mailboxes"), "mailbox", "mailboxes");
	buf_puts(out, " of ");
	put_things(out, number_at(lines, "mail_accounts"), "account", "accounts");
	buf_puts(out, ", ");
	status_bytes(number_at(lines, "mail_bytes"), out);
	buf_putc(out, '\n');
}

static void
put_disk(struct str lines, struct buf *out)
{
	label(out, "Disk");
	if (has_figure(lines, "disk_used_cut_off"))
		buf_puts(out, "more than ");
	status_bytes(number_at(lines, "disk_used_bytes"), out);
	buf_puts(out, " used, ");
	status_bytes(number_at(lines, "disk_free_bytes"), out);
	buf_puts(out, " free\n");
}

static void
put_queues(struct str lines, struct buf *out)
{
	uint64_t changes = number_at(lines, "changes_pending");
	uint64_t jobs = number_at(lines, "work_waiting");
	uint64_t checks = number_at(lines, "auth_checks_waiting");

	label(out, "Queues");
	if (changes + jobs + checks == 0)
		buf_puts(out, "nothing waits");
	if (changes > 0) {
		put_things(out, changes, "change waits", "changes wait");
		buf_puts(out, " for the disk");
	}
	if (jobs > 0) {
		buf_puts(out, changes > 0 ? ", " : "");
		put_things(out, jobs, "job waits", "jobs wait");
		buf_puts(out, " for a worker");
	}
	if (checks > 0) {
		buf_puts(out, changes + jobs > 0 ? ", " : "");
		put_things(out, checks, "login waits", "logins wait");
		buf_puts(out, " for PAM, LDAP or an issuer");
	}
	buf_putc(out, '\n');
}

static void
put_pace(struct str lines, struct buf *out)
{
	static const struct {
		const char *name, *text;
	} paces[] = {{"commands_per_second_1m", " commands"}, {"logins_per_second_1m", " logins"},
	    {"lmtp_messages_per_second_1m", " deliveries"}};

	label(out, "Last minute");
	for (size_t i = 0; i < sizeof(paces) / sizeof(*paces); i++)
		buf_printf(out, "%s%.*s%s", i > 0 ? ", " : "",
		    STR_ARG(text_at(lines, paces[i].name)), paces[i].text);
	buf_puts(out, " a second\n");
}

static void
put_listeners(struct str lines, struct buf *out)
{
	struct str key, value, prefix = STR("listener_"), suffix = STR("_socket");
	bool any = false;

	label(out, "Listeners");
	while (next_figure(&lines, &key, &value)) {
		if (!str_has_prefix(key, prefix))
			continue;
		key = str_range(key.p + prefix.n, key.p + key.n);
		if (str_has_suffix(key, suffix))
			key.n -= suffix.n;
		buf_printf(out, "%s%.*s %s%.*s", any ? ", " : "", STR_ARG(key),
		    value.n > 0 && value.p[0] == '/' ? "" : "port ", STR_ARG(value));
		any = true;
	}
	buf_puts(out, any ? "\n" : "none\n");
}

/* ---- what is wrong ---- */

static void
warning(struct buf *out, const char *text)
{
	label(out, "Warning");
	buf_printf(out, "%s\n", text);
}

static void
warn_disk(struct str lines, struct buf *out)
{
	uint64_t left = number_at(lines, "disk_free_bytes");
	uint64_t mark = number_at(lines, "disk_free_mark_bytes");

	if (left / 2 < mark) {
		label(out, "Warning");
		buf_puts(out, left < mark ? "the disk is full: " : "the disk is nearly full: ");
		buf_size(out, left);
		buf_puts(out, " free, ");
		buf_size(out, mark);
		buf_puts(out, " to be left free (store.free_space)");
		if (left < mark) {
			buf_puts(out, "; no messages are accepted until there is room for ");
			buf_size(out, mark - left);
			buf_puts(out, " more");
		}
		buf_putc(out, '\n');
	}
	if (number_at(lines, "changes_pending") > 0 &&
	    str_eq(text_at(lines, "commits_per_second_10s"), STR("0.0")))
		warning(out, "changes are waiting, and the disk has accepted none for 10 seconds");
}

static void
warn_connections(struct str lines, struct buf *out)
{
	uint64_t most = number_at(lines, "connections_most");
	uint64_t files = number_at(lines, "files_most"), open = number_at(lines, "connections");

	if (open >= most - most / 10)
		warning(
		    out, "limits.connections is nearly reached: see turnstone who --by address");
	/* Connections may use four fifths of the descriptors before this warns; files need the
	 * rest. */
	if (open + number_at(lines, "lmtp_connections") >= files - files / 5)
		warning(out, "the process can open few more files: raise LimitNOFILE=");
}

static void
put_warnings(struct str lines, struct buf *out)
{
	size_t before = out->n;

	warn_disk(lines, out);
	warn_connections(lines, out);
	if (str_eq(text_at(lines, "auth_helper"), STR("gone")))
		warning(out, "the auth helper was killed: restart the server");
	if (str_eq(text_at(lines, "sandbox_seccomp"), STR("yes")) &&
	    number_at(lines, "sandbox_landlock") == 0)
		warning(out, "the kernel has no Landlock: a part of the sandbox is missing");
	if (out->n == before) {
		label(out, "Warnings");
		buf_puts(out, "none\n");
	}
}

void
status_summary(struct str lines, struct buf *out)
{
	put_title(lines, out);
	put_listeners(lines, out);
	put_connections(lines, out);
	put_mail(lines, out);
	put_disk(lines, out);
	put_queues(lines, out);
	put_pace(lines, out);
	put_warnings(lines, out);
	buf_puts(out, "All figures: turnstone status --all\n");
}

/* ---- for programs ---- */

/* "12.5" */
static bool
is_decimal(struct str s)
{
	struct str whole;
	uint64_t n;

	return str_split(&s, '.', &whole) && str_u64(whole, UINT64_MAX, &n) &&
	       str_u64(s, UINT64_MAX, &n);
}

void
status_json(struct str lines, struct buf *out)
{
	struct json j = {.out = out};
	struct str key, value;
	uint64_t number;

	json_open(&j, '{');
	while (next_figure(&lines, &key, &value)) {
		json_key_str(&j, key);
		if (str_u64(value, UINT64_MAX, &number))
			json_u64(&j, number);
		else if (is_decimal(value))
			json_decimal(&j, value);
		else
			json_str(&j, value);
	}
	json_close(&j, '}');
	buf_putc(out, '\n');
}
