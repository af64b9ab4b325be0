# SPDX-License-Identifier: Apache-2.0
"""User databases over real sockets: their order, passwd-files, PAM, LDAP, and the helper that asks for them."""
import os
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest

from directory import SERVICE, SLAPD, SUFFIX, Directory
from imap import plain
from server import ended, give, wait_for

MATRIX = "/usr/lib/x86_64-linux-gnu/pam_wrapper/pam_matrix.so"
need_slapd = pytest.mark.skipif(not os.path.exists(SLAPD), reason="slapd is not installed")

COMMON = """
timeouts.failed_login = 0
limits.failed_logins = 1000
"""


def write(path, text, mode=0o644):
    """Replaces it in one step, as an administrator's tools should."""
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path + ".new", mode)
    give(path + ".new")
    os.rename(path + ".new", path)


def configure(server, text):
    server.write(COMMON + text)
    give(server.conf)


def answer(server, user, password):
    """'OK', or the response code of the NO."""
    client = server.client()
    last = client.run(f'LOGIN "{user}" "{password}"')[-1].decode()
    client.close()
    if " OK " in last:
        return "OK"
    return re.search(r" NO \[(\w+)\]", last).group(1)


def hang(server):
    """A login that ends with the server."""
    try:
        answer(server, "slow", "secret")
    except (OSError, EOFError, AttributeError):
        pass


FAILED, UNAVAILABLE = "AUTHENTICATIONFAILED", "UNAVAILABLE"


def hash_of(server, password, *options):
    return server.cli("passwd", "--password-stdin", *options, stdin=password + "\n", config=False).stdout.strip()


# ---- order, passwd-files


def test_the_first_that_knows_a_name_decides(server):
    write(server.dir + "/staff", "anna:{PLAIN}of the file\nbo:{PLAIN}of the file\n")
    order = "auth.databases = [{}]\ndatabase staff {{ type = passwd; file = staff; plain = yes }}\n"
    configure(server, order.format("store, staff"))
    server.start()
    server.add("anna", "of the store")
    assert answer(server, "anna", "of the store") == "OK"
    assert answer(server, "anna", "of the file") == FAILED
    assert answer(server, "bo", "of the file") == "OK"
    assert answer(server, "nobody", "of the file") == FAILED
    for user, database in (("anna", "store"), ("bo", "staff")):
        assert f"database: {database}\n" in server.cli("user", "show", user).stdout
    assert "there is no user" in server.cli("user", "show", "nobody", ok=False).stderr
    # A user disabled in the store cannot log in through the file.
    server.cli("user", "disable", "anna")
    assert answer(server, "anna", "of the file") == FAILED
    server.cli("user", "enable", "anna")
    configure(server, order.format("staff, store"))
    server.cli("reload")
    assert answer(server, "anna", "of the store") == FAILED
    assert answer(server, "anna", "of the file") == "OK"
    configure(server, order.format("store"))
    server.cli("reload")
    assert answer(server, "anna", "of the file") == FAILED
    assert answer(server, "bo", "of the file") == FAILED
    assert server.stop() == 0


@pytest.mark.parametrize("running", [False, True], ids=["stopped", "running"])
def test_mail_of_another_databases_user_is_not_purged(server, running):
    write(server.dir + "/staff", "bo:{PLAIN}of the file\n")
    configure(server, "auth.databases = [store, staff]\ndatabase staff { type = passwd; file = staff; plain = yes }\n")
    server.start()
    assert answer(server, "bo", "of the file") == "OK"
    if not running:
        assert server.stop() == 0
    done = server.cli("user", "delete", "bo", "--purge", ok=False)
    assert done.returncode == 1 and "another database knows this user" in done.stderr, done
    assert "INBOX" in server.cli("mailbox", "list", "--user", "bo").stdout
    configure(server, "auth.databases = [store]\n")
    if running:
        server.cli("reload")
    assert "the mail is removed" in server.cli("user", "delete", "bo", "--purge").stdout


