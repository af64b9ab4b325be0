/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_SUMMARY_H
#define MAIL_SUMMARY_H
/*
 * mail: messages as bytes (RFC 5322, MIME).  It reads no files and keeps nothing: each function
 * gets bytes and appends what it finds, in bounded memory, in time that depends only on the size of
 * the message, whatever its sender did.  Start here; mime_int.h is the underlying walk, search.h
 * searches texts, text/ turns bytes into texts.
 *
 * The summary of a message: everything that FETCH, SEARCH, SORT and section lookups need without
 * reading the message again.  It is made once, in one pass, when the message arrives, and stored
 * next to it:
 *
 *     struct buf b = {0};
 *     mail_summarize(message, NULL, &b);               at delivery
 *     ...
 *     struct mail_summary s;
 *     if (mail_summary_open(stored, &s) == TS_OK)      at FETCH
 *             buf_str(out, mail_summary_text(&s, MAIL_TEXT_ENVELOPE));
 *
 * A summary is bytes with a version and a checksum, in the same form on every machine.  ENVELOPE,
 * BODY and BODYSTRUCTURE are ready to send in every dialect: strings are quoted where possible and
 * literals otherwise, so 8-bit text is sent as a literal, and there is never a NUL.
 *
 * Any bytes are a message: the functions here never fail on a malformed one.  Lines may end in CRLF
 * or LF; offsets and lengths count the bytes as they are.  RFC 5322 (with the obsolete forms), 2045
 * to 2047, 2183, 2231, 2557, 1864, 3282, 6532, 6854; RFC 9051 section 7.5.2; RFC 5256 section 2.1.
 *
 * No function keeps state between calls; all may run on any thread.
 */
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "mail/text/decode.h"

struct mail_limits {
	/* Multiparts and messages nested in one another; deeper ones are shown as one
	 * application/octet-stream leaf.  At most MAIL_NESTING_MAX. */
	uint32_t nesting;
	/* Parts in all; the last one contains the rest of the message. */
	uint32_t parts;
	/* Addresses taken from the fields of one name (From, To, ...), and bytes of these fields.
	 * Anything beyond, including an address that only begins before the limit, is left out. */
	uint32_t addresses, address_field;
	/* Bytes of any other field; the rest is left out, from its first word, parameter or message
	 * id that does not fit. */
	uint32_t field;
	/* Bytes of the summary.  A summary that does not fit is made again, with all limits
	 * lowered, until it does; MAIL_SUMMARY_CUT says so. */
	uint32_t summary;
};

#define MAIL_NESTING_MAX 500u
#define MAIL_SUMMARY_MIN 16384u /* least value used for limits.summary */
#define MAIL_LIMITS_DEFAULT                                                                        \
	((struct mail_limits){.nesting = 50,                                                       \
	    .parts = 2000,                                                                         \
	    .addresses = 10000,                                                                    \
	    .address_field = 1u << 19,                                                             \
	    .field = 65536,                                                                        \
	    .summary = 2u << 20})

/* Appends the summary of message to out.  limits NULL: MAIL_LIMITS_DEFAULT.  If memory runs out,
 * and out is a buffer that reports it (base/buf.h), appends nothing. */
void mail_summarize(struct str message, const struct mail_limits *limits, struct buf *out);

/*
 * Same in steps, for messages that may be large; the result is the same.  A step costs about as
 * much as looking at `budget` bytes, or at one field within its limit; MAIL_SUMMARIZER_STEP takes
 * well below a millisecond.  A step returns true when out has the whole summary.  Until then out
 * has what was made so far and, like message, must stay unchanged.  The summarizer may be freed at
 * any time.  If memory runs out, and out reports it, new() returns NULL, or a step is the last one.
 *
 * However large the message, a summarizer holds hardly more than limits.summary, and the parts and
 * addresses that the limits allow.
 */
#define MAIL_SUMMARIZER_STEP ((size_t)64 << 10)
struct mail_summarizer;
struct mail_summarizer *mail_summarizer_new(
    struct str message, const struct mail_limits *limits, struct buf *out);
bool mail_summarizer_step(struct mail_summarizer *summarizer, size_t budget);
void mail_summarizer_free(struct mail_summarizer **summarizer);

