/* SPDX-License-Identifier: Apache-2.0 */
/* The parser and the table of passwd-files.  The table is sorted by hashes of prepared names. */
#include "auth/db/passwd_file.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "auth/password.h"
#include "auth/user/separator.h"
#include "base/err.h"
#include "base/mem.h"
#include "sasl/names.h"
#include "sasl/scram_keys.h"

struct entry {
	uint64_t hash; /* of the prepared, full name */
	uint32_t at;   /* where its line begins in the text */
	uint32_t n;    /* the line's bytes */
};

struct auth_passwd {
	_Atomic unsigned refs;
	struct buf text, domain;
	const struct siphash_key *key;
	struct entry *entries;
	size_t n, room;
};

/* ---- a line ---- */

struct line {
	struct str name, verifier; /* parts of the text; the verifier may be empty */
	struct str extra;          /* Dovecot's eighth field and everything after it */
	bool locked;
};

/* Verifiers in the form of RFC 5803 contain two colons. */
static struct str
split_field(struct str *rest)
{
	struct str field, more;
	int colons = str_has_prefix(*rest, STR("SCRAM-")) ? 2 : 0;

	if (rest->n == 0 || !str_split(rest, ':', &field))
		return STR_NONE;
	while (colons-- > 0 && str_split(rest, ':', &more))
		field = str_range(field.p, more.p + more.n);
	return field;
}

static void
split_line(struct str text, struct line *line_r)
{
	struct str field;

	*line_r = (struct line){0};
	if (!str_split(&text, ':', &line_r->name))
		return;
	while (text.n > 0 && (text.p[0] == '!' || text.p[0] == '*')) {
		line_r->locked = true;
		text = (struct str){text.p + 1, text.n - 1};
	}
	line_r->verifier = split_field(&text);
	for (int i = 0; i < 5 && text.n > 0; i++) /* uid, gid, gecos, home, shell */
		(void)str_split(&text, ':', &field);
	line_r->extra = text;
}

/* Extra fields may restrict logins; those about the mail's location do not. */
static bool
extra_understood(struct str extra)
{
	struct str word;

	while (str_split(&extra, ' ', &word))
		if (word.n > 0 && !str_has_prefix(word, STR("userdb_")))
			return false;
	return true;
}

/* Schemes, and how their hashes begin; the prefixes are from crypt(5). */
static const struct scheme {
	const char *name;
	const char *prefixes[4];
} schemes[] = {
    {"{CRYPT}", {"$", NULL}},
    {"{BLF-CRYPT}", {"$2a$", "$2b$", "$2y$", NULL}},
    {"{SHA256-CRYPT}", {"$5$", NULL}},
    {"{SHA512-CRYPT}", {"$6$", NULL}},
    {"{YESCRYPT}", {"$y$", NULL}},
    {"{ARGON2I}", {"$argon2i$", NULL}},
    {"{ARGON2ID}", {"$argon2id$", NULL}},
};

/* Parses "4096,SALT,STORED,SERVER" after {SCRAM-…}, the form of RFC 5803. */
static const char *
scram_verifier(struct str scheme, struct str keys, struct buf *out)
{
	struct str part;
	static const char seps[] = "$:$:";
	size_t n = 0;

	buf_put(out, scheme.p + 1, scheme.n - 2);
	if (str_chr(keys, '$') != NULL) {
		buf_putc(out, '$');
		buf_str(out, keys);
		return NULL;
	}
	for (; n < 4 && str_split(&keys, ',', &part); n++) {
		buf_putc(out, seps[n]);
		buf_str(out, part);
	}
	return n == 4 && keys.n == 0 ? NULL : "SCRAM keys are ITERATIONS,SALT,STOREDKEY,SERVERKEY";
}

static const char *
scheme_verifier(struct str text, bool plain, struct buf *out)
{
	const char *end = str_chr(text, '}');
	struct str scheme, rest;

	if (end == NULL)
		return "a scheme is written {SCHEME}";
	scheme = str_range(text.p, end + 1);
	rest = str_range(end + 1, text.p + text.n);
	if (str_ieq(scheme, STR("{PLAIN}"))) {
		buf_puts(out, AUTH_PLAIN_PREFIX);
		buf_str(out, rest);
		return !plain        ? "{PLAIN} is accepted only if the database has `plain = yes`"
		       : rest.n == 0 ? "an empty password"
		                     : NULL;
	}
	if (str_ieq(scheme, STR("{SCRAM-SHA-1}")) || str_ieq(scheme, STR("{SCRAM-SHA-256}")))
		return scram_verifier(scheme, rest, out);
	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
		if (!str_ieq(scheme, str_of(schemes[i].name)))
			continue;
		buf_str(out, rest);
		for (size_t p = 0; schemes[i].prefixes[p] != NULL; p++)
			if (str_has_prefix(rest, str_of(schemes[i].prefixes[p])))
				return NULL;
		return "not a hash of the named scheme";
	}
	return "an unknown scheme";
}