def test_a_weak_hash_is_renewed_at_a_login(server):
    def kind():
        return re.search(r"verifier: (.*)", server.cli("user", "show", "anna").stdout).group(1)

    configure(server, "auth.password_scheme = sha512; auth.password_cost = 1000\n")
    server.start()
    server.add("anna", "blue sea")
    assert kind() == "SHA-512-crypt"
    assert answer(server, "anna", "blue sea") == "OK"
    session = server.client()
    session.ok('LOGIN anna "blue sea"')
    for scheme, cost, want in (("argon2id", 8, "argon2id"), ("yescrypt", 1, "argon2id"), ("argon2id", 12, "argon2id")):
        configure(server, f"auth.password_scheme = {scheme}; auth.password_cost = {cost}\n")
        server.cli("reload")
        before = server.log().count("was rehashed")
        assert answer(server, "anna", "wrong") == FAILED
        assert answer(server, "anna", "blue sea") == "OK"
        if scheme == "argon2id":
            wait_for(lambda n=before: server.log().count("was rehashed") == n + 1)
        assert kind() == want
        assert answer(server, "anna", "blue sea") == "OK"
        session.ok("NOOP")
    assert server.stop() == 0
    # It is on disk.
    server.start()
    assert kind() == "argon2id"
    assert answer(server, "anna", "blue sea") == "OK"
    assert server.stop() == 0


def test_a_passwd_file_changes(server):
    staff = server.dir + "/staff"
    lines = {"anna": hash_of(server, "one"), "bo": "{CRYPT}" + hash_of(server, "two") + ":1000:1000:Bo:/home/bo:/bin/sh",
             "cara": hash_of(server, "three", "--scram"), "locked": "!" + hash_of(server, "four"), "none": ""}

    def put(extra=""):
        before = server.log().count("was read again") if server.process else 0
        write(staff, "# people\n\n" + "".join(f"{k}:{v}\n" for k, v in lines.items()) + extra)
        return before

    put()
    configure(server, "auth.databases = [store, staff]\ndatabase staff { type = passwd; file = staff }\n")
    server.start()
    for user, password in (("anna", "one"), ("ANNA", "one"), ("bo", "two"), ("cara", "three")):
        assert answer(server, user, password) == "OK"
        assert answer(server, user, "wrong") == FAILED
    assert answer(server, "locked", "four") == FAILED
    assert answer(server, "none", "") == FAILED
    # Sessions of remaining users go on, those of removed users end; remembered passwords are dropped.
    stays, goes = server.client(), server.client()
    stays.ok("LOGIN bo two")
    goes.ok("LOGIN cara three")
    lines["anna"] = hash_of(server, "new")
    del lines["cara"]
    before = put("broken\nbo:{MD4}x\nplain:{PLAIN}secret\nbo:{CRYPT}$5$again\n")
    wait_for(lambda: server.log().count("was read again") > before)
    assert answer(server, "anna", "one") == FAILED
    assert answer(server, "anna", "new") == "OK"
    assert answer(server, "cara", "three") == FAILED
    assert answer(server, "plain", "secret") == FAILED
    assert answer(server, "bo", "two") == "OK"
    assert goes.read_response().startswith(b"* BYE")
    stays.ok("NOOP")
    wait_for(lambda: "line 9" in server.log())
    log = server.log()
    assert "line 7: no colon after the name" in log
    assert "line 8: an unknown scheme" in log
    assert "line 9: {PLAIN} is accepted only if" in log
    # An unreadable file changes nothing, neither by itself nor at a reload.
    os.unlink(staff)
    wait_for(lambda: "what was read earlier stays in force" in server.log())
    assert answer(server, "anna", "new") == "OK"
    assert "cannot read" in server.cli("reload", ok=False).stderr
    assert answer(server, "anna", "new") == "OK"
    write(staff, "\0\1\2 no such file\n")
    wait_for(lambda: "no line defines a user" in server.log())
    assert answer(server, "bo", "two") == "OK"
    lines["cara"] = hash_of(server, "three")
    before = put()
    wait_for(lambda: server.log().count("was read again") > before)
    assert answer(server, "cara", "three") == "OK"
    assert server.stop() == 0


