/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H
/*
 * The load client (IMAP, and LMTP for one scenario), which shares its few cores with the server it
 * measures.  So everything that is sent is built before the clock starts: an
 * op is the bytes of one or more commands that go out in one write, tagged A,
 * B, C … in order, and it is done when as many tagged OKs have come back in
 * that order.  Each connection runs its setup ops once (login, SELECT) and then
 * walks the ring of loop ops, one at a time; a scenario that reconnects has
 * setup ops only, and a whole connection is its unit.
 *
 *   imap_load.c    options, threads, the JSON line
 *   load_conn.c    one thread: epoll, TLS, replies
 *   load_script.c  the table of scenarios, and their ops
 *   load_mail.c    messages
 *   load_hist.c    latencies
 */
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Latencies in ns: 32 steps for each power of two, so within about 3 %. */
struct load_hist {
	uint64_t count, sum, max;
	uint64_t step[64 * 32];
};

void load_hist_add(struct load_hist *h, uint64_t ns);
void load_hist_merge(struct load_hist *h, const struct load_hist *other);
/* The value below which `per_mille` of 1000 lie; 0 when there are none. */
uint64_t load_hist_at(const struct load_hist *h, unsigned per_mille);

struct load_op {
	char *p;
	size_t n;
	size_t *cut; /* offsets before which a "+" must have come, ascending */
	unsigned cuts;
	unsigned tags; /* tagged replies, 1 to 26; of LMTP: replies without the 354s */
	unsigned msgs; /* messages that count when it is done (FETCH responses count themselves) */
};

enum load_flag {
	LOAD_GATEWAY = 1,   /* logs in as the administrative identity, no user */
	LOAD_SELECT = 2,    /* selects the mailbox in setup */
	LOAD_RECONNECT = 4, /* the setup is all, on a new connection each time */
	LOAD_LITERAL = 8,   /* literals: two rings of ops, by whether LITERAL+ is there */
	LOAD_IDLE = 16,     /* stays in IDLE; memory is measured */
	LOAD_COUNTED = 32,  /* ends when --count messages have gone */
	LOAD_LMTP = 64,     /* replies are RFC 5321's; "354" stands for "+" */
	LOAD_HALF = 128,    /* LOAD_IDLE: every other connection says nothing instead */
};

struct load_ops {
	struct load_op *v;
	unsigned n;
};

struct load_run;
struct load_conn;

struct load_scenario {
	const char *name;
	unsigned flags; /* enum load_flag */
	/* Adds the ops of the ring; where it reconnects, of the user-th of 2 * users connections.
	 */
	void (*build)(struct load_run *run, struct load_ops *ops, bool plus, unsigned user);
	/* Instead of a ring: makes the next op in c's own memory; NULL when all is sent. */
	const struct load_op *(*next)(struct load_conn *c);
	const char *prose;
};

/* What the options say, and what was built from them.  Read-only while threads run, but `sent`. */
struct load_run {
	const struct load_scenario *scenario;
	const char *host, *port, *ca_file;
	const char *cert_file, *key_file; /* shown to the server; key NULL: in the same file */
	const char *user, *user_prefix, *password, *gateway, *gateway_password, *mailbox, *word;
	bool tls, resume;
	bool external; /* the gateway is who the certificate says, not by its password */
	unsigned conns, threads, users, batch, range;
	size_t size;
	uint64_t count;
	double seconds, warmup;
	int pid;
	SSL_CTX *ssl;
	struct load_ops *setup; /* one a user; two where connections end, so that flags alternate */
	unsigned setups;
	struct load_ops ring[2]; /* without, with LITERAL+ */
	uint64_t sent;           /* messages handed out by a counted scenario; atomic */
	uint64_t start;          /* ns; the warm-up begins */
	uint64_t measure, end;   /* ns */
};

struct load_totals {
	uint64_t at; /* ns */
	uint64_t ops, msgs, in, out;
};

enum load_state {
	LOAD_NONE,
	LOAD_HANDSHAKE,
	LOAD_GREETING,
	LOAD_SETUP,
	LOAD_LOOP,
	LOAD_IDLING,
	LOAD_CLOSING, /* all replies are there; the server closes */
	LOAD_DONE
};

struct load_conn {
	struct load_worker *w;
	int fd;
	SSL *ssl;
	SSL_SESSION *session; /* of the last connection, to resume */
	enum load_state state;
	bool plus, mid_line, want_out;
	unsigned user, setup_at, ring_at;
	const struct load_op *op;
	unsigned got, cut_at;
	size_t sent, upto; /* of the op: written, may be written before the next "+" */
	uint64_t began;    /* ns */
	uint64_t skip;     /* bytes of a literal still to come */
	struct buf part;   /* the begun line of the last read */
	struct buf made;   /* what `next` made, and its op */
	struct load_op own;
};

struct load_worker {
	struct load_run *run;
	pthread_t thread;
	unsigned index, first, n; /* connections first … first + n - 1 of the run */
	struct load_conn *conns;
	int epoll;
	unsigned opened, starting, over, idling;
	bool failed;
	char error[512];
	char *in; /* LOAD_READ bytes and room for a begun line before them */
	size_t in_cap;
	struct load_totals now, from, to;
	struct load_hist hist;
};

/* Builds run->setup and run->ring. */
void load_script_build(struct load_run *run);
const struct load_scenario *load_script_find(const char *name);
void load_script_list(void);

/* A thread: runs its connections until the time is over and each has finished its op. */
void *load_worker_main(void *worker);

/* Memory in KiB of a process, its children left out; 0 when it cannot be read. */
struct load_memory {
	unsigned long long rss, pss, private;
};
struct load_memory load_memory_of(int pid);

/*
 * Appends a message of exactly size bytes (at least 1,000): headers, text, and
 * for each third seed a multipart/mixed with two parts.  Each 100th has "Regatta"
 * in its subject, each 1000th the word "quinquereme" in its text.
 */
void load_mail_put(struct buf *b, uint64_t seed, size_t size);
#endif
