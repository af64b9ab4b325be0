/* SPDX-License-Identifier: Apache-2.0 */
/* Commands, topics and options as mdoc. */
#include "cli/manual.h"

#include "cli/examples.h"
#include "cli/help.h"
#include "cli/topics.h"
#include "conf/conf.h"
#include "server/config/settings.h"

static void
put_roff(struct buf *out, const char *text)
{
	conf_put_roff(str_of(text), out);
}

static void
page_begin(const char *date, const char *title, const char *section, struct buf *out)
{
	buf_printf(out, ".Dd %s\n.Dt %s %s\n.Os Turnstone\n.Sh NAME\n", date, title, section);
}

/* A literal line: nothing in it is markup, and a blank line does not end a paragraph. */
static void
literal_line(struct str line, struct buf *out)
{
	buf_puts(out, "\\&");
	for (size_t i = 2; i < line.n; i++)
		if (line.p[i] == '\\')
			buf_puts(out, "\\e");
		else if (line.p[i] == '-')
			buf_puts(out, "\\-");
		else
			buf_putc(out, line.p[i]);
	buf_putc(out, '\n');
}

enum block { BLOCK_NONE, BLOCK_TEXT, BLOCK_LITERAL };

/* Paragraphs as in topics.h. */
static void
paragraphs(struct str text, struct buf *out)
{
	enum block in = BLOCK_NONE;
	struct buf gathered = {0};
	struct str line;
	bool first = true;

	while (text.n > 0 || in != BLOCK_NONE) {
		enum block next = BLOCK_NONE;

		line = STR_NONE;
		if (text.n > 0 && str_split(&text, '\n', &line) && line.n > 0)
			next = str_has_prefix(line, STR("  ")) ? BLOCK_LITERAL : BLOCK_TEXT;
		if (in == BLOCK_LITERAL && next != in)
			buf_puts(out, ".Ed\n");
		if (in == BLOCK_TEXT && next != in) {
			conf_put_roff(buf_as_str(&gathered), out);
			buf_putc(out, '\n');
			gathered.n = 0;
		}
		if (next == BLOCK_LITERAL && in != next)
			buf_puts(out, ".Bd -literal -offset indent\n");
		if (next == BLOCK_TEXT && in != next && !first)
			buf_puts(out, ".Pp\n");
		if (next == BLOCK_LITERAL)
			literal_line(line, out);
		if (next == BLOCK_TEXT) {
			if (gathered.n > 0)
				buf_putc(&gathered, ' ');
			buf_str(&gathered, line);
		}
		first = first && next == BLOCK_NONE;
		in = next;
	}
	buf_fini(&gathered);
}

static void
topic_section(const struct topic *t, struct buf *out)
{
	struct buf text = {0};

	buf_printf(out, ".Sh %s\n", t->title);
	topic_text(t, &text);
	paragraphs(buf_as_str(&text), out);
	buf_fini(&text);
}

static void
cmd_options(const struct args_opt *opts, struct buf *out)
{
	buf_puts(out, ".Bl -tag -width Ds\n");
	for (const struct args_opt *o = opts; o->name != NULL; o++) {
		buf_puts(out, ".It Fl Fl ");
		put_roff(out, o->name);
		if (o->value != NULL)
			buf_printf(out, " Ar %s", o->value);
		buf_putc(out, '\n');
		put_roff(out, o->help);
		buf_putc(out, '\n');
	}
	buf_puts(out, ".El\n");
}

static void
cmd_section(const struct args_cmd *c, struct buf *out)
{
	buf_puts(out, ".Ss turnstone ");
	put_roff(out, c->name);
	if (c->operands[0] != '\0') {
		buf_putc(out, ' ');
		put_roff(out, c->operands);
	}
	buf_putc(out, '\n');
	/* As in the list of commands, where it does not begin a sentence. */
	buf_printf(out, "%c", ascii_upper((unsigned char)c->help[0]));
	put_roff(out, c->help + 1);
	buf_puts(out, ".\n");
	if (c->more != NULL) {
		buf_puts(out, ".Pp\n");
		paragraphs(str_of(c->more), out);
	}
	if (c->opts != NULL && c->opts[0].name != NULL)
		cmd_options(c->opts, out);
}

static void
examples_section(struct buf *out)
{
	buf_puts(out, ".Sh EXAMPLES\nThe configuration is the default one, or\n.Ev " SETTINGS_ENV
	              "\nnames it.\n");
	for (const struct example *e = examples; e->cmd != NULL; e++) {
		struct buf line = {0};

		buf_puts(out, ".Pp\n");
		conf_put_roff(str_of(e->what), out);
		buf_printf(&line, "  %s", e->line);
		buf_puts(out, "\n.Bd -literal -offset indent\n");
		literal_line(buf_as_str(&line), out);
		buf_puts(out, ".Ed\n");
		buf_fini(&line);
	}
}

void
manual_commands(const char *date, struct buf *out)
{
	const struct args_cmd *c;

	page_begin(date, "TURNSTONE", "1", out);
	buf_puts(out,
	    ".Nm turnstone\n.Nd IMAP server whose connections can switch users"
	    "\n.Sh SYNOPSIS\n.Nm\n.Ar command\n.Op Ar options\n.Nm\n.Cm "
	    "help\n.Op Ar command | topic | option\n.Sh DESCRIPTION\n.Nm\nis a mail server for "
	    "IMAP and LMTP, and the commands that an administrator needs for it.\n"
	    "Commands talk to the running server through its control socket; if none is "
	    "running, those that do not need it work on the store directly.\n"
	    "Options may appear anywhere after the command, as\n.Fl Fl name "
	    "Ar value\nor\n.Fl Fl name Ns = Ns Ar value ;\n.Fl Fl\nends them.\n"
	    ".Sh COMMANDS\n");
	for (size_t i = 0; (c = help_cmd_at(i)) != NULL; i++)
		cmd_section(c, out);
	buf_puts(out, ".Sh ENVIRONMENT\n.Bl -tag -width Ds\n.It Ev " SETTINGS_ENV
	              "\nThe configuration, for commands without\n.Fl Fl config .\n.El\n");
	for (const struct topic *t = topics; t->name != NULL; t++)
		topic_section(t, out);
	examples_section(out);
	buf_puts(out, ".Sh SEE ALSO\n.Xr turnstone.conf 5\n");
}

void
manual_conf(const char *date, struct buf *out)
{
	page_begin(date, "TURNSTONE.CONF", "5", out);
	buf_puts(out, ".Nm turnstone.conf\n.Nd configuration of the Turnstone mail server\n"
	              ".Sh DESCRIPTION\n");
	paragraphs(str_of(topic_find("config")->text), out);
	buf_puts(out, ".Sh OPTIONS\n");
	conf_print_roff(settings_tables(), out);
	buf_puts(out, ".Sh EXAMPLES\n");
	paragraphs(str_of(examples_conf), out);
	buf_puts(out, ".Sh SEE ALSO\n.Xr turnstone 1\n");
}
