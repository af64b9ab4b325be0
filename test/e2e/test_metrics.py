# SPDX-License-Identifier: Apache-2.0
"""Metrics for Prometheus: the exact format, exact differences after known work, and the manual's table."""
import os
import pwd
import re
import subprocess
import urllib.error
import urllib.request

import pytest

from imap import plain
from lmtp import Lmtp
from peer import free_port
from server import SANDBOX, SANITIZED, Site

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="[^"\\\n]*",?)+)\})? ([0-9.e+-]+)$')


@pytest.fixture(name="site")
def _site():
    port = free_port()
    server = Site(f"metrics {{ port = {port} }}\nunauthenticate = everyone\n")
    server.add("anna", "secret")
    server.add("bert", "secret")
    server.start()
    server.url = f"http://127.0.0.1:{port}/metrics"
    yield server
    server.remove()


def scrape(url):
    """Strict: HELP and TYPE before the samples of a family, no sample twice, histograms cumulative."""
    with urllib.request.urlopen(url, timeout=30) as reply:
        assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = reply.read().decode("utf-8")
    assert text.endswith("\n")
    found, types, helped = {}, {}, None
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            helped = line.split(" ")[2]
            assert helped not in types
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == helped and kind in ("counter", "gauge", "histogram")
            assert kind != "counter" or name.endswith("_total"), name
            types[name] = kind
        else:
            m = SAMPLE.match(line)
            assert m, line
            base = re.sub("_(bucket|sum|count)$", "", m[1]) if types[helped] == "histogram" else m[1]
            assert base == helped and (m[1], m[2]) not in found, line
            found[m[1], m[2]] = float(m[3])
    for (name, labels), value in found.items():
        if name.endswith("_count"):
            buckets = [v for (n, l), v in found.items() if n == name[:-6] + "_bucket"
                       and l.startswith(labels + "," if labels else "le=")]
            assert buckets == sorted(buckets) and buckets[-1] == value
    return found, types


def test_known_work_shows_exactly(site):
    before, _ = scrape(site.url)
    with site.client() as client:
        client.put("LOGIN anna secret", "NOOP", "NONSENSE", "GETMETADATA INBOX", "SELECT missing", "UNAUTHENTICATE",
                   f"AUTHENTICATE PLAIN {plain('', 'bert', 'secret')}", "LOGOUT")
        assert b"t8 OK" in client.rest()
    after, types = scrape(site.url)

    def grew(name, labels=None):
        return after[name, labels] - before[name, labels]

    def commands(name, result):
        return grew("turnstone_commands_total", f'command="{name}",result="{result}"')

    assert grew("turnstone_connections_total") == 1
    assert grew("turnstone_logins_total", 'result="ok"') == 2 and grew("turnstone_switches_total") == 1
    assert grew("turnstone_logins_total", 'result="failed"') == 0
    assert grew("turnstone_errors_total", 'kind="not found"') == 1
    for what in ("credential", "account"):
        assert grew("turnstone_lookups_total", f'what="{what}",result="miss"') == 2, what
    for name, result in (("LOGIN", "OK"), ("NOOP", "OK"), ("unknown", "BAD"), ("SELECT", "NO"),
                         ("UNAUTHENTICATE", "OK"), ("AUTHENTICATE", "OK"), ("LOGOUT", "OK")):
        assert commands(name, result) == 1, name
        assert grew("turnstone_command_seconds_count", f'command="{name}"') == 1
    assert sum(after[k] - before[k] for k in after if k[0] == "turnstone_commands_total") == 8
    # an unknown one has its name, and no times
    assert commands("GETMETADATA", "BAD") == 1 and commands("SORT", "BAD") == 0
    assert not any("GETMETADATA" in (labels or "") for name, labels in after if name.startswith("turnstone_command_seconds"))
    assert grew("turnstone_received_bytes_total") > 100 and grew("turnstone_sent_bytes_total") > 100
    assert after["turnstone_resident_memory_bytes", None] > 1 << 20
    with open(os.path.join(TOP, "doc", "admin.md"), encoding="utf-8") as f:
        documented = set(re.findall(r"^\| `(turnstone_[a-z_]+)` \|", f.read(), re.M))
    assert documented == set(types)
    assert site.stop() == 0


