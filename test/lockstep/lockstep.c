/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: test_lockstep FOLDER COMMANDS    plans of some hundred commands each, from TURNSTONE_SEED
 * on; with TURNSTONE_LONG 100,000 commands test_lockstep FOLDER nets
 *
 * Two equal sites in lockstep (see lockstep.h).  Neither what a client is told nor what the store
 * has at the end may depend on whether a login has its own connection.  FOLDER has commands.txt.
 * Each capability and each word of the registry must have been used, unless COMMANDS are few.
 *
 * A failure prints the plan's seed (TURNSTONE_SEED=n test_lockstep FOLDER 1 repeats it), the step
 * with both answers, and a shorter plan that still fails.
 *
 * "nets": with each bug planted (test/reset/stain.h) the sites must differ.
 */
#include "lockstep.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "imap/ext/list.h"
#include "imap/registry.h"
#include "stain.h"

#define SEED 20260115
#define COMMANDS 250 /* in a plan */
#define LONG 100000
#define WHOLE 4000  /* from this many on each word must be used */
#define MORE 100    /* extra plans for words not used yet */
#define PLANS 64    /* plans to find a planted bug */
#define SHRINKS 150 /* runs at most to make a plan shorter */

struct entry {
	uint32_t step, slot;
	struct str text;
};

struct record {
	struct buf bytes;
	struct entry *v;
	size_t n;
	bool crashed;
};

static bool quiet_errors; /* while plans are run only to see whether they fail */

static void
sink(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)arg;
	if (level >= LOG_ERROR && !quiet_errors)
		fprintf(stderr, "%s %s\n", context != NULL ? context : "-", text);
}

/* ---- running */

static pid_t
start_arm(const struct plan *plan, bool switching, FILE *to)
{
	struct buf record = {0};
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(1);
	}
	if (pid > 0)
		return pid;
	if (quiet_errors)
		(void)!freopen("/dev/null", "w", stderr);
	arm_run(plan, switching, &record);
	fwrite(record.p, 1, record.n, to);
	fflush(to);
	buf_fini(&record);
	fflush(NULL);
	_exit(0);
}

static int
by_step(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->step != y->step)
		return x->step < y->step ? -1 : 1;
	return x->slot < y->slot ? -1 : x->slot > y->slot;
}

static void
read_record(FILE *from, pid_t pid, struct record *r)
{
	struct rd rd;
	int status;
	size_t n;

	(void)waitpid(pid, &status, 0);
	*r = (struct record){.crashed = !WIFEXITED(status) || WEXITSTATUS(status) != 0};
	rewind(from);
	while ((n = fread(buf_room(&r->bytes, 1 << 16), 1, 1 << 16, from)) > 0)
		r->bytes.n += n;
	fclose(from);
	for (rd = rd_of(buf_as_str(&r->bytes)); rd_left(&rd) > 0 && !rd.bad; r->n++) {
		if (r->n % 256 == 0)
			r->v = mem_realloc(r->v, (r->n + 256) * sizeof(*r->v));
		r->v[r->n].step = rd_be32(&rd);
		r->v[r->n].slot = rd_be32(&rd);
		r->v[r->n].text = rd_bytes(&rd, rd_be32(&rd));
	}
	if (r->n > 0)
		qsort(r->v, r->n, sizeof(*r->v), by_step);
}

static void
free_record(struct record *r)
{
	buf_fini(&r->bytes);
	mem_free(r->v);
}

static void
run_both(const struct plan *plan, struct record both[2])
{
	FILE *files[2] = {tmpfile(), tmpfile()};
	pid_t pids[2];

	for (int i = 0; i < 2; i++)
		pids[i] = start_arm(plan, i == 1, files[i]);
	for (int i = 0; i < 2; i++)
		read_record(files[i], pids[i], &both[i]);
}

/* ---- comparing */

struct difference {
	bool found;
	uint32_t step, slot;
	struct str texts[2]; /* from own connections, from shared ones */
};

static struct difference
compare(const struct record both[2])
{
	struct difference d = {.found = false};
	size_t i = 0, k = 0;

	while (i < both[0].n || k < both[1].n) {
		int order = i == both[0].n   ? 1
		            : k == both[1].n ? -1
		                             : by_step(&both[0].v[i], &both[1].v[k]);
		const struct entry *own = order <= 0 ? &both[0].v[i] : NULL;
		const struct entry *shared = order >= 0 ? &both[1].v[k] : NULL;
		const struct entry *first = order <= 0 ? &both[0].v[i] : &both[1].v[k];

		if (own == NULL || shared == NULL || !str_eq(own->text, shared->text)) {
			d.found = true;
			d.step = first->step;
			d.slot = first->slot;
			d.texts[0] = own != NULL ? own->text : STR_NONE;
			d.texts[1] = shared != NULL ? shared->text : STR_NONE;
			return d;
		}
		i++, k++;
	}
	d.found = both[0].crashed || both[1].crashed;
	d.step = UINT32_MAX;
	return d;
}