@pytest.mark.skipif(shutil.which("gsasl") is None, reason="gsasl is not installed")
def test_scram_with_keys_of_a_passwd_file(server):
    keys = hash_of(server, "three", "--scram")
    iterations, rest = keys[len("SCRAM-SHA-256$"):].split(":", 1)
    salt, secrets = rest.split("$")
    write(server.dir + "/staff", f"anna:{keys}\nbo:{{SCRAM-SHA-256}}{iterations},{salt},{secrets.replace(':', ',')}:x\n")
    configure(server, "auth.databases = [staff]\ndatabase staff { type = passwd; file = staff }\n")
    server.start()
    for user in ("anna", "bo"):
        for password, good in (("three", True), ("four", False)):
            done = subprocess.run(
                ["gsasl", "--imap", "--no-starttls", "-m", "SCRAM-SHA-256", "-a", user, "-p", password,
                 "--connect", f"127.0.0.1:{server.port('IMAP')}"],
                input="", capture_output=True, text=True, timeout=60, check=False)
            assert (done.returncode == 0) == good, (user, password, done)
    assert server.stop() == 0


def test_faults_of_the_configuration(server):
    write(server.dir + "/staff", "")
    for text, want in (
            ("auth.databases = [store, staff]", "auth.databases: staff: there is no block `database staff { ... }`"),
            ("auth.databases = [store, store]", "auth.databases: store: is listed twice"),
            ("auth.password_cost = 100000", "auth.password_cost: the cost of yescrypt is 1 to 9"),
            ("auth.password_scheme = bcrypt\nauth.password_cost = 30", "auth.password_cost: the cost of bcrypt is 4 to 16"),
            ("database staff { type = passwd }", "type: type = passwd needs the option file"),
            ("database staff { type = passwd; file = staff; uri = \"ldap://x\" }", "uri: is not for type = passwd"),
            ("database staff { file = staff }", "type: must be given"),
            ("database staff { type = paswd; file = staff }", "did you mean passwd?"),
            ("database store { type = passwd; file = staff }", "the name store means the store's own users"),
            ("database sys { type = pam; service = \"a/b\" }", "service: is a name, not a path"),
            ("database sys { type = pam; username = \"%x\" }", "username: % must be followed by u, n, d or %"),
            ("database dir { type = ldap }", "type = ldap needs the option uri"),
            ("database dir { type = ldap; uri = \"http://x\" }", "uri: http://x: must begin with ldap://"),
            ("database dir { type = ldap; uri = \"ldap://x\"; bind_dn = \"cn=x\" }", "bind_dn: bind_dn and"),
            ("database dir { type = ldap; uri = \"ldap://x\"; dn = \"uid=%n\"; base = b }", "dn: cannot be combined with base"),
            ("database dir { type = ldap; uri = \"ldap://x\"; tls = off }", "tls: must be"),
    ):
        configure(server, text)
        said = server.cli("config", "check", ok=False).stderr
        assert want in said and re.search(r"t\.conf:\d+: ", said), (text, said)
    configure(server, "auth.databases = [store, staff]\ndatabase staff { type = passwd; file = staff }\n")
    server.cli("config", "check")


# ---- PAM


def pam(server, services, databases, more=""):
    """services: name to lines; a `{dir}` in them is the server's folder."""
    folder = server.dir + "/pam.d"
    os.makedirs(folder, exist_ok=True)
    for name, text in services.items():
        write(f"{folder}/{name}", text.format(dir=server.dir))
    configure(server, f"""
auth.databases = [{databases}]
database sys {{ type = pam; service = mail; confdir = pam.d; users = any; {more} }}
""")


SCRIPT = """\
#!/bin/sh
read -r password
echo "$PAM_USER $PAM_RHOST $PAM_SERVICE" >>{dir}/asked
case $PAM_USER in
slow) sleep 60 ;;
esac
[ "$password" = secret ]
"""
EXEC = "auth required pam_exec.so expose_authtok quiet {dir}/check\naccount required pam_permit.so\n"


