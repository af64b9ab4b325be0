# SPDX-License-Identifier: Apache-2.0
"""What a power cut leaves of a folder, made from the journal that powercut.c wrote.

`Disk` replays the journal.  What a flush has confirmed is there for good; what was written,
named, renamed or removed since then is, at the cut, there, not there, or there in part.
"""
import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
SECTOR = 512


def build(folder):
    """Compiles the preloaded library into folder; returns its path."""
    out = os.path.join(folder, "powercut.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-o", out,
                    os.path.join(HERE, "powercut.c")], check=True)
    return out


class File:
    """By object, not by inode: a number is reused when its file is gone."""

    def __init__(self, data=b"", folder=False):
        self.folder = folder
        self.data = bytearray(data)    # confirmed by a flush
        self.pending = []              # since then: ("W", offset, bytes), ("T", size), ("A", size)


def apply(data, op):
    if op[0] == "W":
        _, at, piece = op
        if len(data) < at:
            data.extend(bytes(at - len(data)))
        data[at:at + len(piece)] = piece
    elif op[0] == "T":
        del data[op[1]:]
        data.extend(bytes(op[1] - len(data)))
    elif len(data) < op[1]:
        data.extend(bytes(op[1] - len(data)))


class Disk:
    def __init__(self, base):
        """base: a copy of the folder as it was when the server started; may be missing."""
        self.base = base
        self.by_inode = {}             # inode -> File
        self.names = {}                # path -> File, as far as confirmed
        self.live = {}                 # path -> File, as the server sees it
        self.changes = []              # of names, not confirmed: (folders, operation), in order
        self.flushes = 0
        self.begun = {}                # id -> (File, what was pending, what was changed)

    def replay(self, journal):
        with open(journal, "rb") as f:
            while True:
                head = f.readline().split()
                if not head:
                    return self
                body = f.read(int(head[-1]))
                getattr(self, "op_" + head[0].decode())(*(int(n) for n in head[1:-1]), body)

    def op_E(self, inode, folder, path):
        path = path.decode()
        file = File(folder=bool(folder))
        if not folder:
            with open(os.path.join(self.base, path), "rb") as f:
                file.data[:] = f.read()
        self.by_inode[inode] = self.names[path] = self.live[path] = file

    def _change(self, folders, op):
        self._name(self.live, op)
        self.changes.append(({self.by_inode.get(i) for i in folders}, op))

    def op_C(self, inode, parent, folder, path):
        file = self.by_inode.get(inode)
        if file is None or not any(f is file for f in self.live.values()):
            file = self.by_inode[inode] = File(folder=bool(folder))
        self._change({parent}, ("C", path.decode(), file))

    def op_R(self, a, b, both):
        old, new = both.decode().split("\n")
        self._change({a, b}, ("R", old, new))

    def op_U(self, parent, path):
        self._change({parent}, ("U", path.decode()))

    def op_W(self, inode, at, data):
        self.by_inode[inode].pending.append(("W", at, data))

    def op_T(self, inode, size, _):
        self.by_inode[inode].pending.append(("T", size))

    def op_A(self, inode, size, _):
        self.by_inode[inode].pending.append(("A", size))

    def op_S(self, ident, inode, _):
        file = self.by_inode[inode]
        self.begun[ident] = (file, list(file.pending), list(self.changes))

    def op_F(self, ident, _inode, _):
        self.flushes += 1
        file, pending, changes = self.begun.pop(ident)
        if file.folder:
            mine = [c for c in changes if file in c[0]]
            # A file system's journal keeps the order of operations on names.
            while any(c is m for c in self.changes for m in mine):
                self._name(self.names, self.changes.pop(0)[1])
            return
        # Those not confirmed by another flush meanwhile; they are the oldest.
        while file.pending and any(file.pending[0] is op for op in pending):
            apply(file.data, file.pending.pop(0))

    @staticmethod
    def _name(names, op):
        if op[0] == "C":
            names[op[1]] = op[2]
        elif op[0] == "U":
            names.pop(op[1], None)
        elif op[1] in names:
            names[op[2]] = names.pop(op[1])
            for path in [p for p in names if p.startswith(op[1] + "/")]:
                names[op[2] + path[len(op[1]):]] = names.pop(path)

    def unflushed(self):
        return sum(len(f.pending) for f in self.by_inode.values()) + len(self.changes)

    def cut(self, rng, target):
        """Writes to `target` one of the states that a power cut may leave."""
        names = dict(self.names)
        kept = rng.choice([0, len(self.changes), rng.randint(0, len(self.changes))])
        for _, op in self.changes[:kept]:
            self._name(names, op)
        shutil.rmtree(target, ignore_errors=True)
        os.makedirs(target, 0o700)
        for path in sorted(p for p, f in names.items() if f.folder and p):
            os.makedirs(os.path.join(target, path), 0o700, exist_ok=True)
        for path, file in names.items():
            where = os.path.join(target, path)
            if not file.folder and os.path.isdir(os.path.dirname(where)):
                with open(where, "wb") as f:
                    f.write(self._contents(rng, file))

    def _contents(self, rng, file):
        data = bytearray(file.data)
        how = rng.choice(["none", "all", "prefix", "prefix", "some", "some"])
        ops = [] if how == "none" else file.pending
        if how == "prefix":
            ops = ops[:rng.randint(0, len(ops))]
        for i, op in enumerate(ops):
            if how == "some" and rng.random() < 0.3:
                continue
            at_risk = how == "some" or (how == "prefix" and i == len(ops) - 1)
            if op[0] == "W" and at_risk and rng.random() < 0.5:
                op = self._torn(rng, op)
            apply(data, op)
        return data

    @staticmethod
    def _torn(rng, op):
        """A piece of what was written: up to some sector, or without some, or with zeros there."""
        _, at, piece = op
        cut = rng.randint(0, len(piece))
        kind = rng.choice(["head", "tail", "zeros"])
        if kind == "head":
            return ("W", at, piece[:cut])
        if kind == "tail":
            return ("W", at + cut, piece[cut:])
        edge = max(0, cut - cut % SECTOR)
        return ("W", at, piece[:edge] + bytes(min(SECTOR, len(piece) - edge)) + piece[edge + SECTOR:])
