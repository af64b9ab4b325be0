/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_ENGINE_ROCKS_ROCKS_H
#define STORE_ENGINE_ROCKS_ROCKS_H
/*
 * The embedded engine: RocksDB.
 *
 * engine_options.text: words separated by blanks.  "recover": open even if the
 * acknowledged part of the log is damaged, losing what comes after the damage
 * (see rocks_open.c); for an operator who has no better copy.  "salvage": first
 * repair or replace damaged and missing files of RocksDB (see rocks_salvage.c).
 */
#include "store/engine.h"

extern const struct engine_class engine_rocks_class;
#endif
