/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_EXT_SORT_H
#define WIRE_EXT_SORT_H
/*
 * Parses and prints SORT and UID SORT (RFC 5256 section 5, RFC 5267 section 6), and the SORT
 * response.
 */
#include "wire/cmd/search.h"

struct wire_sort_key {
	struct str name; /* code that knows the name gives its meaning */
	bool reverse;
};

struct wire_sort {
	struct wire_sort_key *keys;
	size_t n;
	struct wire_search search; /* with RETURN; always with a charset */
};

/* Like wire_search_parse() and wire_search_print(). */
bool wire_sort_parse(struct wire_in *in, struct wire_sort *cmd_r, wire_key_ext_f *ext, void *arg);
void wire_sort_print(struct buf *b, const struct wire_dialect *d, const struct wire_sort *cmd,
    wire_key_ext_print_f *ext, void *arg);
/* What follows the criteria of SORT or the algorithm of THREAD: charset and keys, with the blank
 * before them. */
bool wire_sort_read_search(
    struct wire_in *in, struct wire_search *search, wire_key_ext_f *ext, void *arg);
void wire_sort_print_search(struct buf *b, const struct wire_dialect *d,
    const struct wire_search *search, wire_key_ext_print_f *ext, void *arg);

/* Print "* SORT" " 1" " 2" ... CRLF, in any number of pieces. */
void wire_out_sort_begin(struct buf *b);
void wire_out_sort_add(struct buf *b, const uint32_t *ids, size_t n);
/* modseq: "(MODSEQ n)" (RFC 7162 section 3.1.9); 0: without. */
void wire_out_sort_end(struct buf *b, uint64_t modseq);
/* Parses what follows the name of the response; at most limits->set_ranges numbers. */
bool wire_in_sort(struct wire_in *in, struct wire_search_data *data_r);
#endif
