/* SPDX-License-Identifier: Apache-2.0 */
/* See same.h. */
#include "same.h"

bool
same_str(struct str a, struct str b)
{
	return (a.p == NULL) == (b.p == NULL) && str_eq(a, b);
}

static bool
same_strs(const struct str *a, size_t a_n, const struct str *b, size_t b_n)
{
	if (a_n != b_n)
		return false;
	for (size_t i = 0; i < a_n; i++)
		if (!same_str(a[i], b[i]))
			return false;
	return true;
}

bool
same_names(const struct wire_names *a, const struct wire_names *b)
{
	return same_strs(a->v, a->n, b->v, b->n);
}

bool
same_params(const struct wire_params *a, const struct wire_params *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!same_str(a->v[i].name, b->v[i].name) ||
		    !same_str(a->v[i].value, b->v[i].value))
			return false;
	return true;
}

bool
same_set(const struct wire_set *a, const struct wire_set *b)
{
	if (a->n != b->n || a->saved != b->saved)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->v[i].lo != b->v[i].lo || a->v[i].hi != b->v[i].hi ||
		    a->v[i].lo_star != b->v[i].lo_star || a->v[i].hi_star != b->v[i].hi_star)
			return false;
	return true;
}

bool
same_flags(const struct wire_flags *a, const struct wire_flags *b)
{
	return a->system == b->system && a->star == b->star && same_str(a->unknown, b->unknown) &&
	       same_strs(a->keywords, a->n_keywords, b->keywords, b->n_keywords);
}

static bool
same_time(struct wire_time a, struct wire_time b)
{
	return a.unix_s == b.unix_s && a.zone_min == b.zone_min;
}

/* ---- commands */

bool
same_authenticate(const struct wire_authenticate *a, const struct wire_authenticate *b)
{
	return same_str(a->mech, b->mech) && a->has_initial == b->has_initial &&
	       same_str(a->initial, b->initial);
}

bool
same_login(const struct wire_login *a, const struct wire_login *b)
{
	return same_str(a->user, b->user) && same_str(a->password, b->password);
}

bool
same_id(const struct wire_id *a, const struct wire_id *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!same_str(a->v[i].name, b->v[i].name) ||
		    !same_str(a->v[i].value, b->v[i].value))
			return false;
	return true;
}

bool
same_select(const struct wire_select *a, const struct wire_select *b)
{
	return same_str(a->mailbox, b->mailbox) && same_params(&a->params, &b->params);
}

bool
same_create(const struct wire_create *a, const struct wire_create *b)
{
	return same_str(a->mailbox, b->mailbox) && a->has_use == b->has_use &&
	       same_names(&a->use, &b->use) && same_params(&a->params, &b->params);
}

static bool
same_items(const struct wire_status_items *a, const struct wire_status_items *b)
{
	return a->mask == b->mask && same_names(&a->other, &b->other);
}

bool
same_status(const struct wire_status *a, const struct wire_status *b)
{
	return same_str(a->mailbox, b->mailbox) && same_items(&a->items, &b->items);
}

bool
same_list(const struct wire_list *a, const struct wire_list *b)
{
	return a->extended == b->extended && a->select == b->select && a->returns == b->returns &&
	       same_str(a->reference, b->reference) && same_names(&a->patterns, &b->patterns) &&
	       same_items(&a->status, &b->status) &&
	       same_params(&a->select_other, &b->select_other) &&
	       same_params(&a->return_other, &b->return_other);
}

bool
same_copy(const struct wire_copy *a, const struct wire_copy *b)
{
	return same_set(&a->set, &b->set) && same_str(a->mailbox, b->mailbox);
}

bool
same_store(const struct wire_store *a, const struct wire_store *b)
{
	return same_set(&a->set, &b->set) && same_params(&a->modifiers, &b->modifiers) &&
	       a->op == b->op && a->silent == b->silent && same_flags(&a->flags, &b->flags);
}

static bool
same_section(const struct wire_section *a, const struct wire_section *b)
{
	if (a->what != b->what || a->n_part != b->n_part || !same_names(&a->fields, &b->fields))
		return false;
	for (size_t i = 0; i < a->n_part; i++)
		if (a->part[i] != b->part[i])
			return false;
	return true;
}

