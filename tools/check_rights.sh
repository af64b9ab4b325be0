#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Commands find mailboxes through imap/place/rights.h and cmd_open_mailbox(), which check the login's
# rights; none uses the store directly.  Only imap/place/place.c, which resolves names, uses the account of a
# login: all others use the place's account, which may be somebody else's.
cd "$(dirname "$0")/.." || exit 1
bad=0
finders='store_account_(lookup|list|list_from|has_children|load|find) *\(|store_mailbox_(find|load) *\(|store_watch_new *\('
if grep -nE "$finders" $(find src/imap -name '*.c' ! -path 'src/imap/place/*.c' ! -path src/imap/common/open.c ! -path src/imap/common/seen.c \
	! -path src/imap/box/box.c ! -path src/imap/common/try.c); then
	echo 'use imap/place/rights.h: what a login may is asked there' >&2
	bad=1
fi
# A name that a client gave may be in an account that must be loaded first: cmd_reach(), which
# cmd_open_mailbox() calls for names that come with their spelling.
for f in $(grep -lE 'imap_mailbox_meant *\(' $(find src/imap -name '*.c' ! -path 'src/imap/place/*')); do
	if ! grep -q 'cmd_reach *(' "$f"; then
		echo "$f: call cmd_reach() before imap_mailbox_meant()" >&2
		bad=1
	fi
done
if grep -nE 'login(\([^()]*(\([^()]*\))?[^()]*\))?->account' $(find src -name '*.[ch]' |
	grep -vxE 'src/imap/(place/place|conn/turn)\.c'); then
	echo 'use imap/place/place.h: the account is that of the place, not that of the login' >&2
	bad=1
fi
exit $bad
