# SPDX-License-Identifier: Apache-2.0
"""What ./dev says to whoever works on the source."""
import os
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def dev(*words, **env):
    return subprocess.run([os.path.join(TOP, "dev"), *words], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          env=dict(os.environ, **env), check=False)


def test_no_install_names_what_is_missing_and_installs_nothing(tmp_path):
    """On a machine on which nothing is installed."""
    for name, text in (("dpkg-query", "exit 0"), ("apt-get", f"touch {tmp_path}/called"), ("sudo", f"touch {tmp_path}/called")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    for verb in ("build", "check", "test", "lint", "fuzz"):
        done = dev("--no-install", verb, PATH=path)
        assert done.returncode == 1 and done.stdout == "", done.stdout
        assert done.stderr.startswith("dev: missing packages: "), done.stderr
        assert " librocksdb-dev " in done.stderr and done.stderr.endswith(" (--no-install: nothing is installed)\n")
    assert not (tmp_path / "called").exists()


def test_verbs_are_listed_and_unknown_ones_named():
    listed = dev().stdout
    for verb in ("build", "up", "down", "check", "test", "fmt", "lint", "deb", "bench", "fuzz", "clean"):
        assert f"\n  {verb} " in listed, verb
    done = dev("chekc")
    assert done.returncode == 1 and done.stderr.endswith("dev: unknown verb: chekc\n")
    done = dev("check", "--fast")
    assert done.returncode == 1 and done.stderr == "dev: check: unknown argument --fast (it takes none; see ./dev check --help)\n"
