# SPDX-License-Identifier: Apache-2.0
"""The manual pages and the help: made from the program's tables, complete, and valid mdoc."""
import os
import re
import shutil
import subprocess

import pytest

from ca import self_signed
from server import TURNSTONE

PAGES = os.path.join(os.path.dirname(TURNSTONE), "src", "cli")
TOPICS = ("config", "exit-codes", "switching", "limits", "files")
MANDOC = pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")


def run(*args):
    done = subprocess.run([TURNSTONE, *args], capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stdout, done.stderr


def commands():
    listed = run("help")[1].split("Topics:")[0]
    return re.findall(r"^  (\S+(?: \S+)?) +\S", listed, re.M)


def rendered(page):
    return subprocess.run(["mandoc", "-T", "ascii", "-O", "width=200", os.path.join(PAGES, page)], capture_output=True,
                          text=True, check=True, timeout=30).stdout


def plain(page):
    return re.sub(r".\x08", "", rendered(page))


@MANDOC
@pytest.mark.parametrize("page", ["turnstone.1", "turnstone.conf.5"])
def test_lint(page):
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", os.path.join(PAGES, page)], capture_output=True,
                          text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@MANDOC
def test_every_command():
    text = plain("turnstone.1")
    names = commands()
    assert len(names) > 30 and "user add" in names and "serve" in names
    for name in names:
        assert re.search(rf"^ +turnstone {re.escape(name)}( |$)", text, re.M), name
        for option in re.findall(r"^  (--\S+)", run("help", *name.split())[1], re.M):
            section = re.split(rf"^ +turnstone {re.escape(name)}(?: .*)?$", text, flags=re.M)[1]
            assert option in re.split(r"^   turnstone ", section, flags=re.M)[0], (name, option)
    for title in ("EXIT STATUS", "SWITCHING USERS", "LIMITS", "FILES"):
        assert f"\n{title}\n" in text


@MANDOC
def test_every_option():
    text = plain("turnstone.conf.5")
    names = re.findall(r"^\| `([^`]+)` \|", run("config", "defaults", "--markdown")[1], re.M)
    assert len(names) > 60 and "unauthenticate" in names and "port" in names
    for name in names:
        found = re.search(rf"^ +{re.escape(name)}\s+Takes (.*?)\n\n", text, re.M | re.S)
        assert found, name
        assert "default" in found[1] or "must be given" in found[1]
        assert ("reload applies" in found[1]) != ("needs a restart" in found[1])
    assert "2 to 1024" in text


def test_topics():
    listed = run("help")[1]
    for topic in TOPICS:
        code, out, err = run("help", topic)
        assert code == 0 and len(out) > 100 and err == ""
        assert all(len(line) < 80 for line in out.splitlines())
        assert re.search(rf"^  {topic} ", listed, re.M)
    assert "UNAUTHENTICATE" in run("help", "switching")[1]
    assert "limits.literal " in run("help", "limits")[1]
    assert "config check" in run("help", "config")[1]


def test_options():
    for section in ("server", "listener", "tls", "store", "imap", "lmtp"):
        code, out, err = run("help", section)
        assert code == 0 and len(out) > 200 and err == ""
        assert re.search(rf"^  {section} ", run("help")[1], re.M)
    assert "#starttls" not in run("help", "tls")[1] and "certificate = " in run("help", "tls")[1]
    assert "timeouts {" in run("help", "timeouts")[1]
    everything = run("config", "defaults")[1]
    for name in re.findall(r"^\| `([^`]+)` \|", run("config", "defaults", "--markdown")[1], re.M):
        code, out, _ = run("help", name)
        assert code == 0
        given = [line for line in out.splitlines() if " = " in line and not line.lstrip().startswith("# ")]
        assert len(given) >= 1 and all(line in everything for line in given)


def test_what_would_be_right():
    code, out, err = run("help", "swiching")
    assert code == 2 and out == "" and "Did you mean: switching" in err and "exit-codes" in err
    assert "Did you mean: limits.literal" in run("help", "limits.literl")[2]
    assert "Did you mean: timeouts" in run("help", "timeuts")[2]
    code, out, err = run("usr", "list")
    assert code == 2 and "Did you mean: user" in err
    code, out, err = run("user", "lst")
    assert code == 2 and "Did you mean: user list" in err
    code, out, err = run("user", "list", "--jsn")
    assert code == 2 and "did you mean --json?" in err
    code, out, err = run("user", "list", "--bananas")
    assert code == 2 and "there are: --config, --json" in err
    code, out, err = run("user", "add")
    assert code == 2 and "usage: turnstone user add NAME" in err


def test_the_example_of_a_configuration_has_no_fault(tmp_path):
    with open(os.path.join(PAGES, "turnstone.conf.5"), encoding="utf-8") as f:
        page = f.read()
    text = page.split(".Sh EXAMPLES\n")[1].split(".Bd -literal")[1].split("\n", 1)[1].split(".Ed\n")[0]
    text = text.replace("\\&", "").replace("\\-", "-").replace("\\e", "\\")
    self_signed(tmp_path / "cert.pem", tmp_path / "key.pem", "example.org")
    assert "/etc/turnstone/" in text and "/var/lib/turnstone" in text
    conf = tmp_path / "turnstone.conf"
    conf.write_text(text.replace("/etc/turnstone/", f"{tmp_path}/").replace("/var/lib/turnstone", f"{tmp_path}/data"))
    code, out, err = run("config", "check", "--config", str(conf))
    assert code == 0 and "no faults" in out, (out, err)
