# SPDX-License-Identifier: Apache-2.0
"""Backups of a busy server: as of one moment, killed at any moment, damaged; and everything that IMAP can
show after a restore."""
import contextlib
import glob
import hashlib
import itertools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest

from server import TURNSTONE, Site

LONG = bool(os.environ.get("TURNSTONE_LONG"))
SEED = int(os.environ.get("TURNSTONE_SEED") or 1)
USERS = ("anna", "bo", "carl@two.example")
BOXES = ("INBOX", "Work/Größe", "Lists.old")


def utf7(name):
    return name.replace("öß", "&APYA3w-")


def decoded(name):
    return name.strip('"').replace("&APYA3w-", "öß")


def in_order(flags):
    return b"FLAGS (" + b" ".join(sorted(set(flags[1].split()) - {b"\\Recent"})) + b")"


def login(server, user):
    return server.login(user, "pw")


class Writer(threading.Thread):
    """Appends, flags, moves and expunges until told to stop."""

    def __init__(self, server, user, rng):
        super().__init__(daemon=True)
        self.server, self.user, self.rng, self.failure, self.changes = server, user, rng, None, 0
        self.ended = threading.Event()

    def client(self):
        return login(self.server, self.user)

    def append(self, client, box, number):
        size = self.rng.choice([10, 3000, 150000]) if number % 7 == 0 else 200
        text = f"Subject: {self.user} {number}\r\n\r\n" + self.rng.randbytes(size).hex() + "\r\n"
        flags = self.rng.choice(["", "(\\Seen) ", "(\\Flagged $Work) ", "(blue \\Draft) "])
        date = f'"{1 + number % 28:2d}-Mar-20{10 + number % 10} 0{number % 10}:00:01 +0{number % 10}30" '
        client.ok(f'APPEND "{utf7(box)}" {flags}{date}{{{len(text)}+}}\r\n{text}')

    def fill(self, count):
        client = self.client()
        for box in BOXES[1:]:
            client.ok(f'CREATE "{utf7(box)}"')
        client.ok('CREATE "Sent things" (USE (\\Sent))')
        client.ok(f'SUBSCRIBE "{utf7(BOXES[1])}"')
        client.ok("SUBSCRIBE gone")
        for number in range(count):
            self.append(client, self.rng.choice(BOXES), number)
        client.close()

    def run(self):
        try:
            client, number = self.client(), 1000
            while not self.ended.is_set():
                box = utf7(self.rng.choice(BOXES))
                number += 1
                self.append(client, self.rng.choice(BOXES), number)
                client.ok(f'SELECT "{box}"')
                what = self.rng.choice(["UID STORE * +FLAGS (\\Deleted)", "EXPUNGE", "STORE 1:* +FLAGS (moved)",
                                        f'UID MOVE * "{utf7(self.rng.choice(BOXES))}"'])
                if client.run(what)[-1].split()[1] == b"OK":
                    self.changes += 1
                time.sleep(0.01)
            client.close()
        except Exception as err:  # pylint: disable=broad-except
            self.failure = err


def everything(server, user):
    """Everything that a client can see of a user."""
    client = login(server, user)
    shown = {"list": sorted(client.ok('LIST (SPECIAL-USE) "" *')[:-1]) + sorted(client.ok('LIST "" * RETURN (SPECIAL-USE)')[:-1]),
             "lsub": sorted(client.ok('LSUB "" *')[:-1])}
    for line in client.ok('LIST "" *')[:-1]:
        name = line.split(b'"/" ')[1].decode()
        status = client.ok(f"STATUS {name} (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)")[0]
        state = server.asked("mailbox", "status", decoded(name), "--user", user)
        client.ok(f"EXAMINE {name}")
        mail = client.ok("UID FETCH 1:* (UID FLAGS INTERNALDATE BODY.PEEK[])")[:-1]
        shown[name] = [status, state["highestmodseq"]] + [re.sub(rb"FLAGS \(([^)]*)\)", in_order, m, count=1) for m in mail]
    client.close()
    return shown


