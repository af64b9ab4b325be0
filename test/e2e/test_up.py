# SPDX-License-Identifier: Apache-2.0
"""`./dev up` and `./dev down`: the demo site as newcomers and scripts see it."""
import os
import re
import signal
import subprocess

import pytest

from demo import SHUT_IN, Demo
from lmtp import Lmtp
from server import TOP, ended


@pytest.fixture(scope="module")
def demo():
    d = Demo("--users", "5")
    os.mkdir(d.site)
    with open(os.path.join(d.site, "passwords.env"), "w", encoding="ascii") as f:
        # Digits first, as a generated one may have: the printed lines must not treat them as part of \0.
        f.write("GATEWAY_PASSWORD=70123456789abcdef\n")
    d.up()
    yield d
    d.remove()


def messages(demo, user):
    c = demo.login(user)
    status = c.ok("STATUS INBOX (MESSAGES)")[0]
    c.close()
    return int(re.search(rb"MESSAGES (\d+)", status).group(1))


def test_demo_env_is_for_scripts(demo):
    for name in ("HOST", "IMAP_PORT", "IMAPS_PORT", "CA_FILE", "PID", "ALICE_PASSWORD", "BOB_PASSWORD",
                 "GATEWAY_PASSWORD", "USER_PASSWORD", "CLIENT_CA", "GATEWAY_CERT", "GATEWAY_KEY", "IMAPS_CERT_PORT",
                 "TURNSTONE_CONFIG"):
        assert re.fullmatch(r"[A-Za-z0-9_./:-]+", demo.env[name]), (name, demo.env.get(name))
    assert os.readlink(f"/proc/{demo.pid}/exe").endswith("/turnstone")
    assert os.stat(os.path.join(demo.site, "demo.env")).st_mode & 0o077 == 0


def test_standard_streams_are_detached(demo):
    for fd in (0, 1, 2):
        target = os.readlink(f"/proc/{demo.pid}/fd/{fd}")
        assert target == "/dev/null" or target.startswith(demo.site), target


def test_there_is_mail(demo):
    assert messages(demo, "alice") > 0
    assert messages(demo, "bob") > 0
    assert messages(demo, "user0001") == 1
    assert messages(demo, "user0005") == 1


def test_the_printed_lines_work(demo):
    lines = [line.strip() for line in demo.output.splitlines()]
    pasted = [line for line in lines if line.startswith(("curl ", "(printf ", "bash -c ", "TURNSTONE_CONFIG="))]
    assert len(pasted) == 6, demo.output
    before = messages(demo, "alice")
    for line in pasted:
        done = subprocess.run(line, shell=True, executable="/bin/bash", stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60)
        assert done.returncode == 0, (line, done.stderr)
        if line.startswith("(printf"):
            assert "a3 OK" in done.stdout and "b1 OK" in done.stdout and "b2 OK" in done.stdout, done.stdout
        if line.startswith("bash"):
            assert "250 2.0.0 Delivered" in done.stdout, done.stdout
    assert messages(demo, "alice") == before + 2  # one appended, one delivered


def test_lmtp_in_demo_env(demo):
    for where in (int(demo.env["LMTP_PORT"]), demo.env["LMTP_SOCKET"]):
        before = messages(demo, "bob")
        with Lmtp(where) as client:
            assert client.deliver(b"Subject: x\r\n\r\nx", "bob")["bob"].startswith("250")
        assert messages(demo, "bob") == before + 1


def test_a_second_up_says_that_it_runs(demo):
    pid = demo.pid
    demo.up()
    assert demo.pid == pid


