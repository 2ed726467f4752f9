# SPDX-License-Identifier: MIT
"""Small breaks of the core (tests/mutants), each of which the tests must
catch: one case a mutant, by the lines that run.py prints."""
import re

from .cases import FAILED, Case, tail, verdict
from .process import RESULTS, ROOT, progress, run

TIMEOUT_S = 3600
PYTHON = "/usr/bin/python3"
PROGRAM = ROOT / "tests" / "mutants" / "run.py"
LINE = re.compile(r"^(caught  |SURVIVED) (.+)$", re.M)
LAST = re.compile(r"^(\d+) caught, (\d+) survived$")
ENV = {"PYTHONDONTWRITEBYTECODE": "1"}


def read(output):
    """The cases of what run.py printed, and whether it says itself that
    these are all and how many of each."""
    rows = LINE.findall(output)
    found = [verdict(f"mutant/{text.partition(': ')[0]}",
                     word == "caught  ", 0.0, text) for word, text in rows]
    survived = sum(case.status == FAILED for case in found)
    last = LAST.match(tail(output, 1))
    counts = (str(len(found) - survived), str(survived))
    whole = bool(found) and last is not None and last.groups() == counts
    return found, whole


def run_mutants():
    progress("mutants")
    done = run([PYTHON, PROGRAM], TIMEOUT_S, RESULTS / "mutants.log", ENV)
    found, whole = read(done.output)
    failed = any(case.status == FAILED for case in found)
    if done.timed_out or not whole or (not done.good and not failed):
        found.append(Case("mutant/run.py", FAILED, done.seconds,
                          f"{done.why(TIMEOUT_S)}\n{tail(done.output)}"))
    return found
