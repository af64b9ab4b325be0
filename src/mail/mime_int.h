/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_MIME_INT_H
#define MAIL_MIME_INT_H
/*
 * The tree of parts of a message (RFC 2046), found in one pass over its lines.
 * Open multiparts and messages are on a stack of bounded height; nothing
 * recurses.
 */
#include "mail/header.h"
#include "mail/summary.h"

/* The text of a part is in mime.names (lower case); fields point into the message. */
struct mime_span {
	uint32_t off, len;
};

struct mime_part {
	enum mail_part_kind kind;
	enum mail_encoding encoding;
	uint32_t parent, number, end, children;
	uint64_t header_off, header_len, body_off, body_len, lines;
	uint64_t lf_before; /* line ends before the body */
	struct mime_span type, subtype, charset;
	/* Unchanged values; STR_NONE if absent. */
	struct str f_type, f_encoding, f_id, f_description, f_md5, f_disposition, f_language,
	    f_location;
	bool made_up;   /* the child of a multipart without parts */
	bool opaque;    /* a container that is too deep or one too many, shown as a leaf */
	bool sealed;    /* an encoded message, shown as a leaf */
	bool defaulted; /* Content-Type absent or unreadable */
	bool digest;    /* multipart/digest: children are messages by default */
};

struct mime {
	struct mime_part *v;
	uint32_t n, cap;
	struct buf names;
	bool cut;
};

/*
 * The walk, in steps: each costs about as much as looking at *budget bytes, which it subtracts.
 * True: done.  message, limits and m must stay meanwhile.  If memory runs out it reports that
 * (base/mem.h) and is done; m may then lack parts, even the first one.
 */
struct mime_walk;
struct mime_walk *mime_walk_new(
    struct str message, const struct mail_limits *limits, struct mime *m, bool *oom);
bool mime_walk_step(struct mime_walk *walk, size_t *budget);
void mime_walk_free(struct mime_walk **walk);
void mime_fini(struct mime *m);

static inline void
mime_spend(size_t *budget, size_t n)
{
	*budget -= n < *budget ? n : *budget;
}

/*
 * mime_line.c: shared by the walk over a stored message and the one over an incoming message
 * (unbinary.c), which must agree.
 */

/* Gets the type and subtype that a Content-Type names; returns false if they are invalid. */
bool mime_type_of(const struct mail_params *p, struct str *type_r, struct str *subtype_r);
/* Returns how a part of that type is read. */
enum mail_part_kind mime_kind_of(struct str type, struct str subtype);
/* Appends the boundary that the parameters give; returns false if there is no usable one. */
bool mime_boundary(const struct mail_params *p, struct buf *out);

#define MIME_BOUNDARY_MAX 1000 /* RFC 2046 section 5.1.1 allows 70 */
/* This much of the front of a line tells whether it is a delimiter. */
#define MIME_LINE_MAX (MIME_BOUNDARY_MAX + 8)

enum mime_line { MIME_LINE_OTHER, MIME_LINE_DELIMITER, MIME_LINE_CLOSE };

/*
 * Compares a line with boundaries from its start (RFC 2046 section 5.1.1, note to implementors): a
 * boundary, perhaps "--", and then the end, a blank, or a character that cannot be in a boundary.
 * Of the open boundaries that match, the longest counts; of equal ones the innermost: go from the
 * innermost outwards, and continue while this returns true.
 */
struct mime_match {
	struct str line; /* from its first byte */
	size_t longest;  /* 0 at first */
	enum mime_line what;
};
bool mime_line_match(struct mime_match *m, struct str boundary);

static inline struct str
mime_name(const struct mime *m, struct mime_span s)
{
	return s.len > 0 ? (struct str){m->names.p + s.off, s.len} : STR("");
}
#endif
