/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_RESET_STAIN_H
#define TEST_RESET_STAIN_H
/*
 * An extension for the reset proof, in no server, with a slot in each lifetime.  X-STAIN fills the
 * slots, X-LOOK shows their contents.
 *
 * Its bugs are those that the proof must catch: at most one of them is planted.
 */
#include "imap/ext.h"

enum stain_bug {
	STAIN_NONE,
	STAIN_STATIC, /* a static keeps the user, and shows it to others */
	STAIN_SHARED, /* the same, but wiped when the login ends */
	STAIN_CONN,   /* the connection keeps the user */
	STAIN_WATCH,  /* a watch has no owner */
	STAIN_FREE,   /* what a slot holds is not released */
	STAIN_FIELD   /* no script dirties a slot's field */
};
extern enum stain_bug stain_bug;

extern const struct imap_ext imap_ext_stain;
/* How many things its slots hold. */
extern unsigned stain_held;
#endif
