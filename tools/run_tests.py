#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the tests, cheapest first, and ends with one line `N passed, N failed[, N skipped]`.

`./dev test` calls it after it has installed what is needed.  `--long` runs
everything; the default is a selection that takes 20 minutes on two cores.
`--only WORD` runs the stages whose name contains WORD.  Names choose tests: a
transcript (`silent.imt`), a source file of a test, an end-to-end file with or without
a case (`test_lmtp.py::test_reset`), a name that `meson test --list` shows, a fuzz
target (its corpus is replayed); with or without the folder and the ending.

The default selection does not depend on chance: all random tests use the seed
below, and fuzz targets, after their corpus, a fixed number of runs.  `--long` and
`./dev fuzz` use fresh seeds and print them; repeat one with TURNSTONE_SEED=n.
"""
import argparse
import difflib
import glob
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
JOBS = str(os.cpu_count() or 2)
WAITING = str(int(JOBS) + 1)  # parallel end-to-end tests: they wait more than they compute
SEED = 20260115  # of the default selection
RUNS = 3000      # of a fuzz target in the default selection, in at most …
SECONDS = 30     # … this many seconds: a slow machine runs fewer of the same inputs, never others


class Tally:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, 0, 0
        self.bad, self.left_out = [], []

    def one(self, name, ok, detail=""):
        if ok:
            self.passed += 1
        else:
            self.failed += 1
            self.bad.append(name)
            print(f"FAILED {name}", flush=True)
            if detail:
                print("    " + "\n    ".join(detail.strip().splitlines()[-60:]), flush=True)

    def skip(self, name, why):
        self.skipped += 1
        self.left_out.append(f"{name}: {why}")


def run(cmd, **kw):
    kw.setdefault("cwd", TOP)
    return subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", stdin=subprocess.DEVNULL, **kw)


def check(tally, name, cmd, env=None):
    done = run(cmd, shell=True, executable="/bin/bash", env=env)
    tally.one(name, done.returncode == 0, done.stdout)


def build(tally, folder, compiler, *options):
    """Configures and compiles a build folder; the build itself counts as a test."""
    path = os.path.join(TOP, folder)
    env = dict(os.environ, CC=compiler[0], CXX=compiler[1])
    if not os.path.exists(os.path.join(path, "build.ninja")):
        done = run(["meson", "setup", path, TOP, *options], env=env)
        if done.returncode != 0:
            tally.one(f"configure {folder}", False, done.stdout)
            return False
    done = run(["ninja", "-C", path], env=env)
    tally.one(f"build {folder}", done.returncode == 0, done.stdout)
    return done.returncode == 0


def meson_tests(tally, folder, *options, env=None):
    log = os.path.join(TOP, folder, "meson-logs", "testlog.json")
    if os.path.exists(log):
        os.unlink(log)
    done = run(["meson", "test", "-C", os.path.join(TOP, folder), "--no-rebuild",
                "--num-processes", JOBS, *options], env=dict(os.environ, **(env or {})))
    if not os.path.exists(log):
        tally.one(f"{folder}: meson test", False, done.stdout)
        return
    for line in open(log, encoding="utf-8", errors="replace"):
        test = json.loads(line)
        name = f"{folder}: {test['name']}"
        if test["result"] == "SKIP":
            tally.skip(name, "the test says so")
        else:
            tally.one(name, test["result"] == "OK", (test.get("stdout") or "") + (test.get("stderr") or ""))


def static_checks(tally, _args):
    check(tally, "format", "./dev fmt --check")
    check(tally, "folder order",
          "awk -f tools/layers.awk src/LAYERS $(find src -name '*.[ch]' -o -name '*.cc')")
    check(tally, "licence lines",
          "! git ls-files '*.c' '*.h' '*.cc' '*.py' '*.sh' '*.js' '*.awk' 'meson.build' '*/meson.build' dev "
          "| xargs grep -L 'SPDX-License-Identifier: Apache-2.0' | grep .")
    check(tally, "no unfinished work",
          "! git ls-files 'src/*.[ch]' 'src/*.cc' | xargs grep -nE 'TODO|FIXME|XXX' | grep .")


LINTED = 40  # sources at most in the default selection: clang-tidy takes seconds for each


def changed_sources():
    """Sources in src/ that differ from the last commit, or that the last commit changed."""
    names = run(["git", "diff", "--name-only", "--diff-filter=d", "HEAD~1", "--", "src/*.c"], cwd=TOP)
    return names.stdout.split() if names.returncode == 0 else []


def lint_stage(tally, args):
    """clang-tidy and cppcheck: recent changes; with --long everything."""
    sources = [] if args.long else changed_sources()
    if len(sources) > LINTED:
        tally.skip("lint", f"{len(sources)} sources have changed: ./dev lint looks at all of them")
    elif args.long or sources:
        check(tally, "lint", " ".join(["./dev lint", *sources]))
    else:
        tally.skip("lint", "no source of src/ has changed since the commit before the last")


GCC = ("build-gcc", ("gcc", "g++"), "-Dbuildtype=debugoptimized", "-Dtests=true")


def build_gcc(tally):
    """Builds the folder whose compile commands editors and language servers use."""
    if not build(tally, *GCC):
        return False
    link = os.path.join(TOP, "compile_commands.json")
    if os.path.lexists(link):
        os.unlink(link)
    os.symlink("build-gcc/compile_commands.json", link)
    return True


def gcc_stage(tally, args):
    if build_gcc(tally):
        meson_tests(tally, "build-gcc", "--suite", "unit", "--suite", "imap",
                    env={"TURNSTONE_LONG": "1" if args.long else ""})


def pytest(tally, args, folder, *what, env=None, name=""):
    """End-to-end tests on the program in a build folder; name: the run's, by default the folder's."""
    run_name = name or folder
    report = os.path.join(TOP, "var", f"e2e-{run_name}.xml")
    os.makedirs(os.path.dirname(report), exist_ok=True)
    if os.path.exists(report):
        os.unlink(report)
    env = dict(os.environ, TURNSTONE_BUILD=os.path.join(TOP, folder), TURNSTONE_SEED=str(args.seed),
               TURNSTONE_LONG="1" if args.long else "", PYTHONDONTWRITEBYTECODE="1", **(env or {}))
    done = run(["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-x" if args.fast else "-q",
                "-n", WAITING, "--dist", "load", f"--junitxml={report}", *what], env=env)
    if not os.path.exists(report):
        tally.one(f"end to end, {run_name}", False, done.stdout)
        return
    for case in ET.parse(report).getroot().iter("testcase"):
        name = f"e2e {run_name}: {case.get('classname', '').split('.')[-1]}.{case.get('name')}"
        skip = case.find("skipped")
        bad = case.find("failure") if case.find("failure") is not None else case.find("error")
        if skip is not None:
            tally.skip(name, skip.get("message", ""))
        else:
            tally.one(name, bad is None,
                      (bad.get("message", "") + "\n" + (bad.text or "")) if bad is not None else "")


# End-to-end tests that run on the program with sanitizers, and not on the released one …
WITH_SANITIZERS = ["test_soak.py", "test_stress.py"]
# … and on both; with --long all.
WITH_BOTH = ["test_admin.py", "test_backup.py", "test_lmtp.py", "test_port.py"]


def asan_stage(tally, args):
    if build(tally, "build-asan", ("clang", "clang++"), "-Dbuildtype=debugoptimized", "-Dtests=true",
             "-Db_sanitize=address,undefined", "-Darena_emu=true"):
        env = {"ASAN_OPTIONS": "abort_on_error=0:detect_leaks=1",
               "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"}
        meson_tests(tally, "build-asan", "--timeout-multiplier", "4", "--suite", "unit", "--suite", "imap",
                    env=env)
        which = sorted(os.listdir(f"{TOP}/test/e2e")) if args.long else WITH_SANITIZERS + WITH_BOTH
        pytest(tally, args, "build-asan", *[f"test/e2e/{name}" for name in which if name.startswith("test_")],
               env=env)


def tsan_stage(tally, _args):
    if build(tally, "build-tsan", ("clang", "clang++"), "-Dbuildtype=debugoptimized", "-Dtests=true",
             "-Db_sanitize=thread"):
        supp = os.path.join(TOP, "test", "tsan.supp")
        opts = "halt_on_error=0:exitcode=66" + (f":suppressions={supp}" if os.path.exists(supp) else "")
        meson_tests(tally, "build-tsan", "--timeout-multiplier", "6", "--suite", "threads",
                    env={"TSAN_OPTIONS": opts})


FUZZ = ("build-fuzz", ("clang", "clang++"), "-Dtests=true", "-Dfuzz=true", "-Darena_emu=true",
        "-Db_sanitize=address,undefined")


def fuzz_stage(tally, args):
    if not build(tally, *FUZZ):
        return
    targets = [t for t in sorted(glob.glob(os.path.join(TOP, "build-fuzz", "fuzz", "fuzz_*")))
               if os.access(t, os.X_OK) and not os.path.isdir(t)]
    with ThreadPoolExecutor(int(JOBS)) as pool:
        for results in pool.map(lambda target: fuzz_one(target, args), targets):
            for name, done in results:
                tally.one(name, done.returncode == 0, done.stdout)


def fuzz_one(target, args):
    """Replays a target's corpus, then fuzzes for a while: (name, result) for each."""
    name = os.path.basename(target)[len("fuzz_"):]
    corpus = os.path.join(TOP, "fuzz", "corpus", name)
    replayed = run([target, "-runs=0", "-timeout=20", corpus])
    words = os.path.join(TOP, "fuzz", name + ".dict")
    extra = [f"-dict={words}"] if os.path.exists(words) else []
    finds = os.path.join(TOP, "var", "fuzz")
    os.makedirs(finds, exist_ok=True)
    extra += ["-timeout=20", f"-seed={args.seed % 2**31}", f"-artifact_prefix={finds}/{name}-"]
    if args.long:
        # Keep and use what earlier runs on this machine have found.
        grown = os.path.join(finds, name)
        os.makedirs(grown, exist_ok=True)
        fuzzed = run([target, *extra, "-max_total_time=120", grown, corpus])
        return [(f"fuzz {name}: corpus", replayed), (f"fuzz {name}: 120 s", fuzzed)]
    with tempfile.TemporaryDirectory() as grown:
        fuzzed = run([target, *extra, f"-runs={RUNS}", f"-max_total_time={SECONDS}", grown, corpus])
    return [(f"fuzz {name}: corpus", replayed), (f"fuzz {name}: fixed seed", fuzzed)]


