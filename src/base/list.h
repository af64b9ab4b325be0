/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_LIST_H
#define BASE_LIST_H
/*
 * A doubly linked ring with the links inside the elements.  A head is a link
 * that points to itself when empty.  An element is in at most one list per link.
 */
#include <stdbool.h>
#include <stddef.h>

struct link {
	struct link *next, *prev;
};

static inline void
list_init(struct link *l)
{
	l->next = l->prev = l;
}

static inline bool
list_empty(const struct link *head)
{
	return head->next == head;
}

static inline void
list_push_back(struct link *head, struct link *l)
{
	l->prev = head->prev;
	l->next = head;
	head->prev->next = l;
	head->prev = l;
}

static inline void
list_push_front(struct link *head, struct link *l)
{
	list_push_back(head->next, l);
}

/* Takes l out of its list; no effect on a link in no list (list_init'ed). */
static inline void
list_remove(struct link *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	list_init(l);
}

#define list_entry(link_, type, member) ((type *)(void *)((char *)(link_)-offsetof(type, member)))
/* Iterates over entries; SAFE allows removing the entry. */
#define LIST_EACH(var, head, member)                                                               \
	for (var = list_entry((head)->next, __typeof__(*var), member); &var->member != (head);     \
	     var = list_entry(var->member.next, __typeof__(*var), member))
#define LIST_EACH_SAFE(var, tmp, head, member)                                                     \
	for (var = list_entry((head)->next, __typeof__(*var), member),                             \
	    tmp = list_entry(var->member.next, __typeof__(*var), member);                          \
	     &var->member != (head);                                                               \
	     var = tmp, tmp = list_entry(tmp->member.next, __typeof__(*tmp), member))
#endif