enum mail_text {
	MAIL_TEXT_ENVELOPE,      /* "(" ... ")", ready to send */
	MAIL_TEXT_BODY,          /* same for BODY, in IMAP4rev1 */
	MAIL_TEXT_BODYSTRUCTURE, /* and BODYSTRUCTURE */
	/* Decoded to UTF-8, for SEARCH; absent if the field is. */
	MAIL_TEXT_SUBJECT,
	MAIL_TEXT_FROM, /* "name <mailbox@host>, ..." */
	MAIL_TEXT_TO,
	MAIL_TEXT_CC,
	MAIL_TEXT_BCC,
	/* RFC 5256 section 2.1, never absent; a different form without MAIL_SUMMARY_BASE.
	 * mail/sort.h has what SORT and THREAD need. */
	MAIL_TEXT_BASE_SUBJECT,
	MAIL_TEXT_UNUSED, /* this and the next four: written by older programs */
	/* Message ids with their angle brackets, separated by one space; absent if there are
	 * none. */
	MAIL_TEXT_MESSAGE_ID = MAIL_TEXT_UNUSED + 5,
	MAIL_TEXT_IN_REPLY_TO, /* the first one only */
	MAIL_TEXT_REFERENCES,
	/* BODY and BODYSTRUCTURE as in IMAP4rev2, if that differs from the two above: see
	 * mail_summary_structure(). */
	MAIL_TEXT_BODY_REV2,
	MAIL_TEXT_BODYSTRUCTURE_REV2,
	MAIL_TEXT_PREVIEW, /* mail/preview.h; absent in summaries from older programs */
	MAIL_TEXT_COUNT
};

enum mail_summary_flag {
	MAIL_SUMMARY_CUT = 1,   /* a limit caused something to be left out */
	MAIL_SUMMARY_DATED = 2, /* a readable Date exists: sent and sent_day are valid */
	MAIL_SUMMARY_REPLY = 4, /* the subject is that of a reply or forward (RFC 5256) */
	MAIL_SUMMARY_8BIT = 8,  /* bytes above 127 in the message's header */
	MAIL_SUMMARY_NUL = 16,  /* NUL bytes in the message: needs BINARY (literal8) to be exact */
	MAIL_SUMMARY_BASE = 32  /* the base subject is exact; older programs case-folded it */
};

/* A view of the stored bytes, which must stay valid while it is used. */
struct mail_summary {
	struct str bytes;
	uint64_t size;       /* of the message */
	uint64_t header_len; /* with the blank line, if any */
	int64_t sent;        /* Date in seconds since 1970 UTC */
	int32_t sent_day;    /* Date as written, time and zone ignored: days since 1970-01-01 */
	uint32_t flags;      /* enum mail_summary_flag */
	uint32_t part_count; /* at least 1: part 0 is the message itself */
	uint32_t text_count; /* of enum mail_text, known to the stored version */
	struct str note;     /* STR_NONE: there is none */
};

/* Adds a note to a finished summary, which begins at base: a few bytes of whoever stores it, which
 * cannot be derived from the message. */
#define MAIL_SUMMARY_NOTE_MAX 64u
void mail_summary_add_note(struct buf *out, size_t base, struct str note);

/*
 * Checks bytes and fills *view_r.  Returns TS_DAMAGED (logged) if they are not
 * a whole summary of a known version; *view_r is then unusable.  After TS_OK
 * every accessor is safe, and every offset and length of every part lies within
 * `size`.
 */
enum ts_err mail_summary_open(struct str bytes, struct mail_summary *view_r) TS_CHECKED;
/* The flags of a summary that was just made, with no checksum to verify; 0 if it is empty. */
uint32_t mail_summary_flags(struct str made);

/* Returns STR_NONE (p == NULL) if absent; an empty text has a non-NULL p. */
struct str mail_summary_text(const struct mail_summary *s, enum mail_text which);

/*
 * Returns BODYSTRUCTURE (extended) or BODY.  Parameters in pieces are joined (RFC 2231 section 6:
 * "name*0", "name*1" become "name", and "name*0*" becomes "name*").  In IMAP4rev2 those with a
 * charset of their own are in UTF-8 (RFC 9051 section 7.5.2), and a message/global shows what is
 * inside; in IMAP4rev1 charset and percent signs stay as in the message, and it is a leaf.
 */
struct str mail_summary_structure(const struct mail_summary *s, bool rev2, bool extended);

enum mail_part_kind {
	MAIL_PART_LEAF,
	MAIL_PART_MULTIPART, /* has one child or more */
	/* message/rfc822 or message/global: has exactly one child.  In base64 or quoted-printable
	 * it is an application/octet-stream LEAF. */
	MAIL_PART_MESSAGE
};

/*
 * Parts are numbered in the order in which they appear in the message: 0 is the
 * message, its descendants follow.  The child of a MESSAGE part is the nested
 * message: its header range is the nested message's own header.  A multipart
 * without parts has one made-up child with an empty header, which holds the
 * body if no delimiter was found at all.
 */
struct mail_part {
	enum mail_part_kind kind;
	enum mail_encoding encoding;
	uint32_t parent; /* its index; 0 for part 0 as well */
	uint32_t number; /* 1, 2, ... among the children of its parent */
	uint32_t end;    /* index after its last descendant: the next sibling, if any */
	uint64_t header_off, header_len; /* MIME header with its blank line */
	uint64_t body_off, body_len;     /* without the line end that belongs to the delimiter */
	uint64_t lines;                  /* of the body; counts a last line without line end */
	struct str type, subtype;        /* lower case */
	struct str charset;              /* lower case; empty if not given */
};

/* Gets part i < part_count. */
void mail_summary_part(const struct mail_summary *s, uint32_t i, struct mail_part *part_r);
#endif