RELEASE = ("build", ("gcc", "g++"), "-Dbuildtype=release", "-Ddebug=true", "-Dtests=false")


def e2e_stage(tally, args):
    if build(tally, *RELEASE):
        pytest(tally, args, "build", *[f"--ignore=test/e2e/{name}" for name in WITH_SANITIZERS], "test/e2e")


# End-to-end tests that also run with all servers in the sandbox: quick ones with many features; with --long all.
SHUT_IN = ["test_backup.py", "test_disk.py", "test_metrics.py", "test_protocol_log.py", "test_switch.py"]


def sandbox_stage(tally, args):
    if os.geteuid() != 0:
        tally.skip("end to end in the sandbox", "only root can become another user")
    elif build(tally, *RELEASE):
        which = ["test/e2e"] if args.long else [f"test/e2e/{name}" for name in SHUT_IN]
        pytest(tally, args, "build", *which, env={"TURNSTONE_SANDBOX": "1"}, name="sandbox")


STAGES = [("static", static_checks), ("lint", lint_stage), ("gcc", gcc_stage), ("e2e", e2e_stage), ("sandbox", sandbox_stage), ("asan", asan_stage),
          ("tsan", tsan_stage), ("fuzz", fuzz_stage)]


# ---- tests by name


def meson_names(folder):
    """Name of a test -> how often it is listed (once)."""
    listed = run(["meson", "test", "-C", os.path.join(TOP, folder), "--list"]).stdout
    return [line.split(" / ", 1)[1] for line in listed.splitlines() if " / " in line]


