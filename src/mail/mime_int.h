/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_MIME_INT_H
#define MAIL_MIME_INT_H
/*
 * The tree of parts of a message (RFC 2046), found in one pass over its
 * lines.  Open multiparts and messages stand on a stack of bounded height;
 * nothing recurses.
 */
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

void mime_parse(struct str message, const struct mail_limits *limits, struct mime *m);
void mime_fini(struct mime *m);

static inline struct str
mime_name(const struct mime *m, struct mime_span s)
{
	return s.len > 0 ? (struct str){m->names.p + s.off, s.len} : STR("");
}
#endif