@contextlib.contextmanager
def new_server(more=""):
    server = Site("store.blob_threshold = 64K\n" + more)
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture(name="site")
def _site():
    with new_server() as server:
        for user in USERS:
            server.add(user, "pw")
        server.start()
        server.writers = [Writer(server, user, random.Random(SEED + i)) for i, user in enumerate(USERS)]
        for writer in server.writers:
            writer.fill(60)
        try:
            yield server
        finally:
            stop(server.writers)


def stop(threads):
    for thread in threads:
        thread.ended.set()
    for thread in threads:
        if thread.is_alive():
            thread.join(60)


def run(*words, code=0, server=None):
    """Runs a command; returns its JSON, or its output."""
    done = subprocess.run(server.command(*words) if server else [TURNSTONE, *words], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == code, done
    return json.loads(done.stdout) if "--json" in words and code in (0, 3) else done.stdout + done.stderr


def backup(server, folder, *words, code=0):
    return run("backup", folder, *words, "--json", code=code, server=server)


def verify(folder):
    assert run("backup", "verify", folder, "--json")["damaged"] == []


@contextlib.contextmanager
def restored(folder, *words):
    """A new server with the backup's contents."""
    with new_server() as other:
        run("restore", folder, *words, "--json", server=other)
        yield other.start()


def all_of(server, users=USERS):
    return {user: everything(server, user) for user in users}


def assert_same(before, after):
    """Compares results of all_of(): a MODSEQ may be skipped, but must never repeat."""
    assert before.keys() == after.keys()
    for user, ours in before.items():
        assert ours.keys() == after[user].keys()
        for name, what in ours.items():
            for mine, theirs in itertools.zip_longest(what, after[user][name]):
                if isinstance(mine, int):
                    assert mine <= theirs, (user, name)
                else:
                    assert mine == theirs, (user, name)


def content(shown):
    """Messages of a mailbox without their numbers and UIDs: flags, date, bytes."""
    return sorted(re.sub(rb"^\* \d+ FETCH|UID \d+ ?", b"", m) for m in shown[2:])


def test_all_that_imap_can_show(site, tmp_path):
    folder = str(tmp_path / "saved")
    client = login(site, "anna")
    client.ok("SELECT INBOX")  # holes in the UIDs, an expunge as the last change
    client.ok("STORE 2:3 +FLAGS (\\Deleted)")
    client.ok("EXPUNGE")
    client.close()
    backup(site, folder)
    before = all_of(site)
    with restored(folder) as other:
        assert_same(before, all_of(other))
        # The comparison sees what matters: a single missing flag.
        client = login(other, "anna")
        client.ok("SELECT INBOX")
        client.ok("STORE 1 FLAGS (other)")
        client.close()
        with pytest.raises(AssertionError):
            assert_same(before, all_of(other))


def change_everything(server):
    """A bit of everything that the next run must notice."""
    client = login(server, "anna")
    client.ok("SELECT INBOX")
    client.ok("STORE 1:3 +FLAGS (\\Deleted)")
    client.ok("EXPUNGE")
    client.ok("STORE 1:4 FLAGS (\\Answered entirely-new)")
    client.ok('MOVE 5:6 "Lists.old"')
    client.ok('RENAME "Sent things" Sent')
    client.ok('UNSUBSCRIBE gone')
    client.ok('CREATE Another')
    client.ok('SUBSCRIBE Another')
    client.ok("APPEND INBOX {18+}\r\nSubject: later\r\n\r\n")
    client.close()
    client = login(server, "bo")
    client.ok(f'DELETE "{utf7(BOXES[1])}"')
    client.ok('DELETE "Lists.old"')
    client.ok('CREATE "Lists.old"')  # of the same name, and another mailbox
    client.ok('APPEND "Lists.old" {18+}\r\nSubject: again\r\n\r\n')
    client.close()


def test_what_came_since(site, tmp_path):
    folder = str(tmp_path / "saved")
    first = backup(site, folder)
    before = all_of(site)
    change_everything(site)
    server_add = ("dora", *USERS)
    site.add("dora", "pw")
    login(site, "dora").close()
    second = backup(site, folder)
    after = all_of(site, server_add)
    assert second["read_messages"] == 4, second  # those that were appended and those that were moved
    assert second["id"] != first["id"]
    verify(folder)
    with restored(folder) as other:
        assert_same(after, all_of(other, server_add))
    with restored(folder, "--at", first["id"]) as other:
        assert_same(before, all_of(other))
        assert not other.lets_in("dora", "pw")


def test_one_mailbox_of_one_user_at_an_older_moment(site, tmp_path):
    folder = str(tmp_path / "saved")
    first = backup(site, folder)
    before = all_of(site)
    change_everything(site)
    backup(site, folder)
    later = all_of(site)
    done = run("restore", folder, "--at", first["id"], "--user", "anna", "--mailbox", "inbox", "--exact", "--json",
               server=site)
    assert (done["users"], done["mailboxes"], done["damaged"]) == (1, 1, 0)
    now = all_of(site)
    aside = f"INBOX (set aside {first['id']})"
    assert content(now["anna"]["INBOX"]) == content(before["anna"]["INBOX"])
    assert [m for m in now["anna"][f'"{aside}"'][2:] if b"Subject: later" in m]
    # Nothing else was touched.
    for user in USERS:
        for name, what in later[user].items():
            if (user, name) not in (("anna", "INBOX"), ("anna", "list")):
                assert what == now[user][name], (user, name)
    # Again: there is nothing to do.
    done = run("restore", folder, "--at", first["id"], "--user", "anna", "--mailbox", "INBOX", "--exact", "--json",
               server=site)
    assert (done["added"], done["flagged"], done["aside"]) == (0, 0, 0)
    # A deleted mailbox comes back as it was: it is another one to clients only if its number was given again.
    run("restore", folder, "--at", first["id"], "--user", "bo", "--mailbox", BOXES[1], server=site)
    name = f'"{utf7(BOXES[1])}"' if f'"{utf7(BOXES[1])}"' in before["bo"] else utf7(BOXES[1])
    back = everything(site, "bo")[name]
    assert back[2:] == before["bo"][name][2:]


class Mover(threading.Thread):
    """
    Appends messages 1, 2, 3 … to two mailboxes in turn, expunges from the oldest on, moves some to and fro, and marks
    all of a mailbox with one keyword at a time: at any moment the numbers of all mailboxes are in a row, each once,
    and the messages of a mailbox have the same mark.
    """

    def __init__(self, server, user):
        super().__init__(daemon=True)
        self.server, self.user, self.failure, self.last, self.first = server, user, None, 0, 1
        self.ended = threading.Event()

    def append(self, client, box):
        client.ok(f'APPEND {box} {{{len(self.text(self.last + 1))}+}}\r\n{self.text(self.last + 1)}')
        self.last += 1

    @staticmethod
    def text(number):
        return f"Subject: no {number:06d}\r\n\r\n" + "text " * (number % 50)

    def run(self):
        try:
            client, box, round_ = login(self.server, self.user), "A", 0
            while not self.ended.is_set():
                round_ += 1
                other = "B" if box == "A" else "A"
                client.ok(f"SELECT {box}")
                self.append(client, other)
                client.ok(f"UID MOVE 1:* {other}")
                client.ok(f"SELECT {other}")
                client.ok(f"STORE 1:* FLAGS (mark{round_ % 20})")
                if self.last - self.first > 40:
                    oldest = client.ok(f'SEARCH SUBJECT "no {self.first:06d}"')[0].split()[2].decode()
                    client.ok(f"STORE {oldest} FLAGS (mark{round_ % 20} \\Deleted)")
                    client.ok("EXPUNGE")
                    self.first += 1
                box = other
            client.close()
        except Exception as err:  # pylint: disable=broad-except
            self.failure = err


def numbers_of(server, user):
    """The numbers of all messages; and for each mailbox its marks, and its number of messages."""
    client, numbers, marks, sizes = login(server, user), [], [], []
    for box in ("A", "B"):
        client.ok(f"EXAMINE {box}")
        mail = client.ok("UID FETCH 1:* (FLAGS BODY.PEEK[])")[:-1]
        for message in mail:
            number = int(re.search(rb"Subject: no (\d+)", message)[1])
            assert Mover.text(number).encode() in message
            numbers.append(number)
        sizes.append(len(mail))
        marks.append({w for m in mail for w in re.search(rb"FLAGS \(([^)]*)\)", m)[1].split() if w.startswith(b"mark")})
    client.close()
    return sorted(numbers), marks, sizes


def test_one_moment(tmp_path):
    folder, runs = str(tmp_path / "saved"), []
    with new_server() as server:
        movers = [Mover(server, f"mover{i}") for i in range(2)]
        for mover in movers:
            server.add(mover.user, "pw")
        server.start()
        for mover in movers:
            client = login(server, mover.user)
            client.ok("CREATE A")
            client.ok("CREATE B")
            client.close()
        try:
            for mover in movers:
                mover.start()
            for _ in range(12 if LONG else 4):
                time.sleep(0.5)
                low = [m.last for m in movers]
                done = backup(server, folder)
                runs.append((done["id"], low, [m.last + 1 for m in movers]))
        finally:
            stop(movers)
        for mover in movers:
            assert mover.failure is None, mover.failure
    verify(folder)
    for name, low, high in runs:
        with restored(folder, "--at", name) as other:
            for i, mover in enumerate(movers):
                numbers, marks, sizes = numbers_of(other, mover.user)
                assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), (name, mover.user)
                # everything acknowledged is there
                assert low[i] <= numbers[-1] <= high[i], (name, mover.user)
                # All are in one mailbox, but for what was appended there just before the move.
                assert min(sizes) <= 1 and max(map(len, marks)) <= 1, (name, mover.user, sizes, marks)


