/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_EXT_THREAD_H
#define WIRE_EXT_THREAD_H
/*
 * THREAD and UID THREAD both ways (RFC 5256 section 5), and the THREAD response, of any depth.
 */
#include "wire/ext/sort.h"

struct wire_thread {
	struct str algorithm;
	struct wire_search search; /* there always is a charset, never RETURN */
};

bool wire_thread_parse(
    struct wire_in *in, struct wire_thread *cmd_r, wire_key_ext_f *ext, void *arg);
void wire_thread_print(struct buf *b, const struct wire_dialect *d, const struct wire_thread *cmd,
    wire_key_ext_print_f *ext, void *arg);

/*
 * "* THREAD (2)(3 6 (4 23)(44 7 96))" CRLF, word by word, in as many pieces as one likes: a thread
 * opens, has numbers, maybe threads of its own after them, and closes.  {.b = buf} begins; b may be
 * another one with each word.
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

/* A response as a list of its messages in the order in which they were sent. */
struct wire_thread_message {
	uint32_t number; /* 0: none, which only a thread's first one may be */
	size_t parent;   /* in the list, plus one; 0: the first one of a thread */
};
struct wire_thread_data {
	struct wire_thread_message *v;
	size_t n;
};
/* From behind the name of the response; as many messages as limits->set_ranges. */
bool wire_in_thread(struct wire_in *in, struct wire_thread_data *data_r);
#endif