static bool
differs(const struct plan *plan)
{
	struct record both[2];
	bool found;

	run_both(plan, both);
	found = compare(both).found;
	free_record(&both[0]);
	free_record(&both[1]);
	return found;
}

/* ---- a shorter plan */

/* Drops those of ops [from, to) that may go, of one slot (SLOTS: of all).  For one slot and from 0,
 * drops all.  Returns false if nothing was dropped. */
static bool
drop(struct plan *plan, size_t from, size_t to, unsigned slot, bool *dropped)
{
	bool any = false;

	for (size_t i = from; i < to && i < plan->n; i++) {
		struct op *op = &plan->ops[i];
		bool whole = slot != SLOTS && from == 0;

		dropped[i] =
		    !op->dropped && (whole || op_can_go(op)) && (slot == SLOTS || op->slot == slot);
		op->dropped |= dropped[i];
		any |= dropped[i];
	}
	return any;
}

static void
put_back(struct plan *plan, const bool *dropped)
{
	for (size_t i = 0; i < plan->n; i++)
		if (dropped[i])
			plan->ops[i].dropped = false;
}

static void
try_without(struct plan *plan, size_t from, size_t to, unsigned slot, unsigned *runs)
{
	bool *dropped = mem_zalloc(plan->n * sizeof(*dropped));

	if (*runs < SHRINKS && drop(plan, from, to, slot, dropped)) {
		++*runs;
		if (!differs(plan))
			put_back(plan, dropped);
	}
	mem_free(dropped);
}

/* last: the step that differs; nothing after it matters. */
static void
shrink(struct plan *plan, size_t last)
{
	unsigned runs = 0;

	quiet_errors = true;
	for (size_t i = last + 1; i < plan->n; i++)
		plan->ops[i].dropped = true;
	for (unsigned slot = 0; slot < SLOTS; slot++)
		try_without(plan, 0, plan->n, slot, &runs);
	for (size_t piece = plan->n / 2; piece > 0; piece /= 2)
		for (size_t at = 0; at < plan->n; at += piece)
			try_without(plan, at, at + piece, SLOTS, &runs);
	quiet_errors = false;
}

/* ---- telling */

static void
print_text(const char *head, struct str text)
{
	fprintf(stderr, "%s", head);
	for (size_t i = 0; i < text.n && i < 6000; i++)
		if (text.p[i] == '\n' || isprint((unsigned char)text.p[i]) ||
		    (text.p[i] & 0x80) != 0)
			fputc(text.p[i], stderr);
		else if (text.p[i] != '\r')
			fprintf(stderr, "<%02x>", (unsigned char)text.p[i]);
	if (text.n == 0 || text.p[text.n - 1] != '\n')
		fputc('\n', stderr);
}

static void
print_ops(const struct plan *plan, size_t last, unsigned slot, unsigned most)
{
	static const char *const kinds[] = {"open", "shut", "say", "leave", "login", "compress",
	    "proxyauth", "advance", "reload", "background"};
	size_t from = last < plan->n ? last + 1 : plan->n;
	size_t to = from;

	for (unsigned n = 0; from > 0 && n < most; from--)
		n += !plan->ops[from - 1].dropped &&
		     (slot == SLOTS || plan->ops[from - 1].slot == slot);
	for (size_t i = from; i < to; i++) {
		const struct op *op = &plan->ops[i];

		if (op->dropped || (slot != SLOTS && op->slot != slot))
			continue;
		fprintf(stderr, "%5zu %d %s%s %u ", i, (int)op->slot, kinds[op->kind],
		    op->joined ? "+" : "", op->number);
		print_text("", (struct str){op->text.p, op->text.n > 300 ? 300 : op->text.n});
	}
}

static void
print_rows(struct str own, struct str shared)
{
	struct str a = STR_NONE, b = STR_NONE;
	unsigned told = 0;

	while (told < 8 && (own.n > 0 || shared.n > 0)) {
		a = b = STR_NONE;
		(void)(own.n > 0 && str_split(&own, '\n', &a));
		(void)(shared.n > 0 && str_split(&shared, '\n', &b));
		if (str_eq(a, b))
			continue;
		print_text("own:    ", a);
		print_text("shared: ", b);
		told++;
	}
}

