/* SPDX-License-Identifier: Apache-2.0 */
/* Option values: see value.h. */
#include "conf/value.h"

#include "base/err.h"

struct unit {
	const char *name;
	uint64_t factor;
};

/* Largest first; the first name of a factor is the one printed. */
static const struct unit size_units[] = {
    {"T", (uint64_t)1 << 40},
    {"G", (uint64_t)1 << 30},
    {"M", (uint64_t)1 << 20},
    {"K", (uint64_t)1 << 10},
    {"TB", (uint64_t)1 << 40},
    {"GB", (uint64_t)1 << 30},
    {"MB", (uint64_t)1 << 20},
    {"KB", (uint64_t)1 << 10},
    {"B", 1},
    {NULL, 0},
};
static const struct unit time_units[] = {
    {"w", 7 * 24 * 3600000ULL},
    {"d", 24 * 3600000ULL},
    {"h", 3600000},
    {"m", 60000},
    {"s", 1000},
    {"ms", 1},
    {"min", 60000},
    {NULL, 0},
};

static const struct {
	const char *word;
	bool value;
} bools[] = {
    {"true", true}, {"yes", true}, {"on", true}, {"false", false}, {"no", false}, {"off", false}};

/* Takes digits and then letters off rest; false if there are no digits or too many. */
static bool
take_number(struct str *rest, uint64_t *value_r, struct str *unit_r)
{
	size_t n = 0, from;

	while (n < rest->n && rest->p[n] >= '0' && rest->p[n] <= '9')
		n++;
	if (!str_u64((struct str){rest->p, n}, INT64_MAX, value_r))
		return false;
	from = n;
	while (n < rest->n && ascii_lower((unsigned char)rest->p[n]) >= 'a' &&
	       ascii_lower((unsigned char)rest->p[n]) <= 'z')
		n++;
	*unit_r = str_range(rest->p + from, rest->p + n);
	*rest = str_range(rest->p + n, rest->p + rest->n);
	return true;
}

static uint64_t
factor_of(const struct unit *units, struct str name)
{
	for (; units->name != NULL; units++)
		if (str_ieq(name, str_of(units->name)))
			return units->factor;
	return 0;
}

/* Adds up parts as in 1h30m; a number without a unit must stand alone and is multiplied by bare. */
static bool
parse_units(struct str text, const struct unit *units, uint64_t bare, uint64_t *value_r)
{
	uint64_t sum = 0, v, factor;
	struct str rest = text, unit;
	size_t terms = 0;

	if (text.n == 0)
		return false;
	for (; rest.n > 0; terms++) {
		if (!take_number(&rest, &v, &unit))
			return false;
		factor = unit.n == 0 && terms == 0 && rest.n == 0 ? bare : factor_of(units, unit);
		if (factor == 0 || __builtin_mul_overflow(v, factor, &v) ||
		    __builtin_add_overflow(sum, v, &sum) || sum > INT64_MAX)
			return false;
	}
	*value_r = sum;
	return units == time_units || terms == 1;
}

static bool
parse_int(struct str text, int64_t *value_r)
{
	bool negative = text.n > 0 && text.p[0] == '-';
	uint64_t v;

	if (negative)
		text = str_range(text.p + 1, text.p + text.n);
	if (!str_u64(text, INT64_MAX, &v))
		return false;
	*value_r = negative ? -(int64_t)v : (int64_t)v;
	return true;
}

static void
print_units(uint64_t v, const struct unit *units, struct buf *out)
{
	for (; v > 0 && units->name != NULL; units++) {
		if (v % units->factor == 0) {
			buf_u64(out, v / units->factor);
			/* Bytes are printed without a unit. */
			if (strcmp(units->name, "B") != 0)
				buf_puts(out, units->name);
			return;
		}
	}
	buf_puts(out, "0");
}

static void
print_number(const struct conf_opt *opt, int64_t v, struct buf *out)
{
	if (opt->type == CONF_SIZE)
		print_units((uint64_t)v, size_units, out);
	else if (opt->type == CONF_DURATION)
		print_units((uint64_t)v, time_units, out);
	else
		buf_printf(out, "%lld", (long long)v);
}

/* Appends "1K to 2G" or "1 or more". */
static void
print_bounds(const struct conf_opt *opt, struct buf *out)
{
	print_number(opt, opt->min, out);
	if (opt->max != 0) {
		buf_puts(out, " to ");
		print_number(opt, opt->max, out);
	} else {
		buf_puts(out, " or more");
	}
}

