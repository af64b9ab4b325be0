# SPDX-License-Identifier: Apache-2.0
"""What ./dev says to developers."""
import os
import shutil
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
    for verb in ("build", "up", "down", "check", "test", "ext", "texts", "fmt", "lint", "deb", "bench", "fuzz", "clean"):
        assert f"\n  {verb} " in listed, verb
    done = dev("chekc")
    assert done.returncode == 1 and done.stderr.endswith("dev: unknown verb: chekc\n")
    done = dev("check", "--fast")
    assert done.returncode == 1 and done.stderr == "dev: check: unknown argument --fast (it takes none; see ./dev check --help)\n"


def test_a_new_extension_compiles_and_is_in_the_lists(tmp_path):
    """The skeleton also passes the tests of the whole tree; here it is compiled in a copy."""
    for part in ("src", "doc/imap-extensions.md", "test/imap/capability.imt"):
        target = tmp_path / part
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if part == "src" else shutil.copy)(os.path.join(TOP, part), target)
    (tmp_path / "test/reset").mkdir()
    table = tmp_path / "test/lockstep/commands.txt"
    table.parent.mkdir()
    shutil.copy(os.path.join(TOP, "test/lockstep/commands.txt"), table)
    made = dev("ext", "brand_new", "--root", str(tmp_path))
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("src/imap/ext/brand_new.c\ntest/imap/brand_new.imt\ntest/reset/brand_new.imt\n")
    assert "\n\tEXT(brand_new) " in (tmp_path / "src/imap/ext/list.h").read_text()
    assert "'ext/brand_new.c'" in (tmp_path / "src/imap/meson.build").read_text()
    assert " BRAND-NEW ENABLE UNAUTHENTICATE" in (tmp_path / "test/imap/capability.imt").read_text()
    assert table.read_text().endswith("\n[BRAND-NEW]\nitem BRAND-NEW\n")
    assert (tmp_path / "doc/imap-extensions.md").read_text().count("| BRAND-NEW | brand_new |") == 1
    compiled = subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Werror", "-fsyntax-only", "-I", tmp_path / "src",
                               tmp_path / "src/imap/ext/brand_new.c"], capture_output=True, text=True, check=False)
    assert compiled.returncode == 0, compiled.stderr
    again = dev("ext", "brand_new", "--root", str(tmp_path))
    assert again.returncode == 1 and again.stderr == "ext: src/imap/ext/brand_new.c is there already\n"
    assert dev("ext", "Brand-New", "--root", str(tmp_path)).returncode == 2
