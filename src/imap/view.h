/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_VIEW_H
#define IMAP_VIEW_H
/* The selected mailbox as its client knows it: numbers and flags (imap/box). */
#include "imap/imap.h"

struct imap_cmd;

/* Reads and frees the mailbox's keywords.  Read them between store_mailbox_read_begin and _end, in
 * the same read as the messages whose flags are printed with them. */
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
/* Prints "* n FETCH (UID u FLAGS (…))" for each message of set from UID `from` on that is in the
 * view.  what: enum imap_print; a client with CONDSTORE always gets UID and MODSEQ.  Prints the
 * current flags, which count as told only once imap_sync() reaches them.  Returns the UID to
 * continue from after IMAP_PRINT_BYTES, 0 when all are done; adds the number printed to *told. */
uint32_t imap_print_fetch_flags(struct imap_conn *conn, const roaring_bitmap_t *set, uint32_t from,
    unsigned what, uint64_t *told);
/* Prints the front of a set that is not empty as one VANISHED response (RFC 7162 section 3.2.10).
 * Returns the last UID printed. */
uint32_t imap_print_vanished(struct imap_conn *conn, const roaring_bitmap_t *uids, bool earlier);
/*
 * MODSEQs (RFC 7162 section 3.1; box/modseq.c).  Turns CONDSTORE on for the login; the first call
 * sends HIGHESTMODSEQ of the selected mailbox, if there is one.
 */
void imap_condstore_on(struct imap_conn *conn);
/* Sends "* OK [HIGHESTMODSEQ n]": the client knows all changes of the selected mailbox up to n. */
void imap_say_modseq(struct imap_conn *conn);
/* Returns "HIGHESTMODSEQ n" as a response code for a tagged reply, in the command's arena. */
struct str imap_modseq_code(const struct imap_cmd *cmd);
/* Call before each tagged reply: sends HIGHESTMODSEQ if the client would otherwise infer
 * another. */
void imap_modseq_before_reply(const struct imap_cmd *cmd);
/* The client is told this MODSEQ. */
void imap_modseq_tell(struct imap_box *box, uint64_t modseq);
/* Resolves a set from the client to UIDs of the view.  uid: the set holds UIDs, otherwise sequence
 * numbers.  Returns false for a sequence number beyond the view (BAD, RFC 9051 6.4.4 and 9
 * "seq-number").  The caller owns the bitmap. */
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
