# SPDX-License-Identifier: Apache-2.0
"""The clients of these tests: what they read, however it is split, and what they report if it does not
come."""
import socket
import threading

import pytest

from imap import Imap, literals
from lmtp import Lmtp

HELLO = b"* OK hello\r\n"


@pytest.fixture(name="far")
def _far():
    """far(said, step): the port of a peer that sends this in pieces of that size and nothing more, or ends
    after "cut"."""
    ends = []

    def far(said, step=1):
        listener = socket.create_server(("127.0.0.1", 0))

        def run():
            sock, _ = listener.accept()
            ends.append(sock)
            for at in range(0, len(said), step):
                sock.sendall(said[at:at + step])
            if said.endswith(b"cut"):
                sock.close()

        threading.Thread(target=run, daemon=True).start()
        ends.append(listener)
        return listener.getsockname()[1]

    yield far
    for end in ends:
        end.close()


@pytest.mark.parametrize("step", [1, 2, 10000])
def test_responses_and_literals(far, step):
    rows = [b"* 1 FETCH (A {9}\r\na b {3}\r\n B \"x\" C {0}\r\n)", b"* 2 EXISTS", b"+ go", b"* t1 {2}\r\nt1 x"]
    with Imap(far(HELLO + b"\r\n".join([*rows, b"t1 OK done", b"more"]) + b"\r\n", step)) as client:
        assert client.greeting == HELLO[:-2]
        assert client.put("NOOP", b"NOOP") == ["t1", "t2"]
        got = client.done("t1")
        assert got == [*rows, b"t1 OK done"]
        assert [literals(r) for r in got] == [[b"a b {3}\r\n", b""], [], [], [b"t1"], []]
        assert client.read_line() == b"more"


def test_what_comes_before_a_tag_may_be_thrown_away(far):
    with Imap(far(HELLO + b"* 1 FETCH (A {6}\r\nt1 OK B)\r\nt1 NO no\r\n", 3)) as client:
        assert client.tagged("t1") == b"t1 NO no"


def test_silence_tells_what_came(far):
    with Imap(far(HELLO + b"* 1 EXISTS\r\nt1 O"), timeout=1) as client:
        with pytest.raises(AssertionError, match=r"nothing came for 1 s; .*\* 1 EXISTS.*t1 O"):
            client.run("NOOP")


def test_an_end_tells_what_came(far):
    with Imap(far(HELLO + b"* 1 EXISTS\r\nt1 cut")) as client:
        with pytest.raises(EOFError, match=r"closed the connection; .*\* 1 EXISTS.*t1 cut"):
            client.until("t1")


def test_replies(far):
    with Lmtp(far(b"220 hello\r\n250-one\r\n250 two\r\n354 go\r\n", 5), lhlo=False) as client:
        assert client.greeting == "220 hello" and client.reply() == "250 one\ntwo"
        client.taken(1)