def asked(server):
    try:
        with open(server.dir + "/asked", encoding="ascii") as f:
            return f.read().splitlines()
    except FileNotFoundError:
        return []


@pytest.mark.skipif(not os.path.exists(MATRIX), reason="libpam-wrapper is not installed")
def test_pam_with_a_module_that_knows_passwords(server):
    write(server.dir + "/passdb", "anna:secret:mail\nbo:other:mail\ncara:secret:ssh\n")
    pam(server, {"mail": f"auth required {MATRIX} passdb={{dir}}/passdb\naccount required {MATRIX} passdb={{dir}}/passdb\n"},
        "store, sys")
    server.start()
    server.add("dora", "of the store")
    assert answer(server, "anna", "secret") == "OK"
    assert answer(server, "anna", "other") == FAILED
    assert answer(server, "anna", "") == FAILED
    assert answer(server, "bo", "other") == "OK"
    assert answer(server, "cara", "secret") == FAILED  # for another service
    assert answer(server, "nobody", "secret") == FAILED
    assert answer(server, "dora", "of the store") == "OK"
    # Without a default domain only names without a domain are looked up.
    assert answer(server, "anna@elsewhere.example", "secret") == FAILED
    # Nothing is remembered: a change takes effect at once.
    write(server.dir + "/passdb", "anna:new:mail\n")
    assert answer(server, "anna", "secret") == FAILED
    assert answer(server, "anna", "new") == "OK"
    assert server.stop() == 0


def test_pam_accounts_that_are_closed(server):
    write(server.dir + "/check", SCRIPT.format(dir=server.dir), 0o755)
    pam(server, {"mail": EXEC.replace("pam_permit", "pam_deny")}, "store, sys")
    server.start()
    assert answer(server, "anna", "secret") == FAILED
    wait_for(lambda: "pam_acct_mgmt" in server.log())
    assert answer(server, "anna", "wrong") == FAILED
    assert server.stop() == 0


def test_pam_that_is_slow_holds_up_nobody_else(server):
    write(server.dir + "/check", SCRIPT.format(dir=server.dir), 0o755)
    pam(server, {"mail": EXEC}, "store, sys", "timeout = 5s")
    server.start()
    server.add("dora", "of the store")
    idle = server.client()
    idle.ok('LOGIN dora "of the store"')
    slow, results = [], []
    for _ in range(8):
        slow.append(threading.Thread(target=lambda: results.append(answer(server, "slow", "secret"))))
        slow[-1].start()
    wait_for(lambda: len(asked(server)) == 8)
    begun = time.monotonic()
    for n in range(20):
        idle.ok("NOOP")
        # One that needs a password hash, and one that PAM decides.
        server.add(f"d{n}", "secret") if n == 0 else None
        assert answer(server, "d0", "wrong" if n % 2 else "secret") == (FAILED if n % 2 else "OK")
    assert answer(server, "anna", "secret") == "OK"
    assert int(server.status()["auth_checks_running"]) == 8
    assert not results, "it did not take less time than the slow ones"
    for thread in slow:
        thread.join()
    assert time.monotonic() - begun < 30
    assert results == [UNAVAILABLE] * 8
    # What they started has ended.
    wait_for(lambda: server.status()["auth_helper_killed"] == "8")
    wait_for(lambda: subprocess.run(["pgrep", "-f", server.dir + "/check"], stdout=subprocess.DEVNULL,
                                    check=False).returncode == 1)
    # The server ends without waiting for them.
    last = threading.Thread(target=hang, args=[server])
    last.start()
    wait_for(lambda: len([a for a in asked(server) if a.startswith("slow")]) == 9)
    begun = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - begun < 4.5
    last.join()


