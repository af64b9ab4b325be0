#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures a server on a demo site of its own; see README.md beside this file.

Each figure is run several times, and its floor (what the machine does with
nothing in between) before each of these runs; the table shows medians, and
the median of the ratios of the pairs.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
# pylint: disable=wrong-import-position
import cost  # noqa: E402
from ca import self_signed  # noqa: E402
from demo import Demo  # noqa: E402
from imap import plain  # noqa: E402

TOP = pathlib.Path(__file__).resolve().parents[2]
VAR = TOP / "var" / "bench"
TOOLS = TOP / "build" / "test" / "bench"
USERS = 1000
BIG, TEN = 100_000, 10_000
BATCH = 100  # switches in one write


@dataclasses.dataclass(frozen=True)
class Figure:
    name: str
    scenario: str
    conns: int = 1
    tls: bool = False
    external: bool = False  # the gateway by its certificate
    unit: str = "ops_s"  # ops_s, msgs_s, mb_s (received), sent_mb_s, kib, cpu_ms (the server's, for an operation)
    box: str = ""  # a filled mailbox of alice: Big, List (of threads) or Ten
    accounts: int = 0  # this many are in memory, a thousand of them are used
    args: tuple = ()
    floor: str = ""  # flush, canned
    aim: float = 0  # for orientation; with units kib and cpu_ms at most, else at least
    main: bool = True  # of the selection without arguments


APPEND = ("--mailbox", "Load", "--users", "64")
WARM = ("--users", "16")  # few enough that the warm-up brings them all into the cache
FIGURES = [
    Figure("switch-1", "switch", floor="canned", aim=9500),
    Figure("switch-2", "switch", 2, floor="canned", aim=22950),
    Figure("switch-16", "switch", 16, floor="canned", aim=78000),
    Figure("switch-16-100k-accounts", "switch", 16, floor="canned", accounts=100_000, main=False),
    Figure("switch-16-tls", "switch", 16, True, floor="canned", aim=46000),
    Figure("switch-1-external", "switch", tls=True, external=True, main=False),
    Figure("switch-16-external", "switch", 16, True, external=True, floor="canned"),
    Figure("gateway-1", "gateway", floor="flush", aim=2820),
    Figure("gateway-16", "gateway", 16, floor="canned", aim=12800),
    Figure("gateway-16-tls", "gateway", 16, True, floor="canned", aim=14200),
    Figure("gateway-new-16", "gateway-new", 16, floor="canned", aim=6600),
    Figure("gateway-new-16-tls", "gateway-new", 16, True, floor="canned", aim=1420),
    Figure("login-16", "login", 16, args=WARM, floor="canned", aim=12500),
    Figure("login-16-tls", "login", 16, True, args=WARM, floor="canned", aim=1760),
    Figure("login-16-tls-resume", "login", 16, True, args=WARM + ("--resume",), floor="canned", aim=1760, main=False),
    Figure("login-hash", "login", 16, main=False),
    Figure("append-1", "append", args=APPEND, floor="flush", aim=2150),
    Figure("append-16", "append", 16, args=APPEND, floor="flush", aim=10280),
    Figure("append-64", "append", 64, args=APPEND, floor="flush", aim=14400),
    Figure("lmtp-1", "lmtp", args=("--users", "64"), floor="flush", main=False),
    Figure("lmtp-16", "lmtp", 16, args=("--users", "64"), floor="flush", main=False),
    Figure("lmtp-64", "lmtp", 64, args=("--users", "64"), floor="flush"),
    Figure("append-1m-4", "append", 4, unit="sent_mb_s", args=APPEND + ("--size", "1048576"), aim=406, main=False),
    Figure("multiappend", "multiappend", unit="msgs_s", args=APPEND, aim=25400),
    Figure("store-1", "store", floor="flush", aim=2350),
    Figure("store-16", "store", 16, floor="flush", aim=21600),
    Figure("store-all", "store-all", box="Ten", aim=48, main=False),
    Figure("store-same", "store-same", box="Ten", aim=469, main=False),
    Figure("select-10k", "select", box="Ten", floor="canned", aim=21000, main=False),
    Figure("select-100k", "select", box="Big", floor="canned", aim=21000, main=False),
    Figure("select-new-100k", "select-new", box="Big", aim=3800, main=False),
    Figure("fetch-flags-100k", "fetch-flags", unit="msgs_s", box="Big", aim=5_370_000),
    Figure("fetch-envelope-100k", "fetch-envelope", unit="msgs_s", box="Big", aim=735_000),
    Figure("fetch-envelope-10k", "fetch-envelope", unit="msgs_s", box="Ten", aim=735_000, main=False),
    Figure("fetch-body-10k", "fetch-body", unit="mb_s", box="Ten", aim=708, main=False),
    Figure("fetch-body-10k-tls", "fetch-body", 1, True, unit="mb_s", box="Ten", aim=225, main=False),
    Figure("search-unseen-10k", "search-unseen", box="Ten", aim=4200, main=False),
    Figure("search-subject-10k", "search-subject", box="Ten", aim=470, main=False),
    Figure("search-text-10k", "search-text", box="Ten", aim=29, main=False),
    Figure("sort-100k-date", "sort-date", unit="cpu_ms", box="Big", aim=100),
    Figure("sort-100k-subject", "sort-subject", unit="cpu_ms", box="Big", aim=100),
    Figure("sort-100k-from", "sort-from", unit="cpu_ms", box="Big", aim=100),
    Figure("thread-100k-subject", "thread-subject", unit="cpu_ms", box="List", aim=200, main=False),
    Figure("thread-100k-references", "thread-references", unit="cpu_ms", box="List", aim=200),
    Figure("thread-100k-refs", "thread-refs", unit="cpu_ms", box="List", aim=200),
    Figure("idle-1000", "idle", 1000, unit="kib", aim=8),
    Figure("idle-1000-tls", "idle", 1000, True, unit="kib", aim=40),
    Figure("idle-10000-plain", "idle-half", 10000, unit="kib", main=False),
    Figure("idle-10000-tls", "idle-half", 10000, True, unit="kib", main=False),
]


