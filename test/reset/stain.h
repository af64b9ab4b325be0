/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_RESET_STAIN_H
#define TEST_RESET_STAIN_H
/*
 * An extension for the reset proof, in no server, with a slot in each lifetime.  X-STAIN fills what
 * there is of them, X-LOOK tells what is in them.
 *
 * Its bugs are those that the nets of the proof are for: at most one of them is planted.
 */
#include "imap/ext.h"

enum stain_bug {
	STAIN_NONE,
	STAIN_STATIC, /* a static keeps the user, and tells others */
	STAIN_SHARED, /* the same, but it is wiped when the login ends */
	STAIN_CONN,   /* the connection keeps the user */
	STAIN_WATCH,  /* a watch is nobody's */
	STAIN_FREE,   /* what a slot holds is not given back */
	STAIN_FIELD   /* a field of a slot that no script dirties */
};
extern enum stain_bug stain_bug;

extern const struct imap_ext imap_ext_stain;
/* How many things its slots hold. */
extern unsigned stain_held;
#endif
