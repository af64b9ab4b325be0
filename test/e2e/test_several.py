# SPDX-License-Identifier: Apache-2.0
"""Several sessions on one mailbox at once (RFC 2180), and large things."""
import random
import re
import threading

import pytest


def numbers(responses, word):
    return [int(m.group(1)) for r in responses for m in [re.match(rb"\* (\d+) " + word, r)] if m]


def make(demo, name, n):
    c = demo.login("alice")
    c.run(f"DELETE {name}")
    c.ok(f"CREATE {name}")
    for i in range(n):
        c.append(name, f"Subject: {i}\r\n\r\nx\r\n")
    return c


def test_exists_and_flags_are_told(demo):
    a = make(demo, "Shared", 3)
    b = demo.login("alice")
    a.ok("SELECT Shared")
    b.ok("SELECT Shared")
    b.ok("STORE 2 +FLAGS (\\Flagged hello)")
    told = a.ok("NOOP")
    assert any(b"2 FETCH (" in r and b"\\Flagged" in r and b"hello" in r for r in told), told
    b.append("Shared", "Subject: new\r\n\r\nx\r\n")
    assert b"* 4 EXISTS" in a.ok("NOOP")
    a.close()
    b.close()


def test_expunge_waits_for_a_command_that_allows_it(demo):
    a = make(demo, "Shared", 5)
    b = demo.login("alice")
    a.ok("SELECT Shared")
    b.ok("SELECT Shared")
    b.ok("STORE 2:3 +FLAGS.SILENT (\\Deleted)")
    assert numbers(b.ok("EXPUNGE"), b"EXPUNGE") in ([2, 2], [3, 2])
    # FETCH, STORE, SEARCH: no EXPUNGE (RFC 9051 section 7.5.1); numbers keep their meaning.
    got = a.run("FETCH 4 (UID)")
    assert got[0] == b"* 4 FETCH (UID 4)" and not numbers(got, b"EXPUNGE")
    got = a.run("SEARCH ALL")
    assert not numbers(got, b"EXPUNGE")
    assert b"EXPUNGEISSUED" in a.run("FETCH 2:3 (FLAGS)")[-1]
    got = a.run("UID FETCH 5 (UID)")
    assert sorted(numbers(got, b"EXPUNGE")) in ([2, 2], [2, 3]) or sorted(numbers(a.ok("NOOP"), b"EXPUNGE")) in (
        [2, 2], [2, 3])
    assert a.ok("FETCH 3 (UID)")[0] == b"* 3 FETCH (UID 5)"
    a.close()
    b.close()


def test_a_view_follows_random_changes(demo):
    """A reader's view, built only from untagged responses, equals the mailbox in the end."""
    seed = 20261123
    rng = random.Random(seed)
    make(demo, "Shared", 10).close()
    reader = demo.login("alice")
    reader.ok("SELECT Shared")
    uids = [int(re.search(rb"UID (\d+)", r).group(1)) for r in reader.ok("FETCH 1:* (UID)")[:-1]]
    stop = threading.Event()

    def work():
        w = demo.login("alice")
        w.ok("SELECT Shared")
        for _ in range(60):
            if rng.random() < 0.5:
                w.append("Shared", "Subject: r\r\n\r\nx\r\n")
            else:
                w.run(f"STORE {rng.randint(1, 5)} +FLAGS.SILENT (\\Deleted)")
                w.ok("EXPUNGE")
        w.close()
        stop.set()

    thread = threading.Thread(target=work)
    thread.start()

    def apply(responses):
        for r in responses:
            m = re.match(rb"\* (\d+) (EXPUNGE|EXISTS)", r)
            if m and m.group(2) == b"EXPUNGE":
                del uids[int(m.group(1)) - 1]
            elif m:
                while len(uids) < int(m.group(1)):
                    uids.append(None)
                assert len(uids) == int(m.group(1)), r
            m = re.match(rb"\* (\d+) FETCH \(.*UID (\d+)", r)
            if m:
                assert uids[int(m.group(1)) - 1] in (None, int(m.group(2))), r
                uids[int(m.group(1)) - 1] = int(m.group(2))

    while not stop.is_set():
        apply(reader.run("NOOP"))
        if uids:
            apply(reader.run("FETCH 1:* (UID)"))
    thread.join()
    apply(reader.ok("NOOP"))
    apply(reader.ok("FETCH 1:* (UID)"))
    fresh = demo.login("alice")
    fresh.ok("EXAMINE Shared")
    assert uids == [int(re.search(rb"UID (\d+)", r).group(1)) for r in fresh.ok("FETCH 1:* (UID)")[:-1]]


def test_a_deleted_mailbox_ends_the_other_session_cleanly(demo):
    a = make(demo, "Doomed", 1)
    b = demo.login("alice")
    a.ok("SELECT Doomed")
    b.ok("DELETE Doomed")
    a.send("x NOOP\r\n")
    try:
        replies = a.until("x")
        assert any(b"CLOSED" in r or b"BYE" in r for r in replies) or b"x NO" in replies[-1], replies
    except EOFError:
        pass
    b.ok("CREATE Doomed")
    assert b"* 0 EXISTS" in b.ok("SELECT Doomed")
    b.ok("UNSELECT")
    b.ok("DELETE Doomed")


@pytest.mark.parametrize("size", [1, 1000, 130000, 3000000])
def test_messages_of_all_sizes_come_back_byte_for_byte(demo, size):
    rng = random.Random(size)
    body = b"Subject: big\r\n\r\n" + bytes(rng.choices(range(32, 127), k=size)) + b"\r\n"
    c = demo.login("bob")
    c.run("CREATE Sizes")
    uid = re.search(rb"APPENDUID \d+ (\d+)", c.append("Sizes", body)[-1]).group(1).decode()
    c.ok("SELECT Sizes")
    got = c.ok(f"UID FETCH {uid} (RFC822.SIZE BODY.PEEK[])")[0]
    assert got.split(b"}\r\n", 1)[1][:-1] == body and b"RFC822.SIZE %d" % len(body) in got
    middle = len(body) // 2
    got = c.ok(f"UID FETCH {uid} (BODY.PEEK[]<{middle}.100>)")[0]
    assert got.split(b"}\r\n", 1)[1][:-1] == body[middle:middle + 100]
    c.close()


def memory_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return int(re.search(r"^Pss_Anon:\s+(\d+)", f.read(), re.M).group(1))


def test_large_appends_at_once_do_not_fill_memory(demo):
    """50 clients, 64 MiB each, at the same time (8 MiB each here, 64 in the long run)."""
    import os
    size = (64 if os.environ.get("TURNSTONE_LONG") else 8) << 20
    line = b"y" * 998 + b"\r\n"
    body = b"Subject: large\r\n\r\n" + line * (size // 1000)
    before, peak, failed = memory_kib(demo.pid), [0], []

    def send(i):
        try:
            c = demo.login("bob")
            c.sock.settimeout(900)
            c.append("INBOX", body)
            c.close()
        except Exception as err:  # pylint: disable=broad-except
            failed.append((i, err))

    threads = [threading.Thread(target=send, args=(i,)) for i in range(50)]
    for t in threads:
        t.start()
    while any(t.is_alive() for t in threads):
        peak[0] = max(peak[0], memory_kib(demo.pid) - before)
        threads[0].join(0.05)
        for t in threads:
            t.join(0.001)
    assert not failed, failed[:3]
    print(f"50 APPENDs of {size >> 20} MiB: {peak[0] >> 10} MiB more at the peak")
    assert peak[0] < 300 << 10
