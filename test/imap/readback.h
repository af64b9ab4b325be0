/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_IMAP_READBACK_H
#define TEST_IMAP_READBACK_H
/*
 * Each response of the server is read by the parsers of wire, to its last byte, and what they made
 * of it is printed again: it has to be the same bytes.  So nothing is sent that the parsers do not
 * know, and they lose nothing of it.
 */
#include "base/buf.h"
#include "wire/frame.h"

struct readback {         /* {0} */
	struct buf bytes; /* of a response whose end has not come */
	struct wire_frame frame;
	bool lost; /* the next line is the rest of one that was not looked at */
};

/* A line that came, with its line end.  False: said to stderr what is wrong with the response that
 * it ends. */
bool readback_line(struct readback *r, struct str line);
/* Bytes were skipped, perhaps up to within a line. */
void readback_skipped(struct readback *r, struct str bytes);
void readback_fini(struct readback *r);
#endif
