#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Commands find mailboxes by imap/rights.h and cmd_open_mailbox(), which ask what the login may; none
# looks into the store by itself.
cd "$(dirname "$0")/.." || exit 1
if grep -nE 'store_account_(lookup|list|list_from|has_children) *\(|store_mailbox_(find|load) *\(|store_watch_new *\(' \
	src/imap/cmd/*.c src/imap/ext/*.c; then
	echo 'use imap/rights.h: what a login may is asked there' >&2
	exit 1
fi