static void
tell(const struct plan *plan, const struct record both[2], const struct difference *d)
{
	fprintf(stderr, "TURNSTONE_SEED=%u, step %u of %zu, client %u\n", plan->seed, d->step,
	    plan->n, d->slot);
	if (both[0].crashed || both[1].crashed)
		fprintf(stderr, "ended early:%s%s\n", both[0].crashed ? " own connections" : "",
		    both[1].crashed ? " shared connections" : "");
	if (d->slot == SLOT_STATE) {
		print_rows(d->texts[0], d->texts[1]);
		return;
	}
	print_ops(plan, d->step, d->slot, 12);
	print_text("on a connection of its own:\n", d->texts[0]);
	print_text("on a shared one:\n", d->texts[1]);
}

/* ---- what was reached */

static bool line_used[1024];
static struct imap_registry registry;
static bool word_used[1024]; /* indexed as the registry's table of words */
static struct buf caps_seen;
static unsigned replies[3]; /* OK, NO, BAD */

static bool
is_word(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '=' || c == '.' || c == '_';
}

static bool
has_word(struct str text, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= text.n; i++)
		if (strncasecmp(text.p + i, word, n) == 0 && (i == 0 || !is_word(text.p[i - 1])) &&
		    (i + n == text.n || !is_word(text.p[i + n])))
			return true;
	return false;
}

/* A literal8 has no name. */
static bool
names(struct str text, const struct imap_row *row)
{
	if (row->kind == IMAP_WORD_APPEND && strcmp(row->name, "LITERAL8") == 0)
		return str_find(text, STR("~{")) != NULL;
	return has_word(text, row->name);
}

static void
answered(const struct op *op, bool ok)
{
	for (unsigned k = 0; k < op->used.n; k++)
		if (ok || str_eq(words_line(op->used.line[0])->kind, STR("early")))
			line_used[op->used.line[k]] = true;
	for (size_t i = 0; ok && i < sizeof(registry.words) / sizeof(registry.words[0]); i++)
		if (registry.words[i].name != NULL && !word_used[i])
			word_used[i] = names(buf_as_str(&op->text), &registry.words[i]);
}

/* Finds each reply's command by its tag. */
static void
look(const struct plan *plan, const struct record *r)
{
	const struct op **by_tag = mem_zalloc((plan->n + 1) * sizeof(*by_tag));

	for (size_t i = 0; i < plan->n; i++)
		if (plan->ops[i].tag > 0)
			by_tag[plan->ops[i].tag] = &plan->ops[i];
	for (size_t i = 0; i < r->n; i++) {
		struct str rest = r->v[i].text, line, tag;
		uint64_t n;

		while (r->v[i].slot < SLOTS && rest.n > 0 && str_split(&rest, '\n', &line)) {
			if (str_find(line, STR("CAPABILITY ")) != NULL && caps_seen.n < 1 << 20)
				buf_str(&caps_seen, line);
			(void)str_split(&line, ' ', &tag);
			if (tag.n < 2 || tag.p[0] != 'a' ||
			    !str_u64((struct str){tag.p + 1, tag.n - 1}, plan->n, &n) ||
			    by_tag[n] == NULL)
				continue;
			replies[str_has_prefix(line, STR("NO"))    ? 1
			        : str_has_prefix(line, STR("BAD")) ? 2
			                                           : 0]++;
			answered(by_tag[n], str_has_prefix(line, STR("OK")));
		}
	}
	mem_free(by_tag);
}

/* Returns whether no client sends the word, or its command is never answered with OK. */
static bool
is_no_word(const struct imap_row *row)
{
	const struct imap_cmd_def *cmd = row->row;

	return row->kind == IMAP_WORD_CODE || row->kind == IMAP_WORD_NOTIFY ||
	       (row->kind == IMAP_WORD_COMMAND &&
	           (row->name[0] == '(' || (cmd->traits & IMAP_TRAIT_LACKING) != 0 ||
	               strcmp(row->name, "STARTTLS") == 0));
}

static unsigned
words_missing(bool tell_which)
{
	unsigned missing = 0;

	for (size_t i = 0; i < sizeof(registry.words) / sizeof(registry.words[0]); i++) {
		const struct imap_row *row = &registry.words[i];

		if (row->name == NULL || word_used[i] || is_no_word(row))
			continue;
		if (tell_which)
			fprintf(stderr,
			    "commands.txt: no command with %s (kind %d) was answered with OK\n",
			    row->name, (int)row->kind);
		missing++;
	}
	return missing;
}

