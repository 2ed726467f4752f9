# SPDX-License-Identifier: MIT
"""Programs with tests/recorder/failing.c before them: the n-th call of a kind
fails, from the start or from a moment while they run."""
import mmap
import os
import struct
import subprocess

import pytest
from conftest import BUILD, Mppd

KINDS = ("", "allocation", "send", "receive", "wait", "open", "write", "sync",
         "rename")
HEAD = struct.Struct("<iiqq")  # kind, error, countdown, failed
CALLS = struct.Struct(f"<{len(KINDS)}q")
PART = 0  # as an error: the call does a part of its work


class Control:
    """What fails next, shared with a program."""

    def __init__(self, path):
        self.path = path
        self.leaks = True  # whether a sanitizer looks for them
        path.write_bytes(bytes(HEAD.size + CALLS.size))
        with open(path, "r+b") as file:
            self.shared = mmap.mmap(file.fileno(), 0)

    def arm(self, kind, n, error):
        """The n-th call from now on; 0: none."""
        HEAD.pack_into(self.shared, 0, KINDS.index(kind), error, 0, 0)
        # Last, as the program may be running.
        HEAD.pack_into(self.shared, 0, KINDS.index(kind), error, n, 0)

    def disarm(self):
        """Gives whether a call has failed."""
        failed = HEAD.unpack_from(self.shared, 0)[3]
        struct.pack_into("<q", self.shared, 8, 0)
        return failed > 0

    def calls(self, kind):
        return CALLS.unpack_from(self.shared, HEAD.size)[KINDS.index(kind)]

    def environment(self, folder):
        """folder: where files are that count."""
        path = BUILD / "recorder" / "failing.so"
        if not path.exists():
            pytest.fail(f"{path} is missing: build it first")
        options = os.environ.get("ASAN_OPTIONS", "")
        return {**os.environ, "LD_PRELOAD": str(path.resolve()),
                "MPP_FAIL_CONTROL": str(self.path),
                "MPP_FAIL_DIR": str(folder),
                # It must stand before the sanitizer's own functions.
                "ASAN_OPTIONS": f"{options}:verify_asan_link_order=0:"
                                f"detect_leaks={int(self.leaks)}"}


class FailingMppd(Mppd):
    """An mppd of which a call can fail."""

    def __init__(self, folder, **items):
        super().__init__(folder, **items)
        self.control = Control(self.folder / "control")

    def spawn(self):
        with open(self.stderr, "a", encoding="utf-8") as err:
            self.process = subprocess.Popen(
                [self.program, "-c", str(self.config)], stderr=err,
                stdout=err, stdin=subprocess.DEVNULL,
                env=self.control.environment(self.state))
        return self
