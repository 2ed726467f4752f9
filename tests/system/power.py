# SPDX-License-Identifier: MIT
"""What a power cut leaves of a directory.

tests/recorder/recorder.c notes what a program does to the files of one
directory; here the notes are read, and the directory is built as it may be
found after a cut at any of them. Only what POSIX promises counts as safe: the
contents of a file when it was synced, or when it was written through a
descriptor opened with O_SYNC or O_DSYNC; a name when its directory was
synced. Of all else any part may be there: each sector of each write, each
change of a name."""
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path

NOTE = struct.Struct("<IiiIQQIIQ")
SECTOR = 512

OPENED, CLOSED, WROTE, TRUNCATED, SYNCED, RENAMED, LINKED, UNLINKED, \
    DIR_MADE, MAPPED, STRANGE = "ocwtsrludmx"
SYNCING = os.O_SYNC | os.O_DSYNC


@dataclass
class Note:
    kind: str
    pid: int
    fd: int
    flags: int
    time: int
    at: int
    path: str
    other: str
    data: bytes


def read_notes(path):
    raw, at, notes = Path(path).read_bytes(), 0, []
    while at < len(raw):
        kind, pid, fd, flags, time, offset, n, m, k = NOTE.unpack_from(raw, at)
        at += NOTE.size
        parts = [raw[at:at + n], raw[at + n:at + n + m],
                 raw[at + n + m:at + n + m + k]]
        at += n + m + k
        notes.append(Note(chr(kind), pid, fd, flags, time, offset,
                          parts[0].decode(), parts[1].decode(), parts[2]))
    assert at == len(raw), "the last note is whole"
    return notes


@dataclass
class Change:
    """A write or, without data, a new size."""
    at: int
    data: bytes
    safe: bool = False

    def apply(self, content, keep=None):
        """All of it, or the sectors for which keep() is true."""
        if self.data is None:
            if keep is None or keep():
                resize(content, self.at)
            return
        start, end = self.at, self.at + len(self.data)
        while start < end:
            stop = min(end, (start // SECTOR + 1) * SECTOR)
            if keep is None or keep():
                if len(content) < stop:
                    resize(content, stop)
                content[start:stop] = self.data[start - self.at:
                                                stop - self.at]
            start = stop


def resize(content, size):
    del content[size:]
    content.extend(bytes(size - len(content)))


@dataclass
class File:
    base: bytearray = field(default_factory=bytearray)  # at the last sync
    since: list = field(default_factory=list)           # changes after it
    mapped: bool = False

    def change(self, change):
        self.since.append(change)

    def now(self):
        content = bytearray(self.base)
        for change in self.since:
            change.apply(content)
        return content

    def sync(self):
        self.base, self.since = self.now(), []

    def after_cut(self, keep):
        content = bytearray(self.base)
        for change in self.since:
            change.apply(content, None if change.safe else keep)
        return content


class Directory:
    """Names, as they are and as they are safe. The directory above holds one
    name, that of the directory that is watched."""

    def __init__(self):
        self.names, self.base, self.since = {}, {}, []

    def change(self, *steps):
        """Some names that change together: each to a file, or to None."""
        self.since.append(steps)
        self.apply(self.names, steps)

    @staticmethod
    def apply(names, steps):
        for name, thing in steps:
            if thing is None:
                names.pop(name, None)
            else:
                names[name] = thing

    def sync(self):
        self.base, self.since = dict(self.names), []

    def after_cut(self, keep):
        names = dict(self.base)
        for steps in self.since:
            if keep():
                self.apply(names, steps)
        return names


class Disk:
    """All that is known after some of the notes. blind: letters of syncs that
    are taken for nothing: f(ile), n(ames), o(pened with O_DSYNC)."""

    def __init__(self, folder, blind=""):
        self.folder, self.blind = str(folder), blind
        self.above, self.inside = Directory(), Directory()
        self.open = {}
        self.strange = []

    def thing_at(self, path):
        if path == self.folder:
            return self.inside
        if path == os.path.dirname(self.folder):
            return self.above
        assert os.path.dirname(path) == self.folder, path
        return os.path.basename(path)

    def do(self, note):
        handler = {OPENED: self.opened, WROTE: self.wrote,
                   SYNCED: self.synced, CLOSED: self.closed,
                   TRUNCATED: self.truncated, RENAMED: self.renamed,
                   LINKED: self.linked, UNLINKED: self.unlinked,
                   DIR_MADE: self.made, MAPPED: self.mapped}
        handler.get(note.kind, self.strange.append)(note)

    def opened(self, note):
        thing = self.thing_at(note.path)
        if isinstance(thing, str):
            if thing not in self.inside.names:
                assert note.flags & os.O_CREAT, note
                self.inside.change((thing, File()))
            thing = self.inside.names[thing]
            if note.flags & os.O_TRUNC:
                thing.change(Change(0, None))
        self.open[note.pid, note.fd] = thing

    def closed(self, note):
        self.open.pop((note.pid, note.fd), None)

    def wrote(self, note):
        safe = bool(note.flags & SYNCING) and "o" not in self.blind
        self.open[note.pid, note.fd].change(Change(note.at, note.data, safe))

    def truncated(self, note):
        self.open[note.pid, note.fd].change(Change(note.at, None))

    def synced(self, note):
        thing = self.open[note.pid, note.fd]
        if ("n" if isinstance(thing, Directory) else "f") not in self.blind:
            thing.sync()

    def renamed(self, note):
        old, new = os.path.basename(note.path), os.path.basename(note.other)
        self.inside.change((new, self.inside.names[old]), (old, None))

    def linked(self, note):
        self.inside.change((os.path.basename(note.other),
                            self.inside.names[os.path.basename(note.path)]))

    def unlinked(self, note):
        self.inside.change((os.path.basename(note.path), None))

    def made(self, note):
        assert note.path == self.folder
        self.above.change((self.folder, self.inside))

    def mapped(self, note):
        self.open[note.pid, note.fd].mapped = True

    def unseen(self):
        """Names of files that were written in a way that is not seen."""
        return {name for name, f in self.inside.names.items() if f.mapped}

    def now(self):
        return {name: bytes(f.now()) for name, f in self.inside.names.items()}

    def after_cut(self, keep):
        """Name -> contents, or None when even the directory is lost."""
        if self.folder not in self.above.after_cut(keep):
            return None
        return {name: bytes(f.after_cut(keep))
                for name, f in self.inside.after_cut(keep).items()}


def nothing():
    """The least that is left: only what is safe."""
    return False


def build(contents, folder):
    """Write what was left to a folder."""
    if contents is None:
        return
    folder.mkdir(0o700)
    for name, content in contents.items():
        path = folder / name
        path.write_bytes(content)
        path.chmod(0o600)
