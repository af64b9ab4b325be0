/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_CRITERIA_H
#define IMAP_CRITERIA_H
/*
 * Shared by SEARCH, SORT and THREAD: a search program with its charset, and the RETURN options.
 * They differ in what they do with the messages found.
 *
 *	parsed = wire_…_parse(&cmd->in, …, imap_criteria_key, cmd->conn)
 *	return imap_criteria_start(cmd, c, parsed, then, &found);
 *
 * and the step `found` begins with
 *
 *	if (c->failed)
 *		return imap_criteria_unreadable(cmd, c);
 */
#include "imap/common/query.h"
#include "imap/ext.h"

struct imap_criteria {
	/* set before the start */
	const struct wire_search *args;
	bool names_charset; /* the command's grammar requires a charset: SORT, THREAD */
	bool holds; /* the messages found will also be read: holds them as long as the command */

	struct imap_query *query;
	struct imap_returned { /* the options, by their extensions */
		const struct imap_search_return *row;
		const void *kept;
	} * returns;
	size_t return_count;
	bool tells_modseq;       /* a key is about MODSEQs */
	roaring_bitmap_t *found; /* UIDs; when the query was run */
	roaring_bitmap_t *told;  /* imap_criteria_told() */
	bool failed;
};

/* For the parser: a key that an extension parses; arg is the connection. */
bool imap_criteria_key(struct wire_in *in, struct str name, struct wire_key *key, void *arg);
/* Checks what was parsed, runs the query, then `then` on the same thread (may be NULL), which
 * processes what was found and may take more slices; then the step `found`, on the loop.  c is in
 * the command's arena and starts zeroed. */
enum imap_next imap_criteria_start(struct imap_cmd *cmd, struct imap_criteria *c, bool parsed,
    imap_job_f *then, const struct imap_step *found);
/* The replies: for a refused command, and for one that is complete. */
enum imap_next imap_criteria_refuse(
    struct imap_cmd *cmd, const struct imap_criteria *c, const char *code, const char *text);
enum imap_next imap_criteria_no_room(struct imap_cmd *cmd, const struct imap_criteria *c);
enum imap_next imap_criteria_unreadable(struct imap_cmd *cmd, const struct imap_criteria *c);
enum imap_next imap_criteria_ok(struct imap_cmd *cmd, const struct imap_criteria *c,
    const struct imap_found *found, const char *text);
/* Finds out which messages are told one by one: call it when the rest of *found is known, before
 * the functions below. */
void imap_criteria_told(struct imap_criteria *c, struct imap_found *found);
/* tell() fills in the ESEARCH response with what the options say, print() appends what they print.
 * Returns false if there is nothing to send, not even that nothing was found. */
bool imap_criteria_tell(
    const struct imap_criteria *c, const struct imap_found *found, struct wire_esearch *e);
void imap_criteria_print(
    const struct imap_criteria *c, const struct imap_found *found, struct buf *out);
/* Returns the MODSEQ that ends a SEARCH or SORT response (RFC 7162 section 3.1.5); 0: none. */
uint64_t imap_criteria_modseq(const struct imap_criteria *c, const struct imap_found *found);
#endif
