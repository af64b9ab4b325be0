/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser for the file's syntax, which conf.h describes.
 *
 * A fault does not end the parse: the parser skips the rest of the statement and goes on, so that
 * it finds all faults.  It reads each byte a bounded number of times, and recursion ends at
 * CONF_DEPTH_MAX.
 */
#include "conf/tree.h"

#include "base/mem.h"

#define NAMES_MAX 4 /* words between a key and its brace */

#define REPLACED "\xef\xbf\xbd" /* U+FFFD */

struct parser {
	const char *p, *end;
	struct arena *arena;
	const char *file;
	struct conf_faults *faults;
	unsigned line, depth;
	bool comment_open; /* reported already */
	bool replaced;     /* some invalid bytes were replaced by REPLACED */
};

void
conf_faults_fini(struct conf_faults *faults)
{
	for (size_t i = 0; i < faults->n; i++)
		mem_free(faults->text[i]);
	mem_free(faults->text);
	*faults = (struct conf_faults){0};
}

bool
conf_faults_full(const struct conf_faults *faults)
{
	return faults->n > CONF_FAULTS_MAX;
}

void
conf_fault(struct conf_faults *faults, const char *file, unsigned line, const char *fmt, ...)
{
	struct buf b = {0};
	va_list ap;

	if (conf_faults_full(faults))
		return;
	if (faults->text == NULL)
		faults->text = mem_zalloc((CONF_FAULTS_MAX + 1) * sizeof(char *));
	if (file != NULL)
		buf_puts(&b, file);
	if (faults->n == CONF_FAULTS_MAX) {
		buf_puts(&b, file != NULL ? ": and more faults" : "and more faults");
	} else {
		if (line > 0)
			buf_printf(&b, ":%u", line);
		if (file != NULL)
			buf_puts(&b, ": ");
		va_start(ap, fmt);
		buf_vprintf(&b, fmt, ap);
		va_end(ap);
	}
	faults->text[faults->n++] = mem_strdup(buf_cstr(&b));
	buf_fini(&b);
}

#define text_after "text after the value; a semicolon is missing, or quotation marks"
#define FAULT(ps, ...) conf_fault((ps)->faults, (ps)->file, (ps)->line, __VA_ARGS__)

static struct conf_node *
add_node(struct parser *ps, struct conf_node *parent, struct str key, unsigned line)
{
	struct conf_node *node = arena_new_object(ps->arena, struct conf_node);

	node->key = key;
	node->line = line;
	node->parent = parent;
	if (parent->last != NULL)
		parent->last->next = node;
	else
		parent->first = node;
	parent->last = node;
	return node;
}

static int
peek(const struct parser *ps, size_t ahead)
{
	return (size_t)(ps->end - ps->p) > ahead ? (unsigned char)ps->p[ahead] : -1;
}

/* Skips a comment that begins here; such comments nest. */
static void
skip_block_comment(struct parser *ps)
{
	unsigned from = ps->line, open = 0;

	while (ps->p < ps->end) {
		if (peek(ps, 0) == '/' && peek(ps, 1) == '*') {
			open++;
			ps->p += 2;
		} else if (peek(ps, 0) == '*' && peek(ps, 1) == '/') {
			ps->p += 2;
			if (--open == 0)
				return;
		} else {
			ps->line += *ps->p++ == '\n';
		}
	}
	if (!ps->comment_open)
		conf_fault(ps->faults, ps->file, from, "a comment is not closed");
	ps->comment_open = true;
}

/* Skips blanks and comments; with newlines, also ends of lines. */
static void
skip_blanks(struct parser *ps, bool newlines)
{
	for (;;) {
		int c = peek(ps, 0);

		if (c == ' ' || c == '\t' || c == '\r') {
			ps->p++;
		} else if (c == '\n' && newlines) {
			ps->p++;
			ps->line++;
		} else if (c == '#') {
			while (ps->p < ps->end && *ps->p != '\n')
				ps->p++;
		} else if (c == '/' && peek(ps, 1) == '*') {
			skip_block_comment(ps);
		} else {
			return;
		}
	}
}

/* After a fault: skips to the end of the line or statement. */
static void
skip_statement(struct parser *ps)
{
	while (ps->p < ps->end && *ps->p != '\n' && *ps->p != ';')
		ps->p++;
}

