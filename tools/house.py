#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Figures about src/, to compare before and after a change.

usage: tools/house.py [--names]

Prints the files per folder, the lengths of functions, circles of files that call each other (within
src/NAME with all its folders), names of static functions that occur in three or more files (--names:
lists them), and the share of comments.
It relies on the sources' format: a function begins with its name in the first column and ends with
a brace there.
"""
import argparse
import collections
import os
import re
import statistics

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NAME = re.compile(r"^([a-z_][a-z0-9_]*)\(")
WORD = re.compile(r"\b([a-z_][a-z0-9_]*)\b")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
TEXT = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'')


def sources():
    for folder, _, names in os.walk(os.path.join(TOP, "src")):
        for name in sorted(names):
            if name.endswith((".c", ".h", ".cc")):
                yield os.path.relpath(os.path.join(folder, name), TOP)


def functions(lines):
    """(name, is static, lines) for each function."""
    at = 0
    while at < len(lines):
        match = NAME.match(lines[at])
        end = at
        while match and end < len(lines) and lines[end] != "{" and not lines[end].endswith(";"):
            end += 1
        if match and end < len(lines) and lines[end] == "{":
            close = end
            while close < len(lines) and lines[close] != "}":
                close += 1
            yield match[1], lines[at - 1].startswith("static"), close - end - 1
            at = close
        at += 1


def circles(calls):
    """Strongly connected components of a graph {node: nodes} with at least two nodes."""
    order, low, stack, found = {}, {}, [], []

    def visit(node):
        todo = [(node, iter(sorted(calls[node])))]
        order[node] = low[node] = len(order)
        stack.append(node)
        while todo:
            at, rest = todo[-1]
            for other in rest:
                if other not in order:
                    order[other] = low[other] = len(order)
                    stack.append(other)
                    todo.append((other, iter(sorted(calls[other]))))
                    break
                if other in stack:
                    low[at] = min(low[at], order[other])
            else:
                todo.pop()
                if todo:
                    low[todo[-1][0]] = min(low[todo[-1][0]], low[at])
                if low[at] == order[at]:
                    part = []
                    while not part or part[-1] != at:
                        part.append(stack.pop())
                    if len(part) > 1:
                        found.append(sorted(part))

    for node in sorted(calls):
        if node not in order:
            visit(node)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", action="store_true", help="the names of statics, too")
    args = parser.parse_args()
    folders, lengths, statics, where, texts = collections.Counter(), [], collections.defaultdict(set), {}, {}
    comments = collections.Counter()
    for path in sources():
        with open(os.path.join(TOP, path), encoding="utf-8") as file:
            text = file.read()
        folders[os.path.dirname(path)] += 1
        kind = ".h" if path.endswith(".h") else ".c"
        comments[kind, "all"] += text.count("\n")
        comments[kind, "comment"] += sum(m[0].count("\n") + 1 for m in COMMENT.finditer(text))
        texts[path] = TEXT.sub('""', COMMENT.sub("", text))
        for name, static, length in functions(text.split("\n")):
            lengths.append((length, path, name))
            if static:
                statics[name].add(path)
            else:
                where[name] = path
    print("files by folder:")
    for folder, count in sorted(folders.items()):
        print(f"  {folder:28} {count:4}")
    lengths.sort()
    count = [length for length, _, _ in lengths]
    print(f"functions: {len(count)}, lines of their bodies: median {statistics.median(count):g}, "
          f"p95 {count[len(count) * 95 // 100]}, max {count[-1]} ({lengths[-1][1]}: {lengths[-1][2]})")
    calls = {path: {where[w] for w in WORD.findall(text) if where.get(w, path) != path}
             for path, text in texts.items() if not path.endswith(".h")}
    # All folders together, so that a circle spread over several still shows.
    for part in circles({path: {o for o in others if o.split("/")[1] == path.split("/")[1]}
                         for path, others in calls.items()}):
        print(f"circle of {len(part)}: {' '.join(part)}")
    many = {name: paths for name, paths in statics.items() if len(paths) > 2}
    print(f"static names in three files and more: {len(many)}")
    if args.names:
        for name, paths in sorted(many.items(), key=lambda item: -len(item[1])):
            print(f"  {name} {len(paths)}: {' '.join(sorted(paths))}")
    for kind in (".h", ".c"):
        print(f"comments in {kind}: {100 * comments[kind, 'comment'] / comments[kind, 'all']:.1f} % of the lines")


if __name__ == "__main__":
    main()
