/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_FRAME_H
#define WIRE_FRAME_H
/*
 * The framer finds where a command ends (RFC 9051 sections 2.2 and 4.3, RFC 7888), without knowing
 * what it means.  The caller keeps the bytes of the command contiguous and calls wire_frame_scan()
 * whenever more arrive; no byte is scanned twice.
 *
 *	struct wire_frame f = {0};                     // begins a command
 *	switch (wire_frame_scan(&f, &limits, bytes)) {  // bytes: from the command's first one
 *	case WIRE_FRAME_MORE:     wait for more bytes, scan again
 *	case WIRE_FRAME_DONE:     f.end bytes are the command, CRLF and inline literals included;
 *	                          parse, consume them, f = (struct wire_frame){0}
 *	case WIRE_FRAME_LITERAL:  f.lit is announced; one of
 *	          accept   (send "+" if f.lit.sync) wire_frame_accept(&f), scan again: the
 *	                   literal becomes part of the command, inline
 *	          stream   consume f.lit.data bytes (the text so far), take f.lit.size bytes from
 *	                   the connection, then wire_frame_cut(&f) and scan what follows, whose
 *	                   first byte is now offset 0
 *	          refuse   see wire_frame_refuse
 *	case WIRE_FRAME_LITERAL_TOO_BIG:  the same, but accept is not allowed
 *	case WIRE_FRAME_LINE_TOO_LONG, WIRE_FRAME_BAD:  wire_frame_refuse()
 *	}
 *
 * Any result but MORE must be acted on before the next scan; a line that is too long may be scanned
 * again with wider limits.
 */
#include "base/str.h"
#include "wire/dialect.h"

struct wire_frame_limits {
	size_t line;      /* one line of text, including the line end */
	uint64_t literal; /* one inline literal */
	size_t command;   /* everything kept of a command: lines and inline literals */
	uint32_t literals;
	bool bare_lf; /* accept LF without CR as a line end; else it is an error (WIRE_FRAME_BAD) */
};

enum wire_frame_result {
	WIRE_FRAME_MORE,
	WIRE_FRAME_DONE,
	WIRE_FRAME_LITERAL,
	WIRE_FRAME_LITERAL_TOO_BIG, /* exceeds limits.literal, .command or .literals */
	WIRE_FRAME_LINE_TOO_LONG,
	WIRE_FRAME_BAD, /* a NUL in the text, or a bare LF where that is refused */
};

struct wire_frame_literal {
	size_t at;     /* offset of its '{' or '~' */
	size_t data;   /* offset of the first byte after the CRLF */
	uint64_t size; /* UINT64_MAX: more than 63 bits or 20 digits */
	bool sync;     /* {n}: waits for a continuation.  {n+}: does not */
	bool literal8; /* ~{n}, RFC 3516 */
};

struct wire_frame {
	size_t end; /* after DONE */
	struct wire_frame_literal lit;
	const char *error; /* after results other than MORE, DONE, LITERAL: a short text for BAD */
	bool line_only;    /* set by the caller: a line of AUTHENTICATE or IDLE, no literals */
	uint64_t skip; /* while skipping: bytes of a literal still to come; UINT64_MAX: unlimited */
	/* private */
	size_t scanned, line;
	uint32_t literals;
	bool ends_after_skip, open;
};

enum wire_frame_result wire_frame_scan(
    struct wire_frame *f, const struct wire_frame_limits *limits, struct str bytes);
/* After LITERAL: the literal's bytes follow inline. */
void wire_frame_accept(struct wire_frame *f);
/* After LITERAL: the literal was taken elsewhere; offset 0 is now the byte after it. */
void wire_frame_cut(struct wire_frame *f);

/*
 * Gives up on the command, after any result but MORE and DONE.  Take the tag
 * first (wire_frame_tag).  From now on call wire_frame_skip() instead of
 * _scan(): it returns how many bytes at the front of bytes to drop, and sets
 * *done_r if the end of the command was among them.  Then start a new command
 * with {0}, and send the BAD or NO for the old one (RFC 7888 section 4: what a
 * client sent without waiting must be skipped, not run).  If a synchronizing
 * literal is refused the command ends at once, since its bytes will not come; a
 * non-synchronizing one is skipped with all its bytes, so a caller that finds
 * f.lit.size, or later f.skip, too large sends BYE and closes instead.
 */
void wire_frame_refuse(struct wire_frame *f);
size_t wire_frame_skip(struct wire_frame *f, struct str bytes, bool *done_r);

/* Returns the tag of a command that may be incomplete; STR_NONE: none, use "*". */
struct str wire_frame_tag(struct str bytes);
#endif
