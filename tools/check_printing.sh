#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# wire prints all responses, so that what is tested there is what is sent.  The engine itself fills no
# buffer that is sent: such a buffer is called out, other or code, or is imap_out(), and only
# wire_out_…() and the extensions' printers get it.  Nor does the engine write the beginning or the
# end of a response into any other buffer.
#
# Texts for people are translated where they are printed, only in respond.c (src/texts/texts.h).
# tools/texts.py ensures that they are collected for translators.
cd "$(dirname "$0")/.." || exit 1
# A folder may be given instead, to test this script.
files=$(find "${1:-src/imap}" -name '*.[ch]' ! -name 'transcript*')
write='buf_(put|puts|putc|str|u64|vstr|printf|vprintf|be16|be32|be64|varint)'
sent='(imap_out\(|&?([a-zA-Z_]+(->|\.))*(out|other|code)[,)])'
# shellcheck disable=SC2086
if grep -nE "$write\($sent|base64_encode\(.*, $sent" $files ||
	grep -nE "$write\([^\"]*\"(\* |.*\\\\r\\\\n\")" $files; then
	echo 'use what wire prints with (src/wire/out.h says where it is): that is tested' >&2
	exit 1
fi
text='wire_out_(cond|ok_end|continue|text)\('
# shellcheck disable=SC2086
if grep -nE "$text|cmd->(text|said)\b" $files |
	grep -v '^[^:]*/respond\.c:'; then
	echo 'say it with cmd_…(), imap_say…() or imap_bye(): those translate it' >&2
	exit 1
fi
