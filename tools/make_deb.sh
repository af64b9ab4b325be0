#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: make_deb.sh FOLDER   builds the package turnstone_*.deb, and its contents, in FOLDER
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=$(realpath -m -- "$1")
work=$out/work root=$out/work/debian/turnstone
rm -rf "$out/root" "$work"
mkdir -p "$root/DEBIAN" "$work/debian"
build=$out/build
[ -f "$build/build.ninja" ] ||
  CC=gcc CXX=g++ meson setup "$build" "$top" --prefix=/usr --sysconfdir=/etc -Dbuildtype=release -Ddebug=true \
    -Dtests=false >"$out/meson.log" 2>&1 || { cat "$out/meson.log" >&2; exit 1; }
SOURCE_DATE_EPOCH=$(git -C "$top" log -1 --format=%ct) ninja -C "$build" turnstone src/cli/turnstone.1 \
  src/cli/turnstone.conf.5 >"$out/ninja.log" 2>&1 || { tail -n 40 "$out/ninja.log" >&2; exit 1; }
DESTDIR=$root meson install -C "$build" --no-rebuild --quiet
strip --strip-unneeded --remove-section=.comment "$root/usr/bin/turnstone"
rm "$root/usr/share/doc/turnstone/LICENSE"
printf 'Copyright: the authors of Turnstone\nLicense: Apache-2.0\n\nOn Debian systems its text is in /usr/share/common-licenses/Apache-2.0.\n' \
  >"$root/usr/share/doc/turnstone/copyright"
gzip -9n "$root"/usr/share/man/man?/*
chmod -R u=rwX,go=rX "$root"

version=$(meson introspect --projectinfo "$build" | python3 -c 'import json,sys; print(json.load(sys.stdin)["version"])')
printf 'turnstone (%s) unstable; urgency=medium\n\n  * See the history of the source.\n\n -- Turnstone authors <turnstone@localhost>  %s\n' \
  "$version" "$(date -R -d "@$(git -C "$top" log -1 --format=%ct)")" | gzip -9n >"$root/usr/share/doc/turnstone/changelog.gz"
printf 'Source: turnstone\n\nPackage: turnstone\nArchitecture: any\n' >"$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O -edebian/turnstone/usr/bin/turnstone 2>/dev/null | sed -n 's/^shlibs:Depends=//p')
[ -n "$depends" ] || { echo "make_deb: dpkg-shlibdeps found no dependencies" >&2; exit 1; }
cat >"$root/DEBIAN/control" <<TEXT
Package: turnstone
Version: $version
Architecture: $(dpkg --print-architecture)
Maintainer: Turnstone authors <turnstone@localhost>
Section: mail
Priority: optional
Installed-Size: $(du -ks --exclude=DEBIAN "$root" | cut -f1)
Depends: $depends, systemd | systemd-standalone-sysusers, openssl
Suggests: libsasl2-modules, libsasl2-modules-gssapi-mit
Provides: imap-server
Description: IMAP server that can change its user without reconnecting
 Turnstone is an IMAP server built around RFC 8437 (UNAUTHENTICATE): one
 connection serves many users, one after the other.
TEXT
echo /etc/turnstone/turnstone.conf >"$root/DEBIAN/conffiles"
cat >"$root/DEBIAN/postinst" <<'TEXT'
#!/bin/sh
set -e
if [ "$1" = configure ]; then
	systemd-sysusers turnstone.conf
	install -d -m 0700 -o turnstone -g turnstone /var/lib/turnstone
	# Never in a chroot, and never on the first installation: the administrator enables it.
	if [ -d /run/systemd/system ]; then
		systemctl daemon-reload || true
		[ -z "$2" ] || systemctl try-restart turnstone.service || true
	fi
fi
TEXT
cat >"$root/DEBIAN/prerm" <<'TEXT'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
	systemctl disable --now turnstone-imap.socket turnstone-imaps.socket turnstone-lmtp.socket turnstone.service || true
fi
TEXT
cat >"$root/DEBIAN/postrm" <<'TEXT'
#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
fi
if [ "$1" = purge ] && [ -d /var/lib/turnstone ]; then
	echo "turnstone: the mail in /var/lib/turnstone and the user turnstone stay; remove them by hand" >&2
fi
TEXT
chmod 755 "$root"/DEBIAN/{postinst,prerm,postrm}
(cd "$root" && find . -path ./DEBIAN -prune -o -type f -printf '%P\n' | LC_ALL=C sort | xargs md5sum >DEBIAN/md5sums)
dpkg-deb --root-owner-group --build "$root" "$out" >/dev/null
rm -rf "$work"
echo "$out/turnstone_${version}_$(dpkg --print-architecture).deb"