static bool
in_bounds(const struct conf_opt *opt, int64_t v, struct buf *why)
{
	const char *of = opt->type == CONF_STRING || opt->type == CONF_PATH ? " bytes" : "";

	if (v >= opt->min && (opt->max == 0 || v <= opt->max))
		return true;
	if (of[0] != '\0' && v == 0) {
		buf_puts(why, "must not be empty");
		return false;
	}
	buf_puts(why, "must be ");
	print_bounds(opt, why);
	buf_puts(why, of);
	return false;
}

void
conf_value_bounds(const struct conf_opt *opt, struct buf *out)
{
	if (opt->type == CONF_BOOL || opt->type == CONF_ENUM || (opt->min == 0 && opt->max == 0))
		return;
	print_bounds(opt, out);
	if (opt->type == CONF_STRING || opt->type == CONF_PATH)
		buf_puts(out, " bytes");
	if (opt->type == CONF_LIST)
		buf_puts(out, " items");
}

void
conf_value_describe(const struct conf_opt *opt, struct buf *out)
{
	static const char *const texts[] = {
	    [CONF_BOOL] = "yes or no",
	    [CONF_INT] = "a number",
	    [CONF_SIZE] = "a size such as 4096, 64K, 8M or 2G",
	    [CONF_DURATION] = "a duration such as 250ms, 30s, 5m, 2h or 7d",
	    [CONF_STRING] = "a text",
	    [CONF_PATH] = "a path",
	    [CONF_LIST] = "a list such as [a, b]",
	};

	if (opt->type != CONF_ENUM) {
		buf_puts(out, texts[opt->type]);
		return;
	}
	buf_puts(out, "one of");
	for (size_t i = 0; opt->words[i] != NULL; i++)
		buf_printf(out, "%s %s", i > 0 ? "," : "", opt->words[i]);
}

static bool
set_enum(const struct conf_opt *opt, struct str text, int *field, struct buf *why)
{
	for (size_t n = 0; opt->words[n] != NULL; n++) {
		if (str_ieq(text, str_of(opt->words[n]))) {
			*field = (int)n;
			return true;
		}
	}
	buf_puts(why, "must be ");
	conf_value_describe(opt, why);
	return false;
}

static bool
set_bool(struct str text, bool *field)
{
	for (size_t i = 0; i < sizeof(bools) / sizeof(*bools); i++) {
		if (str_ieq(text, str_of(bools[i].word))) {
			*field = bools[i].value;
			return true;
		}
	}
	return false;
}

static bool
set_number(const struct conf_opt *opt, struct str text, void *field, struct buf *why)
{
	uint64_t u = 0;
	int64_t v = 0;
	bool ok;

	if (opt->type == CONF_INT) {
		ok = parse_int(text, &v);
	} else {
		ok = opt->type == CONF_SIZE ? parse_units(text, size_units, 1, &u)
		                            : parse_units(text, time_units, 1000, &u);
		v = (int64_t)u;
	}
	if (!ok) {
		buf_puts(why, "must be ");
		conf_value_describe(opt, why);
		return false;
	}
	if (!in_bounds(opt, v, why))
		return false;
	if (opt->type == CONF_INT)
		*(int64_t *)field = v;
	else
		*(uint64_t *)field = u;
	return true;
}

/* Doubles the room whenever the count is a power of two. */
static void *
room_for_one(const void *old, size_t n, size_t size, struct arena *a)
{
	void *p;

	if (n > 0 && (n & (n - 1)) != 0)
		return (void *)(uintptr_t)old;
	p = arena_array(a, n > 0 ? n * 2 : 1, size);
	if (n > 0)
		memcpy(p, old, n * size);
	return p;
}

/* line 0: an item of the default. */
static void
add_item(struct conf_list *list, struct str text, unsigned line, struct arena *a)
{
	struct str *items = room_for_one(list->items, list->n, sizeof(*items), a);

	items[list->n] = arena_str(a, text);
	list->items = items;
	if (line != 0) {
		unsigned *lines = room_for_one(list->lines, list->n, sizeof(*lines), a);

		lines[list->n] = line;
		list->lines = lines;
	}
	list->n++;
}

static struct str
join_path(struct str text, const char *dir, struct arena *a)
{
	if (dir == NULL || text.n == 0 || text.p[0] == '/')
		return arena_str(a, text);
	return str_of(arena_printf(a, "%s/%.*s", dir, STR_ARG(text)));
}

