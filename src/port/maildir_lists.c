/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lists say about the files of a Maildir folder: dovecot-uidlist (version 3: UIDVALIDITY,
 * UIDNEXT, UIDs), dovecot-keywords (names of the letters a to z), and our own turnstone.export with
 * what these cannot hold (see maildir_save.c).  Also lists of properties.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "port/maildir_int.h"
#include "store/store.h"
#include "wire/utf7.h"

static struct meta *
add_meta(struct maildir *m)
{
	if ((m->meta_count & (m->meta_count + 1)) == 0)
		m->meta = mem_realloc(m->meta, (2 * m->meta_count + 2) * sizeof *m->meta);
	m->meta[m->meta_count] = (struct meta){0};
	return &m->meta[m->meta_count++];
}

struct str
maildir_base(struct str name)
{
	const char *colon = str_chr(name, ':');

	return colon != NULL ? str_range(name.p, colon) : name;
}

#define FAULTS_MAX 10 /* reported for each list; the others are only counted */

struct list {
	struct maildir *m;
	const char *below, *name;
	uint64_t line, faults;
};

bool
maildir_list_get(
    struct maildir *m, int fd, const char *below, const char *name, size_t max, struct buf *out)
{
	if (port_slurp(m->port, fd, name, max, out))
		return true;
	if (errno != ENOENT)
		maildir_broken(m, below, "", name, port_why(errno));
	out->n = 0;
	return false;
}

static const char *
here(const struct maildir *m)
{
	return m->folder[m->folder_at - 1].path;
}

static void
line_not_understood(struct list *list)
{
	if (list->faults++ < FAULTS_MAX)
		port_broken_line(list->m->port, maildir_dir(list->m, list->below, ""), list->name,
		    list->line, "a line that is not recognised");
}

static void
end_list(struct list *list)
{
	struct buf text = {0};

	if (list->faults > FAULTS_MAX) {
		list->m->port->broken += list->faults - FAULTS_MAX;
		buf_printf(&text, "%llu more such lines, left out",
		    (unsigned long long)(list->faults - FAULTS_MAX));
		port_say(list->m->port, maildir_dir(list->m, list->below, ""), list->name,
		    buf_cstr(&text));
	}
	buf_fini(&text);
}

static bool
next_line(struct list *list, struct str *rest, struct str *line_r)
{
	list->line++;
	return str_split(rest, '\n', line_r);
}

static bool
take_i64(struct str *rest, int64_t *v)
{
	struct str word;
	uint64_t u;
	bool minus;

	if (!str_split(rest, ' ', &word))
		return false;
	minus = word.n > 0 && word.p[0] == '-';
	if (minus)
		word = (struct str){word.p + 1, word.n - 1};
	if (!str_u64(word, INT64_MAX, &u))
		return false;
	*v = minus ? -(int64_t)u : (int64_t)u;
	return true;
}

/* uidvalidity uidnext modseq use name */
static bool
take_our_head(struct maildir *m, struct str line)
{
	int64_t v, next, modseq, use;

	if (!str_has_prefix(line, STR("turnstone-export 1 ")))
		return false;
	line = (struct str){line.p + 19, line.n - 19};
	if (!take_i64(&line, &v) || !take_i64(&line, &next) || !take_i64(&line, &modseq) ||
	    !take_i64(&line, &use) || v < 0 || v > UINT32_MAX || next < 0 || next > UINT32_MAX ||
	    modseq < 0 || (uint64_t)modseq > STORE_MODSEQ_WISH_MAX || use < 0 || use > 255 ||
	    !port_unescape(line, &m->real_name) ||
	    wire_name_fault(buf_as_str(&m->real_name)) != NULL)
		return false;
	m->box.uidvalidity = (uint32_t)v;
	m->box.uidnext = (uint32_t)next;
	m->box.modseq = (uint64_t)modseq;
	m->box.use = (unsigned)use;
	if (m->port->mailbox == NULL)
		m->box.name = buf_as_str(&m->real_name);
	return true;
}

