#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How many instructions does an operation take in one program and in another?

usage: test/bench/instructions.py OLD NEW [FIGURE ...]

OLD and NEW are programs (`build/turnstone`), the figures those of bench.py: switch-1 switch-16
fetch-flags-100k fetch-body-10k append-64 store-16 unless told.  Each server runs under callgrind
(package valgrind), which counts what all its threads execute while a client does a figure's operations;
a warm-up before is not counted.  The ratio is NEW through OLD.  Unlike times it hardly depends on what
else the machine does.  But a server that is counted is slow, so everybody is paced in it (imap/pace.h),
which costs a switch or an APPEND some four in a hundred more than without callgrind.  The profiles stay in the folder that is printed, for callgrind_annotate.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import bench

FIGURES = ["switch-1", "switch-16", "fetch-flags-100k", "fetch-body-10k", "append-64", "store-16"]
WRAPPER = """#!/bin/sh
# What copies and clears by one instruction for any number of bytes would be counted by the byte.
export GLIBC_TUNABLES=glibc.cpu.x86_rep_stosb_threshold=1000000000:glibc.cpu.x86_rep_movsb_threshold=1000000000
case "$1" in
serve) exec valgrind --tool=callgrind --instr-atstart=no --separate-threads=yes --callgrind-out-file={out}/cg.%p "{program}" "$@" ;;
esac
exec "{program}" "$@"
"""


class Counted:
    """A site whose server is counted."""

    def __init__(self, program, folder):
        self.folder = folder
        wrapper = folder / "turnstone"
        wrapper.write_text(WRAPPER.format(out=folder, program=pathlib.Path(program).resolve()))
        wrapper.chmod(0o755)
        self.site = bench.Site(folder / "site")
        os.environ["TURNSTONE_BIN"] = str(wrapper)
        self.options = type("Options", (), {"seconds": 2, "warmup": 1})
        self.bench = bench.Bench(self.site, self.options)

    def control(self, *args):
        subprocess.run(["callgrind_control", *args, self.site.env["PID"]], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def total(self):
        """Instructions in the newest dump, one file for each thread, without RocksDB's in the background."""
        dumps = list(self.folder.glob(f"cg.{self.site.env['PID']}.*-*"))
        newest = max(int(p.suffix[1:].split("-")[0]) for p in dumps)
        texts = [p.read_text() for p in dumps if p.suffix.startswith(f".{newest}-")]
        return sum(int(re.search(r"^totals: (\d+)$", text, re.M).group(1))
                   for text in texts if "ThreadPoolImpl::Impl::BGThread" not in text)

    def measure(self, figure):
        args = self.site.load_args(False, figure.scenario) + self.bench.figure_args(figure) + ["--warmup", "0"]
        bench.load(args + ["--seconds", "3", figure.scenario])
        self.control("-i", "on")
        self.control("-z")
        ops = bench.load(args + ["--seconds", "10", figure.scenario])["all_ops"]
        self.control("-i", "off")
        self.control("-d")
        return self.total() / ops


def measure(program, folder, figures):
    folder.mkdir()
    counted = Counted(program, folder)
    counted.site.up()
    found = {}
    try:
        for figure in figures:
            counted.bench.prepare(figure)
            found[figure.name] = counted.measure(figure)
    finally:
        counted.site.down()
    return found


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    figures = [f for name in sys.argv[3:] or FIGURES for f in bench.FIGURES if f.name == name]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="turnstone-instructions-"))
    old, new = (measure(program, folder / name, figures) for program, name in zip(sys.argv[1:3], ("old", "new")))
    print(f"{'figure':<20}{'old':>16}{'new':>16}{'ratio':>8}   instructions for an operation")
    for figure in figures:
        a, b = old[figure.name], new[figure.name]
        print(f"{figure.name:<20}{a:>16,.0f}{b:>16,.0f}{b / a:>8.3f}")
    print(folder)


if __name__ == "__main__":
    main()