const char *
auth_passwd_verifier(struct str text, bool plain, struct buf *out)
{
	const char *why = NULL;

	if (text.n > 0 && text.p[0] == '{')
		why = scheme_verifier(text, plain, out);
	else
		buf_str(out, text);
	if (why == NULL && !str_has_prefix(buf_as_str(out), STR(AUTH_PLAIN_PREFIX)) &&
	    !auth_verifier_plausible(buf_as_str(out)))
		why = "not a hash that can be verified here";
	return why;
}

/* ---- the table ---- */

static uint64_t
name_hash(const struct auth_passwd *file, struct str name)
{
	return siphash_of(file->key, name).lo;
}

static struct str
entry_text(const struct auth_passwd *file, const struct entry *e)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): callers have an entry */
	return (struct str){file->text.p + e->at, e->n};
}

/* Prepares the name of an entry; it was accepted before. */
static struct str
name_of_entry(const struct auth_passwd *file, const struct entry *e, struct buf *out)
{
	struct line line;

	out->n = 0;
	split_line(entry_text(file, e), &line);
	TS_ASSERT(sasl_name_full(line.name, buf_as_str(&file->domain), out));
	return buf_as_str(out);
}

/* Checks a user's line.  Returns NULL and appends the prepared name, or says what is wrong. */
static const char *
check_line(
    const struct auth_passwd_options *opt, struct str text, struct buf *name, struct buf *verifier)
{
	struct line line;

	name->n = verifier->n = 0;
	if (text.n > AUTH_PASSWD_LINE_MAX)
		return "longer than 4096 bytes";
	if (memchr(text.p, 0, text.n) != NULL)
		return "a NUL byte";
	if (str_chr(text, ':') == NULL)
		return "no colon after the name";
	split_line(text, &line);
	if (!sasl_name_full(line.name, opt->default_domain, name) ||
	    str_chr(buf_as_str(name), '*') != NULL)
		return "not a valid user name";
	if (!extra_understood(line.extra))
		return "an unknown extra field, which may restrict the user";
	if (line.locked || line.verifier.n == 0)
		return NULL;
	return auth_passwd_verifier(line.verifier, opt->plain, verifier);
}

static void
put_entry(struct auth_passwd *file, struct str name, struct str line)
{
	if (file->n == file->room) {
		file->room = file->room * 2 + 64;
		file->entries = mem_realloc(file->entries, file->room * sizeof(*file->entries));
	}
	file->entries[file->n++] = (struct entry){.hash = name_hash(file, name),
	    .at = (uint32_t)(line.p - file->text.p),
	    .n = (uint32_t)line.n};
}

struct faults {
	struct buf *out;
	size_t n;
};

static void
line_fault(struct faults *f, size_t number, const char *why)
{
	if (f->n++ < AUTH_PASSWD_FAULTS_MAX)
		buf_printf(f->out, "line %zu: %s\n", number, why);
}

/* Finds a truncated hash: the line stays, so that no later database answers for the user. */
static bool
is_cut_off(const struct buf *verifier)
{
	struct str text = buf_as_str(verifier);

	return text.n > 0 && !str_has_prefix(text, STR(AUTH_PLAIN_PREFIX)) &&
	       !auth_verifier_seems_whole(text);
}

static void
read_lines(const struct auth_passwd_options *opt, struct auth_passwd *file, struct faults *f)
{
	struct buf name = {0}, verifier = {0};
	struct str rest = buf_as_str(&file->text), line;

	for (size_t number = 1; rest.n > 0 && str_split(&rest, '\n', &line); number++) {
		const char *why;

		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n == 0 || line.p[0] == '#')
			continue;
		why = check_line(opt, line, &name, &verifier);
		if (why == NULL)
			put_entry(file, buf_as_str(&name), line);
		if (why == NULL && is_cut_off(&verifier))
			why = "the hash is cut off or damaged: no password matches it";
		if (why == NULL && auth_separator_in(opt->separator, buf_as_str(&name)))
			why = "auth.gateway_separator is in the name: this user cannot log in";
		if (why != NULL)
			line_fault(f, number, why);
	}
	buf_fini(&name);
	buf_wipe_fini(&verifier);
}

static int
compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static size_t
line_number(const struct auth_passwd *file, const struct entry *e)
{
	struct str before = {file->text.p, e->at};
	size_t n = 1;

	for (const char *nl; (nl = str_chr(before, '\n')) != NULL; n++)
		before = str_range(nl + 1, before.p + before.n);
	return n;
}