/* uid date saved zone keywords base; keywords are "-" if there are none */
static void
take_ours(struct maildir *m)
{
	struct list list = {.m = m, .below = here(m), .name = "turnstone.export"};
	struct str rest = buf_as_str(&m->ours), line;

	if (!next_line(&list, &rest, &line) || !take_our_head(m, line))
		line_not_understood(&list);
	while (next_line(&list, &rest, &line)) {
		struct meta x = {.ours = true};
		int64_t uid, zone;

		if (line.n == 0 && rest.n == 0)
			continue;
		if (!take_i64(&line, &uid) || !take_i64(&line, &x.date) ||
		    !take_i64(&line, &x.saved) || !take_i64(&line, &zone) || uid <= 0 ||
		    uid > UINT32_MAX || zone <= -1440 || zone >= 1440 ||
		    !str_split(&line, ' ', &x.keywords) || line.n == 0) {
			line_not_understood(&list);
			continue;
		}
		x.uid = (uint32_t)uid;
		x.zone = (int)zone;
		x.base = line;
		*add_meta(m) = x;
	}
	end_list(&list);
}

/* "3 V<uidvalidity> N<next uid> ..." */
static bool
take_uid_head(struct maildir *m, struct str line)
{
	bool ok = str_has_prefix(line, STR("3 "));
	struct str word;
	uint64_t v;

	while (ok && str_split(&line, ' ', &word)) {
		if (word.n < 2 || (word.p[0] != 'V' && word.p[0] != 'N'))
			continue;
		ok = str_u64((struct str){word.p + 1, word.n - 1}, UINT32_MAX, &v);
		if (ok && word.p[0] == 'V')
			m->box.uidvalidity = (uint32_t)v;
		else if (ok)
			m->box.uidnext = (uint32_t)v;
	}
	return ok;
}

/* The head, then "uid key... :name" */
static void
take_uidlist(struct maildir *m)
{
	struct list list = {.m = m, .below = here(m), .name = "dovecot-uidlist"};
	struct str rest = buf_as_str(&m->uidlist), line, word;
	uint64_t v;

	if (!next_line(&list, &rest, &line) || !take_uid_head(m, line))
		line_not_understood(&list);
	while (next_line(&list, &rest, &line)) {
		const char *name = str_find(line, STR(" :"));

		if (line.n == 0 && rest.n == 0)
			continue;
		if (name == NULL || !str_split(&line, ' ', &word) ||
		    !str_u64(word, UINT32_MAX, &v) || v == 0) {
			line_not_understood(&list);
			continue;
		}

		struct meta *x = add_meta(m);

		x->uid = (uint32_t)v;
		x->base = maildir_base(str_range(name + 2, line.p + line.n));
	}
	end_list(&list);
}

static int
by_ids_uid(const void *a, const void *b)
{
	const struct message_ids *x = a, *y = b;

	return (x->uid > y->uid) - (x->uid < y->uid);
}

/* The mailbox's, then those of each message. */
static void
take_ids(struct maildir *m)
{
	struct list list = {.m = m, .below = here(m), .name = PORT_IDS};
	struct str rest = buf_as_str(&m->ids_list), line, id = STR_NONE;

	if (!next_line(&list, &rest, &line) || !port_ids_take_head(line, &id))
		line_not_understood(&list);
	else if (m->port->mailbox == NULL)
		m->box.object_id = id;
	while (next_line(&list, &rest, &line)) {
		struct message_ids ids;

		if (line.n == 0 && rest.n == 0)
			continue;
		if (!port_ids_take(line, &ids.uid, ids.ids)) {
			line_not_understood(&list);
			continue;
		}
		if ((m->ids_count & (m->ids_count + 1)) == 0)
			m->ids = mem_realloc(m->ids, (2 * m->ids_count + 2) * sizeof *m->ids);
		m->ids[m->ids_count++] = ids;
	}
	if (m->ids_count > 0)
		qsort(m->ids, m->ids_count, sizeof *m->ids, by_ids_uid);
	end_list(&list);
}