bool
conf_value_set(const struct conf_opt *opt, struct str text, unsigned line, const char *dir,
    struct arena *a, void *field, struct buf *why)
{
	switch (opt->type) {
	case CONF_BOOL:
		if (set_bool(text, field))
			return true;
		buf_puts(why, "must be yes or no");
		return false;
	case CONF_INT:
	case CONF_SIZE:
	case CONF_DURATION:
		return set_number(opt, text, field, why);
	case CONF_ENUM:
		return set_enum(opt, text, field, why);
	case CONF_LIST:
		add_item(field, text, line, a);
		return true;
	case CONF_STRING:
	case CONF_PATH:
		if (!in_bounds(opt, (int64_t)text.n, why))
			return false;
		if (opt->type == CONF_PATH && text.n > 0 && text.p[0] == '~') {
			buf_puts(why, "must be a full path: ~ is not expanded here (write ./~ for "
			              "a name that begins with ~)");
			return false;
		}
		*(struct str *)field =
		    opt->type == CONF_PATH ? join_path(text, dir, a) : arena_str(a, text);
		return true;
	}
	TS_WRONG("an option has no type");
}

void
conf_value_default(const struct conf_opt *opt, const char *dir, struct arena *a, void *field)
{
	struct str rest = str_of(opt->def), part;
	struct buf why = {0};

	if (opt->def == NULL)
		return; /* the struct is zeroed */
	if (opt->type != CONF_LIST) {
		TS_ASSERT(conf_value_set(opt, rest, 0, dir, a, field, &why));
	} else if (rest.n > 0) {
		while (str_split(&rest, ',', &part))
			add_item(field, str_trim(part), 0, a);
	}
	buf_fini(&why);
}

static bool
lists_equal(const struct conf_list *a, const struct conf_list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!str_eq(a->items[i], b->items[i]))
			return false;
	return true;
}

bool
conf_value_equal(const struct conf_opt *opt, const void *a, const void *b)
{
	switch (opt->type) {
	case CONF_BOOL:
		return *(const bool *)a == *(const bool *)b;
	case CONF_INT:
		return *(const int64_t *)a == *(const int64_t *)b;
	case CONF_SIZE:
	case CONF_DURATION:
		return *(const uint64_t *)a == *(const uint64_t *)b;
	case CONF_ENUM:
		return *(const int *)a == *(const int *)b;
	case CONF_STRING:
	case CONF_PATH:
		return str_eq(*(const struct str *)a, *(const struct str *)b);
	case CONF_LIST:
		return lists_equal(a, b);
	}
	TS_WRONG("an option has no type");
}

void
conf_value_quote(struct str s, struct buf *out)
{
	buf_putc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7F)
			buf_printf(out, "\\u%04x", c);
		else
			buf_putc(out, (char)c);
	}
	buf_putc(out, '"');
}

static void
quote_list(const struct conf_list *list, struct buf *out)
{
	buf_putc(out, '[');
	for (size_t i = 0; i < list->n; i++) {
		if (i > 0)
			buf_puts(out, ", ");
		conf_value_quote(list->items[i], out);
	}
	buf_putc(out, ']');
}

void
conf_value_print(const struct conf_opt *opt, const void *field, struct buf *out)
{
	switch (opt->type) {
	case CONF_BOOL:
		buf_puts(out, *(const bool *)field ? "yes" : "no");
		return;
	case CONF_INT:
		print_number(opt, *(const int64_t *)field, out);
		return;
	case CONF_SIZE:
	case CONF_DURATION:
		print_number(opt, (int64_t) * (const uint64_t *)field, out);
		return;
	case CONF_ENUM:
		buf_puts(out, opt->words[*(const int *)field]);
		return;
	case CONF_STRING:
	case CONF_PATH:
		conf_value_quote(*(const struct str *)field, out);
		return;
	case CONF_LIST:
		quote_list(field, out);
		return;
	}
}

void
conf_value_print_default(const struct conf_opt *opt, struct buf *out)
{
	union {
		bool b;
		int64_t i;
		uint64_t u;
		int e;
		struct str s;
		struct conf_list l;
	} field;
	struct arena *a = arena_new(NULL, ARENA_OTHER, 512);

	memset(&field, 0, sizeof(field));
	conf_value_default(opt, NULL, a, &field);
	conf_value_print(opt, &field, out);
	arena_free(&a);
}