/* Of two lines for one user the first counts.  (Two users never share a hash.) */
static void
drop_twins(struct auth_passwd *file, struct faults *f)
{
	size_t kept = 0;

	for (size_t i = 0; i < file->n; i++) {
		if (kept > 0 && file->entries[kept - 1].hash == file->entries[i].hash) {
			size_t number = f->n < AUTH_PASSWD_FAULTS_MAX
			                    ? line_number(file, &file->entries[i])
			                    : 0;

			line_fault(f, number, "this user already has a line: the first one counts");
		} else {
			file->entries[kept++] = file->entries[i];
		}
	}
	file->n = kept;
}

struct auth_passwd *
auth_passwd_parse(
    const struct auth_passwd_options *opt, struct buf *text, struct buf *faults, size_t *bad_r)
{
	struct auth_passwd *file = mem_zalloc(sizeof(*file));
	struct faults f = {.out = faults};

	TS_ASSERT(text->n <= AUTH_PASSWD_FILE_MAX);
	file->refs = 1;
	file->key = opt->key;
	file->text = *text;
	*text = (struct buf){0};
	buf_str(&file->domain, opt->default_domain);
	read_lines(opt, file, &f);
	if (file->n > 0)
		qsort(file->entries, file->n, sizeof(*file->entries), compare_entries);
	drop_twins(file, &f);
	if (file->n < file->room) {
		file->room = file->n + (file->n == 0);
		file->entries = mem_realloc(file->entries, file->room * sizeof(*file->entries));
	}
	if (f.n > AUTH_PASSWD_FAULTS_MAX)
		buf_printf(faults, "and %zu more lines\n", f.n - AUTH_PASSWD_FAULTS_MAX);
	*bad_r = f.n;
	return file;
}

struct auth_passwd *
auth_passwd_ref(struct auth_passwd *file)
{
	atomic_fetch_add_explicit(&file->refs, 1, memory_order_relaxed);
	return file;
}

void
auth_passwd_unref(struct auth_passwd **fp)
{
	struct auth_passwd *file = *fp;

	*fp = NULL;
	if (file == NULL || atomic_fetch_sub_explicit(&file->refs, 1, memory_order_acq_rel) > 1)
		return;
	buf_wipe_fini(&file->text);
	buf_fini(&file->domain);
	mem_free(file->entries);
	mem_free(file);
}

size_t
auth_passwd_users(const struct auth_passwd *file)
{
	return file->n;
}

static const struct entry *
find_entry(const struct auth_passwd *file, struct str name)
{
	struct entry key = {.hash = name_hash(file, name)};
	size_t low = 0, high = file->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (file->entries[mid].hash < key.hash)
			low = mid + 1;
		else
			high = mid;
	}
	return low < file->n && file->entries[low].hash == key.hash ? &file->entries[low] : NULL;
}

static void
fill_user(const struct auth_passwd *file, const struct entry *e, struct str name,
    struct arena *arena, struct auth_user *user)
{
	struct buf verifier = {0};
	struct str *list;
	struct line line;

	split_line(entry_text(file, e), &line);
	*user = (struct auth_user){.name = arena_str(arena, name),
	    .flags = line.locked ? AUTH_USER_DISABLED : 0,
	    .stamp = siphash_of(file->key, entry_text(file, e)).lo};
	if (line.locked || line.verifier.n == 0)
		return;
	/* It was accepted when the file was read, so {PLAIN} is allowed. */
	TS_ASSERT(auth_passwd_verifier(line.verifier, true, &verifier) == NULL);
	list = arena_array(arena, 1, sizeof(*list));
	list[0] = arena_str(arena, buf_as_str(&verifier));
	user->verifiers = list;
	user->verifier_count = 1;
	buf_wipe_fini(&verifier);
}

bool
auth_passwd_find(
    const struct auth_passwd *file, struct str name, struct arena *arena, struct auth_user *user_r)
{
	const struct entry *e = find_entry(file, name);
	struct buf prepared = {0};
	bool found = e != NULL && str_eq(name_of_entry(file, e, &prepared), name);

	buf_fini(&prepared);
	if (found)
		fill_user(file, e, name, arena, user_r);
	return found;
}

void
auth_passwd_compare(const struct auth_passwd *old, const struct auth_passwd *file,
    void (*changed)(struct str name, void *arg), void *arg)
{
	struct buf name = {0};
	size_t i = 0, j = 0;

	while (i < old->n || j < file->n) {
		const struct entry *a = i < old->n ? &old->entries[i] : NULL;
		const struct entry *b = j < file->n ? &file->entries[j] : NULL;

		if (b == NULL || (a != NULL && a->hash < b->hash)) {
			changed(name_of_entry(old, a, &name), arg);
			i++;
		} else if (a == NULL || b->hash < a->hash) {
			changed(name_of_entry(file, b, &name), arg);
			j++;
		} else {
			if (!str_eq(entry_text(old, a), entry_text(file, b)))
				changed(name_of_entry(file, b, &name), arg);
			i++;
			j++;
		}
	}
	buf_fini(&name);
}
