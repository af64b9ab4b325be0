/* SPDX-License-Identifier: Apache-2.0 */
/* A backup folder in a temporary folder: opening, objects, runs; damaged and hostile ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "place.h"

#include "backup/audit.h"
#include "base/mem.h"

static const char *
in(const struct place *p, const char *name)
{
	static __thread char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", p->path, name);
	return path;
}

static void
object_path(const struct place *p, const struct backup_hash *hash, char path[256])
{
	struct buf hex = {0};

	backup_hash_hex(hash, &hex);
	(void)snprintf(
	    path, 256, "%s/objects/%.2s/%.*s", p->path, hex.p, STR_ARG(buf_as_str(&hex)));
	buf_fini(&hex);
}

/* As in folders of older versions. */
static void
put_object_file(const struct place *p, struct str bytes, struct backup_hash *hash_r)
{
	char path[256];

	backup_hash_of(bytes, hash_r);
	object_path(p, hash_r, path);
	place_write(path, bytes);
}

/* ---- opening ---- */

static void
only_ours(void **state)
{
	struct place *p = *state;
	struct backup_folder *other;

	/* One writer, and readers alongside. */
	assert_false(backup_open(p->path, BACKUP_WRITE, &other, &p->why));
	assert_null(other);
	assert_true(backup_open(p->path, BACKUP_READ, &other, &p->why));
	backup_close(&other);
	/* A folder with other contents stays as it is. */
	place_write(in(p, "../note"), STR("mine"));
	assert_false(backup_open(p->dir, BACKUP_WRITE, &other, &p->why));
	assert_int_not_equal(access(in(p, "../objects"), F_OK), 0);
	assert_false(backup_open(in(p, "none"), BACKUP_READ, &other, &p->why));
	backup_close(&p->folder);
	static const char *const marks[] = {"", "turnstone backup", "turnstone backup 0\n",
	    "turnstone backup 4\n", "turnstone backup 99999999999999999999\n",
	    "turnstone backup x\n",
	    "something else entirely, and longer than any mark of ours would ever be, by far\n"};

	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
		place_write(in(p, "turnstone-backup"), str_of(marks[i]));
		p->why.n = 0;
		assert_false(backup_open(p->path, BACKUP_WRITE, &other, &p->why));
		assert_non_null(strstr(buf_cstr(&p->why), p->path));
	}
}

/* ---- objects ---- */