static bool
is_key_char(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-' || c == '.' || c == '@' || c == '/' || c >= 0x80;
}

static int
hex4(const struct parser *ps)
{
	int v = 0;

	for (size_t i = 0; i < 4; i++) {
		int c = peek(ps, i);

		if (c >= '0' && c <= '9')
			v = v * 16 + c - '0';
		else if (c >= 0 && ascii_lower((unsigned char)c) >= 'a' &&
		         ascii_lower((unsigned char)c) <= 'f')
			v = v * 16 + ascii_lower((unsigned char)c) - 'a' + 10;
		else
			return -1;
	}
	return v;
}

/* Takes the four digits after \u, and a second escape for a surrogate pair.  False: invalid. */
static bool
put_unicode(struct parser *ps, struct buf *out)
{
	int c = hex4(ps), low;

	if (c <= 0 || (c >= 0xDC00 && c <= 0xDFFF))
		return false;
	ps->p += 4;
	if (c >= 0xD800 && c <= 0xDBFF) {
		if (peek(ps, 0) != '\\' || peek(ps, 1) != 'u')
			return false;
		ps->p += 2;
		low = hex4(ps);
		if (low < 0xDC00 || low > 0xDFFF)
			return false;
		ps->p += 4;
		c = 0x10000 + ((c & 0x3FF) << 10 | (low & 0x3FF));
		buf_putc(out, (char)(0xF0 | c >> 18));
		buf_putc(out, (char)(0x80 | (c >> 12 & 63)));
	} else if (c >= 0x800) {
		buf_putc(out, (char)(0xE0 | c >> 12));
	}
	if (c >= 0x800)
		buf_putc(out, (char)(0x80 | (c >> 6 & 63)));
	else if (c >= 0x80)
		buf_putc(out, (char)(0xC0 | c >> 6));
	buf_putc(out, (char)(c >= 0x80 ? 0x80 | (c & 63) : c));
	return true;
}

/* Takes one escape after a backslash; in double quotes as in JSON. */
static bool
put_escape(struct parser *ps, struct buf *out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	int c = peek(ps, 0);
	const char *at = c > 0 ? strchr(from, c) : NULL;

	if (at == NULL && c != 'u')
		return false;
	ps->p++;
	if (at == NULL)
		return put_unicode(ps, out);
	buf_putc(out, to[at - from]);
	return true;
}

/* Takes a quoted string; false after a fault. */
static bool
parse_quoted(struct parser *ps, struct str *text_r)
{
	char mark = *ps->p++;
	struct buf b = {0};
	bool ok = true;

	while (ok && ps->p < ps->end && *ps->p != mark && *ps->p != '\n') {
		if (*ps->p == '\\' && (mark == '"' || peek(ps, 1) == '\'')) {
			ps->p++;
			if (mark == '"')
				ok = put_escape(ps, &b);
			else
				buf_putc(&b, *ps->p++);
			if (!ok)
				FAULT(ps, "an invalid escape after a backslash (a backslash itself "
				          "is \\\\)");
		} else {
			buf_putc(&b, *ps->p++);
		}
	}
	if (ok && peek(ps, 0) != mark) {
		FAULT(ps, "a string is not closed on its line");
		ok = false;
	}
	if (ok) {
		ps->p++;
		*text_r = arena_str(ps->arena, buf_as_str(&b));
	}
	buf_fini(&b);
	return ok;
}

/* Takes a bare or quoted word; false if there is none (not a fault) or it is invalid (a fault). */
static bool
parse_word(struct parser *ps, struct str *word_r)
{
	const char *from = ps->p;

	if (peek(ps, 0) == '"' || peek(ps, 0) == '\'')
		return parse_quoted(ps, word_r);
	while (is_key_char(peek(ps, 0)) && !(peek(ps, 0) == '/' && peek(ps, 1) == '*'))
		ps->p++;
	*word_r = str_range(from, ps->p);
	return word_r->n > 0;
}

static void parse_value(struct parser *ps, struct conf_node *node);
static void parse_object(struct parser *ps, struct conf_node *node, bool closed);