static bool
has_line(const char *cap)
{
	for (size_t i = 0; i < words_count(); i++)
		if (line_used[i] && has_word(words_line(i)->caps, cap))
			return true;
	return false;
}

/* Counts capabilities shown to clients of which no line was used. */
static unsigned
caps_missing(bool tell_which)
{
	unsigned missing = 0;

	for (size_t e = 0; e < registry.count; e++)
		for (const struct imap_cap *cap = registry.ext[e]->caps;
		     cap != NULL && cap->word != NULL; cap++) {
			size_t n = strlen(cap->word);

			if (cap->word[n - 1] == '='
			        ? strcmp(cap->word, "AUTH=") == 0
			        : !has_word(buf_as_str(&caps_seen), cap->word) &&
			              cap->states == IMAP_NOAUTH)
				continue;
			if (has_line(cap->word))
				continue;
			if (tell_which)
				fprintf(
				    stderr, "commands.txt: no line of [%s] was used\n", cap->word);
			missing++;
		}
	return missing;
}

/* ---- all of it */

static bool
holds(unsigned seed)
{
	struct plan *plan = plan_new(seed, COMMANDS);
	struct record both[2];
	struct difference d;

	run_both(plan, both);
	d = compare(both);
	look(plan, &both[1]);
	if (d.found) {
		tell(plan, both, &d);
		shrink(plan, d.step);
		fprintf(stderr, "this is enough:\n");
		print_ops(plan, plan->n, SLOTS, 200);
	}
	free_record(&both[0]);
	free_record(&both[1]);
	plan_free(&plan);
	return !d.found;
}

static bool
bug_shows(enum stain_bug bug, unsigned seed)
{
	bool found = false;

	stain_bug = bug;
	quiet_errors = true;
	for (unsigned i = 0; i < PLANS && !found; i++) {
		struct plan *plan = plan_new(seed + i, COMMANDS);

		found = differs(plan);
		plan_free(&plan);
	}
	quiet_errors = false;
	stain_bug = STAIN_NONE;
	return found;
}

static unsigned
check_nets(unsigned seed)
{
	unsigned failed = 0;

	for (enum stain_bug bug = STAIN_STATIC; bug <= STAIN_SHARED; bug++)
		if (!bug_shows(bug, seed)) {
			fprintf(stderr, "bug %d: the sites do not differ\n", (int)bug);
			failed++;
		}
	return failed;
}

static bool
all_used(void)
{
	return words_missing(false) + caps_missing(false) == 0;
}

/* Runs more plans while some words were not used. */
static unsigned
run_plans(unsigned seed, size_t commands)
{
	size_t plans = (commands + COMMANDS - 1) / COMMANDS, done = 0;
	bool whole = commands >= WHOLE;
	unsigned failed = 0;

	for (; failed < 3 && (done < plans || (whole && done < plans + MORE && !all_used()));
	     done++)
		failed += !holds(seed + (unsigned)done);
	if (whole && failed == 0)
		failed += words_missing(true) + caps_missing(true);
	printf("TURNSTONE_SEED=%u: %zu plans, %u OK, %u NO, %u BAD, %u failed\n", seed, done,
	    replies[0], replies[1], replies[2], failed);
	return failed;
}

static bool
is_cap(struct str word)
{
	for (size_t e = 0; e < registry.count; e++)
		for (const struct imap_cap *cap = registry.ext[e]->caps;
		     cap != NULL && cap->word != NULL; cap++)
			if (str_eq(word, str_of(cap->word)))
				return true;
	return false;
}

int
main(int argc, char **argv)
{
	const char *given = getenv("TURNSTONE_SEED"), *all = getenv("TURNSTONE_LONG");
	unsigned seed =
	    given != NULL && given[0] != '\0' ? (unsigned)strtoul(given, NULL, 10) : SEED;
	unsigned failed;

	if (argc != 3) {
		fprintf(stderr, "usage: %s FOLDER COMMANDS|nets\n", argv[0]);
		return 2;
	}
	log_set_sink(sink, NULL);
	arm_stop_calendar();
	imap_registry_build(&registry, imap_all_extensions, imap_all_extensions_count);
	words_load(argv[1], is_cap);
	if (strcmp(argv[2], "nets") == 0)
		failed = check_nets(seed);
	else
		failed = run_plans(seed,
		    all != NULL && all[0] != '\0' ? LONG : (size_t)strtoul(argv[2], NULL, 10));
	buf_fini(&caps_seen);
	words_free();
	return failed != 0;
}