def kill_after(seconds, *words):
    """Kills a command; True unless it had ended before."""
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def test_killed_at_any_instant(site, tmp_path):
    folder, rng, killed = str(tmp_path / "saved"), random.Random(SEED), 0
    for writer in site.writers:
        writer.start()
    began = time.monotonic()
    backup(site, folder)
    takes = time.monotonic() - began
    for i in range(60 if LONG else 8):
        # The first as early as can be, which is never too late; the others within the time that one takes.
        killed += kill_after(rng.uniform(0, takes) if i > 0 else 0, *site.command("backup", folder))
        if i % 4 == 3:
            backup(site, folder)
            verify(folder)
    assert killed > 0
    # In the meantime: only complete messages, and everything from before the run.
    backup(site, folder)
    verify(folder)
    stop(site.writers)
    for writer in site.writers:
        assert writer.failure is None, writer.failure
    print(f"{killed} backups killed, {sum(w.changes for w in site.writers)} changes meanwhile")
    backup(site, folder)
    verify(folder)
    with restored(folder) as other:
        assert_same(all_of(site), all_of(other))
    # Nobody holds the expunged messages any longer: the store removes them.
    assert site.stop() == 0
    site.cli("check")


def test_prune_killed_at_any_instant(site, tmp_path):
    """A killed prune leaves the remaining runs complete; the next prune finishes its work."""
    folder, rng, killed = str(tmp_path / "saved"), random.Random(SEED), 0
    backup(site, folder)
    for i in range(30 if LONG else 6):
        change = login(site, "anna")
        change.ok("SELECT INBOX")
        change.ok("STORE 1:* FLAGS (" + ("a" if i % 2 else "b") * (i + 1) + ")")
        for box in ("INBOX", "Lists.old"):
            change.ok(f"APPEND {box} {{{1000 + i}+}}\r\n" + "x" * (1000 + i))
        change.ok("STORE 1 +FLAGS (\\Deleted)")
        change.ok("EXPUNGE")
        change.close()
        backup(site, folder)
        killed += kill_after(rng.uniform(0.005, 0.1), TURNSTONE, "backup", "prune", folder, "--keep", "1")
        verify(folder)
    run("backup", "prune", folder, "--keep", "1")
    verify(folder)
    print(f"{killed} prunes killed")
    with restored(folder) as other:
        assert_same(all_of(site), all_of(other))


