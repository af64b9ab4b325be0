# SPDX-License-Identifier: Apache-2.0
"""`turnstone check` names damaged entries in lists of rights; a repair removes those without effect."""
from test_port import Files
from test_properties import shown, tool


def test_damaged_entries(tmp_path):
    site = Files(tmp_path)
    site.run("mailbox", "create", "Plans", "--user", "alice")
    site.run("acl", "set", "alice", "Plans", "bob", "lrs")
    assert "found: 0" in site.run("check")
    for name, value in (("acl/--bob", b"lr"), ("acl/carol", b"lr?"), ("acl/-carol", b"??")):
        tool(site, "put", "alice", "Plans", name, value.hex())
    out = site.run("check", code=None)
    assert "acl/--bob: this is the identifier of nobody" in out, out
    assert "acl/carol: its rights are damaged, so it gives none" in out
    assert "acl/-carol: its rights are damaged, so it takes all" in out
    out = site.run("check", "--repair", code=None)
    assert out.count("it is dropped") == 2 and out.count("NOT mended") == 1, out
    left = {name for box, name in shown(site, "alice") if box == "Plans"}
    assert left == {"acl/bob", "acl/-carol"}, left
    site.run("acl", "set", "alice", "Plans", "-carol", "w")
    assert "found: 0" in site.run("check")
