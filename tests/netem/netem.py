# SPDX-License-Identifier: MIT
"""Two network namespaces joined by the link of link.c, for tests on real
sockets and for bench/latency.py. Needs root."""
import json
import signal
import subprocess
import uuid

A, B = "10.79.0.1", "10.79.0.2"
WAIT_S = 60


def inside(namespace, *command):
    return ("ip", "netns", "exec", namespace, *map(str, command))


class Link:
    """with Link(program, "loss=20", "delay=20") as link: ...

    Programs run in link.a and link.b, at the addresses A and B. After the
    block link.counts is what the link did, by direction: "ab" and "ba"."""

    def __init__(self, program, *settings):
        word = uuid.uuid4().hex[:8]
        self.a, self.b = f"mpp-a{word}", f"mpp-b{word}"
        self.program, self.settings = program, settings
        self.made, self.process, self.counts = [], None, None

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, kind, value, trace):
        self._remove()

    def _start(self):
        for name in (self.a, self.b):
            subprocess.run(["ip", "netns", "add", name], check=True)
            self.made.append(name)
        self.process = subprocess.Popen(
            [self.program, self.a, f"{A}/24", self.b, f"{B}/24",
             *self.settings], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError(f"link ended: {self.process.wait(WAIT_S)}")

    def begin(self):
        """With faults=signal: from now on."""
        self.process.send_signal(signal.SIGUSR1)

    def end(self):
        """Stop it; gives the counts."""
        if self.counts is None:
            self.process.send_signal(signal.SIGTERM)
            said, _ = self.process.communicate(timeout=WAIT_S)
            self.counts = json.loads(said)
        return self.counts

    def _remove(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(WAIT_S)
        for name in self.made:
            subprocess.run(["ip", "netns", "del", name], check=False)
