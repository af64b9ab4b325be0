/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_VIEW_H
#define IMAP_VIEW_H
/* The selected mailbox as its client knows it: numbers and flags (imap/box). */
#include "imap/imap.h"

struct imap_cmd;

/* The mailbox's keywords.  Between store_mailbox_read_begin and _end, in the reading that gave the
 * messages whose flags are to be printed with them. */
void imap_read_keywords(const struct imap_box *box, struct imap_keywords *keywords);
void imap_drop_keywords(struct imap_keywords *keywords);
/* Prints "* FLAGS (…)" and "* OK [PERMANENTFLAGS (…)]" of the selected mailbox; sets
 * keywords_told. */
void imap_print_known_flags(struct imap_conn *conn, const struct imap_keywords *keywords);
/* Same if the client was told others: call before a FETCH response with flags. */
void imap_tell_keywords(struct imap_conn *conn, const struct imap_keywords *keywords);
/* Untagged responses of one step end when this much was printed. */
#define IMAP_PRINT_BYTES ((size_t)64 * 1024)
enum imap_print { IMAP_PRINT_FLAGS = 1, IMAP_PRINT_UID = 2 };
/* "* n FETCH (UID u FLAGS (…))", with what of these is asked for, and with UID and MODSEQ for a
 * client that is told of MODSEQs; flags as they are now, for each of set from a UID on that is in
 * the view; they count as told only when imap_sync() comes to them.  Returns the UID to go on from
 * when IMAP_PRINT_BYTES were printed, 0 when all are done; adds to *told how many were printed. */
uint32_t imap_print_fetch_flags(struct imap_conn *conn, const roaring_bitmap_t *set, uint32_t from,
    unsigned what, uint64_t *told);
/*
 * MODSEQs (RFC 7162 section 3.1; box/modseq.c).  From now on the client is told of them; the first
 * time with HIGHESTMODSEQ of the selected mailbox, if there is one.
 */
void imap_condstore_on(struct imap_conn *conn);
/* "* OK [HIGHESTMODSEQ n]": up to there all changes of the selected mailbox were told. */
void imap_say_modseq(struct imap_conn *conn);
/* "HIGHESTMODSEQ n", the same as the code of a reply. */
struct str imap_modseq_code(const struct imap_cmd *cmd);
/* Says it where the client would take another number for that: before each tagged reply. */
void imap_modseq_before_reply(const struct imap_cmd *cmd);
/* Sets of the client -> UIDs of the view.  seq: sequence numbers, else UIDs.  False: a sequence
 * number beyond the view (BAD, RFC 9051 6.4.4 and 9 "seq-number").  The bitmap is the caller's. */
bool imap_view_resolve(
    const struct imap_box *box, const struct wire_set *set, bool uid, roaring_bitmap_t **uids_r);
/* Same for commands that change nothing and show no message (SEARCH): ignores numbers beyond the
 * view. */
roaring_bitmap_t *imap_view_select(
    const struct imap_box *box, const struct wire_set *set, bool uid);
uint32_t imap_view_seq(const struct imap_box *box, uint32_t uid); /* 0: not in the view */
uint32_t imap_view_uid(const struct imap_box *box, uint32_t seq); /* 0: none */
/* Logs that an existing message cannot be read, nor that many others.  Any thread. */
void imap_log_unreadable(const struct store_mailbox *mailbox, uint32_t uid, size_t others);
/* Appends "FLAGS (\Seen $Forwarded …)" and what extensions print with it: current flags, and
 * \Recent from the view (box->recent is empty in rev2).  keywords: of the read that gave msg. */
void imap_print_flags(const struct imap_box *box, const struct imap_keywords *keywords,
    const struct store_message *msg, struct buf *out);
/* Converts system flags of the grammar to flags of the store. */
struct store_flags imap_flags_of(const struct wire_flags *flags);
#endif
