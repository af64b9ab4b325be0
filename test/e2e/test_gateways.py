# SPDX-License-Identifier: Apache-2.0
"""Clients that act for many users: JavaMail's pool, Python's imaplib, Perl's Mail::IMAPClient."""
import glob
import imaplib
import os
import re
import subprocess

import pytest

from server import TOP, Site, give, wait_for

PASSWORDS = {"alice": "wonderland-7", "bob": "builder-8", "carol": "christmas-5", "gateway": "heaven-9"}
USERS = ["alice", "bob", "carol"]
JAR = "/usr/share/java/javax.mail.jar"


@pytest.fixture(name="site")
def _site():
    s = Site("log.protocol_for = [alice, bob, carol, gateway]\n")
    for name, password in PASSWORDS.items():
        s.add(name, password, *(["--acts-for", "*"] if name == "gateway" else []))
    s.start()
    for name in USERS:
        with s.login(name) as client:
            client.append("INBOX", f"Subject: for {name}\r\n\r\nText\r\n")
    yield s
    s.remove()


def protocol(site, user, last):
    """The lines of that user's protocol log, without times, once `last` is there."""
    return [line.split(" ", 1)[1] for line in site.protocol(user, lambda text: last in text).splitlines()]


def java(*args, options=()):
    if not os.path.exists(JAR) or not glob.glob("/usr/lib/jvm/*/bin/javac"):
        pytest.skip("libmail-java and a JDK are not installed")
    done = subprocess.run(["java", "-XX:TieredStopAtLevel=1", *options, "-cp", f"{JAR}:/usr/share/java/javax.activation.jar",
                           os.path.join(TOP, "test/e2e/java/Pool.java"), *args],
                          capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_javamail_pool(site):
    """Three rounds over three users on the pool's connections; each switch is in the protocol logs."""
    connections = int(site.status()["connections_total"])
    got = java(str(site.port("IMAP")), "gateway", PASSWORDS["gateway"], "3", *USERS)
    assert got == ["pool true"] + [f"{u} 1 for {u}" for u in USERS] * 3
    # The store's connection, and the pool's.
    assert 1 <= int(site.status()["connections_total"]) - connections <= 2
    switches = proxies = 0
    for user in USERS:
        lines = protocol(site, user, "end: UNAUTHENTICATE")
        assert any(re.search(r" - login as " + user + r"@?\S*, authenticated as gateway", line) for line in lines)
        others = [u for u in USERS if u != user]
        assert not any(f"for {o}" in line for line in lines for o in others), lines
        switches += sum(re.search(r" C \S+ UNAUTHENTICATE$", line) is not None for line in lines)
        proxies += sum(re.search(r" C \S+ PROXYAUTH \[not shown\]$", line) is not None for line in lines)
    assert switches == 8 or switches == 9, switches  # each time but the last, when the pool may log out
    # The first login names alice already (an authorization identity), so PROXYAUTH changes nothing then.
    assert proxies == 8
    assert any(line.endswith("PROXYAUTH alice") for line in protocol(site, "alice", "PROXYAUTH alice"))


def test_javamail_compresses(site):
    """One user, whom the gateway acts for: nothing changes on its connections, and they compress."""
    got = java(str(site.port("IMAP")), "gateway", PASSWORDS["gateway"], "3", "alice", options=["-Dcompress=true"])
    assert got == ["pool true"] + ["alice 1 for alice"] * 3
    lines = protocol(site, "alice", "LOGOUT")
    assert any(re.search(r" C \S+ COMPRESS DEFLATE$", line) for line in lines), lines


def test_javamail_pool_goes_on_compressing(site):
    """The pool goes on compressing after UNAUTHENTICATE, where its compression should have ended (RFC 8437
    section 4.1): what it sends then is no command, ends in BYE, and shows nobody's mail."""
    got = java(str(site.port("IMAP")), "gateway", PASSWORDS["gateway"], "2", *USERS, options=["-Dcompress=true"])
    assert got == ["pool true"] + [f"{u} 1 for {u}" for u in USERS] * 2  # each time on a new connection
    for user in USERS:
        lines = protocol(site, user, "end: UNAUTHENTICATE")
        assert any(re.search(r" C \S+ COMPRESS DEFLATE$", line) for line in lines), lines
        assert not any(f"for {other}" in line for line in lines for other in USERS if other != user), lines
    # Five switches, of which each ended in BYE; none was a login.
    bye = 'msg="BYE What you sent cannot be decompressed"'
    wait_for(lambda: site.log().count(bye) == 5, 60, site.log)
    assert "switch=1" not in site.log()


def test_imaplib(site):
    c = imaplib.IMAP4("127.0.0.1", site.port("IMAP"))
    c.login("gateway", PASSWORDS["gateway"])
    for user in USERS + ["alice", "gateway", "carol"]:
        assert c.proxyauth(user)[0] == "OK"
        if user == "gateway":
            continue
        assert c.select("INBOX")[1] == [b"1"]
        assert f"for {user}".encode() in c.fetch("1", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1][0][1]
        with pytest.raises(imaplib.IMAP4.error):  # imaplib itself checks the state
            c.proxyauth("bob")
        assert c.unselect()[0] == "OK"
    assert c.proxyauth("nobody")[0] == "NO"
    assert c.status("INBOX", "(MESSAGES)")[0] == "OK"
    c.logout()
    c = imaplib.IMAP4("127.0.0.1", site.port("IMAP"))
    c.login("alice", PASSWORDS["alice"])
    with pytest.raises(imaplib.IMAP4.error, match="Unknown command"):
        c.proxyauth("bob")
    c.logout()


PERL = """
use strict; use warnings; use Mail::IMAPClient;
my ($port, $password, @users) = @ARGV;
my $c = Mail::IMAPClient->new(Server => '127.0.0.1', Port => $port, User => 'gateway', Password => $password,
    Timeout => 60) or die "login: $@";
for my $user (@users) {
    $c->proxyauth($user) or die "proxyauth $user: " . $c->LastError;
    $c->select('INBOX') or die "select: " . $c->LastError;
    print "$user ", $c->message_count, " ", $c->subject(1), "\\n";
    $c->close or die "close: " . $c->LastError;
}
print $c->proxyauth('nobody') ? "taken\\n" : "refused\\n";
$c->logout;
"""


def test_mail_imapclient(site):
    if subprocess.run(["perl", "-MMail::IMAPClient", "-e", "1"], capture_output=True, check=False).returncode != 0:
        pytest.skip("libmail-imapclient-perl is not installed")
    done = subprocess.run(["perl", "-e", PERL, str(site.port("IMAP")), PASSWORDS["gateway"], *USERS, "alice"],
                          capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{u} 1 for {u}" for u in USERS + ["alice"]] + ["refused"]


# ---- names that include the gateway

CARRIED = """\
auth.gateway_separator = "/"
auth.databases = [store, more]
database more {{ type = passwd; file = {users}; plain = yes }}
grant voice {{ who = gateway; for = alice; mailboxes = [INBOX]; rights = lr }}
grant nobody {{ who = "a/b"; for = "c/d" }}
"""


def test_names_that_carry_the_gateway():
    s = Site()
    try:
        users = os.path.join(s.dir, "users")
        with open(users, "w", encoding="ascii") as f:
            f.write("erin:{PLAIN}" + PASSWORDS["bob"] + "\nfran/x:{PLAIN}" + PASSWORDS["bob"] + "\n")
        give(users)
        for separator, what in (("ab", "must be one ASCII character"), (".", "must not be a letter"), ("é", "ASCII"),
                                (" ", "not a space")):
            s.write(f'auth.gateway_separator = "{separator}"\n')
            said = s.cli("config", "check", ok=False)
            assert "auth.gateway_separator" in said.stdout + said.stderr and what in said.stdout + said.stderr, said
        s.write(CARRIED.format(users=users))
        said = s.cli("config", "check")
        for line in ("users: line 2: auth.gateway_separator is in the name: this user cannot log in",
                     "who: auth.gateway_separator is in the name, so this user cannot log in",
                     "for: auth.gateway_separator is in the name, so this user cannot log in"):
            assert line in said.stdout + said.stderr, said
        for name in ("alice", "gateway"):
            s.add(name, PASSWORDS[name])
        refused = s.cli("user", "add", "alice/x", "--password-stdin", stdin="x\n", ok=False)
        assert "must not contain auth.gateway_separator" in refused.stderr, refused
        s.start()
        refused = s.cli("user", "add", "alice/x", "--password-stdin", stdin="x\n", ok=False)
        assert "must not contain auth.gateway_separator" in refused.stderr, refused

        with s.login("alice/gateway", PASSWORDS["gateway"]) as c:
            c.ok("EXAMINE INBOX")
            c.no("CREATE Other")
        s.login("erin", PASSWORDS["bob"]).close()
        for name, password in (("alice/gateway", PASSWORDS["alice"]), ("fran/x", PASSWORDS["bob"]),
                               ("alice/alice", PASSWORDS["alice"] + "x"), ("erin/gateway", PASSWORDS["gateway"])):
            with s.client() as c:
                c.no(f"LOGIN {name} {password}", "FAILED")
        # Off: the name is an ordinary name again.
        s.write(CARRIED.format(users=users).split("\n", 1)[1])
        s.cli("reload")
        s.login("fran/x", PASSWORDS["bob"]).close()
        with s.client() as c:
            c.no(f"LOGIN alice/gateway {PASSWORDS['gateway']}", "FAILED")
        # Users of the store who got their names meanwhile.
        names = [f"u{i:02}/x" for i in range(12)]
        for name in names:
            s.add(name, "pw")
        assert "cannot log in" not in s.cli("reload").stdout
        s.write(CARRIED.format(users=users))
        told = f"auth.gateway_separator: users who cannot log in, because it is in their names: {', '.join(names[:10])} and 2 more"
        assert "warning: " in (said := s.cli("reload").stdout) and told in said, said
        for name in names[1:]:
            s.cli("user", "delete", name)
        s.stop()
        at = len(s.log())
        s.start()
        told = f"auth.gateway_separator: users who cannot log in, because it is in their names: {names[0]}"
        assert told in s.log()[at:] and "level=warning" in s.log()[at:], s.log()[at:]
    finally:
        s.remove()