static void
damaged_objects(void **state)
{
	struct place *p = *state;
	struct backup_hash hash, missing;
	struct buf out = {0};
	char path[256];

	put_object_file(p, STR("a message"), &hash);
	assert_int_equal(backup_object_get(p->folder, &hash, 9, &out, &p->why), TS_OK);
	assert_true(str_eq(buf_as_str(&out), STR("a message")));
	out.n = 0;
	/* Larger than expected: not even read to its end. */
	assert_int_equal(backup_object_get(p->folder, &hash, 8, &out, &p->why), TS_DAMAGED);
	assert_int_equal(out.n, 0);
	backup_hash_of(STR("not there"), &missing);
	assert_int_equal(backup_object_get(p->folder, &missing, 99, &out, &p->why), TS_NOT_FOUND);
	object_path(p, &hash, path);
	static const char *const texts[] = {"", "a messag", "a messagf", "a message and more"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		place_write(path, str_of(texts[i]));
		p->why.n = 0;
		assert_int_equal(
		    backup_object_get(p->folder, &hash, 99, &out, &p->why), TS_DAMAGED);
		assert_non_null(strstr(buf_cstr(&p->why), path));
	}
	/* Only regular files are read: others may be endless. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/dev/zero", path), 0);
	assert_int_not_equal(backup_object_get(p->folder, &hash, 99, &out, &p->why), TS_OK);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_not_equal(backup_object_get(p->folder, &hash, 99, &out, &p->why), TS_OK);
	assert_int_equal(out.n, 0);
	buf_fini(&out);
}

static void
mended_when_distrusted(void **state)
{
	struct place *p = *state;
	struct backup_hash hash;
	uint64_t size;
	char path[256];

	put_object_file(p, STR("a message"), &hash);
	object_path(p, &hash, path);
	place_write(path, STR("a massage"));
	backup_distrust(p->folder);
	assert_true(backup_object_put(p->folder, STR("a message"), &hash, &p->why));
	assert_true(backup_flush(p->folder, &p->why));
	assert_int_equal(backup_object_check(p->folder, &hash, &size, &p->why), TS_OK);
}

/* ---- runs ---- */

#define HOSTILE_NAME "../../etc/p%sw\n\x7f%41"

/* Records, a user with an empty mailbox, and one with a strange name. */
static void
write_run(struct place *p, int64_t now, struct str *id_r)
{
	struct backup_run_writer *w;
	struct backup_mailbox mailbox = {.id = 1, .name = STR("INBOX"), .uidnext = 1};
	struct backup_user user = {.name = STR("anna"), .mailboxes = &mailbox, .mailbox_count = 1};
	struct backup_run_user line = {
	    .name = STR("anna"), .mark = {1, UINT64_MAX}, .messages = 0, .bytes = UINT64_MAX};
	struct backup_hash records;
	struct buf list = {0};

	assert_true(backup_run_begin(p->folder, now, STR("abc"), &w, &p->why));
	assert_true(backup_run_own(w, STR("0123456789\xff \n=@~"), &p->why));
	*id_r = arena_str(p->arena, backup_run_id(w));
	backup_records_print(NULL, 0, &list);
	assert_true(backup_object_put(p->folder, buf_as_str(&list), &records, &p->why));
	assert_true(backup_run_records(w, &records, &p->why));
	list.n = 0;
	backup_user_print(&user, &list);
	assert_true(backup_object_put(p->folder, buf_as_str(&list), &line.hash, &p->why));
	assert_true(backup_run_add(w, &line, &p->why));
	line.name = STR(HOSTILE_NAME);
	line.account = UINT64_MAX;
	line.mark = (struct backup_mark){0};
	assert_true(backup_run_add(w, &line, &p->why));
	assert_true(backup_run_damaged(w, STR("line\nline"), &p->why));
	assert_true(backup_run_end(&w, now + 1, &p->why));
	buf_fini(&list);
}

static void
runs_there_and_back(void **state)
{
	struct place *p = *state;
	struct backup_run run;
	struct str id, second;

	write_run(p, 1700000000, &id);
	write_run(p, 1700000000, &second);
	assert_true(str_eq(id, STR("20231114T221320Z")));
	assert_true(str_eq(second, STR("20231114T221320Z-0002")));
	assert_int_equal(backup_run_get(p->folder, id, p->arena, &run, &p->why), TS_OK);
	assert_true(run.finished && run.started == 1700000000 && run.ended == 1700000001);
	assert_int_equal(run.user_count, 2);
	assert_true(str_eq(run.users[1].name, STR(HOSTILE_NAME)));
	assert_true(run.users[0].bytes == UINT64_MAX);
	assert_true(run.users[0].mark.low == 1 && run.users[0].mark.high == UINT64_MAX);
	assert_true(backup_mark_none(&run.users[1].mark) && !run.whole);
	assert_int_equal(run.damaged_count, 1);
	assert_true(str_eq(run.damaged[0], STR("line\nline")));
	assert_true(str_eq(run.store, STR("abc")));
	assert_true(str_eq(run.own, STR("0123456789\xff \n=@~")));
	assert_true(run.users[0].account == 0 && run.users[1].account == UINT64_MAX);
	/* Runs are found by name alone: no name leads out of the folder. */
	static const char *const ids[] = {"", "..", "../turnstone-backup", "../../../../etc/passwd",
	    "20231114T221320Z/", "20231114T221320Z/../20231114T221320Z", "0000000000000000000"};

	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		p->why.n = 0;
		assert_int_equal(backup_run_get(p->folder, str_of(ids[i]), p->arena, &run, &p->why),
		    TS_NOT_FOUND);
		assert_true(p->why.n > 0);
	}
}

/* An older program takes the last line of a store for its number, and knows no other lines. */
static void
older_programs_read_runs(void **state)
{
	static const char *const known[] = {"turnstone-run", "id", "store", "started", "records",
	    "user", "mark", "boxes", "damaged", "whole", "ended", "end"};
	struct place *p = *state;
	struct buf bytes = {0};
	struct str id, rest, line, word, store = STR_NONE;
	char path[256];

	write_run(p, 1700000000, &id);
	(void)snprintf(path, sizeof(path), "%s/runs/%.*s", p->path, STR_ARG(id));
	place_read(path, &bytes);
	rest = buf_as_str(&bytes);
	while (rest.n > 0 && str_split(&rest, '\n', &line)) {
		bool found = false;

		(void)str_split(&line, ' ', &word);
		for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
			found = found || str_eq(word, str_of(known[i]));
		assert_true(found);
		if (str_eq(word, STR("store")))
			store = line;
	}
	assert_true(str_eq(store, STR("abc")));
	buf_fini(&bytes);
}

