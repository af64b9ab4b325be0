/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of object ids beside a Maildir's mail: maildir_save.c says how they look. */
#include "port/port.h"

#include "base/ascii.h"
#include "store/store.h"

#define HEAD "turnstone-ids 1 "

void
port_ids_head(struct str mailbox_id, struct buf *list)
{
	buf_puts(list, HEAD);
	buf_str(list, mailbox_id);
	buf_putc(list, '\n');
}

void
port_ids_put(uint32_t uid, const unsigned char ids[MAILSTREAM_IDS_BYTES], struct buf *list)
{
	buf_printf(list, "%u ", uid);
	buf_hex(list, ids, MAILSTREAM_IDS_BYTES);
	buf_putc(list, '\n');
}

bool
port_ids_take_head(struct str line, struct str *mailbox_id_r)
{
	if (!str_has_prefix(line, STR(HEAD)))
		return false;
	*mailbox_id_r = str_range(line.p + sizeof(HEAD) - 1, line.p + line.n);
	return store_object_id_ok(STORE_ID_MAILBOX, *mailbox_id_r);
}

bool
port_ids_take(struct str line, uint32_t *uid_r, unsigned char ids_r[MAILSTREAM_IDS_BYTES])
{
	struct str word;
	uint64_t uid;

	if (!str_split(&line, ' ', &word) || !str_u64(word, UINT32_MAX, &uid) || uid == 0 ||
	    line.n != (size_t)2 * MAILSTREAM_IDS_BYTES)
		return false;
	for (size_t i = 0; i < MAILSTREAM_IDS_BYTES; i++) {
		int high = ascii_hex(line.p[2 * i]), low = ascii_hex(line.p[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		ids_r[i] = (unsigned char)(high << 4 | low);
	}
	*uid_r = (uint32_t)uid;
	return true;
}