def test_pam_is_told_the_address_and_remembered_if_wanted(server):
    write(server.dir + "/check", SCRIPT.format(dir=server.dir), 0o755)
    pam(server, {"mail": EXEC}, "sys", "cache = 1h")
    server.start()
    assert answer(server, "anna", "secret") == "OK"
    assert asked(server) == ["anna 127.0.0.1 mail"]
    assert answer(server, "anna", "secret") == "OK"
    assert asked(server) == ["anna 127.0.0.1 mail"]
    # Refusals are not remembered, and successes only for the same request.
    assert answer(server, "anna", "wrong") == FAILED
    assert answer(server, "bo", "secret") == "OK"
    assert len(asked(server)) == 3
    # Another configuration may decide otherwise.
    server.cli("reload")
    assert answer(server, "anna", "secret") == "OK"
    assert len(asked(server)) == 4
    assert server.stop() == 0


def test_only_users_of_the_system(server):
    write(server.dir + "/check", SCRIPT.format(dir=server.dir), 0o755)
    pam(server, {"mail": EXEC}, "sys")
    with open(server.conf, encoding="utf-8") as f:
        text = f.read().replace("users = any;", "")
    write(server.conf, text)
    server.start()
    assert answer(server, "no-such-user-here", "secret") == FAILED
    assert asked(server) == []
    assert answer(server, "daemon", "secret") == "OK"
    assert answer(server, "daemon", "wrong") == FAILED
    assert server.stop() == 0


# ---- the helper


def test_the_helper_is_started_anew_and_ends_with_the_server(server):
    write(server.dir + "/check", SCRIPT.format(dir=server.dir), 0o755)
    pam(server, {"mail": EXEC}, "store, sys")
    server.start()
    server.add("dora", "of the store")
    old = server.status()
    assert old["auth_helper"] == "yes"
    network = int(old["auth_helper_network_pid"])
    os.kill(network, signal.SIGKILL)
    wait_for(lambda: server.status()["auth_helper_network_pid"] not in (str(network), "0"))
    assert server.status()["auth_helper_restarts"] == "1"
    wait_for(lambda: "killed by signal 9: it is restarted" in server.log())
    assert answer(server, "anna", "secret") == "OK"
    # Without the supervisor no query is possible; the store's users can log in.
    supervisor = int(old["auth_helper_pid"])
    os.kill(supervisor, signal.SIGKILL)
    wait_for(lambda: server.status()["auth_helper"] == "gone")
    assert answer(server, "anna", "secret") == UNAVAILABLE
    assert answer(server, "dora", "of the store") == "OK"
    assert server.stop() == 0


def test_the_server_is_killed_and_nothing_is_left(server):
    write(server.dir + "/check", SCRIPT.format(dir=server.dir), 0o755)
    pam(server, {"mail": EXEC}, "store, sys")
    server.start()
    state = server.status()
    pids = [int(state["auth_helper_pid"]), int(state["auth_helper_network_pid"])]
    slow = threading.Thread(target=hang, args=[server])
    slow.start()
    wait_for(lambda: asked(server))
    server.stop(signal.SIGKILL)
    slow.join()
    wait_for(lambda: all(ended(pid) for pid in pids))
    wait_for(lambda: subprocess.run(["pgrep", "-f", server.dir + "/check"], stdout=subprocess.DEVNULL,
                                    check=False).returncode == 1)


def test_a_first_database_outside_needs_a_restart(server):
    server.start()
    server.add("dora", "of the store")
    pam(server, {"mail": "auth required pam_permit.so\n"}, "store, sys")
    said = server.cli("reload", ok=False).stderr
    assert "needs a restart" in said and "nothing was changed" in said
    assert answer(server, "dora", "of the store") == "OK"
    assert "auth_helper" not in server.status()
    assert server.stop() == 0


# ---- LDAP


@pytest.fixture(name="directory")
def fixture_directory(server):
    directory = Directory(server.dir)
    directory.person("anna", "blue sea", mail="anna@site.example")
    directory.person("bo", "green sea", mail="bo.berg@site.example")
    yield directory
    directory.stop()


def ldap(server, directory, more="", databases="store, dir", uri=None):
    give(directory.dir + "/ca")
    give(directory.dir + "/secret")
    configure(server, f"""
auth.databases = [{databases}]
database dir {{
    type = ldap
    uri = [{uri or directory.uri}]
    ca_file = "{directory.authority.ca}"
    bind_dn = "{SERVICE}"
    bind_password_file = "{directory.dir}/secret"
    base = "{SUFFIX}"
    {more}
}}
listener lmtp {{ protocol = lmtp; address = 127.0.0.1; port = 0; tls = none }}
""")