def stem(word):
    return re.sub(r"^test_|\.(imt|py|c)$", "", os.path.basename(word.split("::")[0]))


def end_to_end(word):
    """The end-to-end file of that name."""
    found = glob.glob(os.path.join(TOP, "test", "e2e", f"test_{stem(word)}.py"))
    return found[0] if found and not word.endswith((".imt", ".c")) else None


def meson_name(word, names):
    """Its name in meson: a transcript by its file, a unit test by its folder and file."""
    folder = os.path.basename(os.path.dirname(word))
    for name in (word, f"{stem(word)}.imt", f"{folder}-{stem(word)}", stem(word)):
        if name in names:
            return name
    ends = [name for name in names if name.endswith("-" + stem(word))]
    return ends[0] if len(ends) == 1 else None


def fuzz_target(word):
    return os.path.isdir(os.path.join(TOP, "fuzz", "corpus", stem(word)))


def by_name(tally, args, words):
    """Runs only those tests; an unknown name ends the run before it begins."""
    if not build_gcc(tally):
        return
    names, files, tests, targets = meson_names("build-gcc"), [], [], []
    for word in words:
        if end_to_end(word):
            files.append("::".join([end_to_end(word), *word.split("::")[1:]]))
        elif meson_name(word, names):
            tests.append(meson_name(word, names))
        elif fuzz_target(word):
            targets.append(stem(word))
        else:
            known = names + [os.path.basename(f) for f in glob.glob(os.path.join(TOP, "test", "e2e", "test_*.py"))]
            near = difflib.get_close_matches(os.path.basename(word), known, 5, 0.5)
            sys.exit(f"dev: test: no test is called '{word}'" + (f"; near it: {', '.join(near)}" if near else ""))
    if tests:
        meson_tests(tally, "build-gcc", *tests)
    if files and build(tally, *RELEASE):
        pytest(tally, args, "build", *files)
    if targets and build(tally, *FUZZ):
        for target in targets:
            for name, done in fuzz_one(os.path.join(TOP, "build-fuzz", "fuzz", f"fuzz_{target}"), args)[:1]:
                tally.one(name, done.returncode == 0, done.stdout)


