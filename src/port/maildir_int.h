/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PORT_MAILDIR_INT_H
#define PORT_MAILDIR_INT_H
/*
 * Reading Maildir, from inside: maildir.c finds folders and goes from one to the
 * next, maildir_lists.c reads what lists say of a folder's files,
 * maildir_message.c reads one file.
 */
#include <sys/stat.h>

#include "port/port.h"

#define MAILDIR_LIST_MAX ((size_t)1 << 30)

struct meta {                      /* what a list says of a file */
	struct str base, keywords; /* keywords: escaped, with commas */
	uint32_t uid;
	int64_t date, saved;
	int zone;
	bool ours;
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
	struct str letter[26];
	uint32_t letters_told; /* bits: it was said that the letter means nothing */
	struct meta *meta;
	size_t meta_count;
	struct file *file;
	size_t file_count, file_at;
	int dir[2]; /* cur, new */

	int fd; /* the file being read; -1: none */
	struct stat st;
	char last;
	uint64_t size;
	bool begun, ended;
};

/* ---- maildir.c ---- */

/* PATH/below/part, as maildir_broken() has it; it holds until the next call. */
const char *maildir_dir(struct maildir *m, const char *below, const char *part);
/* PATH/below/part/name is left out, and why; below ("." or "": PATH itself) and part may be empty.
 */
void maildir_broken(
    struct maildir *m, const char *below, const char *part, const char *name, const char *why);

/* ---- maildir_lists.c ---- */

/* Reads the lists in the folder that is open as fd; what is not understood is said. */
void maildir_lists_read(struct maildir *m, int fd);
/* A list in a folder that is open as fd and lies below PATH; false: there is none, or it cannot be
 * read, which is said. */
bool maildir_list_get(
    struct maildir *m, int fd, const char *below, const char *name, size_t max, struct buf *out);
/* A file's name without its flags. */
struct str maildir_base(struct str name);
/* Reads the list of properties of that name in a folder that is open as fd: they are put into out,
 * or passed by; below: the folder's path below PATH, "." or "" for PATH. */
void maildir_properties_read(
    struct maildir *m, int fd, const char *below, const char *name, bool take, struct buf *out);
/* What the lists say of a file; NULL: nothing. */
const struct meta *maildir_meta(const struct maildir *m, struct str base);

/* ---- maildir_message.c ---- */

/* Opens the file that comes next; one that cannot be read is told of and passed by. */
void maildir_file_open(struct maildir *m);
/* The next piece of the open file, or its end. */
void maildir_file_read(struct maildir *m, struct buf *out);
#endif
