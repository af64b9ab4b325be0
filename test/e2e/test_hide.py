# SPDX-License-Identifier: Apache-2.0
"""Capabilities hidden from groups and programs."""
import os

import pytest

from server import Site, give

PASSWORD = "wonderland-7"


@pytest.fixture(name="site")
def _site():
    s = Site()
    groups = os.path.join(s.dir, "groups")
    with open(groups, "w", encoding="ascii") as f:
        f.write("staff:x:1:alice,carol\n")
    give(groups)
    s.write(f"""\
unauthenticate = everyone
auth.group_file = {groups}
hide staff {{ capabilities = [MOVE]; for = ["group:staff"] }}
hide fetcher {{ capabilities = [UIDPLUS, UNSELECT]; clients = ["Microsoft*"] }}
""")
    for name in ("alice", "bob"):
        s.add(name, PASSWORD)
    s.start()
    yield s
    s.remove()


def test_by_group_and_program(site):
    alice, bob = site.login("alice"), site.login("bob")
    assert "MOVE" not in alice.capabilities() and "MOVE" in bob.capabilities()
    assert "UIDPLUS" in alice.capabilities() and "UIDPLUS" in bob.capabilities()
    for c in (alice, bob):
        c.ok("SELECT INBOX")
    alice.bad("UID MOVE 1 Work", "Unknown command")
    bob.ok("UID MOVE 1 INBOX")
    said = bob.ok('ID ("name" "Microsoft.Exchange.Imap4.Imap4Server" "version" "15")')
    told = next(r for r in said if r.startswith(b"* CAPABILITY")).decode().split()[2:]
    assert "UIDPLUS" not in told and "UNSELECT" not in told and "MOVE" in told
    assert told == bob.capabilities()
    bob.bad("UID EXPUNGE 1", "Unknown command")


def test_who_joins_or_leaves_has_it_from_the_next_login_on(site):
    bob = site.login("bob")
    groups = os.path.join(site.dir, "groups")
    with open(groups + ".new", "w", encoding="ascii") as f:
        f.write("staff:x:1:bob\n")
    give(groups + ".new")
    os.rename(groups + ".new", groups)
    site.cli("reload")
    assert "MOVE" in bob.capabilities()
    bob.all_ok("UNAUTHENTICATE", f"LOGIN bob {PASSWORD}")
    assert "MOVE" not in bob.capabilities()
    assert "MOVE" in site.login("alice").capabilities()


def test_faults(site):
    for more, what in (("hide h { capabilities = [IDLE] }", "from whom?"),
                       ("hide h { for = anna }", "capabilities"),
                       ('hide h { capabilities = [IDLE]; for = ["a b"] }', "is neither a user name"),
                       ('hide h { capabilities = [IDLE]; clients = [""] }', "is no name")):
        site.write(more + "\n")
        said = site.cli("config", "check", ok=False)
        assert what in said.stdout + said.stderr, said
