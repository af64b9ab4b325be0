#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Responses are printed by wire/out.h, so that what is tested there is what is sent.  No other place
# writes the beginning or the end of one.
cd "$(dirname "$0")/.." || exit 1
if grep -nE 'buf_(put|puts|printf)\([^"]*"(\* |.*\\r\\n")' src/imap/*.c src/imap/cmd/*.c src/imap/ext/*.c; then
	echo 'use wire/out.h: responses are printed there' >&2
	exit 1
fi
