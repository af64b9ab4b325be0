/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CMD_DEMO_MAIL_H
#define CLI_CMD_DEMO_MAIL_H
/* The messages of a demo site: generated, always the same for a given number and user. */
#include <stdint.h>

#include "base/buf.h"

struct demo_folder {
	const char *name;
	unsigned use;   /* enum store_use */
	unsigned count; /* messages */
};
extern const struct demo_folder demo_folders[];
extern const size_t demo_folder_count;

struct demo_mail {
	struct buf bytes;
	int64_t date;
	int16_t zone;
	uint64_t flags;      /* bits of enum store_flag */
	const char *keyword; /* or NULL */
};

/* Makes the n-th message of a folder.  mail_r->bytes is overwritten. */
void demo_mail_make(const char *user, const struct demo_folder *folder, unsigned n, int64_t now,
    struct demo_mail *mail_r);
/* The only message of a user made for load tests. */
void demo_mail_welcome(const char *user, int64_t now, struct demo_mail *mail_r);
#endif