def main():
    parser = argparse.ArgumentParser(prog="./dev test", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true", help="everything, however long it takes")
    parser.add_argument("--only", default="", help="stages whose name contains this word, or one of several with commas between them: "
                        + ", ".join(name for name, _ in STAGES))
    parser.add_argument("--fast", action="store_true", help="end-to-end tests stop at the first failure")
    parser.add_argument("names", nargs="*", metavar="NAME", help="these tests only")
    args = parser.parse_args()
    fresh = random.SystemRandom().randrange(1, 2**31) if args.long else SEED
    args.seed = int(os.environ.get("TURNSTONE_SEED") or fresh)
    os.environ["TURNSTONE_SEED"] = str(args.seed)
    print(f"seed: TURNSTONE_SEED={args.seed}", flush=True)
    tally = Tally()
    if args.names:
        by_name(tally, args, args.names)
    for name, stage in STAGES:
        if args.names or not any(word in name for word in args.only.split(",")):
            continue
        start, before = time.monotonic(), tally.passed
        stage(tally, args)
        print(f"stage {name}: {tally.passed - before} passed, {time.monotonic() - start:.0f} s", flush=True)
    for text in tally.left_out:
        print(f"skipped {text}")
    for name in tally.bad:
        print(f"failed {name}")
    tail = f", {tally.skipped} skipped" if tally.skipped else ""
    print(f"{tally.passed} passed, {tally.failed} failed{tail}")
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())
