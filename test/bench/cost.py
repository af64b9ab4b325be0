# SPDX-License-Identifier: Apache-2.0
"""What the log and the metrics cost: two servers side by side, asked in turns by the same client.

One has the defaults (a line for each login and each logout) and metrics that are read once a second;
the other writes warnings only and has no metrics.  The server that is not asked sleeps.  Each pair of
runs gives a ratio; the order within a pair changes, so that what drifts does not count for one side.
"""
import statistics
import threading
import urllib.request

from peer import free_port

SCRAPE_SECONDS = 1


class Scraper(threading.Thread):
    """Reads the metrics until told to stop."""

    def __init__(self, url):
        super().__init__(daemon=True)
        self.url, self.stop, self.count = url, threading.Event(), 0

    def run(self):
        while not self.stop.wait(SCRAPE_SECONDS):
            with urllib.request.urlopen(self.url, timeout=30) as reply:
                reply.read()
            self.count += 1

    def end(self):
        self.stop.set()
        self.join()


def take_lines(site):
    """The number of lines since the last call; removes them, so that no run pays for another's disk."""
    with open(site.folder / "server.log", "r+b") as f:
        count = sum(chunk.count(b"\n") for chunk in iter(lambda: f.read(1 << 20), b""))
        f.truncate(0)
    return count


def one_run(side, figure):
    """Operations per second, and log lines per operation."""
    bench, url = side
    take_lines(bench.site)
    scraper = Scraper(url) if url else None
    if scraper:
        scraper.start()
    result = bench.run_once(figure)
    if scraper:
        scraper.end()
    return result["ops_s"], take_lines(bench.site) / result["all_ops"]


def pairs(sides, figure, options):
    got = []
    for i in range(options.reps):
        values = {}
        for name in ("on", "off") if i % 2 == 0 else ("off", "on"):
            values[name] = one_run(sides[name], figure)
        got.append(values)
    return got


def spread(values):
    return f"{statistics.median(values):>10,.0f}/s ({min(values):,.0f} to {max(values):,.0f})"


def report(figure, got):
    on, off = ([pair[side][0] for pair in got] for side in ("on", "off"))
    ratios = [a / b for a, b in zip(on, off)]
    print(f"{figure.name:<16} log and metrics {spread(on)}   neither {spread(off)}   "
          f"ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})   "
          f"lines/op {statistics.median(pair['on'][1] for pair in got):.2f} and "
          f"{statistics.median(pair['off'][1] for pair in got):.2f}", flush=True)
    return {"figure": figure.name, "on": on, "off": off, "ratios": ratios}


def measure(benches, figures, options):
    """benches: two of bench.Bench, with their sites up."""
    port = free_port()
    for bench, text in zip(benches, (f"metrics.port = {port}", "log.level = warning")):
        bench.site.set(text)
        bench.site.restart()
    sides = {"on": (benches[0], f"http://127.0.0.1:{port}/metrics"), "off": (benches[1], None)}
    rows = []
    for figure in figures:
        for side in sides.values():
            side[0].prepare(figure)
        rows.append(report(figure, pairs(sides, figure, options)))
    return rows