@need_slapd
def test_ldap_by_binding(server, directory):
    assert "uid: anna" in directory.search("(uid=anna)")
    ldap(server, directory)
    os.chmod(server.dir, 0o755)
    server.start()
    server.add("dora", "of the store")
    assert answer(server, "anna", "blue sea") == "OK"
    assert answer(server, "Anna", "blue sea") == "OK"
    assert answer(server, "anna", "green sea") == FAILED
    assert answer(server, "bo", "green sea") == "OK"
    assert answer(server, "nobody", "blue sea") == FAILED
    assert answer(server, "dora", "of the store") == "OK"
    # An empty password would bind as nobody.
    assert answer(server, "anna", "") == FAILED
    # Names are not filters.
    for name in ("*", "a*", "anna)(uid=*", "anna)(|(uid=bo"):
        assert answer(server, name, "blue sea") == FAILED, name
    assert answer(server, "anna@elsewhere.example", "blue sea") == FAILED
    # Nothing is remembered.
    directory.modify(f"uid=anna,{SUFFIX}", "userPassword", "new sea")
    assert answer(server, "anna", "blue sea") == FAILED
    assert answer(server, "anna", "new sea") == "OK"
    directory.delete("anna")
    assert answer(server, "anna", "new sea") == FAILED
    # Connections are reused.
    for _ in range(20):
        assert answer(server, "bo", "green sea") == "OK"
    assert len(set(re.findall(r"conn=(\d+) fd=\d+ ACCEPT", directory.log()))) < 20
    assert "STARTTLS" in directory.log()
    assert server.stop() == 0


@need_slapd
@pytest.mark.parametrize("tls", ["starttls", "ldaps", "none"])
def test_ldap_and_tls(server, directory, tls):
    uri = directory.tls_uri if tls == "ldaps" else directory.uri
    ldap(server, directory, "tls = none" if tls == "none" else "", uri=uri)
    server.start()
    assert answer(server, "anna", "blue sea") == "OK"
    bound = re.findall(r"BIND dn=\"uid=anna[^\n]*ssf=(\d+)", directory.log())
    assert bound and all((int(ssf) > 0) == (tls != "none") for ssf in bound), directory.log()
    assert server.stop() == 0
    # Another CA, another name: no byte of a password is sent.
    if tls == "none":
        return
    other = directory.authority.__class__(directory.dir + "/other").ca
    before = directory.log().count("BIND")
    for more, where in ((f'ca_file = "{other}"', uri), ("", uri.replace("127.0.0.1", "127.0.0.2"))):
        ldap(server, directory, uri=where)
        with open(server.conf, encoding="utf-8") as f:
            text = f.read()
        if more:
            give(directory.dir + "/other")
            text = re.sub(r"ca_file = [^\n]*", more, text)
        write(server.conf, text)
        server.start()
        assert answer(server, "anna", "blue sea") == UNAVAILABLE
        assert server.stop() == 0
    assert directory.log().count("BIND") == before


@need_slapd
def test_ldap_by_searching(server, directory):
    directory.person("yes", "{CRYPT}" + hash_of(server, "crypt"))
    directory.person("keys", hash_of(server, "scram", "--scram"))
    directory.person("odd", "{SSHA}c29tZXRoaW5nIGVsc2U=")
    ldap(server, directory, "mode = search")
    server.start()
    assert answer(server, "yes", "crypt") == "OK"
    assert answer(server, "yes", "scram") == FAILED
    assert answer(server, "keys", "scram") == "OK"
    assert answer(server, "odd", "something else") == FAILED
    wait_for(lambda: "of 1 passwords of uid=odd," in server.log() and "an unknown scheme" in server.log())
    # If one of several cannot be verified, that is reported, too; the other one works.
    directory.person("both", ["{SSHA}c29tZXRoaW5nIGVsc2U=", "{CRYPT}" + hash_of(server, "second")])
    assert answer(server, "both", "second") == "OK"
    wait_for(lambda: "of 2 passwords of uid=both," in server.log())
    if shutil.which("gsasl"):
        for user, good in (("keys", True), ("yes", False), ("nobody", False)):
            done = subprocess.run(
                ["gsasl", "--imap", "--no-starttls", "-m", "SCRAM-SHA-256", "-a", user, "-p", "scram",
                 "--connect", f"127.0.0.1:{server.port('IMAP')}"],
                input="", capture_output=True, text=True, timeout=60, check=False)
            assert (done.returncode == 0) == good, (user, done)
    assert server.stop() == 0


