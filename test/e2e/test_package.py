# SPDX-License-Identifier: Apache-2.0
"""The Debian package: its contents, and (TURNSTONE_LONG) a chroot in which it is installed and runs."""
import os
import shutil
import subprocess
import tempfile

import pytest

from server import TOP, TURNSTONE

LONG = pytest.mark.skipif(not os.environ.get("TURNSTONE_LONG") or os.geteuid() != 0,
                          reason="builds a package, and a system from the network, as root: ./dev test --long")

# Everything inside the chroot.  The server is root first, then turnstone; there is no systemd.
INSIDE = """\
set -e
mount -t proc proc /proc
trap 'umount /proc' EXIT
apt-get install -y -qq --no-install-recommends /tmp/turnstone.deb
id turnstone
turnstone version
turnstone config check
printf 'sea\\n' | turnstone user add anna --password-stdin
[ "$(find /var/lib/turnstone ! -user turnstone)" = '' ]
turnstone serve --set imap.port=0 --set imaps.port=0 --set imap.address=127.0.0.1 --set imaps.address=127.0.0.1 \
  --ready-file /run/turnstone/ports &
pid=$!
for i in $(seq 600); do [ -s /run/turnstone/ports ] && break; sleep 0.1; done
. /run/turnstone/ports
turnstone status
(printf 'a LOGIN anna sea\\r\\nb LOGOUT\\r\\n'; sleep 2) | openssl s_client -quiet -connect 127.0.0.1:$IMAPS_PORT 2>/dev/null
kill $pid
wait $pid
apt-get purge -y -qq turnstone
ls -d /var/lib/turnstone/store
"""


@pytest.fixture(scope="module")
def package():
    done = subprocess.run([os.path.join(TOP, "dev"), "deb"], capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split()[-1]


def test_install(tmp_path):
    build = os.path.dirname(TURNSTONE)
    subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet"], check=True, timeout=120,
                   env=dict(os.environ, DESTDIR=str(tmp_path)), stdout=subprocess.DEVNULL)
    found = {os.path.relpath(os.path.join(top, name), tmp_path) for top, _, names in os.walk(tmp_path) for name in names}
    for name in ("bin/turnstone", "share/man/man1/turnstone.1", "share/man/man5/turnstone.conf.5"):
        assert sum(path.endswith("/" + name) for path in found) == 1, found
    program = next(path for path in found if path.endswith("bin/turnstone"))
    done = subprocess.run([tmp_path / program, "version"], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.startswith("turnstone ")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_units(tmp_path):
    units = []
    for name in ("turnstone.service", "turnstone-imap.socket", "turnstone-imaps.socket", "turnstone-lmtp.socket"):
        with open(os.path.join(TOP, "dist", name), encoding="utf-8") as f:
            text = f.read()
        units.append(str(tmp_path / name))
        with open(units[-1], "w", encoding="utf-8") as f:
            f.write(text.replace("/usr/bin/turnstone", TURNSTONE))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, timeout=60,
                          check=False)
    said = [line for line in (done.stdout + done.stderr).splitlines() if "turnstone" in line]
    assert done.returncode == 0 and said == [], done.stdout + done.stderr


@LONG
def test_contents(package):
    names = subprocess.run(["dpkg-deb", "-c", package], capture_output=True, text=True, check=True).stdout
    for name in ("usr/bin/turnstone", "etc/turnstone/turnstone.conf", "usr/lib/systemd/system/turnstone.service",
                 "usr/lib/systemd/system/turnstone-imap.socket", "usr/lib/systemd/system/turnstone-lmtp.socket", "usr/lib/sysusers.d/turnstone.conf",
                 "usr/share/doc/turnstone/admin.md", "usr/share/man/man1/turnstone.1.gz",
                 "usr/share/man/man5/turnstone.conf.5.gz"):
        assert f" ./{name}\n" in names
    info = subprocess.run(["dpkg-deb", "-I", package], capture_output=True, text=True, check=True).stdout
    assert "librocksdb" in info and "libseccomp2" in info


@LONG
def test_chroot(package):
    folder = tempfile.mkdtemp(prefix="turnstone-chroot-")
    try:
        os.chmod(folder, 0o755)  # it becomes / for the user turnstone, too
        done = subprocess.run(["debootstrap", "--variant=minbase", "bookworm", folder], capture_output=True,
                              text=True, timeout=1200, check=False)
        assert done.returncode == 0, done.stdout[-2000:]
        shutil.copy(package, os.path.join(folder, "tmp", "turnstone.deb"))
        os.makedirs(os.path.join(folder, "run", "turnstone"))
        os.chmod(os.path.join(folder, "run", "turnstone"), 0o777)
        done = subprocess.run(["chroot", folder, "/bin/sh", "-c", INSIDE], capture_output=True, text=True,
                              timeout=1200, check=False, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C",
                                                              "DEBIAN_FRONTEND": "noninteractive"})
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert "a OK" in done.stdout
        assert "sandbox_seccomp: yes" in done.stdout
        assert "stay; remove them by hand" in done.stderr + done.stdout
    finally:
        subprocess.run(["umount", os.path.join(folder, "proc")], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)