static bool
descend(struct parser *ps)
{
	if (ps->depth < CONF_DEPTH_MAX) {
		ps->depth++;
		return true;
	}
	FAULT(ps, "sections are nested deeper than %d", CONF_DEPTH_MAX);
	ps->p = ps->end;
	return false;
}

static void
parse_array(struct parser *ps, struct conf_node *node)
{
	unsigned from = ps->line;

	node->type = CONF_NODE_ARRAY;
	ps->p++;
	if (!descend(ps))
		return;
	for (;;) {
		skip_blanks(ps, true);
		if (ps->p == ps->end) {
			conf_fault(ps->faults, ps->file, from, "a list is not closed by ]");
			break;
		}
		if (*ps->p == ',' || *ps->p == ';') {
			ps->p++;
			continue;
		}
		if (*ps->p == ']') {
			ps->p++;
			break;
		}
		if (*ps->p == '}') { /* do not swallow the rest of the file */
			conf_fault(ps->faults, ps->file, from, "a list is not closed by ]");
			break;
		}
		parse_value(ps, add_node(ps, node, STR_NONE, ps->line));
	}
	ps->depth--;
}

/* Takes the text between <<WORD and a line with only WORD. */
static void
parse_here(struct parser *ps, struct conf_node *node)
{
	const char *word = ps->p + 2, *from, *at;
	unsigned line = ps->line;
	size_t n = 0;

	while (word + n < ps->end && word[n] >= 'A' && word[n] <= 'Z')
		n++;
	at = word + n < ps->end && word[n] == '\r' ? word + n + 1 : word + n;
	if (at >= ps->end || *at != '\n') {
		node->type = CONF_NODE_BAD;
		FAULT(ps, "after << comes a word in capitals, and nothing else on the line");
		skip_statement(ps);
		return;
	}
	from = ++at;
	line++;
	while (at < ps->end) {
		const char *nl = memchr(at, '\n', (size_t)(ps->end - at));
		const char *stop = nl != NULL ? nl : ps->end;

		if (str_eq(str_trim(str_range(at, stop)), (struct str){word, n}) && *at == *word) {
			node->text = arena_str(ps->arena, str_range(from, at > from ? at - 1 : at));
			ps->p = stop;
			ps->line = line;
			return;
		}
		at = nl != NULL ? nl + 1 : ps->end;
		line++;
	}
	node->type = CONF_NODE_BAD;
	FAULT(ps, "the text of <<%.*s has no end", (int)n, word);
	ps->p = ps->end;
}

static bool
is_name_char(char c, bool first)
{
	return (c >= 'a' && c <= 'z') ||
	       (!first && (c == '_' || c == '.' || (c >= '0' && c <= '9')));
}

/* Looks for "NAME =" after a blank: the next option begins within this one's value. */
static bool
has_option(struct str text)
{
	for (size_t i = 1; i < text.n; i++) {
		size_t at = i;

		if (text.p[i - 1] != ' ' && text.p[i - 1] != '\t')
			continue;
		while (at < text.n && is_name_char(text.p[at], at == i))
			at++;
		if (at == i)
			continue;
		while (at < text.n && (text.p[at] == ' ' || text.p[at] == '\t'))
			at++;
		if (at < text.n && text.p[at] == '=')
			return true;
	}
	return false;
}

/* As other faults name options: a.b, and in a block with a name `a b: c`. */
static void
put_place(const struct conf_node *node, struct buf *out)
{
	const struct conf_node *above[2 * CONF_DEPTH_MAX + NAMES_MAX];
	size_t n = 0;

	for (; node->parent != NULL && n < sizeof(above) / sizeof(*above); node = node->parent)
		above[n++] = node;
	while (n-- > 0) {
		buf_str(out, above[n]->key);
		if (n > 0)
			buf_puts(out, above[n - 1]->named ? " " : above[n]->named ? ": " : ".");
	}
}

static void
no_value(struct parser *ps, const struct conf_node *node)
{
	struct buf place = {0};

	put_place(node, &place);
	FAULT(ps, "%s has no value (an empty one is \"\")", buf_cstr(&place));
	buf_fini(&place);
}

