# SPDX-License-Identifier: MIT
"""Running programs: with a time limit, without a standard input, and with
nothing left running afterwards."""
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
RESULTS = BUILD / "results"
AT_A_TIME = 2

SANITIZER_ENV = {
    "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:"
                    "detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "second_deadlock_stack=1",
}


@dataclass
class Done:
    code: int          # negative: the signal that ended it
    output: str
    seconds: float
    timed_out: bool

    @property
    def good(self):
        return self.code == 0 and not self.timed_out

    def why(self, timeout):
        if self.timed_out:
            return f"did not end within {timeout:g} s"
        if self.code < 0:
            return f"ended by {signal.Signals(-self.code).name}"
        return f"exit code {self.code}"


def _end(process):
    """End the process and what it started (it leads its own group)."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def run(command, timeout, log, env=None, cwd=ROOT):
    """Run to the end; the output goes to the file `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    start, timed_out = time.monotonic(), False
    with open(log, "wb") as out:
        process = subprocess.Popen(
            [str(word) for word in command], cwd=cwd, stdin=subprocess.DEVNULL,
            stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, **SANITIZER_ENV, **(env or {})})
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
        finally:
            _end(process)
    output = log.read_text(encoding="utf-8", errors="replace")
    return Done(process.returncode, output, time.monotonic() - start,
                timed_out)


def in_parallel(function, items):
    """The concatenated lists that function gives for each item, in order."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return [case for part in pool.map(function, items) for case in part]


def progress(text):
    print(f"== {text}", flush=True)