def test_flushes_lookups_and_refused_logins_show(site):
    def session(*commands):
        with site.client() as client:
            client.put(*commands, "LOGOUT")
            assert b"t%d OK" % client.count in client.rest()

    session("LOGIN anna secret", "SELECT INBOX")
    before, _ = scrape(site.url)
    session("LOGIN anna secret", "SELECT INBOX", "APPEND INBOX {3+}\r\nabc", "APPEND INBOX {3+}\r\nabc")
    session("LOGIN anna wrong")
    after, _ = scrape(site.url)

    def grew(name, labels=None):
        return after[name, labels] - before[name, labels]

    for what, n in (("credential", 1), ("account", 1), ("mailbox", 1)):
        assert grew("turnstone_lookups_total", f'what="{what}",result="hit"') >= n, what
    assert grew("turnstone_lookups_total", 'what="credential",result="miss"') == 1
    assert grew("turnstone_logins_total", 'result="failed"') == 1
    flushes = grew("turnstone_flush_seconds_count")
    assert flushes >= 2 and grew("turnstone_flush_seconds_sum") > 0
    assert grew("turnstone_batch_changes_count") == flushes and grew("turnstone_batch_changes_sum") >= 2
    status = site.status()
    assert status["lanes"] == "2" and float(status["commands_per_second_1m"]) > 0
    assert float(status["commits_per_second_10s"]) > 0 and float(status["changes_per_commit_1m"]) >= 1
    assert float(status["flush_milliseconds_1m"]) >= 0 and status["mailboxes_selected"] == "0"
    with open(os.path.join(TOP, "doc", "admin.md"), encoding="utf-8") as f:
        table = re.search(r"^\| line \| is \|\n(.*?)\n\n", f.read(), re.M | re.S)[1]
    documented = set(re.findall(r"`([a-z0-9_]+)(?:_…|NAME)?`", "\n".join(row.split("|")[1] for row in table.split("\n"))))
    assert {re.sub("_(10s|1m)$", "", re.sub("^listener_.*", "listener_", key)) for key in status} <= documented
    data = site.asked("status")
    assert isinstance(data["logins_per_second_10s"], float) and isinstance(data["lanes"], int)
    assert data["switches_per_second_1m"] == 0


def test_deliveries_show(site):
    site.stop()
    with open(site.conf, "a", encoding="utf-8") as f:
        f.write(f"listener lmtp {{ protocol = lmtp; path = {site.dir}/lmtp.sock }}\n")
    site.start()
    before, _ = scrape(site.url)
    with Lmtp(site.dir + "/lmtp.sock") as client:
        for text in (b"Subject: x\r\n\r\ny", b"Subject: x\r\n\r\n\0"):
            client.deliver(text, "anna", "bert", "carl")
        after, _ = scrape(site.url)
        assert after["turnstone_lmtp_connections", None] == 1

    def grew(name, labels=None):
        return after[name, labels] - before[name, labels]

    assert grew("turnstone_lmtp_connections_total") == 1 and grew("turnstone_lmtp_messages_total") == 2
    assert grew("turnstone_lmtp_message_bytes_total") == 34 and grew("turnstone_lmtp_message_seconds_count") == 2
    assert grew("turnstone_lmtp_message_seconds_sum") > 0
    # anna and bert are in memory the second time; "nobody" never is.
    assert grew("turnstone_lookups_total", 'what="recipient",result="hit"') == 2
    assert grew("turnstone_lookups_total", 'what="recipient",result="miss"') == 4
    told = {tuple(re.findall('"([a-z]+)"', labels)): after[name, labels] - before[name, labels]
            for name, labels in after if name == "turnstone_lmtp_recipients_total"}
    assert told == {("rcpt", "refused"): 2, ("rcpt", "deferred"): 0, ("message", "delivered"): 2,
                    ("message", "refused"): 2, ("message", "deferred"): 0, ("message", "unknown"): 0,
                    ("message", "abandoned"): 0}


@pytest.mark.skipif(os.geteuid() != 0 or SANITIZED, reason="needs to be root, and a program without sanitizers")
def test_inside_the_sandbox_as_another_user(site):
    assert site.stop() == 0
    subprocess.run(["chown", "-R", "nobody", site.dir], check=True)
    with open(site.conf, "a", encoding="utf-8") as f:
        f.write(("" if SANDBOX else "server { user = nobody; sandbox = require }\n") + "log.protocol_for = anna\n")
    site.start()
    assert site.lets_in("anna", "secret")
    found, _ = scrape(site.url)
    assert found["turnstone_logins_total", 'result="ok"'] == 1
    assert found["turnstone_resident_memory_bytes", None] > 1 << 20
    assert site.stop() == 0
    transcript = os.stat(os.path.join(site.dir, "data", "protocol", "anna.log"))
    assert transcript.st_uid == pwd.getpwnam("nobody").pw_uid and transcript.st_size > 100


def test_head_is_get_without_a_body(site):
    with urllib.request.urlopen(urllib.request.Request(site.url, method="HEAD"), timeout=30) as reply:
        assert reply.status == 200 and reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert int(reply.headers["Content-Length"]) > 1000 and reply.read() == b""


def test_other_paths_and_methods(site):
    for url, method, code in ((site.url + "x", "GET", 404), (site.url, "POST", 405), (site.url, "DELETE", 405)):
        with pytest.raises(urllib.error.HTTPError) as e:
            urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=30)
        assert e.value.code == code
