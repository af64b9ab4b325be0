#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: tools/check_sections.sh BUILD [FOLDER]
# The IMAP engine keeps no state outside its lifetimes: the objects of a
# release build have nothing in .data, .bss, .tdata and .tbss.  (Constant
# tables with pointers are in .data.rel.ro, which is read-only at run time.)
set -eu
build=${1:?usage: tools/check_sections.sh BUILD [FOLDER]}
folder=${2:-src/imap}
found=$(find "$build/$folder" -name '*.o' | wc -l)
[ "$found" -gt 0 ] || { echo "no objects of $folder in $build" >&2; exit 1; }
find "$build/$folder" -name '*.o' | sort | xargs size -A | awk '
	/ :$/ || /:$/ { file = $1 }
	$1 ~ /^\.(data|bss|tdata|tbss)(\.|$)/ && $1 !~ /^\.data\.rel\.ro/ && $2 > 0 {
		print file ": " $2 " bytes in " $1
		bad = 1
	}
	END { exit bad }'
echo "$found objects of $folder keep no state of their own"
