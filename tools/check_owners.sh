#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Who owns a file, and who may use it, is changed by a descriptor: a path may lead elsewhere by then.
cd "$(dirname "$0")/.." || exit 1
if grep -rnE --include='*.[ch]' '(^|[^a-z_])(l?chown|chmod|fchmodat) *\(' src | grep -vF 'chmod(1)'; then
	echo 'use fchown(), fchmod(), or fchownat() with AT_EMPTY_PATH' >&2
	exit 1
fi
