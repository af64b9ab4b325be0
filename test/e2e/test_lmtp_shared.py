# SPDX-License-Identifier: Apache-2.0
"""Delivery to group mailboxes, and by the right to post into mailboxes of others; drop boxes."""
import pytest

from lmtp import Lmtp
from test_lmtp import LISTENER, MESSAGE, codes

CONF = "default_domain = one.example\nlmtp.domains = [one.example, two.example]\n"
DELIVERED, NOBODY = "250 2.0.0", "550 5.1.1"
SUPPORT = "support@one.example"
BOXES = ("support INBOX", "support orders", "alice INBOX", "bob INBOX", "bob Plans")
READER = "carol"  # of the group mailbox


def start(server, more=""):
    """Users, and the group mailbox support."""
    server.write(LISTENER % server.dir + CONF + more)
    for user in ("alice", "bob", READER):
        server.add(user, "pw")
    server.start()
    server.login("alice", "pw").close()
    with server.login("bob", "pw") as client:
        client.ok("CREATE Plans")
    server.cli("group-mailbox", "create", "support", "--acl", READER + "=lrk")
    server.cli("mailbox", "create", "--user", "support", "orders")
    server.cli("acl", "set", "support", "orders", READER, "lrk")
    server.cli("acl", "set", "support", "orders", "alice", "p")
    return server


@pytest.fixture(name="site")
def group_mailbox(server):
    yield start(server)


def count(site, box):
    user, mailbox = box.split(" ")
    shared = user == "support"
    with site.login(READER if shared else user, "pw") as client:
        name = f"Shared/{SUPPORT}/{mailbox}" if shared else mailbox
        return int(client.ok(f"STATUS {name} (MESSAGES)")[0].split(b"MESSAGES ")[1].split(b")")[0])


def names(site, user):
    """Of the user's own mailboxes and those of others."""
    with site.login(user, "pw") as client:
        return [line for line in client.ok('LIST "" "*"') if line.startswith(b"* LIST")]


def send(site, *recipients, message=MESSAGE):
    """The replies, and the mailboxes that have more messages now."""
    before = [count(site, box) for box in BOXES]
    with site.lmtp() as client:
        replies = client.deliver(message, *recipients)
    after = [count(site, box) for box in BOXES]
    return replies, [box for box, a, b in zip(BOXES, before, after) for _ in range(b - a)]


def goes(site, *recipients, to):
    replies, boxes = send(site, *recipients)
    assert set(codes(replies).values()) == {DELIVERED}, replies
    assert boxes == [to] if isinstance(to, str) else sorted(boxes) == sorted(to), (recipients, boxes)


def test_group_mailbox(site):
    goes(site, "support", to="support INBOX")
    goes(site, "Support@One.Example", to="support INBOX")
    goes(site, "support+ORDERS@one.example", to="support orders")
    goes(site, "support+none", to="support INBOX")
    goes(site, "support", "support+orders", "support+orders@one.example", "bob",
         to=("support INBOX", "support orders", "bob INBOX"))
    assert codes(send(site, "support@two.example", "support@three.example", "supp")[0]) == {
        "support@two.example": NOBODY, "support@three.example": "550 5.1.2", "supp": NOBODY}
    site.cli("alias", "add", "help", "support+orders", "bob")
    goes(site, "help", to=("support orders", "bob INBOX"))
    # An alias for it needs no user.
    assert "support" not in site.cli("alias", "add", "helpdesk", "support").stderr
    line = site.logged("msg=delivery", "rcpt=help ", "mailbox=orders")
    assert f"user={SUPPORT} " in line and "result=delivered" in line


def test_mail_that_was_left(site):
    """An account without a user gets no mail, unless it is a group mailbox, and as long as it is one."""
    with site.lmtp() as client:
        for gone in (("user", "delete", "bob"), ("group-mailbox", "delete", "support", "--yes")):
            name = gone[2]
            assert codes(client.deliver(MESSAGE, name)) == {name: DELIVERED}
            site.cli(*gone)
            assert codes(client.deliver(MESSAGE, name, name + "+Plans")) == {name: NOBODY, name + "+Plans": NOBODY}
            assert codes(client.deliver(MESSAGE, f"alice+shared/{name}/orders")) == {
                f"alice+shared/{name}/orders": DELIVERED}
    assert count(site, "alice INBOX") == 2


