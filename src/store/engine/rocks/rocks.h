/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_ENGINE_ROCKS_ROCKS_H
#define STORE_ENGINE_ROCKS_ROCKS_H
/*
 * The embedded engine: RocksDB.
 *
 * engine_options.text: words with blanks between.  "recover": open although the
 * log is damaged in its acknowledged part, losing what stands behind the
 * damage (see rocks_open.c); for an operator who has no better copy.
 * "salvage": before that, damaged and missing files of RocksDB are dealt with
 * (see rocks_salvage.c).
 */
#include "store/engine.h"

extern const struct engine_class engine_rocks_class;
#endif
