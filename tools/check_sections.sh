#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: tools/check_sections.sh BUILD
# The IMAP engine keeps no state outside its lifetimes: the objects of a
# release build have nothing in .data, .bss, .tdata and .tbss.  (Constant
# tables with pointers are in .data.rel.ro, which is read-only when it runs.)
set -eu
build=${1:?usage: tools/check_sections.sh BUILD}
found=$(find "$build/src/imap" -name '*.o' | wc -l)
[ "$found" -gt 0 ] || { echo "no objects of src/imap in $build" >&2; exit 1; }
find "$build/src/imap" -name '*.o' | sort | xargs size -A | awk '
	/ :$/ || /:$/ { file = $1 }
	$1 ~ /^\.(data|bss|tdata|tbss)(\.|$)/ && $1 !~ /^\.data\.rel\.ro/ && $2 > 0 {
		print file ": " $2 " bytes in " $1
		bad = 1
	}
	END { exit bad }'
echo "$found objects of src/imap keep no state of their own"
