/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_IMAP_SCRIPT_INT_H
#define TEST_IMAP_SCRIPT_INT_H
/* What script.c and script_directives.c share. */
#include <pthread.h>

#include "readback.h"
#include "script.h"
#include "zip.h"

#define CAPTURES 32
#define GROUP 64

struct capture {
	char name[32];
	struct buf value;
};

struct script {
	const char *file;
	unsigned line_no;
	struct site *site;
	bool own_site;
	struct site_options options;
	struct buf conf;
	struct buf po;    /* the catalogue "de" */
	struct buf setup; /* lines to run once the site exists */
	struct buf send[SITE_CLIENTS];
	bool tls[SITE_CLIENTS], mute[SITE_CLIENTS];
	char address[SITE_CLIENTS][64];
	size_t segment[SITE_CLIENTS];
	struct readback readback[SITE_CLIENTS];
	bool layer[SITE_CLIENTS];
	struct buf wire[SITE_CLIENTS], plain[SITE_CLIENTS]; /* what goes into it, what came out */
	struct zip *zip[SITE_CLIENTS];                      /* in that layer, if it is on */
	struct buf zipped[SITE_CLIENTS];
	enum zip_last last[SITE_CLIENTS];
	bool compressing[SITE_CLIENTS]; /* its TLS is */
	struct capture captures[CAPTURES];
	size_t n_captures;
	struct str rest; /* rest of the text: for the lines of a message */
	struct str group[GROUP];
	size_t group_n;
	int group_client; /* -1: none */
	struct buf log;
	size_t log_at; /* after the line that the last `log` found */
	pthread_mutex_t log_lock;
	pthread_mutex_t flush_lock;
	pthread_cond_t flush_cond;
	bool held, came; /* came: a commit is waiting */
};

/* Reports where in the script something is wrong; always false. */
bool script_complain(const struct script *s, const char *what, struct str detail);

/* script.c: clients.  Makes the site and connects the client, unless done before; false: it
 * cannot. */
bool script_need_site(struct script *s);
bool script_need_client(struct script *s, unsigned i);
/* The client's side of COMPRESS begins, or is not there any more. */
void script_zip(struct script *s, unsigned i, bool on);
/* What C lines have gathered goes out. */
void script_flush(struct script *s);
/* What the server has said and nobody has read. */
struct buf *script_output(struct script *s, unsigned i);
/* Drops what has arrived without reading it. */
void script_drop_all(struct script *s, unsigned i);
bool script_match(struct script *s, struct str pattern, struct str text);

/* script_directives.c */
bool script_directive(struct script *s, struct str line);
bool script_setup_line(struct script *s, struct str verb, struct str args);
bool script_silent(struct script *s, unsigned i);
void script_hold_flush(struct script *s, bool held);
#endif
