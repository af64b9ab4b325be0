/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_SECTION_H
#define MAIL_SECTION_H
/*
 * Finds a section of FETCH BODY[...] and BINARY[...] in the message (RFC 9051
 * section 6.4.5.1).  The results are ranges, so that the caller reads no more
 * of a stored message than it sends.
 */
#include "mail/summary.h"

enum mail_section {
	MAIL_SECTION_WHOLE,  /* BODY[], BODY[1.2] */
	MAIL_SECTION_HEADER, /* also the header from which HEADER.FIELDS and .NOT select */
	MAIL_SECTION_TEXT,
	MAIL_SECTION_MIME
};

struct mail_range {
	uint64_t off, len;
};

/*
 * path[0..depth) are the part numbers, none for the message itself.  Returns
 * false if there is no such section: no such part, HEADER or TEXT of a part
 * that is not a message, MIME without a part number.
 */
bool mail_section_find(const struct mail_summary *s, const uint32_t *path, size_t depth,
    enum mail_section kind, struct mail_range *range_r);

/*
 * Finds the part that a path names (for BINARY: its encoding and body); depth 0
 * gives part 0.  Returns false if there is none.
 */
bool mail_section_part(
    const struct mail_summary *s, const uint32_t *path, size_t depth, struct mail_part *part_r);
#endif
