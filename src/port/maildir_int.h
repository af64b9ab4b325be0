/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PORT_MAILDIR_INT_H
#define PORT_MAILDIR_INT_H
/*
 * Reading Maildir, internals: maildir.c finds folders and goes from one to the next,
 * maildir_lists.c reads what lists say about a folder's files, maildir_message.c reads a file.
 */
#include <sys/stat.h>

#include "port/port.h"

#define MAILDIR_LIST_MAX ((size_t)1 << 30)

struct meta {                      /* what a list says about a file */
	struct str base, keywords; /* keywords: escaped, with commas */
	uint32_t uid;
	int64_t date, saved;
	int zone;
	bool ours;
};

struct message_ids { /* what turnstone.ids says of a message */
	uint32_t uid;
	unsigned char ids[MAILSTREAM_IDS_BYTES];
};

struct file {
	char *name;
	const struct meta *meta;
	bool new;
};

struct maildir {
	struct port_source source;
	struct port *port;
	int root;
	const char *path;
	struct port_place *folder;
	size_t folder_count, folder_at;

	struct mailstream_mailbox box;
	struct buf ours, uidlist, keywords, real_name, said;
	struct buf ids_list; /* its text */
	struct str letter[26];
	uint32_t letters_told; /* bits: unknown letters that were reported */
	struct meta *meta;
	size_t meta_count;
	struct message_ids *ids;
	size_t ids_count;
	struct file *file;
	size_t file_count, file_at;
	int dir[2]; /* cur, new */

	int fd; /* the file being read; -1: none */
	struct stat st;
	char last;
	uint64_t size;
	bool begun, ended;
	bool ids_told; /* of that file */
};

/* ---- maildir.c ---- */

/* Returns PATH/below/part, as in maildir_broken(); valid until the next call. */
const char *maildir_dir(struct maildir *m, const char *below, const char *part);
/* Reports why PATH/below/part/name is left out; below ("."  or "": PATH itself) and part may be
 * empty. */
void maildir_broken(
    struct maildir *m, const char *below, const char *part, const char *name, const char *why);

/* ---- maildir_lists.c ---- */

/* Reads the lists in the folder open as fd; reports what is not understood. */
void maildir_lists_read(struct maildir *m, int fd);
/* Gets a list in a folder that is open as fd and lies below PATH.  Returns false if there is none,
 * or if it cannot be read, which is reported. */
bool maildir_list_get(
    struct maildir *m, int fd, const char *below, const char *name, size_t max, struct buf *out);
/* Returns a file's name without its flags. */
struct str maildir_base(struct str name);
/* Reads the list of properties of that name in a folder open as fd: puts them into out, or skips
 * them unless take; below: the folder's path below PATH, "."  or "" for PATH. */
void maildir_properties_read(
    struct maildir *m, int fd, const char *below, const char *name, bool take, struct buf *out);
/* Returns what the lists say about a file; NULL: nothing. */
const struct meta *maildir_meta(const struct maildir *m, struct str base);

/* The ids of that message; NULL: not known, or not wanted. */
const unsigned char *maildir_ids(const struct maildir *m, const struct meta *meta);

/* ---- maildir_message.c ---- */

/* Opens the next file; reports and skips those that cannot be read. */
void maildir_file_open(struct maildir *m);
/* Puts the next piece of the open file, or its end. */
void maildir_file_read(struct maildir *m, struct buf *out);
#endif