static bool
same_item(const struct wire_fetch_item *a, const struct wire_fetch_item *b)
{
	return a->id == b->id && a->peek == b->peek && same_section(&a->section, &b->section) &&
	       a->has_partial == b->has_partial && a->from == b->from && a->length == b->length &&
	       same_str(a->name, b->name) && same_str(a->args, b->args);
}

bool
same_fetch(const struct wire_fetch *a, const struct wire_fetch *b)
{
	if (!same_set(&a->set, &b->set) || a->n_items != b->n_items ||
	    !same_params(&a->modifiers, &b->modifiers))
		return false;
	for (size_t i = 0; i < a->n_items; i++)
		if (!same_item(&a->items[i], &b->items[i]))
			return false;
	return true;
}

static bool
same_key(const struct wire_key *a, const struct wire_key *b)
{
	for (; a != NULL && b != NULL; a = a->next, b = b->next)
		if (a->id != b->id || !same_str(a->text, b->text) ||
		    !same_str(a->field, b->field) || a->day != b->day || a->number != b->number ||
		    !same_set(&a->set, &b->set) || !same_key(a->child, b->child))
			return false;
	return a == NULL && b == NULL;
}

bool
same_search(const struct wire_search *a, const struct wire_search *b)
{
	return a->has_return == b->has_return && a->returns == b->returns &&
	       same_params(&a->return_other, &b->return_other) &&
	       same_str(a->charset, b->charset) && a->n_keys == b->n_keys &&
	       same_key(a->root, b->root);
}

bool
same_append_message(const struct wire_append_message *a, const struct wire_append_message *b)
{
	return a->size == b->size && a->literal8 == b->literal8 && a->sync == b->sync &&
	       a->utf8 == b->utf8 && same_flags(&a->flags, &b->flags) &&
	       a->has_time == b->has_time && same_time(a->time, b->time);
}

/* ---- responses */

bool
same_code(const struct wire_code *a, const struct wire_code *b)
{
	return same_str(a->name, b->name) && a->kind == b->kind && a->number == b->number &&
	       same_set(&a->from, &b->from) && same_set(&a->to, &b->to) &&
	       same_flags(&a->flags, &b->flags) && same_names(&a->words, &b->words) &&
	       same_str(a->args, b->args);
}

bool
same_list_row(const struct wire_list_row *a, const struct wire_list_row *b)
{
	return a->lsub == b->lsub && a->attrs == b->attrs &&
	       same_names(&a->other_attrs, &b->other_attrs) && a->delimiter == b->delimiter &&
	       same_str(a->name, b->name) && a->childinfo == b->childinfo &&
	       same_str(a->oldname, b->oldname) && same_params(&a->other, &b->other);
}

bool
same_status_data(const struct wire_status_data *a, const struct wire_status_data *b)
{
	if (!same_str(a->mailbox, b->mailbox) || a->values.mask != b->values.mask)
		return false;
	for (size_t i = 0; i < WIRE_STATUS_COUNT; i++)
		if (a->values.v[i] != b->values.v[i])
			return false;
	return same_params(&a->other, &b->other);
}

bool
same_namespaces(const struct wire_namespaces a[3], const struct wire_namespaces b[3])
{
	for (int i = 0; i < 3; i++) {
		if (a[i].n != b[i].n)
			return false;
		for (size_t k = 0; k < a[i].n; k++)
			if (!same_str(a[i].v[k].prefix, b[i].v[k].prefix) ||
			    a[i].v[k].delimiter != b[i].v[k].delimiter)
				return false;
	}
	return true;
}

bool
same_search_data(const struct wire_search_data *a, const struct wire_search_data *b)
{
	if (a->n != b->n || a->modseq != b->modseq)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->v[i] != b->v[i])
			return false;
	return true;
}

bool
same_esearch(const struct wire_esearch *a, const struct wire_esearch *b)
{
	return str_eq(a->tag, b->tag) && a->uid == b->uid && a->has == b->has && a->min == b->min &&
	       a->max == b->max && a->count == b->count && same_set(&a->all, &b->all) &&
	       same_params(&a->other, &b->other);
}

static bool
same_addresses(const struct wire_addresses *a, const struct wire_addresses *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!same_str(a->v[i].name, b->v[i].name) || !same_str(a->v[i].adl, b->v[i].adl) ||
		    !same_str(a->v[i].mailbox, b->v[i].mailbox) ||
		    !same_str(a->v[i].host, b->v[i].host))
			return false;
	return true;
}

