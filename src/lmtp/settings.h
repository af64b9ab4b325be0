/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LMTP_SETTINGS_H
#define LMTP_SETTINGS_H
/* The options of delivery. */
#include "conf/conf.h"

enum lmtp_missing { LMTP_MISSING_INBOX, LMTP_MISSING_CREATE };
enum lmtp_over_quota { LMTP_OVER_QUOTA_452, LMTP_OVER_QUOTA_552 };
enum lmtp_stray { LMTP_STRAY_REFUSE, LMTP_STRAY_KEEP };

struct lmtp_settings {
	struct str hostname, separator;
	struct conf_list domains;
	int missing_mailbox; /* enum lmtp_missing */
	int over_quota;      /* enum lmtp_over_quota */
	int stray_newlines;  /* enum lmtp_stray */

	uint64_t line, message; /* bytes */
	int64_t recipients, errors, connections, address_connections, address_v6_bits;

	/* milliseconds */
	uint64_t command_time, data_time, message_time, store_time, handshake_time, output_time;
};

extern const struct conf_table lmtp_conf;
#endif
