/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_SNAPSHOT_H
#define CONF_SNAPSHOT_H
/* The parts of a snapshot.  For conf.c and print.c only. */
#include <stdatomic.h>

#include "base/arena.h"
#include "conf/conf.h"

struct conf_instance { /* a table's filled struct: one for a plain table, one for each block */
	const struct conf_table *table;
	struct str name; /* of the block */
	unsigned line;   /* of the block, 0 for a plain table */
	bool dotted;     /* the block comes from a.b.c = x */
	unsigned char *settings;
	unsigned *lines; /* per option; 0: not given */
	bool *wrong;     /* per option: it has a fault */
};

struct conf_group { /* the instances of a table */
	const struct conf_table *table;
	struct conf_instance **p; /* exactly one if the table is not a block */
	size_t n, cap;
	struct conf_block *blocks;
};

struct conf {
	atomic_uint refs;
	bool sound_only; /* treat an option with a fault as not given */
	struct arena *arena;
	const char *file, *dir;
	struct conf_tables tables;
	struct conf_group *groups; /* in the order of tables */
};

/* Makes an instance with all defaults. */
struct conf_instance *conf_instance_new(
    struct arena *a, const struct conf_table *table, const char *dir);
/* The group of a table in the snapshot. */
struct conf_group *conf_group_of(const struct conf *conf, const struct conf_table *table);
#endif