static void
damaged_runs(void **state)
{
	struct place *p = *state;
	struct buf bytes = {0};
	struct backup_run run;
	struct str id;
	char path[256];

	write_run(p, 1700000000, &id);
	(void)snprintf(path, sizeof(path), "%s/runs/%.*s", p->path, STR_ARG(id));
	place_read(path, &bytes);
	for (size_t n = 0; n < bytes.n; n++) {
		place_write(path, (struct str){bytes.p, n});
		assert_int_equal(
		    backup_run_get(p->folder, id, p->arena, &run, &p->why), TS_DAMAGED);
	}
	for (size_t bit = 0; bit < bytes.n * 8; bit++) {
		bytes.p[bit / 8] = (char)(bytes.p[bit / 8] ^ 1 << bit % 8);
		assert_false(backup_run_parse(buf_as_str(&bytes), true, p->arena, &run));
		bytes.p[bit / 8] = (char)(bytes.p[bit / 8] ^ 1 << bit % 8);
	}
	/* Complete, under the name of another. */
	place_write(in(p, "runs/20990101T000000Z"), buf_as_str(&bytes));
	assert_int_equal(
	    backup_run_get(p->folder, STR("20990101T000000Z"), p->arena, &run, &p->why),
	    TS_DAMAGED);
	buf_fini(&bytes);
}

/* A run cut off anywhere gives the users whose lines are complete, never half a name. */
static void
unfinished_runs(void **state)
{
	struct place *p = *state;
	struct buf bytes = {0};
	struct backup_run run;
	struct str id;
	size_t most = 0;

	write_run(p, 1700000000, &id);
	place_read(in(p, "runs/20231114T221320Z"), &bytes);
	for (size_t n = 0; n < bytes.n; n++) {
		place_write(in(p, "tmp/unfinished"), (struct str){bytes.p, n});
		assert_int_equal(backup_run_unfinished(p->folder, p->arena, &run), TS_OK);
		assert_false(run.finished);
		assert_true(run.user_count >= most && run.user_count <= 2);
		most = run.user_count;
		if (most > 0)
			assert_true(str_eq(run.users[0].name, STR("anna")));
		if (most > 1)
			assert_true(str_eq(run.users[1].name, STR(HOSTILE_NAME)));
	}
	assert_int_equal(most, 2);
	buf_fini(&bytes);
}

/* A correct checksum says nothing about the rest. */
static void
hostile_runs(void **state)
{
#define MARK "0123456789ABCDEF0123456789ABCDEF"
#define HEX "0123456789012345678901234567890123456789012345678901234567890123"
	static const char *const lines[] = {"user " HEX " 1 2 ", "user " HEX " 1 2",
	    "user " HEX " -1 2 a", "user " HEX " 18446744073709551616 2 a", "user 00 1 2 a",
	    "user ../../../etc/passwd 1 2 a", "user " HEX " 1 2 %", "user " HEX " 1 2 %4",
	    "user " HEX " 1 2 %4g", "records ../" HEX, "records ", "started x", "ended -1",
	    "mark " MARK, "boxes 1 1", "user " HEX " 1 2 a\nboxes 1",
	    "user " HEX " 1 2 a\nboxes 1 x", "user " HEX " 1 2 a\nboxes -1 1",
	    "user " HEX " 1 2 a\nboxes 1 1 1", "user " HEX " 1 2 a\nmark " MARK "0",
	    "user " HEX " 1 2 a\nmark 12", "user " HEX " 1 2 a\nmark ",
	    "user " HEX " 1 2 a\nmark 0123456789abcdef0123456789abcdef", "whole ",
	    "started 9223372036854775808", "nothing", "", "nothing of this", "end " HEX};
	struct place *p = *state;

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		struct buf text = {0}, hex = {0};
		struct backup_hash sum;
		struct backup_run run;

		buf_printf(&text, "turnstone-run 1\nid 20231114T221320Z\n%s\n", lines[i]);
		backup_hash_of(buf_as_str(&text), &sum);
		backup_hash_hex(&sum, &hex);
		buf_printf(&text, "end %s\n", buf_cstr(&hex));
		if (backup_run_parse(buf_as_str(&text), true, p->arena, &run))
			fail_msg("taken: %s", lines[i]);
		buf_fini(&text);
		buf_fini(&hex);
	}
}

