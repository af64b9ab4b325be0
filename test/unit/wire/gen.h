/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_UNIT_WIRE_GEN_H
#define TEST_UNIT_WIRE_GEN_H
/*
 * Generates values of every struct of wire that prints and parses to the same, from random numbers
 * with a fixed seed.  They are in the arena.
 */
#include "same.h"
#include "wire/ext/quota.h"
#include "wire/ext/thread.h"

struct gen {
	uint64_t state; /* the seed */
	struct arena *a;
};

uint64_t gen_u64(struct gen *g);
unsigned gen_below(struct gen *g, unsigned n);
bool gen_one_in(struct gen *g, unsigned n);

struct str gen_atom(struct gen *g);
struct str gen_text(struct gen *g); /* any bytes but NUL */
struct str gen_mailbox(struct gen *g);
struct wire_set gen_set(struct gen *g);
struct wire_flags gen_flags(struct gen *g, bool told);

struct wire_authenticate gen_authenticate(struct gen *g);
struct wire_login gen_login(struct gen *g);
struct wire_names gen_enable(struct gen *g);
struct wire_id gen_id(struct gen *g);
struct wire_select gen_select(struct gen *g);
struct wire_create gen_create(struct gen *g);
struct wire_status gen_status(struct gen *g);
struct wire_list gen_list(struct gen *g);
struct wire_copy gen_copy(struct gen *g);
struct wire_store gen_store(struct gen *g);
struct wire_fetch gen_fetch(struct gen *g);
struct wire_search gen_search(struct gen *g);
struct wire_sort gen_sort(struct gen *g);
struct wire_thread gen_thread(struct gen *g);
/* Accepts the keys that gen_search() invents. */
wire_key_ext_f gen_key_ext;
struct wire_append_message gen_append_message(struct gen *g);

struct wire_code gen_code(struct gen *g);
struct wire_list_row gen_list_row(struct gen *g);
struct wire_status_data gen_status_data(struct gen *g);
struct wire_quota gen_quota(struct gen *g, bool usage);
struct wire_quotaroot gen_quotaroot(struct gen *g);
struct wire_setacl gen_setacl(struct gen *g);
struct wire_acl_one gen_acl_one(struct gen *g);
struct wire_acl gen_acl(struct gen *g);
struct wire_listrights gen_listrights(struct gen *g);
struct wire_myrights gen_myrights(struct gen *g);
void gen_namespaces(struct gen *g, struct wire_namespaces sets_r[3]);
struct wire_search_data gen_search_data(struct gen *g);
struct wire_esearch gen_esearch(struct gen *g);
struct wire_fetch_data gen_fetch_data(struct gen *g);
#endif
