# SPDX-License-Identifier: Apache-2.0
"""Looks for secrets in the memory of a running process; needs no debugger, only the rights of its owner or
root."""
import re
import time

PIECE = 16  # bytes: this also finds the rest of a secret that was partly overwritten
CHUNK = 8 << 20


def pieces(name, secret):
    """Needles for bytes that must not be found: {what: bytes}."""
    return {f"{name}[{i}:{i + PIECE}]": secret[i:i + PIECE] for i in range(0, len(secret) - PIECE + 1, PIECE)}


def of_text(name, text):
    """For a text: UTF-8, and ICU's UTF-16."""
    return {**pieces(name, text.encode()), **pieces(name + " in UTF-16", text.encode("utf-16-le"))}


def regions(pid):
    """Memory that the process writes to: heaps, stacks, data."""
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps:
        for line in maps:
            m = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+\s*(.*)", line)
            if "w" in m.group(3) and m.group(4) != "[vvar]":
                yield int(m.group(1), 16), int(m.group(2), 16), m.group(4)


def resident(pid, start, end):
    """(offset, length) of the parts that are in memory or in swap."""
    with open(f"/proc/{pid}/pagemap", "rb") as f:
        f.seek(start // 4096 * 8)
        entries = f.read((end - start) // 4096 * 8)
    run = None
    for i in range(0, len(entries), 8):
        there = entries[i + 7] & 0xC0 != 0
        if there and run is None:
            run = i
        if run is not None and (not there or i - run >= CHUNK // 4096 * 8):
            yield start + run // 8 * 4096, (i - run) // 8 * 4096
            run = i if there else None
    if run is not None:
        yield start + run // 8 * 4096, (len(entries) - run) // 8 * 4096


def look(pid, needles):
    """What was found, and where: [(what, address, name of the region, bytes around it)]."""
    found = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for start, end, name in regions(pid):
            for at, length in resident(pid, start, end):
                mem.seek(at)
                try:
                    data = mem.read(length)
                except OSError:
                    continue  # the region is gone
                for what, needle in needles.items():
                    k = data.find(needle)
                    if k >= 0:
                        found.append((what, hex(at + k), name, data[max(0, k - 48):k + len(needle) + 32]))
    return found


def assert_gone(pid, needles, seconds=10):
    """Waits for what a loop frees at the end of its round; what is left then stays for good."""
    until = time.monotonic() + seconds
    while found := look(pid, needles):
        assert time.monotonic() < until, "\n".join(map(str, found))
        time.sleep(0.1)
