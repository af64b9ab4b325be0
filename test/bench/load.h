/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H
/*
 * The load client (IMAP, and LMTP for one scenario).  It shares a few cores with the server it
 * measures, so it builds everything that it sends before the clock starts: an op is the bytes of
 * one or more commands sent in one write, tagged A, B, C … in order, and it is done when as many
 * tagged OKs have arrived in that order.  Each connection runs its setup ops once (login, SELECT),
 * then the ring of loop ops, one at a time; a scenario that reconnects has only setup ops, and its
 * unit is a whole connection.
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

/* Latencies in ns: 32 steps per power of two, so within about 3 %. */
struct load_hist {
	uint64_t count, sum, max;
	uint64_t step[64 * 32];
};

void load_hist_add(struct load_hist *h, uint64_t ns);
void load_hist_merge(struct load_hist *h, const struct load_hist *other);
/* The value below which `per_mille` of 1000 lie; 0 if there are none. */
uint64_t load_hist_at(const struct load_hist *h, unsigned per_mille);

struct load_op {
	char *p;
	size_t n;
	size_t *cut; /* offsets before which a "+" must have arrived, ascending */
	unsigned cuts;
	unsigned tags; /* tagged replies, 1 to 26; for LMTP: replies except 354 */
	unsigned msgs; /* messages to count when it is done (FETCH responses count themselves) */
};

enum load_flag {
	LOAD_GATEWAY = 1,   /* logs in as the administrative identity, no user */
	LOAD_SELECT = 2,    /* selects the mailbox in setup */
	LOAD_RECONNECT = 4, /* only the setup, on a new connection each time */
	LOAD_LITERAL = 8,   /* literals: two rings of ops, with and without LITERAL+ */
	LOAD_IDLE = 16,     /* stays in IDLE; measures memory */
	LOAD_COUNTED = 32,  /* ends after --count messages */
	LOAD_LMTP = 64,     /* replies are those of RFC 5321; "354" stands for "+" */
	LOAD_HALF = 128,    /* LOAD_IDLE: every other connection is silent instead */
	LOAD_LIST = 256,    /* messages of a mailing list */
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
	/* Adds the ring's ops; if it reconnects, those of the user-th of 2 * users connections. */
	void (*build)(struct load_run *run, struct load_ops *ops, bool plus, unsigned user);
	/* Instead of a ring: makes the next op in c's own memory; NULL at the end. */
	const struct load_op *(*next)(struct load_conn *c);
	const char *prose;
};

/* The options, and what was built from them.  Read-only while threads run, except `sent`. */
struct load_run {
	const struct load_scenario *scenario;
	const char *host, *port, *ca_file;
	const char *cert_file, *key_file; /* for the server; key NULL: in the same file */
	const char *user, *user_prefix, *password, *gateway, *gateway_password, *mailbox, *word;
	bool tls, resume;
	bool external; /* the certificate, not a password, identifies the gateway */
	unsigned conns, threads, users, batch, range;
	size_t size;
	uint64_t count;
	double seconds, warmup;
	int pid;
	SSL_CTX *ssl;
	struct load_ops *setup; /* one per user; two if connections end, so that flags alternate */
	unsigned setups;
	struct load_ops ring[2]; /* without, with LITERAL+ */
	uint64_t sent;           /* messages taken by a counted scenario; atomic */
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
	LOAD_CLOSING, /* all replies have arrived; the server closes */
	LOAD_DONE
};

struct load_conn {
	struct load_worker *w;
	int fd;
	SSL *ssl;
	SSL_SESSION *session; /* the last connection's, for resumption */
	enum load_state state;
	bool plus, mid_line, want_out;
	unsigned user, setup_at, ring_at;
	const struct load_op *op;
	unsigned got, cut_at;
	size_t sent, upto; /* of the op: bytes written, and permitted before the next "+" */
	uint64_t began;    /* ns */
	uint64_t skip;     /* bytes of a literal still to arrive */
	struct buf part;   /* the incomplete line at the end of the last read */
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
	char *in; /* LOAD_READ bytes, after room for an incomplete line */
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

/* A process's memory in KiB, without its children; 0 if unreadable. */
struct load_memory {
	unsigned long long rss, pss, private;
};
struct load_memory load_memory_of(int pid);

/*
 * Appends a message of exactly size bytes (at least 1,000): headers, text, and for every third seed
 * a multipart/mixed with two parts.  Every 100th has "Regatta" in its subject, every 1000th the
 * word "quinquereme" in its text.  list: in threads of eight, each message with references
 * to those before it.
 */
void load_mail_put(struct buf *b, uint64_t seed, size_t size, bool list);
#endif