class Site(Demo):
    """A demo site in a folder that may be kept."""

    def __init__(self, folder):
        super().__init__(folder=str(folder))
        self.folder = folder
        self.users = USERS

    def up(self):
        return super().up("--users", str(self.users))

    def restart(self):
        self.down()
        self.up()

    def set(self, line):
        """Sets a line of the configuration, from the next start on."""
        conf = self.folder / "turnstone.conf"
        if line not in conf.read_text().splitlines():
            with open(conf, "a", encoding="utf-8") as f:
                f.write(line + "\n")

    def flushes(self):
        """Batches of changes so far; each has one flush."""
        return int(self.status()["batches"])

    def load_args(self, tls, scenario=""):
        e = self.env
        port = e["LMTP_PORT" if scenario == "lmtp" else "IMAPS_PORT" if tls else "IMAP_PORT"]
        args = ["--host", e["HOST"], "--port", port, "--gateway", "gateway", "--gateway-password", e["GATEWAY_PASSWORD"]]
        return args + (["--tls", e["CA_FILE"]] if tls else [])

    def external_args(self):
        e = self.env
        return ["--port", e["IMAPS_CERT_PORT"], "--mech", "external", "--cert", e["GATEWAY_CERT"], "--key",
                e["GATEWAY_KEY"]]

    def need_box(self, name):
        """Fills one of alice's mailboxes unless it is full already."""
        want = TEN if name == "Ten" else BIG
        with self.login("alice") as c:
            c.run(f"CREATE {name}")
            have = int(c.ok(f"STATUS {name} (MESSAGES)")[0].rsplit(b"MESSAGES ", 1)[1].split(b")")[0])
        if have >= want:
            return
        print(f"filling {name} with {want - have} messages", file=sys.stderr)
        load(["--user", "alice", "--password", self.env["ALICE_PASSWORD"], "--mailbox", name, "--size", "2000",
              "--count", str(want - have)] + self.load_args(False) + ["fill-list" if name == "List" else "fill"])

    def cpu(self):
        """Seconds of processor time that the server has used."""
        fields = pathlib.Path(f"/proc/{self.env['PID']}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def wait_quiet(self):
        """Until the server does nothing by itself."""
        before = -1.0
        while self.cpu() - before > 0.02:
            before = self.cpu()
            time.sleep(1)

    def need_accounts(self, n):
        """So many users, whose accounts have all been opened since the server started."""
        self.down()
        self.users = n
        self.up()
        print(f"opening {n} accounts", file=sys.stderr)
        with self.client() as c:
            for first in range(1, n + 1, BATCH):
                c.all_ok(*(command for i in range(first, min(first + BATCH, n + 1)) for command in (
                    f"AUTHENTICATE PLAIN {plain(f'user{i:04}', 'gateway', self.password('gateway'))}", "UNAUTHENTICATE")))

    def need_load_boxes(self):
        for i in range(1, 65):
            with self.login(f"user{i:04}") as c:
                c.run("CREATE Load")


def run_json(argv):
    argv = [str(a) for a in argv]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{done.stderr.strip()[-600:]}")
    result = json.loads(done.stdout)
    result["command"] = " ".join(argv)
    return result


def load(args):
    return run_json([TOOLS / "imap_load", *args])


def value_of(figure, result):
    if figure.unit == "kib":
        return result["kib_per_conn"]
    if figure.unit == "mb_s":
        return result["in_bytes_s"] / 1e6
    if figure.unit == "cpu_ms":
        return result["cpu_ms"]
    if figure.unit == "sent_mb_s":
        return result["out_bytes_s"] / 1e6
    return result[figure.unit]


class Bench:
    def __init__(self, site, options):
        self.site = site
        self.options = options
        self.boxes = set()
        self.canned = {}

    def prepare(self, figure):
        if figure.name == "login-hash":
            self.site.restart()  # nobody is in the cache
        if figure.box and figure.box not in self.boxes:
            self.site.need_box(figure.box)
            self.boxes.add(figure.box)
        if figure.accounts:
            self.site.need_accounts(figure.accounts)
        if "Load" in figure.args and "Load" not in self.boxes:
            self.site.need_load_boxes()
            self.boxes.add("Load")

    def figure_args(self, figure):
        e = self.site.env
        if figure.box:
            args = ["--user", "alice", "--password", e["ALICE_PASSWORD"], "--mailbox", figure.box]
        else:
            args = ["--password", e["USER_PASSWORD"], "--users", str(USERS)]
        # The client's half of a TLS handshake costs more than the server's.
        threads = "2" if figure.tls and figure.scenario in ("login", "gateway-new") else "1"
        return args + list(figure.args) + ["--conns", str(figure.conns), "--threads", threads, "--seconds",
                                           str(self.options.seconds), "--warmup", str(self.options.warmup)]

    def canned_port(self, tls):
        """The canned server, started on first use."""
        if tls not in self.canned:
            argv = [TOOLS / "floor", "canned"]
            if tls:
                cert = self.site.folder / "floor"
                self_signed(f"{cert}.pem", f"{cert}.key", "floor", "-nodes", "-addext", "subjectAltName=IP:127.0.0.1")
                argv += [f"{cert}.pem", f"{cert}.key"]
            p = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
            self.canned[tls] = (p, p.stdout.readline().strip())
        return self.canned[tls][1]

    def run_floor(self, figure):
        seconds = str(max(1.0, self.options.seconds / 2))
        if figure.floor == "flush":
            return run_json([TOOLS / "floor", "flush", self.site.folder, "4096", seconds])["ops_s"]
        if figure.floor != "canned":
            return None
        args = self.figure_args(figure) + ["--seconds", seconds, "--warmup", "0.3", "--port", self.canned_port(figure.tls)]
        if figure.tls:
            args += ["--tls", self.site.folder / "floor.pem"]
        return load(args + [figure.scenario])["ops_s"]

    def run_once(self, figure):
        args = self.site.load_args(figure.tls, figure.scenario) + self.figure_args(figure)
        if figure.external:
            args += self.site.external_args()
        if figure.unit == "kib":
            self.site.set(f"limits.connections_per_address = {max(5000, figure.conns)}")
            self.site.restart()
            args = self.site.load_args(figure.tls) + self.figure_args(figure) + ["--pid", self.site.env["PID"]]
        if figure.unit == "cpu_ms":
            return self.run_cpu(args + [figure.scenario])
        if figure.floor != "flush":
            return load(args + [figure.scenario])
        before = self.site.flushes()
        result = load(args + [figure.scenario])
        result["flushes_op"] = (self.site.flushes() - before) / result["all_ops"]  # the warm-up's, too
        return result

    def run_cpu(self, args):
        """The first operation makes the server prepare what the others use."""
        load(args + ["--seconds", "0.1", "--warmup", "0"])
        self.site.wait_quiet()
        before = self.site.cpu()
        result = load(args)
        result["cpu_ms"] = 1000 * (self.site.cpu() - before) / result["all_ops"]
        return result

    def measure(self, figure):
        runs = []
        self.prepare(figure)
        for _ in range(self.options.reps):
            floor = self.run_floor(figure)
            result = self.run_once(figure)
            runs.append({"value": value_of(figure, result), "floor": floor, "result": result})
        values = [r["value"] for r in runs]
        row = {"figure": figure.name, "unit": figure.unit, "aim": figure.aim, "runs": runs,
               "median": statistics.median(values), "min": min(values), "max": max(values)}
        if figure.floor:
            row["floor"] = statistics.median(r["floor"] for r in runs)
            row["ratio"] = statistics.median(r["value"] / r["floor"] for r in runs)
        for p in ("p50_us", "p99_us", "flushes_op"):
            if p in runs[0]["result"]:
                row[p] = statistics.median(r["result"][p] for r in runs)
        return row

    def close(self):
        for p, _ in self.canned.values():
            p.terminate()
            p.wait()


UNITS = {"ops_s": "/s", "msgs_s": "msgs/s", "mb_s": "MB/s", "sent_mb_s": "MB/s", "kib": "KiB", "cpu_ms": "ms CPU"}
HEAD = f"{'figure':<20} {'median':>12} {'':<7} {'min':>10} {'max':>10} {'p50 µs':>9} {'p99 µs':>9} " \
       f"{'floor':>9} {'ratio':>6} {'flush/op':>8} {'aim':>10} {'of aim':>6}"


def show(x):
    return "" if x is None else f"{x:,.0f}" if abs(x) >= 100 else f"{x:.2f}"


def print_row(row):
    print(f"{row['figure']:<20} {show(row['median']):>12} {UNITS[row['unit']]:<7} {show(row['min']):>10} "
          f"{show(row['max']):>10} {show(row.get('p50_us')):>9} {show(row.get('p99_us')):>9} "
          f"{show(row.get('floor')):>9} {show(row.get('ratio')):>6} {show(row.get('flushes_op')):>8} {show(row['aim'] or None):>10} "
          f"{show(row['median'] / row['aim'] if row['aim'] else None):>6}", flush=True)


def print_memory(row):
    """Of the run in the middle: what the process had before and after, and what a connection took of each."""
    r = sorted(row["runs"], key=lambda run: run["value"])[len(row["runs"]) // 2]["result"]
    for kind in ("rss", "pss", "private"):
        before, after = r[f"{kind}_before_kib"], r[f"{kind}_after_kib"]
        print(f"    {kind:<8} before {before:>10,} KiB   after {after:>10,} KiB   "
              f"per connection {(after - before) / r['conns']:>7.2f} KiB", flush=True)


def select(names):
    if not names:
        return [f for f in FIGURES if f.main]
    if names == ["all"]:
        return FIGURES
    chosen = []
    for name in names:
        found = [f for f in FIGURES if f.name == name] or [f for f in FIGURES if f.name.startswith(name)]
        if not found:
            sys.exit(f"no figure '{name}'; there are: " + " ".join(f.name for f in FIGURES))
        chosen += [f for f in found if f not in chosen]
    return chosen


def save(rows, failures):
    VAR.mkdir(parents=True, exist_ok=True)
    commit = subprocess.run(["git", "-C", TOP, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout
    path = VAR / time.strftime("%Y%m%d-%H%M%S.json")
    machine = {"cpus": os.cpu_count(), "kernel": platform.release(), "load": os.getloadavg()}
    path.write_text(json.dumps({"commit": commit.strip(), "machine": machine, "rows": rows, "failures": failures},
                               indent=1))
    print(f"\n{path}")


def new_folder():
    return pathlib.Path(tempfile.mkdtemp(prefix="site-", dir=VAR))


def run_figures(figures, options):
    """The rows of the table, and what failed."""
    site = Site(options.dir.resolve() if options.dir else new_folder())
    bench = Bench(site, options)
    rows, failures = [], []
    try:
        site.up()
        print(HEAD)
        for figure in figures:
            try:
                rows.append(bench.measure(figure))
                print_row(rows[-1])
                if figure.unit == "kib":
                    print_memory(rows[-1])
            except (RuntimeError, AssertionError, EOFError, OSError) as e:
                failures.append({"figure": figure.name, "error": str(e)})
                print(f"{figure.name:<20} FAILED: {e}", flush=True)
    finally:
        bench.close()
        site.down()
        if not options.dir:
            shutil.rmtree(site.folder, ignore_errors=True)
    return rows, failures


def run_logging(figures, options):
    """Two sites, one with log lines and metrics: cost.py."""
    benches = [Bench(Site(new_folder()), options) for _ in range(2)]
    try:
        for bench in benches:
            bench.site.up()
        return cost.measure(benches, figures, options), []
    finally:
        for bench in benches:
            bench.close()
            bench.site.down()
            shutil.rmtree(bench.site.folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.split("\n")[0])
    parser.add_argument("figures", nargs="*", help="names or their beginnings; 'all'; without: the main ones")
    parser.add_argument("--seconds", type=float, default=5, help="measured time of a run")
    parser.add_argument("--warmup", type=float, default=1)
    parser.add_argument("--reps", type=int, help="runs of each figure (3); with --logging pairs of runs (6)")
    parser.add_argument("--dir", type=pathlib.Path, help="a demo site to use and keep, instead of a temporary one")
    parser.add_argument("--logging", action="store_true",
                        help="what log and metrics cost (figures: switch-1 switch-16, unless named)")
    parser.add_argument("--list", action="store_true", help="names of all figures")
    options = parser.parse_args()
    options.reps = options.reps or (6 if options.logging else 3)
    figures = select(options.figures or (["switch-1", "switch-16"] if options.logging else []))
    if options.list:
        print("\n".join(f.name for f in FIGURES))
        return 0
    subprocess.run(["ninja", "-C", TOP / "build", "test/bench/imap_load", "test/bench/floor"], check=True,
                   stdout=subprocess.DEVNULL)
    VAR.mkdir(parents=True, exist_ok=True)
    rows, failures = (run_logging if options.logging else run_figures)(figures, options)
    save(rows, failures)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