@pytest.mark.parametrize("left", [[], ["lock"], ["lock", "objects/"], ["lock", "objects/", "runs/", "tmp/"]])
def test_a_folder_half_made(site, tmp_path, left):
    """Left by a command that was killed while it made the folder."""
    folder = tmp_path / "saved"
    folder.mkdir(0o700)
    for name in left:
        (folder / name).mkdir() if name.endswith("/") else (folder / name).touch()
    assert backup(site, str(folder), "--user", "bo")["users"] == 1
    verify(str(folder))


def test_cut_off_and_gone_on(site, tmp_path):
    """Users that were finished before the interruption are not read again."""
    folder = str(tmp_path / "saved")
    whole = backup(site, folder)
    run_file, = glob.glob(folder + "/runs/*")
    with open(run_file, encoding="utf-8") as f:
        lines = f.read().splitlines(keepends=True)
    users = [line for line in lines if line.startswith("user ")]
    assert len(users) == len(USERS)
    os.unlink(run_file)  # as if it had been killed at the third user, in the middle of a line
    with open(folder + "/tmp/unfinished", "w", encoding="utf-8") as f:
        f.write("".join(lines[:lines.index(users[2])]) + users[2][:20])
    again = backup(site, folder)
    third = int(users[2].split()[2])
    assert 0 < third == again["read_messages"] < whole["messages"] == again["messages"]
    assert again["new_objects"] == 0  # and what had been written is taken up
    verify(folder)
    with restored(folder) as other:
        assert_same(all_of(site), all_of(other))