/* Takes a value up to a separator; braces and brackets in it are balanced. */
static void
parse_bare(struct parser *ps, struct conf_node *node)
{
	const char *from = ps->p;
	unsigned braces = 0, brackets = 0;

	for (; ps->p < ps->end; ps->p++) {
		char c = *ps->p;

		if (c == '\n' || c == ';' || c == ',' || c == '#' ||
		    (c == '/' && peek(ps, 1) == '*') || (c == '}' && braces == 0) ||
		    (c == ']' && brackets == 0))
			break;
		braces += (unsigned)(c == '{') - (unsigned)(c == '}');
		brackets += (unsigned)(c == '[') - (unsigned)(c == ']');
	}
	node->text = arena_str(ps->arena, str_trim(str_range(from, ps->p)));
	if (has_option(node->text)) {
		FAULT(ps, text_after);
		node->type = CONF_NODE_BAD;
	}
	if (node->text.n > 0)
		return;
	no_value(ps, node);
	node->type = CONF_NODE_BAD;
	if (peek(ps, 0) == ']') /* nothing that it could close is open */
		skip_statement(ps);
}

static void
parse_any(struct parser *ps, struct conf_node *node)
{
	int c = peek(ps, 0);

	if (c == '{') {
		ps->p++;
		parse_object(ps, node, true);
	} else if (c == '[') {
		parse_array(ps, node);
	} else if (c == '"' || c == '\'') {
		if (!parse_quoted(ps, &node->text)) {
			node->type = CONF_NODE_BAD;
			skip_statement(ps);
		}
	} else if (c == '<' && peek(ps, 1) == '<') {
		parse_here(ps, node);
	} else {
		parse_bare(ps, node);
		return;
	}
	skip_blanks(ps, false);
	c = peek(ps, 0);
	if (c < 0 || c == '\n' || c == ';' || c == ',' || c == '}' || c == ']' ||
	    node->type == CONF_NODE_OBJECT)
		return;
	FAULT(ps, text_after);
	skip_statement(ps);
}

static void
parse_value(struct parser *ps, struct conf_node *node)
{
	parse_any(ps, node);
	if (ps->replaced && node->type == CONF_NODE_TEXT &&
	    str_find(node->text, STR(REPLACED)) != NULL)
		node->type = CONF_NODE_BAD;
}

/*
 * `key a b {`: words before a brace become nested sections.  Looks ahead with its own parser,
 * because without the brace it is a plain value; faults are reported when that is read.
 */
static bool
parse_named(struct parser *ps, struct conf_node **node)
{
	struct conf_faults unheard = {0};
	struct parser probe = *ps;
	struct str names[NAMES_MAX];
	unsigned lines[NAMES_MAX];
	size_t n = 0;
	bool named;

	probe.faults = &unheard;
	for (; n < NAMES_MAX && parse_word(&probe, &names[n]); n++) {
		lines[n] = probe.line;
		skip_blanks(&probe, false);
	}
	skip_blanks(&probe, true);
	named = unheard.n == 0 && peek(&probe, 0) == '{';
	conf_faults_fini(&unheard);
	if (!named)
		return false;
	ps->p = probe.p;
	ps->line = probe.line;
	for (size_t i = 0; i < n; i++) {
		(*node)->type = CONF_NODE_OBJECT;
		*node = add_node(ps, *node, names[i], lines[i]);
		(*node)->named = true;
	}
	return true;
}

/* Makes the node for a key; a.b.c makes c in b in a.  NULL after a fault. */
static struct conf_node *
add_key(struct parser *ps, struct conf_node *parent, struct str key, bool bare, unsigned line)
{
	struct str part, rest = key;
	size_t depth = 0;

	while (bare && str_chr(rest, '.') != NULL) {
		(void)str_split(&rest, '.', &part);
		if (part.n == 0 || rest.n == 0 || ++depth > CONF_DEPTH_MAX) {
			FAULT(ps, "%.*s is not an option name", STR_ARG(key));
			return NULL;
		}
		parent = add_node(ps, parent, part, line);
		parent->type = CONF_NODE_OBJECT;
		parent->dotted = true;
	}
	return add_node(ps, parent, rest, line);
}