/* Users are found by name, whatever their order; of two with the same name the first. */
static void
users_by_name(void **state)
{
	struct place *p = *state;
	struct buf text = {0};
	struct backup_run run;

	buf_puts(&text, "turnstone-run 1\n");
	for (unsigned i = 0; i < 1000; i++)
		buf_printf(&text, "user " HEX " %u 2 %u\nmark " MARK "\n", i, i * 7919 % 1000);
	buf_puts(&text, "user " HEX " 5000 2 500\nwhole 1000\n");
	assert_true(backup_run_parse(buf_as_str(&text), false, p->arena, &run));
	assert_int_equal(run.user_count, 1001);
	assert_true(run.whole);
	for (unsigned i = 0; i < 1000; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "%u", i * 7919 % 1000);
		assert_int_equal(backup_run_user(&run, str_of(name))->messages, i);
	}
	assert_null(backup_run_user(&run, STR("1000")));
	assert_null(backup_run_user(&run, STR("")));
	assert_true(run.users[7].mark.low == 0x0123456789ABCDEF);
	buf_fini(&text);
}

/* ---- what a run costs ---- */

/* A run of n users whose lists are written again, or whose lines are taken over. */
static struct backup_costs
costs_of(struct place *p, unsigned n, bool put)
{
	struct backup_costs before = *backup_costs(p->folder), after;
	struct backup_run_writer *w;
	struct buf list = {0};

	assert_true(backup_run_begin(p->folder, 1700000000, STR("abc"), &w, &p->why));
	for (unsigned i = 0; i < n; i++) {
		char name[16];
		struct backup_run_user line = {.name = {name, 0}, .mark = {i, 1}};
		struct backup_user user = {0};

		line.name.n = (size_t)snprintf(name, sizeof(name), "%06u", i);
		user.name = line.name;
		list.n = 0;
		backup_user_print(&user, &list);
		backup_hash_of(buf_as_str(&list), &line.hash);
		if (put)
			assert_true(
			    backup_object_put(p->folder, buf_as_str(&list), &line.hash, &p->why));
		assert_true(backup_run_add(w, &line, &p->why));
	}
	assert_true(backup_run_end(&w, 1700000001, &p->why));
	buf_fini(&list);
	after = *backup_costs(p->folder);
	return (struct backup_costs){after.opened - before.opened, after.written - before.written,
	    after.flushes - before.flushes};
}

static void
nothing_new_costs_nothing(void **state)
{
	struct place *p = *state;
	struct backup_costs first = costs_of(p, 60, true);

	/* A pack and its index, their folders, the run and its folder. */
	assert_int_equal(first.written, 2);
	assert_int_equal(first.flushes, 1 + 1 + 1 + 2 + 2);
	for (unsigned put = 0; put < 2; put++) {
		struct backup_costs few = costs_of(p, 3, put != 0);
		struct backup_costs many = costs_of(p, 60, put != 0);

		assert_int_equal(many.written, 0);
		assert_int_equal(many.opened, few.opened);
		assert_int_equal(many.flushes, few.flushes);
		assert_true(many.flushes <= 2); /* the run and its folder */
	}
}

/* The newest run has the highest id, whatever was pruned and whatever the clock says: pruning keeps
 * it. */
static void
ids_go_up(void **state)
{
	static const struct {
		int64_t now;
		bool prune; /* all but the last, before it */
		const char *id;
	} runs[] = {
	    {1700000000, false, "20231114T221320Z"},
	    {1700000000, false, "20231114T221320Z-0002"},
	    {1700000000, true, "20231114T221320Z-0003"}, /* the first one's would be free */
	    {1600000000, false, "20231114T221320Z-0004"},
	    {1700000001, true, "20231114T221321Z"},
	};
	struct place *p = *state;
	struct str *ids, id;
	size_t n;

	for (size_t i = 0; i < sizeof(runs) / sizeof(*runs); i++) {
		assert_true(backup_run_ids(p->folder, p->arena, &ids, &n, &p->why));
		for (size_t k = 0; runs[i].prune && k + 1 < n; k++)
			assert_true(backup_run_remove(p->folder, ids[k], &p->why));
		write_run(p, runs[i].now, &id);
		assert_true(str_eq(id, str_of(runs[i].id)));
		assert_true(backup_run_ids(p->folder, p->arena, &ids, &n, &p->why));
		assert_true(str_eq(ids[n - 1], id));
	}
}