def test_group_mailbox_creates(server):
    start(server, "lmtp.missing_mailbox = create\n")
    with server.lmtp() as client:
        assert codes(client.deliver(MESSAGE, "support+orders/New", "alice+shared/support/orders/Old")) == {
            "support+orders/New": DELIVERED, "alice+shared/support/orders/Old": DELIVERED}
    assert count(server, "support orders/New") == 1 and count(server, "alice INBOX") == 1
    # The new one has the rights of the one above it.
    goes(server, "alice+shared/support/orders/new", to=())
    assert count(server, "support orders/New") == 2
    assert len(names(server, "alice")) == 1


def test_posting(site):
    for address in ("alice+shared/support/orders", "ALICE+Shared/SUPPORT/Orders@One.Example",
                    '"alice+Shared/support@one.example/orders"@one.example', '"alice+shared/support/orders"'):
        goes(site, address, to="support orders")
    goes(site, "bob+shared/support/orders", to="bob INBOX")
    goes(site, "alice+shared/support/INBOX", to="alice INBOX")
    with site.login("bob", "pw") as client:
        client.ok("SETACL Plans alice@one.example p")
        goes(site, '"alice+Other Users/bob/Plans"@one.example', to="bob Plans")
        goes(site, '"alice+other users/BOB@one.example/plans"@one.example', to="bob Plans")
        # The mailbox that is found first says nothing of the others; each gets one message.
        goes(site, '"alice+other users/bob/plans"', "alice+shared/support/orders", "support+orders", "alice",
             to=("bob Plans", "support orders", "alice INBOX"))
        client.ok("SETACL Plans -alice@one.example p")
        goes(site, '"alice+other users/bob/plans"', to="alice INBOX")
        client.ok("DELETEACL Plans -alice@one.example")
        client.ok("SETACL Plans alice@one.example lrswikxtea")
        goes(site, '"alice+other users/bob/plans"', to="alice INBOX")
        client.ok("SETACL Plans anyone p")
        goes(site, '"alice+other users/bob/plans"', to="bob Plans")
        goes(site, '"support+other users/bob/plans"', to="support INBOX")
    site.edit("default_domain", "sharing.anyone = no\ndefault_domain")
    site.reload()
    goes(site, '"alice+other users/bob/plans"', to="alice INBOX")


def test_nothing_is_told(site):
    """Mailboxes without the right, those that do not exist, and those of nobody: the same words."""
    addresses = ("alice+shared/support/INBOX", "alice+shared/support/none", "alice+shared/nobody/orders",
                 '"alice+other users/bob/INBOX"', '"alice+other users/bob/none"', '"alice+other users/no/INBOX"',
                 "alice+shared/support/orders", "alice+shared//", "alice+none", "alice")
    told = set()
    for address in addresses:
        with site.lmtp() as client:
            replies = [client.cmd("MAIL FROM:<f@x.example>"), client.cmd(f"RCPT TO:<{address}>"), client.cmd("DATA")]
            client.send(MESSAGE + b"\r\n.\r\n")
            replies.append(client.reply().split(" as ")[0])
        told.add(tuple(replies))
    assert len(told) == 1, told
    assert count(site, "alice INBOX") == len(addresses) - 1 and count(site, "support orders") == 1


@pytest.mark.parametrize("reply", ["452 4.2.2", "552 5.2.2"])
def test_the_owner_pays(server, reply):
    start(server, f"quota.warn = []\nlmtp.over_quota = {reply[:3]}\n")
    server.cli("quota", "set", "support", "--messages", "1")
    server.cli("quota", "set", "alice", "--messages", "0")
    goes(server, "alice+shared/support/orders", to="support orders")
    replies, boxes = send(server, "support", "alice+shared/support/orders", "alice", "bob", "alice+shared/support")
    assert codes(replies) == {"support": reply, "alice+shared/support/orders": reply, "alice": reply,
                              "bob": DELIVERED, "alice+shared/support": reply} and boxes == ["bob INBOX"]
    server.cli("quota", "remove", "alice")
    # Without the right it is mail for alice, whose account has room.
    goes(server, "alice+shared/support", to="alice INBOX")