@need_slapd
def test_ldap_with_a_dn_and_users_that_are_disabled(server, directory):
    directory.person("gone", "red sea", employeeType="left")
    ldap(server, directory)
    with open(server.conf, encoding="utf-8") as f:
        text = f.read().replace(f'base = "{SUFFIX}"', f'dn = "uid=%n,{SUFFIX}"; filter = "(objectClass=*)"; '
                                'disabled_filter = "(employeeType=left)"')
    write(server.conf, text)
    server.start()
    assert answer(server, "anna", "blue sea") == "OK"
    assert answer(server, "nobody", "blue sea") == FAILED
    assert answer(server, "gone", "red sea") == FAILED
    wait_for(lambda: "is disabled" in server.log())
    # Characters with no special meaning in a DN.
    assert answer(server, "anna,dc=x", "blue sea") == FAILED
    with server.lmtp() as lmtp:
        lmtp.ok("MAIL FROM:<>")
        lmtp.ok("RCPT TO:<anna>")
        assert lmtp.cmd("RCPT TO:<gone>").startswith("550 5.2.1")
        assert lmtp.cmd("RCPT TO:<nobody>").startswith("550 5.1.1")
    assert server.stop() == 0


@need_slapd
def test_ldap_says_what_a_user_is_called(server, directory):
    directory.person("thief", "my own", mail="admin")
    ldap(server, directory, 'filter = "(|(uid=%n)(mail=%u))"; name_attribute = mail; domains = ["", site.example]')
    server.start()
    server.add("admin", "of the store", "--admin")
    client = server.client()
    client.ok('LOGIN bo "green sea"')
    client.ok("CREATE of-bo")
    client.close()
    client = server.client()
    client.ok('LOGIN bo.berg@site.example "green sea"')
    assert b"of-bo" in b"".join(client.ok('LIST "" of-*'))
    client.close()
    wait_for(lambda: server.log().count("msg=logout") == 2)
    assert "user=bo.berg@site.example" in server.log() and "user=bo " not in server.log()
    # Whoever may write an attribute cannot become a user of an earlier database.
    assert answer(server, "thief", "my own") == UNAVAILABLE
    wait_for(lambda: "maps thief to admin, a user of database store: refused" in server.log())
    with server.lmtp() as lmtp:
        lmtp.ok("MAIL FROM:<>")
        lmtp.ok("RCPT TO:<bo>")
        lmtp.ok("RCPT TO:<bo.berg@site.example>")
        lmtp.ok("DATA")
        lmtp.send("Subject: twice\r\n\r\nonce\r\n.\r\n")
        assert [lmtp.reply()[:3] for _ in range(2)] == ["250", "250"]
    client = server.client()
    client.ok('LOGIN bo "green sea"')
    assert b"* 1 EXISTS" in client.ok("SELECT INBOX")
    client.close()
    assert server.stop() == 0