/* Names from a run that was cut off and not flushed: the next run flushes them. */
static void
names_of_a_run_cut_off(void **state)
{
	struct place *p = *state;
	struct backup_run_writer *w;
	struct backup_hash hash;

	assert_true(backup_run_begin(p->folder, 1700000000, STR("abc"), &w, &p->why));
	assert_true(backup_object_put(p->folder, STR("named"), &hash, &p->why));
	assert_true(backup_flush(p->folder, &p->why));
	backup_run_abort(&w);
	backup_close(&p->folder);
	assert_true(backup_open(p->path, BACKUP_WRITE, &p->folder, &p->why));
	assert_int_equal(costs_of(p, 3, false).flushes, 256 + 2 + 2);
	assert_int_equal(costs_of(p, 3, false).flushes, 2);
}

/* A folder of an older version: readable as it is, converted by a writer. */
static void
older_folders(void **state)
{
	struct place *p = *state;
	struct buf text = {0};
	struct backup_folder *other;
	struct backup_run run;
	struct str id;

	write_run(p, 1700000000, &id);
	place_write(in(p, "turnstone-backup"), STR("turnstone backup 1\n"));
	assert_true(backup_open(p->path, BACKUP_READ, &other, &p->why));
	assert_int_equal(backup_run_get(other, id, p->arena, &run, &p->why), TS_OK);
	backup_close(&other);
	place_read(in(p, "turnstone-backup"), &text);
	assert_true(str_eq(buf_as_str(&text), STR("turnstone backup 1\n")));
	backup_close(&p->folder);
	assert_true(backup_open(p->path, BACKUP_WRITE, &p->folder, &p->why));
	text.n = 0;
	place_read(in(p, "turnstone-backup"), &text);
	assert_true(str_eq(buf_as_str(&text), STR("turnstone backup 3\n")));
	place_write(in(p, "turnstone-backup"), STR("turnstone backup 4\n"));
	assert_false(backup_open(p->path, BACKUP_READ, &other, &p->why));
	buf_fini(&text);
}

/* ---- audits ---- */

static void
audits(void **state)
{
	struct place *p = *state;
	struct backup_audit audit = {.bad = place_bad, .arg = p};
	struct backup_hash stray;
	struct backup_run run;
	struct str ids[3];

	for (unsigned i = 0; i < 3; i++)
		write_run(p, 1700000000 + i, &ids[i]);
	assert_true(backup_object_put(p->folder, STR("nobody's"), &stray, &p->why));
	assert_true(backup_flush(p->folder, &p->why));
	assert_true(backup_verify(p->folder, &audit, &p->why));
	assert_int_equal(audit.runs, 3);
	assert_int_equal(audit.faults, 0);
	/* Foreign files are named, and left alone. */
	place_write(in(p, "objects/00/note"), STR("?"));
	audit = (struct backup_audit){.bad = place_bad, .arg = p};
	assert_true(backup_verify(p->folder, &audit, &p->why));
	assert_int_equal(audit.faults, 1);
	audit = (struct backup_audit){.bad = place_bad, .arg = p};
	assert_true(backup_prune(p->folder, 1, &audit, &p->why));
	assert_int_equal(audit.removed_runs, 2);
	assert_int_equal(audit.removed_objects, 1);
	assert_int_equal(access(in(p, "objects/00/note"), F_OK), 0);
	assert_int_equal(backup_run_get(p->folder, ids[2], p->arena, &run, &p->why), TS_OK);
	/* A missing list: verify reports it, prune removes nothing. */
	assert_int_equal(unlink(in(p, "packs/00000001")), 0);
	assert_true(backup_object_put(p->folder, STR("nobody's"), &stray, &p->why));
	assert_true(backup_flush(p->folder, &p->why));
	audit = (struct backup_audit){.bad = place_bad, .arg = p};
	assert_true(backup_verify(p->folder, &audit, &p->why));
	assert_int_equal(
	    audit.faults, 4); /* the note, the pack, and what two lines of the run name */
	audit = (struct backup_audit){.bad = place_bad, .arg = p};
	assert_false(backup_prune(p->folder, 1, &audit, &p->why));
	assert_true(backup_object_there(p->folder, &stray));
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)
	const struct CMUnitTest tests[] = {TEST(only_ours), TEST(damaged_objects),
	    TEST(mended_when_distrusted), TEST(runs_there_and_back), TEST(older_programs_read_runs),
	    TEST(damaged_runs), TEST(unfinished_runs), TEST(hostile_runs), TEST(users_by_name),
	    TEST(nothing_new_costs_nothing), TEST(ids_go_up), TEST(names_of_a_run_cut_off),
	    TEST(older_folders), TEST(audits)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