static void
parse_statement(struct parser *ps, struct conf_node *object)
{
	unsigned line = ps->line;
	size_t faults = ps->faults->n;
	bool bare = *ps->p != '"' && *ps->p != '\'';
	struct conf_node *node = NULL;
	struct str key;

	if (*ps->p == '.') {
		FAULT(ps, "there are no macros and no includes here");
	} else if (!parse_word(ps, &key)) {
		if (ps->faults->n == faults)
			FAULT(ps, "the name of an option must stand here");
	} else {
		node = add_key(ps, object, key, bare, line);
	}
	if (node == NULL) {
		ps->p += ps->p < ps->end && *ps->p != '\n';
		skip_statement(ps);
		return;
	}
	skip_blanks(ps, false);
	if (peek(ps, 0) == '=' || peek(ps, 0) == ':') {
		ps->p++;
		skip_blanks(ps, false);
	} else {
		(void)parse_named(ps, &node);
	}
	parse_value(ps, node);
}

/* Parses the contents of a section.  closed: up to a closing brace (the opening one was read);
 * otherwise to the end of the file. */
static void
parse_object(struct parser *ps, struct conf_node *node, bool closed)
{
	unsigned from = ps->line;

	node->type = CONF_NODE_OBJECT;
	if (!descend(ps))
		return;
	for (;;) {
		skip_blanks(ps, true);
		if (ps->p == ps->end) {
			if (closed)
				conf_fault(ps->faults, ps->file, from, "a { is not closed");
			break;
		}
		if (*ps->p == ';' || *ps->p == ',') {
			ps->p++;
		} else if (*ps->p == '}') {
			ps->p++;
			if (closed)
				break;
			FAULT(ps, "a } without its {");
		} else {
			parse_statement(ps, node);
		}
	}
	ps->depth--;
}

static bool
is_text(struct str line)
{
	return str_is_utf8(line) && str_chr(line, '\0') == NULL;
}

/* In a line that is not UTF-8, replaces what is not ASCII by REPLACED, so that the rest can be
 * read. */
static void
put_readable(struct str line, struct buf *out)
{
	for (size_t i = 0; i < line.n; i++) {
		if ((unsigned char)line.p[i] < 0x80 && line.p[i] != '\0')
			buf_putc(out, line.p[i]);
		else
			buf_puts(out, REPLACED);
	}
}

/* Reports invalid bytes with their line; the other lines are still read. */
static void
replace_bytes(struct parser *ps, struct str text)
{
	struct buf out = {0};
	struct str rest = text, line;

	for (unsigned n = 1; str_split(&rest, '\n', &line); n++) {
		if (is_text(line)) {
			buf_str(&out, line);
		} else {
			conf_fault(ps->faults, ps->file, n, "%s",
			    str_chr(line, '\0') != NULL ? "a NUL byte, which no text contains"
			                                : "is not UTF-8 text");
			put_readable(line, &out);
			ps->replaced = true;
		}
		buf_putc(&out, '\n');
	}
	if (ps->replaced) {
		text = arena_str(ps->arena, buf_as_str(&out));
		ps->p = text.p;
		ps->end = text.p + text.n;
	}
	buf_fini(&out);
}

struct conf_node *
conf_tree_parse(struct arena *a, struct str text, const char *file, struct conf_faults *faults)
{
	struct parser ps = {.arena = a, .file = file, .faults = faults, .line = 1};
	struct conf_node *root = arena_new_object(a, struct conf_node);

	root->type = CONF_NODE_OBJECT;
	if (text.n > CONF_FILE_MAX) {
		conf_fault(faults, file, 0, "the file is larger than %d bytes", CONF_FILE_MAX);
		return root;
	}
	if (str_has_prefix(text, STR("\xef\xbb\xbf")))
		text = str_range(text.p + 3, text.p + text.n);
	ps.p = text.p != NULL ? text.p : "";
	ps.end = ps.p + text.n;
	replace_bytes(&ps, text);
	skip_blanks(&ps, true);
	if (peek(&ps, 0) == '{') { /* JSON puts everything in braces */
		ps.p++;
		parse_object(&ps, root, true);
		skip_blanks(&ps, true);
		if (ps.p < ps.end)
			conf_fault(faults, file, ps.line, "text after the last }");
		return root;
	}
	parse_object(&ps, root, false);
	return root;
}
