# SPDX-License-Identifier: Apache-2.0
"""`config check`, `serve` and `reload` make the same checks: what one refuses, the others name."""
import os
import pwd
import re
import shutil
import signal
import socket
import ssl
import stat
import subprocess

import pytest

from ca import self_signed
from imap import Imap
from lmtp import Lmtp
from server import SANDBOX, SANITIZED, TURNSTONE, give

ROOT = os.geteuid() == 0
USER = "nobody"
BASE = "server {{ data = {dir}/data; loops = 1 }}\n"  # line 1: a test's own lines begin with line 2
HASH = "$5$rounds=1000$saltsalt$2wb7ocFcFYZzBKnJWF.2Ys9mXKl0EnsPTL6j2U1XpU0"
QUIET = "listener q {{ address = 127.0.0.1; port = 0 }}\n"


def run(server, *args):
    return server.cli(*args, ok=None)


def write(server, text):
    with open(server.conf, "w", encoding="utf-8") as f:
        f.write((BASE + text + "\n").format(dir=server.dir))


def put(server, name, text, mode=0o644):
    path = os.path.join(server.dir, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def make_pair(folder, name, *options, **more):
    self_signed(f"{folder}/{name}.pem", f"{folder}/{name}.key", "x", *options, **more)


@pytest.fixture(scope="module", name="pairs")
def fixture_pairs(tmp_path_factory):
    """Certificates and keys, made once."""
    folder = str(tmp_path_factory.mktemp("pairs"))
    make_pair(folder, "a")
    make_pair(folder, "b")
    make_pair(folder, "locked", "-passout", "pass:x")
    make_pair(folder, "weak", "-nodes", kind=["rsa:1024"])
    with open(folder + "/a.pem", encoding="ascii") as f:
        lines = f.read().splitlines()
    with open(folder + "/broken.pem", "w", encoding="ascii") as f:
        f.write("\n".join(lines[:2] + lines[3:]) + "\n")
    return folder


@pytest.fixture
def files(server, pairs):
    """The files named in the table below."""
    shutil.copytree(pairs, server.dir, dirs_exist_ok=True)
    put(server, "secret", "blue sea\n")
    put(server, "empty", "")
    put(server, "blank", "\nblue sea\n")
    put(server, "some", f"anna:{HASH}\nno user at all\n")
    put(server, "members", "team:x:1:anna\n")
    put(server, "cut", f"bo:$6$short\ncara:{HASH}\nanna:$y$j9T$abc\ndora:{HASH[:-1]}\n")
    os.mkfifo(server.dir + "/fifo")
    put(server, "text", "nothing\n")
    put(server, "passwd", "anna:{CRYPT}\nno user at all\n")
    put(server, "groups", "team\n")
    put(server, "jwks", "{}\n")
    put(server, "number", "12\n")
    os.symlink(".", server.dir + "/link")
    os.mkdir(server.dir + "/folder")
    os.mkdir(server.dir + "/data", 0o700)
    give(server.dir)
    return server


# What is added to the configuration; the line of the fault, counted from the first added one, and what it says.
REFUSED = [
    # the file by itself
    ("server.workers = many", 1, 'server.workers: must be a number, not "many"'),
    ("server.lops = 1", 1, "server.lops: there is no such option; did you mean server.loops?"),
    # users and groups
    ("server.user = nobdy", 1, "server.user: there is no user nobdy; did you mean nobody?"),
    ("server.user = root", 1, "server.user: root is root; name a user of the server's own"),
    ("listener u {{ path = {dir}/s\n owner = nobdy }}", 2, "listener u: owner: there is no user nobdy; did you mean nobody?"),
    ("listener u {{ path = {dir}/s\n group = nogruop }}", 2, "group: there is no group nogruop; did you mean nogroup?"),
    # listeners
    ("listener a {{ port = 0\n address = localhost }}", 2, "listener a: address: localhost: is not a numeric address"),
    ("listener a {{ port = 0\n address = 192.0.2.1 }}", 2,
     "listener a: address: 192.0.2.1: no interface of this machine has the address"),
    ("listener a {{ port = 0\n address = \"2001:db8::1\" }}", 2, "listener a: address: 2001:db8::1: "),
    ("listener a {{ port = 0\n address = \"::ffff:127.0.0.1\" }}", 2, "is an IPv4 address written as an IPv6 one"),
    ("listener a {{ port = 0\n address = \"fe80::1\" }}", 2, "a link-local address needs its interface"),
    ("listener a {{ port = 0\n address = 224.0.0.1 }}", 2, "address: 224.0.0.1: is a multicast or broadcast address"),
    ("listener a {{ port = 0\n address = 255.255.255.255 }}", 2, "address: 255.255.255.255: is a multicast or broadcast address"),
    ("listener a {{ port = 0\n address = \"ff02::1\" }}", 2, "address: ff02::1: is a multicast or broadcast address"),
    ("listener a {{ path = {dir}/s\n address = nowhere }}", 2, "address: nowhere: is not a numeric address"),
    ("listener a {{ path = /proc/s }}", 1, "listener a: path: the folder /proc: belongs to the kernel and cannot hold files"),
    ("listener a {{ path = \"~/s\" }}", 1, "listener a: path: must be a full path: ~ is not expanded here"),
    ("listener a {{ port = 4143 }}\nlistener b {{\n address = 127.0.0.1\n port = 4143 }}", 4,
     "listener b: port: port 4143 is already taken by {dir}/t.conf:2: listener a: port"),
    ("listener a {{ port = 4143; address = 127.0.0.1 }}\nmetrics {{ port = 4143 }}", 2,
     "metrics.port: port 4143 is already taken by {dir}/t.conf:2: listener a: port"),
    ("listener a {{ path = {dir}/s }}\nlistener b {{ path = {dir}/s }}", 2, "listener b: path: {dir}/s is already taken"),
    ("listener a {{ path = {dir}/data/control.sock }}", 1, "is already taken by the control socket"),
    # one place under two names: what the server makes would replace the other
    ("server.control = ./s\nlistener a {{ path = s }}", 2, "listener a: path: {dir}/s is already taken by the control socket"),
    ("listener a {{ path = l.sock }}\nlistener b {{ path = .//l.sock }}", 2,
     "listener b: path: {dir}/.//l.sock is already taken by {dir}/t.conf:2: listener a: path"),
    ("listener a {{ path = l.sock }}\nlistener b {{ path = link/l.sock }}", 2, "is already taken by {dir}/t.conf:2: listener a"),
    ("listener a {{ path = {dir}/s }}\nserver.pid_file = {dir}/link/s", 2, "server.pid_file: {dir}/link/s is already taken by"),
    ("server.pid_file = {dir}/link/data/./control.sock", 1, "is already taken by the control socket"),
    ("server.pid_file = {dir}/data/tls/key.pem", 1, "is already taken by what the server keeps there"),
    ("server.pid_file = {dir}/data", 1, "is already taken by the data folder"),
    ("server.pid_file = {dir}/link/t.conf", 1, "is already taken by the configuration"),
    ("tls {{ certificate = {dir}/a.pem; key = {dir}/number }}\nserver.pid_file = ./number", 2,
     "server.pid_file: {dir}/./number is already taken by {dir}/t.conf:3: tls.key"),
    ("tls {{ certificate = {dir}/a.pem; key = {dir}/a.key }}\nserver.control = ./a.key", 2,
     "server.control: {dir}/./a.key is already taken by {dir}/t.conf:3: tls.key"),
    ("server.pid_file = {dir}/text", 1, "server.pid_file: {dir}/text already exists and does not contain"),
    ("server.pid_file = {dir}/link", 1, "server.pid_file: {dir}/link already exists and is not a regular file"),
    ("server.pid_file = /dev/null", 1, "server.pid_file: /dev/null already exists and is not a regular file"),
    ("listener a {{ path = {dir}/missing/s }}", 1, "listener a: path: the folder {dir}/missing: No such file or directory"),
    ("listener a {{ path = {dir}/text/s }}", 1, "listener a: path: the folder {dir}/text: is not a folder"),
    ("listener a {{ path = {dir}/text }}", 1, "listener a: path: {dir}/text already exists and is not a socket"),
    ("listener a {{ path = {dir}/s; mode = 0888 }}", 1, "listener a: mode: must be octal digits such as 0600, not 0888"),
    ("listener a {{ protocol = lmtp }}", 1, "a listener with protocol = lmtp needs a port or a path"),
    ("listener a {{ port = 0; tls = none }}", 1, "listener a: tls: tls = none is only for protocol = lmtp"),
    ("listener a {{ port = 0; proxy_protocol = yes; proxy_from = [10.0.0.1,\n 10.0.0.1/8] }}", 2,
     "listener a: proxy_from: 10.0.0.1/8: "),
    ("listener a {{ port = 0; client_certificate = require }}", 1, "client_certificate: tls.client_ca is needed"),
    ("metrics {{ port = 9; address = localhost }}", 1, "metrics.address: localhost is not a numeric address"),
    ("metrics {{ port = 9999; address = 192.0.2.1 }}", 1, "metrics.address: 192.0.2.1: no interface"),
    # certificates
    ("tls.certificate = {dir}/none", 1, "tls.certificate: cannot read {dir}/none: No such file or directory"),
    ("tls.certificate = {dir}/text", 1, "tls.certificate: {dir}/text holds no certificate (PEM)"),
    ("tls {{ certificate = {dir}/a.pem }}", 1, "tls.certificate: {dir}/a.pem holds no private key (PEM); it is looked for"),
    ("tls {{ certificate = {dir}/a.pem\n key = {dir}/text }}", 2, "tls.key: {dir}/text holds no private key (PEM)"),
    ("tls {{ certificate = {dir}/a.pem\n key = {dir}/b.key }}", 2,
     "tls.key: the private key in {dir}/b.key does not belong to the certificate in {dir}/a.pem"),
    ("tls {{ certificate = {dir}/locked.pem\n key = {dir}/locked.key }}", 2, "{dir}/locked.key is encrypted with a passphrase"),
    ("tls.key = {dir}/a.key", 1, "tls.key: needs tls.certificate"),
    ("tls.ciphers = nonsense", 1, "tls.ciphers: TLS ciphers nonsense: "),
    ("tls.client_ca = {dir}/text", 1, "tls.client_ca: {dir}/text holds no certificate (PEM)"),
    ("tls.client_crl = {dir}/text", 1, "tls.client_crl: needs tls.client_ca"),
    ("certificate x {{ names = [\"a b\"]; certificate = {dir}/a.pem; key = {dir}/a.key }}", 1,
     "certificate x: names: a b: is not a host name"),
    ("certificate x {{ names = [x]; certificate = {dir}/a.pem\n key = {dir}/b.key }}", 2, "certificate x: key: the private key"),
    ("certificate_map m {{ user = anna }}", 1, "certificate_map m: subject: a condition is needed"),
    ("certificate_map m {{ user = anna; subject = nonsense }}", 1, "certificate_map m: subject: "),
    # mechanisms
    ("mechanisms = [LOGIN,\n PLIAN]", 2, "mechanisms: PLIAN: there is no such mechanism; did you mean PLAIN?"),
    ("auth.sasl_mechanisms = [PLAIN]", 1, "auth.sasl_mechanisms: PLAIN: is built in;"),
    ("auth.sasl_mechanisms = [CRAM-MD5]\nmechanisms = CRAM-MD5", 1, "CRAM-MD5: needs plaintext passwords"),
    ("auth.sasl_mechanisms = [X-NONE]\nmechanisms = X-NONE", 1, "X-NONE: is not installed"),
    # options that contradict each other
    ("limits.out_high = 16K\nlimits.out_low = 32K", 2, "limits.out_low: limits.out_low must not be above limits.out_high"
     " (limits.out_low = 32K, limits.out_high = 16K)"),
    ("trusted_fronts = [\"10.0.0.1/8\"]", 1, "trusted_fronts: 10.0.0.1/8: "),
    ("log.protocol_for = [\"a b\"]", 1, "log.protocol_for: a b: is not a user name"),
    ("default_domain = \"a b\"", 1, "default_domain: a b is not a domain name"),
    # who may log in
    ("auth.databases = [store, staf]\ndatabase staff {{ type = passwd; file = {dir}/text }}", 1,
     "auth.databases: staf: there is no block `database staf {{ ... }}`; did you mean staff?"),
    ("auth.databases = [store, d]\ndatabase d {{ type = passwd; file = {dir}/none }}", 2, "file: cannot read {dir}/none"),
    ("auth.databases = [store, d]\ndatabase d {{ type = passwd\n file = {dir}/text }}", 3, "database d: file: {dir}/text: no line defines a user"),
    ("auth.databases = [store, d]\ndatabase d {{ type = passwd }}", 2, "type = passwd needs the option file"),
    ("auth.databases = [store, d]\ndatabase d {{ type = oauth; issuer = x; audience = y\n jwks = {dir}/jwks }}", 3,
     "database d: jwks: {dir}/jwks: "),
    ("auth.databases = [store, d]\ndatabase d {{ type = ldap; uri = [\"ldap://x\",\n \"http://y\"]; base = x }}", 3,
     "uri: http://y: must begin with ldap://"),
    ("auth.group_file = {dir}/groups", 1, "auth.group_file: {dir}/groups:1: must be NAME:PASSWORD:NUMBER:MEMBERS"),
    ("grant g {{ who = a; for = b; rights = z }}", 1, "grant g: rights: "),
    # folders
    ("server.control = {dir}/none/s", 1, "server.control: {dir}/none: No such file or directory"),
    ("server.control = {dir}/" + 120 * "x", 1, "server.control: the path of a socket must be shorter than 108 bytes"),
    ("server.control = /proc/c.sock", 1, "server.control: /proc: belongs to the kernel and cannot hold files"),
    ("server.pid_file = /sys/pid", 1, "server.pid_file: /sys: belongs to the kernel and cannot hold files"),
    ("server.pid_file = \"~/pid\"", 1, "server.pid_file: must be a full path: ~"),
    ("tls.client_ca = \"~anna/ca.pem\"", 1, "tls.client_ca: must be a full path: ~"),
    ("server.control = {dir}/folder", 1, "server.control: {dir}/folder already exists and is not a socket"),
    ("server.control = {dir}/text", 1, "server.control: {dir}/text already exists and is not a socket"),
    ("server.pid_file = {dir}/none/pid", 1, "server.pid_file: {dir}/none: No such file or directory"),
    ("server.pid_file = {dir}/folder", 1, "server.pid_file: {dir}/folder is a folder"),
    # a file is none
    ("tls.certificate = {dir}/folder", 1, "tls.certificate: cannot read {dir}/folder: it is a folder, not a file"),
    ("auth.group_file = {dir}/fifo", 1, "auth.group_file: cannot read {dir}/fifo: it is not a regular file"),
    ("auth.databases = [store, p]\ndatabase p {{ type = pam; confdir = {dir}/text }}", 2,
     "confdir: cannot read {dir}/text: it is not a folder"),
    # in the reader's words
    ("tls {{ certificate = {dir}/weak.pem\n key = {dir}/weak.key }}", 1,
     "tls.certificate: the certificate in {dir}/weak.pem cannot be used: its key is too weak"),
    ("tls {{ certificate = {dir}/broken.pem\n key = {dir}/a.key }}", 1,
     "tls.certificate: the certificate in {dir}/broken.pem cannot be used: it is damaged"),
    ("tls.client_ca = {dir}/broken.pem", 1, "tls.client_ca: a certificate in {dir}/broken.pem cannot be used: it is damaged"),
    ("tls.ciphers = nonsense:more", 1, "tls.ciphers: TLS ciphers nonsense:more: OpenSSL has none of these"),
    ("tls.ciphersuites = \"TLS_AES_128_GCM_SHA256:FOO\"", 1, "tls.ciphersuites: FOO: there is no such suite"),
    # invalid names, and duplicates
    ("certificate x {{ names = [y, x.]; certificate = {dir}/a.pem; key = {dir}/a.key }}", 1, "names: x.: is not a host name"),
    ("certificate x {{ names = [a, y]; certificate = {dir}/a.pem; key = {dir}/a.key }}\n"
     "certificate y {{ certificate = {dir}/b.pem; key = {dir}/b.key; names = [b,\n Y] }}", 3,
     "certificate y: names: Y: is listed already, by {dir}/t.conf:3: certificate x"),
    ("default_domain = \"@example.org\"", 1, "default_domain: @example.org is not a domain name"),
    ("default_domain = example..org", 1, "default_domain: example..org is not a domain name"),
    ("default_domain = \"*\"", 1, "default_domain: * is not a domain name"),
    ("lmtp.domains = [example.org,\n \"@example.net\"]", 2, "lmtp.domains: @example.net: is not a domain name"),
    ("lmtp.hostname = \"http://mail.example.org\"", 1, "lmtp.hostname: http://mail.example.org is not a host name"),
    ("lmtp.hostname = \"[a b]\"", 1, "lmtp.hostname: [a b] is not an address in brackets"),
    ("lmtp.separator = \"@\"", 1, "lmtp.separator: must be a character such as + or -"),
    ("lmtp.separator = a", 1, "lmtp.separator: must be a character such as + or -"),
    ("auth.sasl_host = \"a b\"", 1, "auth.sasl_host: a b is not a host name"),
    ("auth.kerberos_realms = [A.ORG,\n \"@B\"]", 2, "auth.kerberos_realms: @B: is not a realm"),
    # contradictions
    ("store.engine_options = \"recover fast\"", 1, "store.engine_options: fast: unknown option; there is only recover"),
    ("listener a {{ port = 0; owner = nobody }}", 1, "listener a: owner: is for a UNIX socket, which needs a path"),
    ("listener a {{ path = {dir}/s\n address = 127.0.0.1 }}", 2, "listener a: address: is for a port"),
    ("listener a {{ path = {dir}/s; mode = 0444 }}", 1, "listener a: mode: 0444 lets nobody connect"),
    ("listener a {{ path = " + 100 * "x" + " }}", 1, "listener a: path: the path of a socket must be shorter than 108 bytes"),
    ("listener a {{ path = {dir}/s; proxy_protocol = yes\n proxy_from = [10.0.0.1] }}", 2,
     "listener a: proxy_from: nobody could connect to the UNIX socket"),
    ("listener a {{ port = 0; proxy_protocol = yes\n proxy_from = [unix] }}", 2,
     "listener a: proxy_from: nobody could connect to the port"),
    ("listener a {{ path = {dir}/s mode = 0666 }}", 1, "text after the value; a semicolon is missing"),
    ("metrics {{ port = 9\n address = \"\" }}", 2, "metrics.address: must not be empty"),
    ("log.protocol_for = [\"*\"]", 1, "log.protocol_for: *: is not a user name"),
    ("auth.kerberos_keytab = {dir}/text", 1, "auth.kerberos_keytab: {dir}/text is not a keytab"),
    # grants
    ("grant g {{ who = a; for = b\n rights = \"\" }}", 2, "grant g: rights: must not be empty"),
    ("grant g {{ who = a; for = b\n mailboxes = [] }}", 2, "grant g: mailboxes: must not be empty"),
    ("grant g {{ who = a; for = b\n from = [] }}", 2, "grant g: from: must not be empty"),
    ("grant g {{ who = a; for = b; mailboxes = [x,\n a//b] }}", 2, "grant g: mailboxes: a//b: no mailbox has such a name"),
    ("grant g {{ who = \"group:x\"; for = b }}", 1, "grant g: who: group:x: there are no groups, since auth.group_file is not set"),
    ("grant acts-for {{ who = a; for = b }}", 1, "grant acts-for: the name of a grant is"),
    # databases
    ("auth.databases = [store, d]\ndatabase d {{ type = ldap; uri = \"ldap://x\" }}", 2,
     "database d: type: type = ldap needs the option base, or dn"),
] + [
    ("auth.databases = [store, d]\ndatabase d {{ type = ldap; uri = \"ldap://x\"; base = \"dc=x\"\n " + text + " }}", 3,
     "database d: " + says) for text, says in [
         ("filter = \"(uid=%n\"", "filter: (uid=%n: is not a filter such as (uid=%n)"),
         ("filter = \"(uid=%n))\"", "filter: (uid=%n)): is not a filter such as (uid=%n)"),
         ("filter = \"(objectClass=*)\"", "filter: needs %u or %n"),
         ("disabled_filter = \"(|(a=b)\"", "disabled_filter: (|(a=b): is not a filter"),
         ("disabled_filter = \"(uid=%n)\"", "disabled_filter: does not take %u"),
         ("name_attribute = \"a b\"", "name_attribute: a b: is not the name of an attribute"),
         ("domains = \"@x\"", "domains: @x: is not a domain name"),
         ("ca_file = {dir}/text", "ca_file: {dir}/text holds no certificate (PEM)"),
         ("bind_dn = \"cn=x\"; bind_password_file = {dir}/empty", "bind_password_file: {dir}/empty: it is empty"),
         ("bind_dn = \"cn=x\"; bind_password_file = {dir}/blank", "bind_password_file: {dir}/blank: its first line is empty"),
     ]
] + [
    ("auth.databases = [store, d]\ndatabase d {{ type = ldap; base = \"dc=x\"\n uri = \"" + uri + "\" }}", 3, "uri: " + uri + ": " + says)
    for uri, says in [("ldap://", "the host is missing"), ("ldapi://", "the socket is missing"), ("ldap://x:99999", "the port"),
                      ("ldap://x/dc=y", "nothing may follow the host"),
                      ("ldap://x?y", "nothing may follow the host"), ("ldaps://x:636/?y", "nothing may follow the host"),
                      ("ldap://x ldap://y", "is more than one URI")]
] + [
    ("auth.databases = [store, d]\ndatabase d {{ type = ldap; uri = \"ldap://x\"\n base = nonsense }}", 3, "base: nonsense: is not a DN"),
    ("auth.databases = [store, d]\ndatabase d {{ type = ldap; uri = \"ldap://x\"; filter = \"(a=b)\"\n dn = \"cn=admin\" }}", 3, "dn: needs %u or %n"),
    ("auth.databases = [store, d]\ndatabase d {{ type = ldap; uri = \"ldap://x\"\n base = \"dc=%d\" }}", 3, "base: does not take %u"),
    ("auth.databases = [store, d]\ndatabase d {{ type = ldap; base = \"dc=x\"\n uri = [] }}", 3, "uri: must not be empty"),
    ("auth.databases = [store, d]\ndatabase d {{ type = passwd\n file = \"\" }}", 3, "file: must not be empty"),
    ("auth.databases = [store, d]\ndatabase d {{ type = pam\n service = .. }}", 3, "service: is a name, not a path"),
    ("auth.databases = [store, d]\ndatabase d {{ type = pam\n username = mail }}", 3, "username: needs %u or %n"),
    ("auth.databases = [store, d]\ndatabase d {{ type = oauth\n introspection = \"https://\" }}", 3,
     "introspection: https://: must be a URL that begins with https://"),
    ("auth.databases = [store, d]\ndatabase d {{ type = oauth; introspection = \"https://x/\"\n token_hosts = \"a b\" }}", 3,
     "token_hosts: a b: is not a host name"),
    ("auth.databases = [store, d]\ndatabase d {{ type = oauth; introspection = \"https://x/\"; client_id = x\n"
     " client_secret_file = {dir}/empty }}", 3, "client_secret_file: {dir}/empty: it is empty"),
    ("auth.databases = [store, d]\ndatabase d {{ type = oauth\n introspection = \"https://h:99999/x\" }}", 3,
     "introspection: https://h:99999/x: the port must be a number from 1 to 65535"),
    ("auth.password_cost = 99", 1, "auth.password_cost: the cost of yescrypt is 1 to 9, not 99"),
    ("grant g {{ who = a; for = b\n until = tomorrow }}", 2, "2027-01-01T12:30Z, not \"tomorrow\""),
    ("auth.databases = [d]\ndatabase d {{ type = oauth; introspection = \"https://x/\" }}", 1,
     "auth.databases: d: it accepts tokens only for users that another database knows"),
]


@pytest.mark.parametrize("more, line, says", REFUSED, ids=[says[:40] for _, _, says in REFUSED])
def test_what_serve_refuses(files, more, line, says):
    """config check reports it with file and line, and so does serve, in the same words."""
    write(files, (QUIET if "listener" not in more else "") + more)
    line += 1 + (1 if "listener" not in more else 0)
    checked = run(files, "config", "check")
    assert checked.returncode == 1
    served = run(files, "serve")
    assert served.returncode == 1, served
    says = says.format(dir=files.dir)
    found = [text for text in checked.stderr.splitlines()
             if text.startswith(f"{files.conf}:{line}: ") and says in text]
    assert len(found) == 1, (line, says, checked.stderr)
    assert found[0] in served.stderr.splitlines(), served.stderr
    assert not os.path.exists(files.dir + "/data/store"), "refused before anything was made"


def test_data_folder(files):
    with open(files.conf, "w", encoding="utf-8") as f:
        f.write(f"server {{\n data = {files.dir}/text/data\n}}\n" + QUIET.format())
    checked = run(files, "config", "check")
    assert f"{files.conf}:2: server.data: {files.dir}/text: Not a directory\n" == checked.stderr
    assert run(files, "serve").stderr == checked.stderr


def test_all_at_once(files):
    """Every fault is reported; none hides another."""
    write(files, "\n".join(["server.workers = many", "server.user = nobdy", "mechanisms = [PLIAN]", "limits.line = 1",
                            "tls.certificate = {dir}/text", "listener a {{ port = 4143; address = nowhere }}",
                            "listener b {{ port = 4143; tls = impas }}", "listener c {{ port = 4143 }}",
                            "metrics {{ port = 1; address = x }}", "auth.databases = [store, d]",
                            "database d {{ type = passwd; file = {dir}/none }}", "server.control = {dir}/none/s"]))
    lines = run(files, "config", "check").stderr.splitlines()
    told = {int(re.match(re.escape(files.conf) + r":(\d+): ", text).group(1)) for text in lines}
    assert told == set(range(2, 14)) - {11}, lines
    assert sorted(run(files, "serve").stderr.splitlines()) == sorted(lines)


# Each hides nothing of the other: the lines that must be told, counted as above.
TOGETHER = [
    ("auth.databases = [store, l, p, o]\ndatabase l {{ type = ldap; uri = \"http://x\"; base = x }}\n"
     "database p {{ type = passwd; file = {dir}/text }}\ndatabase o {{ type = oauth; jwks = {dir}/jwks }}\n"
     "auth.group_file = {dir}/groups",
     {2: ["uri: http://x: must begin", "base: x: is not a DN"], 3: ["file: {dir}/text: line 1: ", "file: {dir}/text: no line"],
      4: ["jwks needs the option issuer", "jwks needs the option audience", "jwks: {dir}/jwks: "], 5: ["{dir}/groups:1: must be"]}),
    ("tls.client_ca = {dir}/text\ntls.client_crl = {dir}/text",
     {1: ["holds no certificate"], 2: ["holds no list of revoked certificates"]}),
    ("tls.client_ca = {dir}/none\ntls.client_crl = {dir}/text",
     {1: ["cannot read"], 2: ["holds no list of revoked certificates"]}),
    ("tls {{ certificate = {dir}/text\n key = {dir}/text\n ocsp_response = {dir}/text }}",
     {1: ["holds no certificate"], 2: ["holds no private key"], 3: ["holds no OCSP response"]}),
    ("tls {{ certificate = {dir}/none\n key = {dir}/text }}", {1: ["cannot read"], 2: ["holds no private key"]}),
    ("grant g {{ who = \"a b\"\n for = \"group:\"\n mailboxes = [\"\", x,\n \"/y\"]\n from = [nowhere, unix,\n 10.0.0.1/8] }}",
     {1: ["who: must be a user, a pattern in which '*' stands for any characters, or group:NAME, not \"a b\""],
      2: ["for: must be"], 3: ["mailboxes: \"\": must be"], 4: ["mailboxes: /y: no mailbox"],
      5: ["from: nowhere: must be an address"], 6: ["from: 10.0.0.1/8: the address of a network has bits set"]}),
    ("certificate_map m {{ user = \"a b\"\n subject = nonsense\n fingerprint = x }}",
     {1: ["user: a b: "], 2: ["subject: nonsense: "], 3: ["fingerprint: x: "]}),
    ("certificate_map m {{ subject = \"CN=x\"; user = anna; user_from = cn }}", {1: ["either a user or user_from is needed, not both"]}),
    ("certificate_map m {{ san_email = x; user_from = san_email }}", {1: ["san_email: x: an e-mail address"]}),
    ("default_domain = \"a b\"\ngrant g {{ who = anna; for = bo }}", {1: ["is not a domain name"]}),
]


@pytest.mark.parametrize("more, told", TOGETHER, ids=range(len(TOGETHER)))
def test_nothing_hides_anything(files, more, told):
    write(files, QUIET + more)
    checked = run(files, "config", "check")
    lines = [text for text in checked.stderr.splitlines() if not text.startswith("warning: ")]
    for line, texts in told.items():
        for says in texts:
            found = [text for text in lines
                     if text.startswith(f"{files.conf}:{2 + line}: ") and says.format(dir=files.dir) in text]
            assert len(found) == 1, (line, says, lines)
    assert len(lines) == sum(len(texts) for texts in told.values()), lines
    assert sorted(run(files, "serve").stderr.splitlines()) == sorted(lines)
    write(files, QUIET)
    files.start()
    write(files, QUIET + more)
    reloaded = run(files, "reload")
    assert reloaded.returncode == 1
    again = [text for text in reloaded.stderr.splitlines() if not text.startswith("warning: ")]
    again[0] = again[0].replace("turnstone reload: ", "", 1)
    assert sorted(again) == sorted(lines + ["nothing was changed"]), reloaded


# Accepted, but without effect.
IDLE = [
    ("grant g {{ who = a; for = b\n until = 2020-01-01 }}", 2, "grant g: until: the grant ended at 2020-01-02T00:00:00Z"),
    ("auth.group_file = {dir}/members\ngrant g {{ who = \"group:team\"\n for = \"group:taem\" }}", 3,
     "grant g: for: group:taem: there is no such group in auth.group_file"),
    ("database d {{ type = passwd; file = {dir}/some }}", 1, "database d: auth.databases does not name it"),
    ("auth.databases = [store, d]\ndatabase d {{ type = passwd; file = {dir}/some }}", 2, "database d: file: {dir}/some: line 2"),
    ("auth.databases = [store, d]\ndatabase d {{ type = pam; service = no-such-service }}", 2,
     "database d: service: there is no /etc/pam.d/no-such-service: PAM uses its service `other`"),
    ("auth.databases = [store,\n d, e]\ndatabase d {{ type = pam; users = any; username = \"%u\"; confdir = {dir}/folder; service = x }}\n"
     "database e {{ type = passwd; file = {dir}/some }}", 2, "auth.databases: d: it knows everybody"),
    ("mechanisms = [PLAIN,\n OAUTHBEARER]", 2, "mechanisms: OAUTHBEARER: no database in auth.databases accepts tokens"),
    ("mechanisms = [PLAIN, EXTERNAL]", 1, "mechanisms: EXTERNAL: no listener asks clients for a certificate"),
    ("certificate c {{ certificate = {dir}/a.pem; key = {dir}/a.key\n names = [x, y.example] }}", 2,
     "certificate c: names: y.example: the certificate in {dir}/a.pem is for other names"),
    ("certificate_map m {{ subject = \"CN=x\"; user = anna }}", 1, "certificate_map m: no listener asks clients"),
    ("hide_capabilities = [IDLE, APPENDLIMIT=1,\n UNSELEKT]", 2,
     "hide_capabilities: UNSELEKT: there is no such capability here; did you mean UNSELECT?"),
    ("auth.gateway_separator = \"/\"\ncertificate_map m {{ subject = \"CN=x\"\n user = \"a/b\" }}", 3,
     "certificate_map m: user: auth.gateway_separator is in the name, so this user cannot log in"),
    ("hide h {{ capabilities = [IDLE,\n UNSELEKT]; for = anna }}", 2,
     "hide h: capabilities: UNSELEKT: there is no such capability here; did you mean UNSELECT?"),
    ("hide_capabilities = [AUTH=PLAIN, AUTH=SCRAM-SHA-256-PLUS, AUTH=FOO]", 1,
     "hide_capabilities: AUTH=FOO: there is no such capability here"),
    ("hide h {{ capabilities = [MOVE]; for = [\"group:x\"] }}", 1,
     "hide h: for: group:x: there are no groups, since auth.group_file is not set"),
    ("auth.group_file = {dir}/members\nhide h {{ capabilities = [MOVE]; for = [\"group:team\",\n \"group:taem\"] }}", 3,
     "hide h: for: group:taem: there is no such group in auth.group_file"),
    ("timeouts.failed_login = 20s", 1, "timeouts.failed_login: timeouts.failed_login_max is lower"),
    ("tls.ciphers = \"HIGH:GOOD:!RC4\"", 1, "tls.ciphers: GOOD: OpenSSL has no such cipher"),
    ("tls.ciphers = \"HIGH:!aNUL:!aNULL\"", 1, "tls.ciphers: !aNUL: OpenSSL has no such cipher"),
    ("tls.ciphers = \"HIGH:-NULLL\"", 1, "tls.ciphers: -NULLL: OpenSSL has no such cipher"),
    ("mechanisms = [PLAIN, SCRAM-SHA-256,\n plain]", 2, "mechanisms: plain: is listed already"),
    ("metrics.address = nonsense", 1, "metrics.address: nonsense is not a numeric address"),
    ("hide_capabilities = [IDLE,\n imap4rev1]", 2, "hide_capabilities: imap4rev1: clients that do not see it disconnect"),
] + [
    ("auth.databases = [store, d]\ndatabase d {{ type = passwd; file = {dir}/cut }}", 2,
     f"database d: file: {{dir}}/cut: line {line}: the hash is cut off or damaged") for line in (1, 3, 4)
]


@pytest.mark.parametrize("more, line, says", IDLE, ids=[says[:40] for _, _, says in IDLE])
def test_what_does_nothing(files, more, line, says):
    """Accepted with a warning, by all three."""
    write(files, QUIET + more)
    text = f"{files.conf}:{2 + line}: "
    says = says.format(dir=files.dir)
    checked = run(files, "config", "check")
    assert checked.returncode == 0, checked
    assert sum(one.startswith("warning: " + text) and says in one for one in checked.stderr.splitlines()) == 1, checked
    files.start()
    assert text in files.log() and says in files.log(), files.log()
    reloaded = run(files, "reload")
    assert sum(one.startswith("warning: " + text) and says in one for one in reloaded.stdout.splitlines()) == 1, reloaded


@pytest.mark.parametrize("port, tls", [(993, "starttls"), (143, "imaps")])
def test_ports_that_say_how_to_begin(files, port, tls):
    write(files, f"listener a {{{{ address = 127.0.0.1\n port = {port}\n tls = {tls} }}}}")
    checked = run(files, "config", "check")
    assert f"warning: {files.conf}:4: listener a: tls: clients start " in checked.stderr, checked
    write(files, f"listener a {{{{ address = 127.0.0.1; port = {port}; protocol = lmtp; tls = {tls} }}}}")
    assert "clients start" not in run(files, "config", "check").stderr


def test_forms_of_a_line(files):
    """As in libucl: with = or :, or without."""
    write(files, "listener q {{ address 127.0.0.1\n port: 0 }}\nserver.workers 3")
    assert "workers = 3;" in run(files, "config", "show").stdout
    assert run(files, "config", "check").returncode == 0


def test_no_data_folder(files):
    with open(files.conf, "w", encoding="utf-8") as f:
        f.write("server {\n data = \"\"\n}\n" + QUIET.format())
    checked = run(files, "config", "check")
    assert f"{files.conf}:2: server.data: must not be empty\n" in checked.stderr
    assert run(files, "serve").stderr == checked.stderr


def test_nothing_is_disturbed(files):
    """A running server, its ports and its sockets are not disturbed, and are not faults."""
    write(files, "listener a {{ address = 127.0.0.1; port = 0 }}\nlistener u {{ path = {dir}/s; protocol = lmtp }}")
    files.start()
    port = files.port("A")
    write(files, f"listener a {{{{ address = 127.0.0.1; port = {port} }}}}\n"
                 "listener u {{ path = {dir}/s; protocol = lmtp }}")
    checked = run(files, "config", "check")
    assert checked.returncode == 0 and checked.stderr == "", checked
    with Imap(port) as client:
        assert client.greeting.startswith(b"* OK")
    with Lmtp(files.dir + "/s") as client:
        assert client.greeting.startswith("220")


def test_reload_says_the_same(files):
    write(files, QUIET)
    files.start()
    write(files, QUIET + "mechanisms = [PLIAN]\ntls.certificate = {dir}/text\nlistener b {{ port = 99; address = x }}\n"
                         "listener c {{ port = 99 }}\n")
    reloaded = run(files, "reload")
    assert reloaded.returncode == 1 and "nothing was changed" in reloaded.stderr
    for says in ("3: mechanisms: PLIAN: ", "4: tls.certificate: ", "6: listener c: port: port 99 is already taken"):
        assert f"{files.conf}:{says}" in reloaded.stderr, reloaded.stderr


# ---- what a reload accepts, and a start would not ----

NEXT_START = [
    ("server.user = nobdy", 1, "server.user: there is no user nobdy; did you mean nobody?"),
    ("listener u {{ path = {dir}/s\n owner = nobdy }}", 2, "listener u: owner: there is no user nobdy; did you mean nobody?"),
    ("listener u {{ path = {dir}/s\n group = nogruop }}", 2, "listener u: group: there is no group nogruop"),
    ("listener a {{ port = 0\n address = 192.0.2.1 }}", 2, "listener a: address: 192.0.2.1: no interface of this machine"),
    ("listener a {{ port = 0\n address = localhost }}", 2, "listener a: address: localhost: is not a numeric address"),
    ("listener a {{ path = {dir}/missing/s }}", 1, "listener a: path: the folder {dir}/missing: No such file or directory"),
    ("metrics {{ port = 9999; address = 192.0.2.1 }}", 1, "metrics.address: 192.0.2.1: no interface"),
    ("server.control = {dir}/text", 1, "server.control: {dir}/text already exists and is not a socket"),
    ("server.pid_file = {dir}/none/pid", 1, "server.pid_file: {dir}/none: No such file or directory"),
]


@pytest.mark.parametrize("more, line, says", NEXT_START, ids=[says[:40] for _, _, says in NEXT_START])
def test_reload_tells_of_the_next_start(files, more, line, says):
    """In the answer and in the log, in the words of config check; valid settings are in force."""
    write(files, QUIET)
    files.start()
    write(files, QUIET + more + "\nlimits.failed_logins = 7\n")
    text = f"the next start would fail: {files.conf}:{2 + line}: {says.format(dir=files.dir)}"
    if "server.control" in more:  # the old place
        write(files, QUIET + more)
        files.send_signal(signal.SIGHUP)
        files.logged(text)
        return
    reloaded = run(files, "reload")
    assert reloaded.returncode == 0 and "read again" in reloaded.stdout, reloaded
    assert f"\nwarning: {text}" in reloaded.stdout, reloaded
    files.logged(text)
    assert f'level=warning source=reload msg="{text}' in files.log()
    checked = run(files, "config", "check")
    assert checked.returncode == 1 and text.split("fail: ")[1] in checked.stderr
    write(files, QUIET)
    reloaded = run(files, "reload")
    assert "warning" not in reloaded.stdout, reloaded


def test_reload_names_a_new_listener_once(files):
    write(files, QUIET)
    files.start()
    write(files, QUIET + "listener more {{ address = 127.0.0.1; port = 0 }}")
    assert run(files, "reload").stdout.endswith("these take effect only after a restart:\nlistener more: is new\n")
    write(files, "listener more {{ address = 127.0.0.1; port = 0 }}")
    assert run(files, "reload").stdout.endswith("only after a restart:\nlistener q: is gone\nlistener more: is new\n")


def test_reload_with_a_first_helper(files):
    write(files, QUIET)
    files.start()
    write(files, QUIET + "\nauth.databases = [store, d]\ndatabase d {{ type = pam; users = any }}")
    reloaded = run(files, "reload")
    assert reloaded.returncode == 1
    assert f"{files.conf}:4: auth.databases: adding the first external database" in reloaded.stderr


# ---- the pid file ----

@pytest.mark.parametrize("before", [None, "", "12\n", " \n"])
def test_pid_file(files, before):
    """It replaces nothing, or one that was left behind; the server's own is not a fault, and is removed with
    it."""
    if before is not None:
        put(files, "pid", before)
    write(files, QUIET + "server.pid_file = {dir}/pid")
    files.start()
    with open(files.dir + "/pid", encoding="ascii") as f:
        assert int(f.read()) == files.pid
    assert run(files, "config", "check").stderr == ""
    assert run(files, "reload").returncode == 0
    second = run(files, "serve")
    assert second.returncode == 1 and os.path.exists(files.dir + "/pid"), "a server that did not start took it along"
    files.stop()
    assert not os.path.exists(files.dir + "/pid")


@pytest.mark.parametrize("text", ["12\nmore\n", "1\n", 40 * "1"])
def test_pid_file_of_another(files, text):
    """A file that is no longer the server's own stays."""
    write(files, QUIET + "server.pid_file = {dir}/pid")
    files.start()
    put(files, "pid", text)
    files.stop()
    with open(files.dir + "/pid", encoding="ascii") as f:
        assert f.read() == text


def test_pid_file_at_a_reload(files):
    write(files, QUIET)
    files.start()
    write(files, QUIET + "server.pid_file = {dir}/text")
    reloaded = run(files, "reload")
    assert reloaded.returncode == 1
    assert f"{files.conf}:3: server.pid_file: {files.dir}/text already exists and does not contain" in reloaded.stderr


def test_ready_file_on_a_path(files):
    write(files, QUIET + "tls {{ certificate = {dir}/a.pem; key = {dir}/a.key }}")
    with open(files.dir + "/a.key", encoding="ascii") as f:
        key = f.read()
    done = run(files, "serve", "--ready-file", files.dir + "/link/a.key")
    assert done.returncode == 1
    assert f"--ready-file: {files.dir}/link/a.key is already taken by {files.conf}:3: tls.key\n" == done.stderr
    with open(files.dir + "/a.key", encoding="ascii") as f:
        assert f.read() == key


# ---- a data folder that is not yet in force ----

def shown(server):
    return ssl.get_server_certificate(("127.0.0.1", server.port("Q")))


def test_reload_with_another_data_folder(files):
    """It takes effect only after a restart, as does the certificate in it."""
    with open(files.conf, "w", encoding="utf-8") as f:
        f.write(f"server {{ data = {files.dir}/data; loops = 1 }}\n"
                "listener q { address = 127.0.0.1; port = 0; tls = imaps }\n")
    files.start()
    before = shown(files)
    for folder in ("new", "none/at/all"):
        if folder == "new":
            os.mkdir(files.dir + "/new")
        with open(files.conf, "w", encoding="utf-8") as f:
            f.write(f"server {{ data = {files.dir}/{folder}; control = {files.dir}/data/control.sock; loops = 1 }}\n"
                    "listener q { address = 127.0.0.1; port = 0; tls = imaps }\n")
        reloaded = run(files, "reload")
        assert reloaded.returncode == 0 and "server.data\n" in reloaded.stdout, reloaded
        assert shown(files) == before
    assert os.listdir(files.dir + "/new") == []


def test_certificate_that_cannot_be_made(files):
    """The message says where the folder is configured."""
    write(files, QUIET)
    files.start()
    for name in os.listdir(files.dir + "/data/tls"):
        os.remove(files.dir + "/data/tls/" + name)
    os.rmdir(files.dir + "/data/tls")
    put(files, "data/tls", "")
    reloaded = run(files, "reload")
    assert reloaded.returncode == 1
    assert f"{files.conf}:1: server.data: cannot write {files.dir}/data/tls/ca.pem: Not a directory\n" in reloaded.stderr, \
        reloaded.stderr


# ---- what shows only when it happens: each with its own advice ----

def test_port_in_use(files):
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
        write(files, f"listener a {{{{ address = 127.0.0.1\n port = {port} }}}}")
        assert run(files, "config", "check").returncode == 0
        served = run(files, "serve")
    assert served.returncode == 1
    assert f"{files.conf}:3: listener a: port: 127.0.0.1 port {port}: the port is in use by another program" in served.stderr
    assert "input/output error" not in served.stderr and "listen.c" not in served.stderr


def test_metrics_port_in_use(files):
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
        write(files, QUIET + f"metrics {{{{ address = 127.0.0.1\n port = {port} }}}}")
        served = run(files, "serve")
    assert served.returncode == 1
    assert f"{files.conf}:4: metrics.port: 127.0.0.1 port {port}: the port is in use by another program" in served.stderr


def test_path_in_use(files):
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(files.dir + "/s")
        s.listen()
        write(files, "listener a {{ protocol = lmtp\n path = {dir}/s }}")
        assert run(files, "config", "check").returncode == 0
        served = run(files, "serve")
        assert served.returncode == 1
        assert f"{files.conf}:3: listener a: path: {files.dir}/s: it is in use by another program" in served.stderr


@pytest.mark.skipif(not ROOT, reason="needs root, to become somebody else")
def test_low_port_without_root(files):
    if int(open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii").read()) <= 143:
        pytest.skip("everybody may bind that port here")
    write(files, "listener a {{ address = 127.0.0.1\n port = 143 }}")
    for path in (files.dir, files.dir + "/data"):
        os.chmod(path, 0o755)
        os.chown(path, pwd.getpwnam(USER).pw_uid, -1)

    def as_user(*args):
        return subprocess.run([TURNSTONE, *args, "--config", files.conf], capture_output=True, text=True, timeout=120,
                              check=False, user=USER, group="nogroup", extra_groups=[])
    checked = as_user("config", "check")
    assert checked.returncode == 1
    assert f"{files.conf}:3: listener a: port: port 143: permission denied: ports below 1024 need root" in checked.stderr
    served = as_user("serve")
    assert served.returncode == 1 and served.stderr == checked.stderr
    write(files, "listener a {{ path = {dir}/s\n owner = root\n group = daemon }}")
    checked = as_user("config", "check")
    assert checked.returncode == 1
    assert f"{files.conf}:3: listener a: owner: only root can give the socket to user root" in checked.stderr
    assert f"{files.conf}:4: listener a: group: only root and the members of group daemon" in checked.stderr
    served = as_user("serve")
    assert served.returncode == 1 and served.stderr == checked.stderr
    assert not os.path.exists(files.dir + "/s")


# ---- what happens as the user that the server becomes ----

needs_drop = pytest.mark.skipif(not ROOT or SANDBOX or SANITIZED, reason="needs root, who becomes another user")


def other(server, mode=0o711):
    """A folder for a server that becomes USER."""
    os.chmod(server.dir, mode)
    for path in (server.dir + "/data",):
        os.chown(path, pwd.getpwnam(USER).pw_uid, -1)


@needs_drop
@pytest.mark.parametrize("more, says", [
    ("auth.databases = [store, d]\ndatabase d {{ type = passwd; file = {dir}/secret }}",
     "4: database d: file: {dir}/secret: Permission denied"),
    ("auth.group_file = {dir}/secret", "3: auth.group_file: {dir}/secret: cannot be read: Permission denied"),
    ("server.pid_file = {dir}/pid", "3: server.pid_file: {dir}: Permission denied for user nobody"),
    ("server.control = {dir}/c", "3: server.control: {dir}: Permission denied for user nobody"),
    ("metrics.port = 80", "3: metrics.port: port 80 is bound as user nobody, who may not"),
])
def test_as_the_servers_user(files, more, says):
    other(files)
    put(files, "secret", "anna:x\n", 0o600)
    write(files, QUIET + "server.user = nobody\n" + more)
    text = f"{files.conf}:" + str(1 + int(says[0])) + says[1:].format(dir=files.dir)
    assert text in run(files, "config", "check").stderr, run(files, "config", "check").stderr
    served = run(files, "serve")
    assert served.returncode == 1 and text in served.stderr


@needs_drop
def test_data_of_another_user(files):
    os.chmod(files.dir, 0o711)  # data is root's, with mode 0700
    write(files, QUIET + "server.user = nobody")
    text = f"{files.conf}:1: server.data: {files.dir}/data: Permission denied for user nobody"
    assert text in run(files, "config", "check").stderr
    served = run(files, "serve")
    assert served.returncode == 1 and text in served.stderr


@needs_drop
def test_own_certificate_of_another_user(files):
    """Left by a run as root: the server could neither read nor replace it."""
    other(files)
    write(files, QUIET + "server.user = nobody")
    os.mkdir(files.dir + "/data/tls")
    for name in ("cert.pem", "key.pem"):
        put(files, "data/tls/" + name, "x", 0o600)
    text = f"{files.conf}:1: server.data: {files.dir}/data/tls/key.pem: Permission denied for user nobody"
    assert text in run(files, "config", "check").stderr
    served = run(files, "serve")
    assert served.returncode == 1 and text in served.stderr


@needs_drop
def test_key_that_only_root_can_read(files):
    """It works at the start, but not at a reload: the check says so before, and the reload says why."""
    other(files, 0o755)
    os.chmod(files.dir + "/a.key", 0o600)
    write(files, QUIET + "server.user = nobody\ntls {{ certificate = {dir}/a.pem\n key = {dir}/a.key }}")
    text = f"{files.conf}:5: tls.key: {files.dir}/a.key: user nobody cannot read it: it is read at the start"
    checked = run(files, "config", "check")
    assert checked.returncode == 0 and f"warning: {text}" in checked.stderr, checked
    files.ready = files.dir + "/data/ports"
    files.start()
    assert text in files.log()
    done = run(files, "reload")
    assert done.returncode == 1
    assert f"{files.conf}:5: tls.key: cannot read {files.dir}/a.key: Permission denied" in done.stderr
    os.chown(files.dir + "/a.key", -1, pwd.getpwnam(USER).pw_gid)
    os.chmod(files.dir + "/a.key", 0o640)
    assert run(files, "config", "check").stderr == ""
    assert "read again" in run(files, "reload").stdout


@needs_drop
def test_reload_says_what_it_cannot_see(files):
    """What another user may do; whether a sandbox is available.  Not again for what has not changed since the
    start."""
    write(files, QUIET)
    files.start()
    write(files, QUIET + "server.user = nobody\nserver.sandbox = require")
    reloaded = run(files, "reload")
    assert reloaded.returncode == 0
    for line, what in ((3, "server.user: what that user may do"), (4, "server.sandbox: whether this machine has all")):
        assert f"warning: {files.conf}:{line}: {what}" in reloaded.stdout, reloaded
    assert reloaded.stdout.count("is not known to the running server: run `turnstone config check`\n") == 2


@needs_drop
def test_reload_from_inside_the_sandbox(files):
    """As another user than the one who started it, and without /etc/passwd."""
    other(files)
    files.ready = files.dir + "/data/ports"
    begin = QUIET + "server.user = nobody\nlistener u {{ path = {dir}/s; owner = nobody }}\nlistener low {{ address = 127.0.0.1\n"
    write(files, begin + "port = 0 }}")
    files.start()
    if not re.search(r"sandbox_landlock: [1-9]", run(files, "status", "--all").stdout):
        pytest.skip("the kernel has no Landlock")
    write(files, begin + "port = 99 }}")  # root may bind it; what the user may not do matters for folders only
    reloaded = run(files, "reload")
    assert reloaded.returncode == 0 and "warning" not in reloaded.stdout, reloaded
    write(files, begin + "port = 0 }}\nlistener v {{ path = {dir}/v; owner = nobdy\n group = nogruop }}\n"
                         "server.pid_file = {dir}/none/pid\nserver.control = {dir}/data/control.sock")
    reloaded = run(files, "reload")
    assert reloaded.returncode == 0
    for line, what in ((7, "listener v: owner: whether there is a user nobdy is not known to the running server"),
                       (8, "listener v: group: whether there is a group nogruop is not known to the running server")):
        assert f"warning: {files.conf}:{line}: {what}" in reloaded.stdout, reloaded
    assert f"warning: the next start would fail: {files.conf}:9: server.pid_file: {files.dir}/none: No such" in reloaded.stdout


@needs_drop
def test_authorities_from_inside_the_sandbox(files):
    """The folder from the start is accessible; about another one it says that it does not know."""
    other(files)
    files.ready = files.dir + "/data/ports"
    for name in ("in", "out"):
        os.mkdir(files.dir + "/" + name)
        os.chmod(files.dir + "/" + name, 0o755)
        shutil.copy(files.dir + "/a.pem", files.dir + "/" + name + "/ca")
    os.mkdir(files.dir + "/conf")
    os.chmod(files.dir + "/conf", 0o755)
    files.conf = files.dir + "/conf/t.conf"
    text = QUIET + "server.user = nobody\nauth.databases = [store, d]\ndatabase d {{ type = ldap; base = \"dc=x\"\n" \
                   "uri = \"ldap://127.0.0.1:1\"\n ca_file = {dir}/"
    write(files, text + "in/ca }}")
    files.start()
    if not re.search(r"sandbox_landlock: [1-9]", run(files, "status", "--all").stdout):
        pytest.skip("the kernel has no Landlock")
    assert "warning" not in run(files, "reload").stdout
    write(files, text + "out/ca }}")
    assert f"warning: {files.conf}:7: database d: ca_file: what {files.dir}/out/ca holds is not known to the running server" \
        in run(files, "reload").stdout
    write(files, text + "in/ca }}")
    put(files, "in/ca", "nothing\n")
    reloaded = run(files, "reload")
    assert reloaded.returncode == 1
    assert f"{files.conf}:7: database d: ca_file: {files.dir}/in/ca holds no certificate (PEM)" in reloaded.stderr


@needs_drop
def test_ready_file_of_the_server(files):
    other(files)
    write(files, QUIET + "server.user = nobody")
    done = run(files, "serve", "--ready-file", files.dir + "/ports")
    assert done.returncode == 1 and f"--ready-file: {files.dir}: Permission denied for user nobody\n" == done.stderr


@needs_drop
def test_folders_and_sockets_change_hands(files):
    """What is made as root is given to the user: the data folder, and a UNIX socket with its configured
    mode."""
    os.chmod(files.dir, 0o711)
    os.rmdir(files.dir + "/data")
    with open(files.conf, "w", encoding="utf-8") as f:
        f.write(f"server {{ data = {files.dir}/new/deep/data; user = nobody; loops = 1 }}\n"
                f"listener u {{ path = {files.dir}/s; protocol = lmtp; mode = 0661; group = daemon }}\n")
    files.ready = files.dir + "/new/deep/data/ports"
    old = os.umask(0o077)
    try:
        files.start()
    finally:
        os.umask(old)
    user = pwd.getpwnam(USER)
    data, above = os.stat(files.dir + "/new/deep/data"), os.stat(files.dir + "/new/deep")
    assert (data.st_uid, stat.S_IMODE(data.st_mode)) == (user.pw_uid, 0o700)
    assert above.st_uid == 0
    sock = os.stat(files.dir + "/s")
    assert (sock.st_uid, stat.S_IMODE(sock.st_mode)) == (user.pw_uid, 0o661), oct(sock.st_mode)
    assert sock.st_gid == 1


@needs_drop
def test_folder_of_many_levels_says_which(files):
    os.chmod(files.dir, 0o711)
    os.chown(files.dir + "/folder", pwd.getpwnam("daemon").pw_uid, -1)
    os.chmod(files.dir + "/folder", 0o711)
    with open(files.conf, "w", encoding="utf-8") as f:
        f.write(f"server {{ data = {files.dir}/folder/x/y; loops = 1 }}\n" + QUIET.format())
    os.chmod(files.conf, 0o644)
    done = subprocess.run([TURNSTONE, "user", "list", "--config", files.conf], capture_output=True, text=True,
                          timeout=60, check=False, user=USER, group="nogroup", extra_groups=[])
    assert f"{files.conf}:1: server.data: cannot make the folder {files.dir}/folder/x: Permission denied for user nobody" \
        in done.stderr, done.stderr


def test_what_is_passed_over_is_named(files):
    def read(name):
        with open(os.path.join(files.dir, name), encoding="ascii") as f:
            return f.read()

    put(files, "both", read("a.pem") + read("a.key") + read("b.pem"))
    put(files, "keys", '{"keys": [{"kty": "oct", "k": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE"},'
        ' {"kty": "oct", "kid": "e1", "use": "enc", "k": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE"}]}')
    write(files, QUIET + "tls.client_ca = {dir}/both\nauth.databases = [store, d, l]\n"
          "database d {{ type = oauth; issuer = x; audience = y; algorithms = [HS256]; jwks = {dir}/keys }}\n"
          "database l {{ type = ldap; uri = \"ldaps://127.0.0.1\"; base = \"dc=x\"; ca_file = {dir}/both }}\n")
    done = run(files, "config", "check")
    assert done.returncode == 0, done
    assert "tls.client_ca: {0}/both: 1 other block in it is skipped: PRIVATE KEY; a private key does not belong there" \
        .format(files.dir) in done.stderr
    assert f"ca_file: {files.dir}/both: 1 other block in it is skipped: PRIVATE KEY" in done.stderr
    assert f"jwks: {files.dir}/keys: 1 of its 2 keys is skipped: e1 (its use is not sig)" in done.stderr


def checked_lines(server):
    return run(server, "config", "check").stderr.replace(server.conf + ":", "").splitlines()


@pytest.mark.parametrize("data, says", [
    ("dangling", "{dir}/dangling: is a dangling symbolic link"),
    ("dangling/data", "{dir}/dangling: is a dangling symbolic link"),
    ("/proc/data", "/proc: belongs to the kernel and cannot hold files"),
])
def test_data_folder_that_cannot_be_made(files, data, says):
    os.symlink("nothing", files.dir + "/dangling")
    with open(files.conf, "w", encoding="utf-8") as f:
        f.write(f"server.control = {files.dir}/c\nserver.data = {data}\n" + QUIET.format())
    assert checked_lines(files) == ["2: server.data: " + says.format(dir=files.dir)]
    assert run(files, "serve").stderr == run(files, "config", "check").stderr
    assert not os.path.exists(files.dir + "/nothing")


def test_ciphers_that_are_gone(files):
    """Careful people also exclude ciphers that no longer exist."""
    write(files, QUIET + 'tls.ciphers = "HIGH:!aNULL:!eNULL:!RC4:!MD5:!EXPORT:!kDHr+SHA1:-EXP-RC2-CBC-MD5:!SEED:+SHA1:@STRENGTH"')
    assert checked_lines(files) == []


def test_data_in_a_home_folder(files):
    with open(files.conf, "w", encoding="utf-8") as f:
        f.write('server.data = "~/mail"\n' + QUIET.format())
    line = checked_lines(files)[0]
    assert line.startswith("1: server.data: must be a full path: ~"), line
    assert not os.path.exists(files.dir + "/~")


def test_nul_byte(files):
    with open(files.conf, "w", encoding="utf-8") as f:
        f.write(f"server.data = {files.dir}/data\nserver.loops = \0\nserver.lops = 1\n")
    lines = checked_lines(files)
    assert lines[0] == "2: a NUL byte, which no text contains" and lines[1].startswith("3: server.lops: there is no such"), lines
    assert len(lines) == 2, lines


def test_grant_with_a_fault_hides_no_warning(files):
    write(files, QUIET + 'auth.group_file = {dir}/members\ngrant g {{ who = "a b"\n for = "group:nix"\n until = 2020-01-01 }}')
    lines = checked_lines(files)
    assert any(text.startswith("4: grant g: who: must be") for text in lines), lines
    assert any(text.startswith("warning: 5: grant g: for: group:nix: there is no such group") for text in lines), lines
    assert any(text.startswith("warning: 6: grant g: until: the grant ended") for text in lines), lines


def test_faults_in_the_order_of_lines(files):
    write(files, QUIET + "listener a {{ path = {dir}/s\n address = nowhere\n port = 99999 }}\nauth.group_file = {dir}/groups\n"
          "server.user = nobdy\nlimits.append = 1,000,000\ntls.certificate = {dir}/text\nserver.lops = 1")
    lines = checked_lines(files)
    numbers = [int(text.split(":")[0]) for text in lines]
    assert numbers == sorted(numbers) and set(numbers) >= {4, 5, 6, 7, 8, 9, 10}, lines
    assert len(lines) == len(set(lines)), lines
    assert any("listener a: address: nowhere: is not a numeric" in text for text in lines), lines
