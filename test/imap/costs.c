/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: test_costs
 *
 * The cost of a command on the loop, which delays everybody else there, must not grow with the
 * mailbox unless the answer does.  Each command runs in a small and in a large mailbox; the test
 * counts the basic blocks executed on the loop instead of measuring time.  Walking over messages
 * takes at least one step for each; sets take some for each thousand.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/block.h"
#include "base/log.h"
#include "site.h"

#define SMALL 10u /* how often INBOX is doubled */
#define LARGE 14u
#define PER_STEP 4u /* messages */

static uint64_t steps;
static bool counting;
static unsigned failures;

void __sanitizer_cov_trace_pc(void);

/* Called at each basic block of the tested code. */
void
__sanitizer_cov_trace_pc(void)
{
	bool on_loop;

	if (!counting)
		return;
	on_loop = block_on_loop(false);
	(void)block_on_loop(on_loop);
	steps += on_loop;
}

static const struct {
	const char *line, *answer; /* an untagged response that it must have, or NULL */
	bool grows;
} commands[] = {
    {"STORE 1:* +FLAGS.SILENT (\\Seen)", NULL, false},
    {"NOOP", NULL, false},
    {"CLOSE", NULL, false},
    {"SELECT INBOX", " EXISTS", false},
    {"STATUS INBOX (MESSAGES UNSEEN DELETED SIZE)", " UNSEEN 0", false},
    {"STORE 1:* +FLAGS.SILENT (\\Seen)", NULL, false}, /* they have it already */
    {"STORE 1:* FLAGS.SILENT (\\Seen \\Flagged)", NULL, false},
    {"UID STORE 1:* -FLAGS.SILENT (\\Seen)", NULL, false},
    {"STORE 2:* +FLAGS.SILENT (\\Seen)", NULL, false},
    {"EXAMINE INBOX", "[UNSEEN 1]", false},
    {"SELECT INBOX", "[UNSEEN 1]", false},
    {"STORE 1 +FLAGS.SILENT (\\Seen)", NULL, false},
    {"STORE * -FLAGS.SILENT (\\Seen)", NULL, false},
    {"UNSELECT", NULL, false},
    {"SELECT INBOX", "[UNSEEN ", false}, /* the last one */
    {"STATUS INBOX (MESSAGES UNSEEN DELETED SIZE)", " UNSEEN 1", false},
    {"LIST \"\" * RETURN (STATUS (MESSAGES UNSEEN))", " UNSEEN 1", false},
    {"UID SEARCH RETURN (COUNT) SEEN", " COUNT ", false},
    {"EXPUNGE", NULL, false},
    {"CHECK", NULL, false},
    {"FETCH 1:* (UID)", " FETCH ", true},
};
#define COMMANDS (sizeof(commands) / sizeof(*commands))

/* Sends a line and returns its cost. */
static uint64_t
cost(struct site *site, const char *line, const char *answer)
{
	struct buf *out = stream_fake_output(site->clients[1].fake);
	struct buf text = {0};

	buf_fini(out);
	buf_printf(&text, "t %s\r\n", line);
	stream_fake_push(site->clients[1].fake, buf_as_str(&text));
	buf_fini(&text);
	steps = 0;
	counting = true;
	site_run(site);
	counting = false;
	if (str_find(buf_as_str(out), STR("t OK ")) == NULL ||
	    (answer != NULL && str_find(buf_as_str(out), str_of(answer)) == NULL)) {
		fprintf(stderr, "%s: %.*s\n", line, (int)(out->n < 500 ? out->n : 500), out->p);
		failures++;
	}
	return steps;
}

static void
measure(unsigned doublings, uint64_t *cost_r)
{
	struct site *site =
	    site_new(&(struct site_options){.conf = STR("plaintext_login = always\n")});

	site_user(site, "alice", "secret", NULL, false);
	site_message(site, "alice", "INBOX", "", STR("Subject: x\r\n\r\nText.\r\n"));
	site_connect(site, 1, NULL, false, false);
	(void)cost(site, "LOGIN alice secret", NULL);
	(void)cost(site, "SELECT INBOX", NULL);
	for (unsigned i = 0; i < doublings; i++)
		(void)cost(site, "COPY 1:* INBOX", NULL);
	(void)cost(site, "CLOSE", NULL);
	(void)cost(site, "SELECT INBOX", NULL);
	for (size_t i = 0; i < COMMANDS; i++)
		cost_r[i] = cost(site, commands[i].line, commands[i].answer);
	site_free(&site);
}

static void
quiet(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)level, (void)context, (void)text, (void)arg;
}

int
main(void)
{
	uint64_t few[COMMANDS], many[COMMANDS], more = (1u << LARGE) - (1u << SMALL);

	log_set_sink(quiet, NULL);
	measure(SMALL, few);
	measure(LARGE, many);
	for (size_t i = 0; i < COMMANDS; i++) {
		bool grows = many[i] > few[i] && many[i] - few[i] > more / PER_STEP;

		printf("%s: %llu steps, %llu\n", commands[i].line, (unsigned long long)few[i],
		    (unsigned long long)many[i]);
		if (grows == commands[i].grows && few[i] > 0)
			continue;
		fprintf(stderr, "%s: %s with the mailbox\n", commands[i].line,
		    grows ? "its cost grows" : "its cost does not grow");
		failures++;
	}
	return failures != 0;
}