def test_starttls_and_the_ca_file(demo):
    done = subprocess.run(["openssl", "s_client", "-quiet", "-verify_return_error", "-CAfile", demo.ca, "-starttls",
                           "imap", "-verify_hostname", "localhost", "-connect", f"127.0.0.1:{demo.port('IMAP')}"],
                          input="a LOGOUT\r\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=60)
    assert "a OK" in done.stdout, done.stdout


def by_certificate(demo):
    """One user after another, as the gateway; returns the server's lines."""
    said = "".join(f"{t} {c}\r\n" for t, c in (("a", "AUTHENTICATE EXTERNAL YWxpY2U="), ("b", "UNAUTHENTICATE"),
                                              ("c", "AUTHENTICATE EXTERNAL Ym9i"), ("d", "LOGOUT")))
    done = subprocess.run(["openssl", "s_client", "-quiet", "-verify_return_error", "-CAfile", demo.env["CA_FILE"],
                           "-cert", demo.env["GATEWAY_CERT"], "-key", demo.env["GATEWAY_KEY"], "-connect",
                           f"127.0.0.1:{demo.env['IMAPS_CERT_PORT']}"],
                          input=said, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    return done.stdout


def test_the_gateway_and_its_certificate(demo):
    got = by_certificate(demo)
    for tag in "abcd":
        assert f"\n{tag} OK" in got, got
    done = subprocess.run(["openssl", "verify", "-purpose", "sslclient", "-CAfile", demo.env["CLIENT_CA"],
                           demo.env["GATEWAY_CERT"]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stdout
    assert os.stat(demo.env["GATEWAY_KEY"]).st_mode & 0o077 == 0
    # Without one it is an ordinary imaps port.
    c = demo.client(tls=True, listener="IMAPS_CERT")
    assert "AUTH=EXTERNAL" not in c.capabilities()
    c.ok(f"LOGIN alice {demo.password('alice')}")
    c.close()


def test_an_older_site_gets_its_certificates(demo):
    """Mail and passwords stay; the configuration gets what it lacked."""
    before = messages(demo, "alice")
    password = demo.password("alice")
    demo.down()
    conf = os.path.join(demo.site, "turnstone.conf")
    with open(conf, encoding="utf-8") as f:
        text = f.read()
    begin, end = text.index("# Clients with a certificate"), text.index("user = gateway\n}\n") + 17
    with open(conf, "w", encoding="utf-8") as f:
        f.write(text[:begin] + text[end:] + "log.level = debug\n")
    for name in ("ca-key.pem", "gateway-cert.pem", "gateway-key.pem"):
        os.unlink(os.path.join(demo.site, name))
    demo.up()
    assert demo.password("alice") == password and messages(demo, "alice") == before
    assert "\nc OK" in by_certificate(demo)
    with open(conf, encoding="utf-8") as f:
        now = f.read()
    assert now.count("listener imaps_cert") == 1 and "log.level = debug" in now
    ca = os.stat(demo.env["CA_FILE"]).st_mtime_ns
    demo.down()
    demo.up()  # and nothing more after that
    assert os.stat(demo.env["CA_FILE"]).st_mtime_ns == ca
    with open(conf, encoding="utf-8") as f:
        assert f.read() == now


def test_killed_and_started_again_with_mail_and_passwords(demo):
    passwords = {u: demo.password(u) for u in ("alice", "bob", "gateway")}
    c = demo.login("alice")
    c.append("INBOX", "Subject: before the kill\r\n\r\nx\r\n")
    count = messages(demo, "alice")
    demo.kill()
    demo.up()
    assert {u: demo.password(u) for u in passwords} == passwords
    assert messages(demo, "alice") == count


def test_down_waits_and_is_content_when_there_is_nothing(demo):
    pid = demo.pid
    assert "stopped" in demo.down()
    assert ended(pid)
    demo.down()
    demo.up()
    demo.kill()
    demo.down()
    demo.up()


def test_sigint_in_the_foreground_ends_cleanly():
    d = Demo()
    process = subprocess.Popen([os.path.join(TOP, "dev"), "up", "--dir", d.site],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL,
                               start_new_session=True,
                               # Ignored if the tests are a background job, and a shell cannot trap an ignored
                               # signal.
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        for line in process.stdout:
            if "Ctrl-C" in line:
                break
        else:
            pytest.fail("it never came up")
        d.read_env()
        server = d.pid
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == 0
        assert ended(server)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        d.remove()


def test_unknown_options_are_refused():
    done = subprocess.run([os.path.join(TOP, "dev"), "up", "--port", "1"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode != 0 and "--port" in done.stdout and "--imap-port" in done.stdout


def test_two_at_once():
    """One of them starts the server, the other finds it; both succeed."""
    d = Demo()
    try:
        both = [subprocess.Popen([os.path.join(TOP, "dev"), "up", "--dir", d.site, "--background", *SHUT_IN],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                for _ in range(2)]
        said = [p.communicate(timeout=600)[0] for p in both]
        assert [p.returncode for p in both] == [0, 0], said
        d.read_env()
        assert sum("already" in text for text in said) == 1 and all(f"PID {d.pid}" in text for text in said)
        d.login("alice").close()
    finally:
        d.remove()


@pytest.mark.parametrize("port", ["65536", "x"])
def test_no_such_port(port, tmp_path):
    done = subprocess.run([os.path.join(TOP, "dev"), "up", "--dir", str(tmp_path / "site"), "--imap-port", port],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and port in done.stderr and not (tmp_path / "site").exists()
