/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_TREE_H
#define CONF_TREE_H
/*
 * The configuration file as a tree of nodes with line numbers, before the options are interpreted.
 * For conf.c only.
 */
#include "base/arena.h"
#include "conf/conf.h"

enum conf_limit {
	CONF_FILE_MAX = 1024 * 1024, /* bytes */
	CONF_DEPTH_MAX = 16,
	CONF_BLOCKS_MAX = 256, /* of one table */
	CONF_FAULTS_MAX = 100
};

enum conf_node_type {
	CONF_NODE_TEXT,
	CONF_NODE_OBJECT,
	CONF_NODE_ARRAY,
	CONF_NODE_BAD /* its fault was reported */
};

struct conf_node {
	struct conf_node *next;         /* next child of the parent */
	struct conf_node *first, *last; /* children of an object or an array */
	struct str key;                 /* empty in an array */
	struct str text;
	const struct conf_node *parent;
	unsigned line; /* of the key */
	enum conf_node_type type;
	bool dotted; /* an object implied by a.b = c */
	bool named;  /* an object whose key is a name: b in `a b { }` */
};

/* Parses text; appends faults, and returns the tree of the valid parts.  Lives in the arena. */
struct conf_node *conf_tree_parse(
    struct arena *a, struct str text, const char *file, struct conf_faults *faults);

/* Adds "file:line: text" ("file: text" for line 0, "text" without a file); after CONF_FAULTS_MAX
   faults adds once that there are more. */
void conf_fault(struct conf_faults *faults, const char *file, unsigned line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
bool conf_faults_full(const struct conf_faults *faults);
#endif