def test_the_server_is_killed(site, tmp_path):
    folder = str(tmp_path / "saved")
    process = subprocess.Popen(site.command("backup", folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(random.Random(SEED).uniform(0.02, 0.1))
    site.stop(signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 or len(err) > 20, (out, err)  # it had ended before, or says why
    site.start()
    backup(site, folder)
    verify(folder)
    assert run("backup", "list", folder, "--json")[-1]["users"]


def flip(path):
    with open(path, "r+b") as f:
        f.seek(os.path.getsize(path) // 2)
        byte = f.read(1)
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([byte[0] ^ 4]))


def truncate(path):
    os.truncate(path, os.path.getsize(path) - 1)


def packed(folder):
    """Objects in packs: name, path of the pack, offset and length of the bytes."""
    for path in sorted(glob.glob(folder + "/packs/*")):
        with open(path, "rb") as f:
            pack = f.read()
        at = len(b"turnstone-pack 1\n")
        while at < len(pack):
            word, name, size = pack[at:pack.index(b"\n", at)].split()
            assert word == b"object"
            at = pack.index(b"\n", at) + 1
            yield name.decode(), path, at, int(size)
            at += int(size) + 1


def objects(folder):
    yield from packed(folder)
    for path in sorted(glob.glob(folder + "/objects/*/*")):
        yield os.path.basename(path), path, 0, os.path.getsize(path)


def content_of(path, at, size):
    with open(path, "rb") as f:
        f.seek(at)
        return f.read(size)


def find_object(folder, what):
    if what == "large":
        return max(objects(folder), key=lambda o: o[3])
    return next(o for o in objects(folder) if content_of(*o[1:]).startswith(what.encode()))


def flip_in(path, at, size):
    with open(path, "r+b") as f:
        f.seek(at + size // 2)
        byte = f.read(1)
        f.seek(at + size // 2)
        f.write(bytes([byte[0] ^ 4]))


@pytest.mark.parametrize("what", ["Subject: anna", "large", "TSBKMSG1", "TSBKUSR1", "TSBKREC1", "run"])
def test_damage(site, tmp_path, what):
    """Each kind of file and object, damaged: it is named, and everything that does not need it is
    restored."""
    sound = str(tmp_path / "saved")
    whole = backup(site, sound)
    for harm in (flip, truncate, os.unlink):
        if (what, harm) == ("run", os.unlink):
            continue  # a missing run is not a run
        folder = str(tmp_path / harm.__name__)
        shutil.copytree(sound, folder)
        if what == "run":
            name = os.path.basename(glob.glob(folder + "/runs/*")[0])
            harm(folder + "/runs/" + name)
        else:
            name, *place = find_object(folder, what)
            assert ("/packs/" in place[0]) == (what != "large")
            if what == "large":
                harm(place[0])
            elif harm == flip:
                flip_in(*place)
            else:
                continue  # packs that are cut or lost have a test of their own
        found = run("backup", "verify", folder, "--json", code=3)
        assert [text for text in found["damaged"] if name in text], (name, found)
        with new_server() as other:
            if what == "run":
                assert name in run("restore", folder, code=1, server=other)
                continue
            said = run("restore", folder, code=3, server=other)
            assert name in said, said
            back = run("restore", folder, "--json", code=3, server=other)  # again: what was restored is there
            assert back["added"] == 0 and back["damaged"] >= 1
            lost = whole["messages"] - back["there"]
            assert {"Subject: anna": lost == 1, "large": lost == 1, "TSBKREC1": lost == 0}.get(
                what, 0 < lost < whole["messages"]), lost


def test_packs_that_are_cut_or_lost(site, tmp_path):
    """What remains is restored, what is missing is named, and a run that verifies everything repairs it."""
    sound = str(tmp_path / "saved")
    whole = backup(site, sound)
    everyone = all_of(site)
    only = list(packed(sound))
    pack, middle = only[0][1][len(sound):], only[len(only) // 2]
    for harm in (lambda path: os.truncate(path, middle[2]), os.unlink):
        folder = str(tmp_path / "harmed")
        shutil.copytree(sound, folder)
        harm(folder + pack)
        found = run("backup", "verify", folder, "--json", code=3)
        assert [text for text in found["damaged"] if pack in text], found
        with new_server() as other:
            run("restore", folder, code=3, server=other)
            back = run("restore", folder, "--json", code=3, server=other)
            assert back["added"] == 0 and back["there"] < whole["messages"]
            if harm != os.unlink:
                assert back["there"] > 0
        mended = backup(site, folder, "--full")
        assert mended["read_messages"] == whole["messages"] and mended["new_objects"] > 0
        verify(folder)
        with restored(folder) as other:
            assert_same(everyone, all_of(other))
        shutil.rmtree(folder)


def test_index_damaged_or_lost(site, tmp_path):
    """An index only says where things are: without it, or with a wrong one, everything is restored."""
    folder = str(tmp_path / "saved")
    backup(site, folder)
    index, = glob.glob(folder + "/index/*")
    for harm in (flip, truncate, os.unlink):
        harm(index)
        if harm != os.unlink:
            found = run("backup", "verify", folder, "--json", code=3)["damaged"]
            assert len(found) == 1 and index in found[0], found
        with restored(folder) as other:
            assert_same(all_of(site), all_of(other))
        done = backup(site, folder, "--full")
        assert done["new_objects"] == 0
        assert glob.glob(folder + "/index/*") == [index]
        verify(folder)


def test_names_of_users(tmp_path):
    """alice is alice@example.net for these commands, too."""
    folder, mail = str(tmp_path / "saved"), str(tmp_path / "mail")
    with new_server("default_domain = example.net\n") as server:
        for user in ("alice", "bob@other.example"):
            server.add(user, "pw")
        server.start()
        client = login(server, "alice")
        client.ok("APPEND INBOX {18+}\r\nSubject: hello\r\n\r\n")
        done = backup(server, folder, "--user", "Alice", "--user", "bob@other.example", code=3)
        assert (done["users"], done["messages"], done["damaged"]) == (1, 1, ["user bob@other.example: has no mail here"])
        assert run("backup", "list", folder, "--json")[-1]["users"][0]["name"] == "alice@example.net"
        words = ("restore", folder, "--json", "--mailbox", "INBOX")
        assert run(*words, "--user", "alice", "--into", "Back", server=server)["added"] == 1
        assert run(*words, "--user", "alice", "--as-user", "bob@other.example", server=server)["added"] == 1
        assert "no user carol@example.net" in run("restore", folder, "--user", "alice", "--as-user", "carol", code=1,
                                                  server=server)
        assert "user carol@example.net" in run("restore", folder, "--user", "carol", code=1, server=server)
        run("export", "maildir", mail, "--user", "alice", server=server)
        assert run("import", "maildir", mail, "--user", "Alice", "--json", server=server)["imported"] == 0
        # A user from before there was a default domain is found by the old name.
        assert server.stop() == 0
        with new_server() as old:
            old.add("eve", "pw")
            old.start()
            login(old, "eve").close()
            backup(old, folder + "2")
        assert run("restore", folder + "2", "--user", "eve", "--json", server=server)["users"] == 1
        assert backup(server, folder + "3", "--user", "eve")["users"] == 1


def test_many_equal_messages(tmp_path):
    """Messages with the same date and bytes are distinguished only by count, in one pass."""
    folder, mail, twins = str(tmp_path / "saved"), str(tmp_path / "mail"), 20_000
    with new_server() as server:
        for user in ("anna", "bo"):
            server.add(user, "pw")
        server.start()
        client = login(server, "anna")
        one = ' "01-Jan-2026 12:00:00 +0000" {18+}\r\nSubject: twins\r\n\r\n'
        for _ in range(twins // 1000):
            client.ok("APPEND INBOX" + one * 1000)
        client.ok('APPEND INBOX "01-Jan-2026 12:00:00 +0000" {18+}\r\nSubject: other\r\n\r\n')
        backup(server, folder)
        words = ("restore", folder, "--user", "anna", "--as-user", "bo", "--json")
        done = run(*words, server=server)
        assert (done["added"], done["there"]) == (twins + 1, 0)
        client = login(server, "bo")
        client.ok("SELECT INBOX")
        client.ok("STORE 5,500,5000 +FLAGS (\\Deleted)")
        client.ok("EXPUNGE")
        done = run(*words, server=server)
        assert (done["added"], done["there"]) == (3, twins - 2)
        # An import counts them in the same way.
        run("export", "mbox", mail, "--user", "anna", server=server)
        words = ("import", "mbox", mail + "/INBOX.mbox", "--user", "bo", "--mailbox", "In", "--json")
        done = run(*words, server=server)
        assert (done["imported"], done["already"]) == (twins + 1, 0)
        done = run(*words, server=server)
        assert (done["imported"], done["already"]) == (0, twins + 1)


def costs(done):
    return {key: done[key] for key in ("read_users", "read_messages", "new_objects", "files_opened", "files_written",
                                       "flushes")}


def accounts_loaded(server):
    return int(re.search(r"accounts_loaded: (\d+)", server.cli("status", "--all").stdout)[1])


def test_what_did_not_change_costs_nothing(tmp_path):
    """The next run opens, writes, flushes and loads only for users with changes, however many others there
    are."""
    folders = [str(tmp_path / "few"), str(tmp_path / "many")]
    with new_server() as server:
        names = [f"user{i:02}" for i in range(40)]
        for user in names:
            server.add(user, "pw")
        server.start()
        for user in names:
            client = login(server, user)
            client.ok(f"APPEND INBOX {{19+}}\r\nSubject: {user}\r\n\r\n")
            client.ok("CREATE Box")
            client.ok("SUBSCRIBE Box")
            client.close()
        only = [word for user in names[:3] for word in ("--user", user)]
        backup(server, folders[0], *only)
        backup(server, folders[1])
        server.stop()
        server.start()
        before = accounts_loaded(server)
        few, many = costs(backup(server, folders[0], *only)), costs(backup(server, folders[1]))
        assert few == many
        assert many["read_users"] == many["new_objects"] == many["files_written"] == 0
        assert accounts_loaded(server) == before
        # Each kind of change is noticed, for that user alone.
        client = login(server, names[7])
        for change in ("SELECT INBOX", "STORE 1 +FLAGS (blue)", "STORE 1 -FLAGS (blue)", "UNSUBSCRIBE Box", "SUBSCRIBE Box",
                       "RENAME Box Bax", "DELETE Bax", "CREATE Bax", "COPY 1 Bax", "STORE 1 +FLAGS (\\Deleted)", "EXPUNGE",
                       'CREATE "Done" (USE (\\Archive))'):
            client.ok(change)
            done = backup(server, folders[1])
            assert done["read_users"] == (change != "SELECT INBOX"), change
            again = backup(server, folders[1])
            assert (again["read_users"], again["users"], again["messages"]) == (0, 40, done["messages"]), change
        client.close()
        verify(folders[1])
        before = all_of(server, names[6:9])
        with restored(folders[1]) as other:
            assert_same(before, all_of(other, names[6:9]))
        # A user without a list is read when everything is read anew.
        assert backup(server, folders[1], "--full")["read_users"] == 40


def unpack(folder):
    """Makes each object a file of its own, as formats 1 and 2 have them."""
    for name, *place in list(packed(folder)):
        with open(f"{folder}/objects/{name[:2]}/{name}", "wb") as f:
            f.write(content_of(*place))
    shutil.rmtree(folder + "/packs")
    shutil.rmtree(folder + "/index")


@pytest.mark.parametrize("number", [1, 2])
def test_a_folder_of_an_older_version(site, tmp_path, number):
    """Read as it is, and gone on with: no message is read again.  Runs of format 1 have no
    marks, so all users are; neither have numbers of mailboxes, which their lists tell."""
    missing = {1: ("mark", "whole", "boxes", "end"), 2: ("boxes", "end")}[number]
    folder = str(tmp_path / "saved")
    first = backup(site, folder)
    unpack(folder)
    run_file, = glob.glob(folder + "/runs/*")
    with open(run_file, encoding="utf-8") as f:
        text = "".join(line for line in f if line.split()[0] not in missing)
    with open(run_file, "w", encoding="utf-8") as f:
        f.write(text + f"end {hashlib.sha256(text.encode()).hexdigest()}\n")
    with open(folder + "/turnstone-backup", "w", encoding="utf-8") as f:
        f.write(f"turnstone backup {number}\n")
    verify(folder)
    with restored(folder) as other:
        assert_same(all_of(site), all_of(other))
    change_everything(site)
    second = backup(site, folder)
    assert (second["read_users"], second["read_messages"] < 5) == (first["users"] if number == 1 else 2, True)
    assert second["mailboxes"] >= first["mailboxes"] > 3 and second["subscriptions"] > 0
    assert glob.glob(folder + "/packs/*")
    assert backup(site, folder)["read_users"] == 0
    verify(folder)
    with restored(folder, "--at", first["id"]) as other:
        assert other.lets_in("anna", "pw")
    # Pruned, the files of then go when nothing needs them.
    files = len(glob.glob(folder + "/objects/*/*"))
    run("backup", "prune", folder, "--keep", "1")
    assert 0 < len(glob.glob(folder + "/objects/*/*")) < files
    verify(folder)
    with restored(folder) as other:
        assert_same(all_of(site), all_of(other))
