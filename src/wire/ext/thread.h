/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_EXT_THREAD_H
#define WIRE_EXT_THREAD_H
/*
 * Parses and prints THREAD and UID THREAD (RFC 5256 section 5), and the THREAD response, of any
 * depth.
 */
#include "wire/ext/sort.h"

struct wire_thread {
	struct str algorithm;
	struct wire_search search; /* always with a charset, never with RETURN */
};

bool wire_thread_parse(
    struct wire_in *in, struct wire_thread *cmd_r, wire_key_ext_f *ext, void *arg);
void wire_thread_print(struct buf *b, const struct wire_dialect *d, const struct wire_thread *cmd,
    wire_key_ext_print_f *ext, void *arg);

/*
 * Prints "* THREAD (2)(3 6 (4 23)(44 7 96))" CRLF word by word, in any number of pieces: a thread
 * opens, has numbers, perhaps followed by threads of its own, and closes.  Start with {.b = buf}; b
 * may change with each word.
 */
struct wire_thread_out {
	struct buf *b;
	bool blank; /* one is due before the next word */
};
void wire_out_thread_begin(struct wire_thread_out *o);
void wire_out_thread_open(struct wire_thread_out *o);
void wire_out_thread_number(struct wire_thread_out *o, uint32_t number);
void wire_out_thread_close(struct wire_thread_out *o);
void wire_out_thread_end(struct wire_thread_out *o);

/* A response as a list of its messages, in the order sent. */
struct wire_thread_message {
	uint32_t number; /* 0: none, allowed only for a thread's first */
	size_t parent;   /* index in the list, plus one; 0: the first of a thread */
};
struct wire_thread_data {
	struct wire_thread_message *v;
	size_t n;
};
/* Parses from after the name of the response; takes up to limits->set_ranges messages. */
bool wire_in_thread(struct wire_in *in, struct wire_thread_data *data_r);
#endif
