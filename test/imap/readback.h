/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_IMAP_READBACK_H
#define TEST_IMAP_READBACK_H
/*
 * Parses each response of the server with wire's parsers, to its last byte, and prints the result
 * again: it must be the same bytes.  So the server sends nothing that the parsers do not know, and
 * they lose nothing.
 */
#include "base/buf.h"
#include "wire/frame.h"

struct readback {         /* {0} */
	struct buf bytes; /* of an incomplete response */
	struct wire_frame frame;
	bool lost; /* the next line is the rest of one that was skipped */
};

/* Takes a line, with its line end.  False: it has printed to stderr what is wrong with the response
 * that ends here. */
bool readback_line(struct readback *r, struct str line);
/* Bytes were skipped, perhaps into the middle of a line. */
void readback_skipped(struct readback *r, struct str bytes);
void readback_fini(struct readback *r);
#endif
