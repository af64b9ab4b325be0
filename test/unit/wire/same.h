/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_UNIT_WIRE_SAME_H
#define TEST_UNIT_WIRE_SAME_H
/*
 * Whether two structs of wire are the same.  For round trips: what was printed is parsed again.
 * Texts are compared byte by byte, NIL is not "", and the order of lists matters.
 */
#include "wire/cmd/append.h"
#include "wire/cmd/auth.h"
#include "wire/cmd/copy.h"
#include "wire/cmd/fetch.h"
#include "wire/cmd/list.h"
#include "wire/cmd/mailbox.h"
#include "wire/cmd/search.h"
#include "wire/cmd/select.h"
#include "wire/cmd/status.h"
#include "wire/cmd/store.h"
#include "wire/code.h"
#include "wire/ext/acl.h"
#include "wire/ext/id.h"
#include "wire/ext/namespace.h"
#include "wire/ext/quota.h"

bool same_str(struct str a, struct str b);
bool same_names(const struct wire_names *a, const struct wire_names *b);
bool same_params(const struct wire_params *a, const struct wire_params *b);
bool same_set(const struct wire_set *a, const struct wire_set *b);
bool same_flags(const struct wire_flags *a, const struct wire_flags *b);

/* Commands. */
bool same_authenticate(const struct wire_authenticate *a, const struct wire_authenticate *b);
bool same_login(const struct wire_login *a, const struct wire_login *b);
bool same_id(const struct wire_id *a, const struct wire_id *b);
bool same_select(const struct wire_select *a, const struct wire_select *b);
bool same_create(const struct wire_create *a, const struct wire_create *b);
bool same_status(const struct wire_status *a, const struct wire_status *b);
bool same_list(const struct wire_list *a, const struct wire_list *b);
bool same_setacl(const struct wire_setacl *a, const struct wire_setacl *b);
bool same_acl_one(const struct wire_acl_one *a, const struct wire_acl_one *b);
bool same_copy(const struct wire_copy *a, const struct wire_copy *b);
bool same_store(const struct wire_store *a, const struct wire_store *b);
bool same_fetch(const struct wire_fetch *a, const struct wire_fetch *b);
bool same_search(const struct wire_search *a, const struct wire_search *b);
bool same_append_message(const struct wire_append_message *a, const struct wire_append_message *b);

/* Responses. */
bool same_code(const struct wire_code *a, const struct wire_code *b);
bool same_list_row(const struct wire_list_row *a, const struct wire_list_row *b);
bool same_status_data(const struct wire_status_data *a, const struct wire_status_data *b);
bool same_namespaces(const struct wire_namespaces a[3], const struct wire_namespaces b[3]);
bool same_quota(const struct wire_quota *a, const struct wire_quota *b);
bool same_acl(const struct wire_acl *a, const struct wire_acl *b);
bool same_listrights(const struct wire_listrights *a, const struct wire_listrights *b);
bool same_myrights(const struct wire_myrights *a, const struct wire_myrights *b);
bool same_search_data(const struct wire_search_data *a, const struct wire_search_data *b);
bool same_esearch(const struct wire_esearch *a, const struct wire_esearch *b);
bool same_envelope(const struct wire_envelope *a, const struct wire_envelope *b);
bool same_body(const struct wire_body *a, const struct wire_body *b);
bool same_fetch_data(const struct wire_fetch_data *a, const struct wire_fetch_data *b);
#endif