bool
same_envelope(const struct wire_envelope *a, const struct wire_envelope *b)
{
	for (int i = 0; i < WIRE_ENVELOPE_LISTS; i++)
		if (!same_addresses(&a->lists[i], &b->lists[i]))
			return false;
	return same_str(a->date, b->date) && same_str(a->subject, b->subject) &&
	       same_str(a->in_reply_to, b->in_reply_to) && same_str(a->message_id, b->message_id);
}

static bool
same_fields(const struct wire_body_fields *a, const struct wire_body_fields *b)
{
	return same_strs(a->v, a->n, b->v, b->n);
}

static bool
same_part(const struct wire_body *a, const struct wire_body *b)
{
	return a->kind == b->kind && same_str(a->type, b->type) &&
	       same_str(a->subtype, b->subtype) && same_fields(&a->params, &b->params) &&
	       same_str(a->id, b->id) && same_str(a->description, b->description) &&
	       same_str(a->encoding, b->encoding) && a->size == b->size && a->lines == b->lines &&
	       (a->envelope != NULL) == (b->envelope != NULL) &&
	       (a->envelope == NULL || same_envelope(a->envelope, b->envelope)) &&
	       a->n_extension == b->n_extension && same_str(a->md5, b->md5) &&
	       same_str(a->disposition, b->disposition) &&
	       same_fields(&a->disposition_params, &b->disposition_params) &&
	       same_names(&a->languages, &b->languages) && same_str(a->location, b->location) &&
	       same_names(&a->further, &b->further);
}

bool
same_body(const struct wire_body *a, const struct wire_body *b)
{
	for (; a != NULL && b != NULL; a = a->next, b = b->next)
		if (!same_part(a, b) || !same_body(a->child, b->child))
			return false;
	return a == NULL && b == NULL;
}

bool
same_fetch_data(const struct wire_fetch_data *a, const struct wire_fetch_data *b)
{
	if (a->has != b->has || !same_flags(&a->flags, &b->flags) ||
	    !same_time(a->internaldate, b->internaldate) || a->uid != b->uid ||
	    a->size != b->size || !same_envelope(&a->envelope, &b->envelope) ||
	    !same_body(&a->body, &b->body) || !same_body(&a->bodystructure, &b->bodystructure) ||
	    a->n_contents != b->n_contents || !same_params(&a->other, &b->other))
		return false;
	for (size_t i = 0; i < a->n_contents; i++)
		if (!same_item(&a->contents[i].item, &b->contents[i].item) ||
		    !same_str(a->contents[i].bytes, b->contents[i].bytes) ||
		    a->contents[i].size != b->contents[i].size)
			return false;
	return true;
}

bool
same_setacl(const struct wire_setacl *a, const struct wire_setacl *b)
{
	return str_eq(a->mailbox, b->mailbox) && str_eq(a->identifier, b->identifier) &&
	       a->mode == b->mode && str_eq(a->rights, b->rights);
}

bool
same_acl_one(const struct wire_acl_one *a, const struct wire_acl_one *b)
{
	return str_eq(a->mailbox, b->mailbox) && str_eq(a->identifier, b->identifier);
}

bool
same_acl(const struct wire_acl *a, const struct wire_acl *b)
{
	if (!str_eq(a->mailbox, b->mailbox) || a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!str_eq(a->v[i].identifier, b->v[i].identifier) ||
		    !str_eq(a->v[i].rights, b->v[i].rights))
			return false;
	return true;
}

bool
same_listrights(const struct wire_listrights *a, const struct wire_listrights *b)
{
	return str_eq(a->mailbox, b->mailbox) && str_eq(a->identifier, b->identifier) &&
	       str_eq(a->always, b->always) && same_names(&a->options, &b->options);
}

bool
same_myrights(const struct wire_myrights *a, const struct wire_myrights *b)
{
	return str_eq(a->mailbox, b->mailbox) && str_eq(a->rights, b->rights);
}

bool
same_quota(const struct wire_quota *a, const struct wire_quota *b)
{
	if (!str_eq(a->root, b->root) || a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!str_eq(a->v[i].name, b->v[i].name) || a->v[i].usage != b->v[i].usage ||
		    a->v[i].limit != b->v[i].limit)
			return false;
	return true;
}