def test_drop_box(site):
    """Mail goes in by p, messages by i; nothing comes out."""
    with site.login("bob", "pw") as client:
        client.ok("SETACL Plans alice@one.example lip")
    goes(site, '"alice+other users/bob/plans"', to="bob Plans")
    name = '"Other Users/bob@one.example/Plans"'
    with site.login("alice", "pw") as client:
        assert name.encode() in b"".join(client.ok('LIST "" "Other Users/*"'))
        client.ok("APPEND INBOX {4+}\r\nx: y")
        client.ok(f"APPEND {name} {{4+}}\r\nx: y")
        client.ok("SELECT INBOX")
        client.ok(f"COPY 1 {name}")
        for command in (f"SELECT {name}", f"EXAMINE {name}", f"STATUS {name} (MESSAGES)"):
            assert client.run(command)[-1].split(b" ", 1)[1].startswith(b"NO [NOPERM]"), command
    assert count(site, "bob Plans") == 3
    with site.login("bob", "pw") as client:
        client.ok("SETACL Plans alice i")
    with site.login("alice", "pw") as client:  # nor does the list show it
        client.ok(f"APPEND {name} {{4+}}\r\nx: y")
        assert client.ok('LIST "" "Other Users/*"')[-1].split(b" ")[1] == b"OK"
        assert b"Plans" not in b"".join(client.ok('LIST "" "*"'))
        assert client.run(f"SELECT {name}")[-1].split(b" ", 1)[1].startswith(b"NO [NONEXISTENT]")
    goes(site, '"alice+other users/bob/plans"', to="alice INBOX")
    with site.login("bob", "pw") as client:
        client.ok("SELECT Plans")
        assert client.ok("SEARCH ALL")[0] == b"* SEARCH 1 2 3 4"


ODD = ["alice+shared", "alice+shared/", "alice+shared//", "alice+shared///", "alice+/shared/support/orders",
       "alice+shared/support/orders/", "alice+shared/support//orders", "alice++shared/support/orders",
       "alice+shared/support+orders", "alice+shared/support/orders+x", "alice+shared/alice/INBOX",
       '"alice+other users/alice/INBOX"', '"alice+other users/"', '"alice+other users/bob"', '"alice+other  users/bob/x"',
       '"alice+shared/@"', '"alice+shared/@/"', '"alice+shared/@one.example/orders"', '"alice+shared/support@/orders"',
       '"alice+shared/support@@one.example/orders"', '"alice+shared/support@one.example@one.example/orders"',
       '"alice+shared/support@one.example"', '"alice+shared/support@two.example/orders"', '"alice+shared/ support/orders"',
       '"alice+shared/support /orders"', '"alice+shared/support/ orders"', '"alice+shared/support/orders "',
       '"alice+shared/*/orders"', '"alice+shared/%/orders"', '"alice+shared/support/*"', '"alice+shared/support/%"',
       '"alice+shared/-alice/orders"', '"alice+shared/anyone/orders"', '"alice+shared/group:x/orders"',
       '"alice+shared/\\"/orders"', '"alice+shared/\\\\/orders"', '"alice+shared/support\\/x"', "alice+shared/" + "x" * 230,
       "alice+shared/" + "/" * 230, "alice+" + "shared/" * 30, "alice+shared/support/" + "x/" * 100,
       '"alice+shared/../support/orders"', '"alice+shared/./orders"', "alice+#shared/support/orders",
       "alice+shared\u2215support", "alice+\u017fhared/support/x", "alice+shared/\u00e9/x", "alice+shared/support/\u00e9",
       '"alice+shared/support/\u2028"', '"alice+shared/\u0085/x"', '"alice+shared/support/\u0000x"']


def test_odd_addresses(site):
    """Whatever follows the separator: an answer, nothing in the group mailbox, nothing made, a server that goes on."""
    odd = [form.replace("shared", prefix) for form in ODD for prefix in ("shared", "Shared", "other users", "SHARED/support")]
    there = [names(site, user) for user in ("alice", "bob", READER)]
    taken = 0
    with Lmtp(site.port("LMTP")) as client:
        for at, local in enumerate(odd):
            if " " in local and not local.startswith('"'):
                local = f'"{local}"'
            client.ok("MAIL FROM:<f@x.example> SMTPUTF8")
            reply = client.cmd(f"RCPT TO:<{local}{('', '@one.example', '@two.example')[at % 3]}>")
            assert reply[:3] in ("250", "500", "501", "550"), (local, reply)
            if reply[:3] == "250":
                taken += 1
                client.ok("DATA")
                client.send(MESSAGE + b"\r\n.\r\n")
                assert client.reply().startswith("250 2.0.0"), local
            else:
                client.ok("RSET")
            if reply[:2] == "50":  # too many of these end a connection
                client.close()
                client = Lmtp(site.port("LMTP"))
    assert len(odd) >= 200 and taken > 100 and count(site, "alice INBOX") == taken
    assert [names(site, user) for user in ("alice", "bob", READER)] == there
    assert [count(site, box) for box in BOXES if box != "alice INBOX"] == [0, 0, 0, 0]
    goes(site, "alice+shared/support/orders", to="support orders")
