#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Owner and mode of a file are changed through a descriptor, since a path may lead elsewhere by then.
cd "$(dirname "$0")/.." || exit 1
if grep -rnE --include='*.[ch]' '(^|[^a-z_])(l?chown|chmod|fchmodat) *\(' src | grep -vF 'chmod(1)'; then
	echo 'use fchown(), fchmod(), or fchownat() with AT_EMPTY_PATH' >&2
	exit 1
fi