const unsigned char *
maildir_ids(const struct maildir *m, const struct meta *meta)
{
	struct message_ids want = {.uid = meta != NULL && meta->ours ? meta->uid : 0},
	                   *found = NULL;

	if (want.uid != 0 && m->ids_count > 0)
		found = bsearch(&want, m->ids, m->ids_count, sizeof *m->ids, by_ids_uid);
	return found != NULL ? found->ids : NULL;
}

static void
take_letters(struct maildir *m)
{
	struct list list = {.m = m, .below = here(m), .name = "dovecot-keywords"};
	struct str rest = buf_as_str(&m->keywords), line, number;
	uint64_t n;

	while (next_line(&list, &rest, &line))
		if (str_split(&line, ' ', &number) && str_u64(number, 25, &n) && line.n > 0)
			m->letter[n] = line;
		else if (number.n > 0)
			line_not_understood(&list);
	end_list(&list);
}

/* Returns how many there are. */
static uint64_t
read_property_lines(struct list *list, struct str rest, struct buf *out)
{
	struct buf name = {0}, value = {0};
	struct str line;
	uint64_t n = 0;

	if (!next_line(list, &rest, &line) || !port_properties_head(line))
		line_not_understood(list);
	while (next_line(list, &rest, &line)) {
		if (line.n == 0 && rest.n == 0)
			continue;
		name.n = value.n = 0;
		if (!port_property_take(line, &name, &value)) {
			line_not_understood(list);
			continue;
		}
		mailstream_put_property(out, buf_as_str(&name), buf_as_str(&value));
		n++;
	}
	end_list(list);
	buf_fini(&name);
	buf_fini(&value);
	return n;
}

void
maildir_properties_read(
    struct maildir *m, int fd, const char *below, const char *name, bool take, struct buf *out)
{
	struct list list = {.m = m, .below = below, .name = name};
	struct buf text = {0};
	size_t before = out->n;

	if (maildir_list_get(m, fd, below, name, MAILDIR_LIST_MAX, &text)) {
		uint64_t n = read_property_lines(&list, buf_as_str(&text), out);

		if (!take && n > 0) {
			out->n = before;
			port_passed(m->port, maildir_dir(m, below, ""), name, 0, n,
			    m->port->take_properties ? "a property of the account, not of the "
			                               "mailbox that --mailbox names"
			                             : "a property (read with --properties)");
		}
	}
	buf_fini(&text);
}

/* Sorts ours before those of the uidlist: the first of a name counts. */
static int
by_base(const void *a, const void *b)
{
	const struct meta *x = a, *y = b;
	int c = str_cmp(x->base, y->base);

	return c != 0 ? c : (int)y->ours - (int)x->ours;
}

const struct meta *
maildir_meta(const struct maildir *m, struct str base)
{
	size_t lo = 0, hi = m->meta_count;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (str_cmp(m->meta[mid].base, base) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < m->meta_count && str_eq(m->meta[lo].base, base) ? &m->meta[lo] : NULL;
}

void
maildir_lists_read(struct maildir *m, int fd)
{
	memset(m->letter, 0, sizeof m->letter);
	if (maildir_list_get(m, fd, here(m), "dovecot-uidlist", MAILDIR_LIST_MAX, &m->uidlist))
		take_uidlist(m);
	if (maildir_list_get(m, fd, here(m), "turnstone.export", MAILDIR_LIST_MAX, &m->ours))
		take_ours(m);
	if (m->port->take_ids &&
	    maildir_list_get(m, fd, here(m), PORT_IDS, MAILDIR_LIST_MAX, &m->ids_list))
		take_ids(m);
	if (maildir_list_get(m, fd, here(m), "dovecot-keywords", 65536, &m->keywords))
		take_letters(m);
	if (m->meta_count > 0)
		qsort(m->meta, m->meta_count, sizeof *m->meta, by_base);
}
