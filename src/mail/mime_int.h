/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_MIME_INT_H
#define MAIL_MIME_INT_H
/*
 * The tree of parts of a message (RFC 2046), found in one pass over its
 * lines.  Open multiparts and messages stand on a stack of bounded height;
 * nothing recurses.
 */
#include "mail/header.h"
#include "mail/summary.h"

/* Text of a part lies in mime.names (lower case), fields point into the message. */
struct mime_span {
	uint32_t off, len;
};

struct mime_part {
	enum mail_part_kind kind;
	enum mail_encoding encoding;
	uint32_t parent, number, end, children;
	uint64_t header_off, header_len, body_off, body_len, lines;
	uint64_t lf_before; /* line ends in front of the body */
	struct mime_span type, subtype, charset;
	/* Values as they are; STR_NONE when absent. */
	struct str f_type, f_encoding, f_id, f_description, f_md5, f_disposition, f_language,
	    f_location;
	bool made_up;   /* the child of a multipart without parts */
	bool opaque;    /* a container too deep or too many, shown as a leaf */
	bool sealed;    /* an encoded message, shown as a leaf */
	bool defaulted; /* Content-Type absent or not to be read */
	bool digest;    /* multipart/digest: children are messages by default */
};

struct mime {
	struct mime_part *v;
	uint32_t n, cap;
	struct buf names;
	bool cut;
};

/*
 * The walk, in steps: each costs about as much as it takes to look at *budget bytes, which it
 * takes off.  True: it is done.  message, limits and m stay while it lasts.  It tells when memory
 * runs out (base/mem.h), and is done then; m may lack parts, the first one, too.
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
 * mime_line.c: what the walk over a stored message and the one over a message that comes in
 * (unbinary.c) have to see in the same way.
 */

/* The type and subtype that a Content-Type names; false when it names none that is one. */
bool mime_type_of(const struct mail_params *p, struct str *type_r, struct str *subtype_r);
/* How a part of that type is read. */
enum mail_part_kind mime_kind_of(struct str type, struct str subtype);
/* Appends the boundary that the parameters give; false when there is none that can be used. */
bool mime_boundary(const struct mail_params *p, struct buf *out);

#define MIME_BOUNDARY_MAX 1000 /* RFC 2046 5.1.1 allows 70 */
/* So much of the front of a line says whether it is a delimiter. */
#define MIME_LINE_MAX (MIME_BOUNDARY_MAX + 8)

enum mime_line { MIME_LINE_OTHER, MIME_LINE_DELIMITER, MIME_LINE_CLOSE };

/*
 * A line is compared with boundaries from its beginning (RFC 2046 5.1.1, note to implementors): a
 * boundary, perhaps "--", and then the end or a character that cannot be in a boundary, or a
 * blank.  Of the open boundaries that fit the longest counts, of the same ones the innermost:
 * look from the innermost one outwards, and go on where this is true.
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