@need_slapd
def test_ldap_that_is_gone_and_comes_back(server, directory):
    ldap(server, directory, "timeout = 2s; connect_timeout = 1s")
    server.start()
    server.add("dora", "of the store")
    assert answer(server, "anna", "blue sea") == "OK"
    session = server.client()
    session.ok('LOGIN anna "blue sea"')
    directory.stop()
    # Neither right nor wrong, and no later database answers for the name.
    assert answer(server, "anna", "blue sea") == UNAVAILABLE
    assert answer(server, "anna", "wrong") == UNAVAILABLE
    assert answer(server, "dora", "of the store") == "OK"
    session.ok("NOOP")
    with server.lmtp() as lmtp:
        lmtp.ok("MAIL FROM:<>")
        assert lmtp.cmd("RCPT TO:<anna>").startswith("451")
    # A reload rechecks every login: "unknown" is not "refused".
    server.cli("reload")
    session.ok("NOOP")
    directory.start()
    assert answer(server, "anna", "blue sea") == "OK"
    session.ok("NOOP")
    # It hangs: the reply comes in time, and others do not wait for it.
    directory.pause()
    begun = time.monotonic()
    assert answer(server, "anna", "blue sea") == UNAVAILABLE
    assert time.monotonic() - begun < 10
    directory.go_on()
    assert answer(server, "anna", "blue sea") == "OK"
    session.ok("NOOP")
    # The network process dies: its successor makes the queries.
    os.kill(int(server.status()["auth_helper_network_pid"]), signal.SIGKILL)
    wait_for(lambda: answer(server, "anna", "blue sea") == "OK")
    assert server.stop() == 0


@need_slapd
def test_ldap_has_several_servers(server, directory):
    ldap(server, directory, "timeout = 5s; connect_timeout = 1s",
         uri=f'"ldap://127.0.0.1:1", "ldap://127.0.0.1:2", "{directory.uri}"')
    server.start()
    assert answer(server, "anna", "blue sea") == "OK"
    assert answer(server, "anna", "wrong") == FAILED
    assert server.stop() == 0


@need_slapd
def test_a_gateway_of_the_store_acts_for_users_of_the_directory(server, directory):
    ldap(server, directory)
    server.start()
    server.add("gateway", "pass key", "--acts-for", "a*")
    with server.lmtp() as lmtp:
        lmtp.ok("MAIL FROM:<>")
        lmtp.ok("RCPT TO:<anna>")
        lmtp.ok("DATA")
        lmtp.send("Subject: hello\r\n\r\nanna\r\n.\r\n")
        assert lmtp.reply().startswith("250")
    client = server.client()
    for _ in range(3):
        client.ok(f"AUTHENTICATE PLAIN {plain('anna', 'gateway', 'pass key')}")
        assert b"* 1 EXISTS" in client.ok("SELECT INBOX")
        client.ok("UNAUTHENTICATE")
    client.no(f"AUTHENTICATE PLAIN {plain('bo', 'gateway', 'pass key')}", "AUTHORIZATIONFAILED")
    client.no(f"AUTHENTICATE PLAIN {plain('arno', 'gateway', 'pass key')}", "AUTHORIZATIONFAILED")
    # A user in the directory acts for nobody.
    client.no(f"AUTHENTICATE PLAIN {plain('gateway', 'anna', 'blue sea')}", "AUTHORIZATIONFAILED")
    client.close()
    assert server.stop() == 0


@need_slapd
def test_ldap_is_remembered_if_wanted(server, directory):
    ldap(server, directory, "cache = 1h")
    server.add("gateway", "pass key", "--acts-for", "*")
    server.start()
    assert answer(server, "anna", "blue sea") == "OK"
    client = server.client()
    client.ok(f"AUTHENTICATE PLAIN {plain('anna', 'gateway', 'pass key')}")
    client.ok("UNAUTHENTICATE")
    n = int(server.status()["auth_helper_requests"])
    for _ in range(10):
        assert answer(server, "anna", "blue sea") == "OK"
        client.ok(f"AUTHENTICATE PLAIN {plain('anna', 'gateway', 'pass key')}")
        client.ok("UNAUTHENTICATE")
    client.close()
    assert int(server.status()["auth_helper_requests"]) == n
    directory.modify(f"uid=anna,{SUFFIX}", "userPassword", "new sea")
    # By design, for an hour; the new password works at once, another user's does not.
    assert answer(server, "anna", "blue sea") == "OK"
    assert answer(server, "anna", "new sea") == "OK"
    assert answer(server, "bo", "blue sea") == FAILED
    assert server.stop() == 0
