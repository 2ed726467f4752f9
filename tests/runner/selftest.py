# SPDX-License-Identifier: MIT
"""The runner's own test: programs that end in every bad way must count as
failed, and a good one as passed."""
import tempfile
from pathlib import Path

from . import mutants
from .cases import FAILED, PASSED, SKIPPED, verdict
from .process import in_parallel
from .programs import run_program

TIMEOUT_S = 2

GOOD = '<testcase name="a" time="0.1"></testcase>'
BAD = '<testcase name="b"><failure><![CDATA[1 \\001 2]]></failure></testcase>'
SKIP = '<testcase name="c"><skipped/></testcase>'


def _suite(body, tests, failures=0, group="g"):
    """Shell words that write a group's results as cmocka does."""
    xml = (f'<testsuites><testsuite name="{group}" tests="{tests}" '
           f'failures="{failures}" errors="0">{body}'
           "</testsuite></testsuites>")
    return f"printf '{xml}' >\"${{CMOCKA_XML_FILE%%%g.xml}}{group}.xml\"\n"


# What a program does: passed, failed, skipped that must come of it.
PROGRAMS = {
    "passes": (_suite(GOOD, 1), (1, 0, 0)),
    "passes, fails and skips": (
        _suite(GOOD + BAD + SKIP, 3, 1) + "exit 1", (1, 1, 1)),
    "has two groups": (
        _suite(GOOD, 1) + _suite(GOOD, 1, group="h"), (2, 0, 0)),
    "has two groups of one name": (
        2 * _suite(GOOD, 1).replace("' >", "' >>"), (2, 0, 0)),
    "writes results elsewhere": (
        _suite(GOOD, 1) + f"echo '<testsuite tests=\"1\">{GOOD}</testsuite>'",
        (2, 0, 0)),
    "fails with any bytes": (
        _suite(BAD.replace("1", "<]]>&"), 1, 1) + "exit 1", (0, 1, 0)),
    "crashes": ("kill -SEGV $$", (0, 1, 0)),
    "crashes after its results": (_suite(GOOD, 1) + "kill -SEGV $$",
                                  (1, 1, 0)),
    "leaks at the end": (_suite(GOOD, 1) + "exit 23", (1, 1, 0)),
    "hangs": ("sleep 60", (0, 1, 0)),
    "writes nothing": ("exit 0", (0, 1, 0)),
    "writes no XML": ('echo oops >"${CMOCKA_XML_FILE%%g.xml}g.xml"',
                      (0, 1, 0)),
    "has no case": (_suite("", 0), (0, 1, 0)),
    "fails outside of its cases": (_suite(GOOD, 1, 1), (1, 1, 0)),
    "hangs after its results": (_suite(GOOD, 1) + "sleep 60", (1, 1, 0)),
    "loses a case": (_suite(GOOD, 2), (1, 1, 0)),
}


def _judge(item):
    name, (script, expected) = item
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "program"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        found = run_program(program, "", Path(folder) / "out", TIMEOUT_S)
    count = tuple(sum(case.status == status for case in found)
                  for status in (PASSED, FAILED, SKIPPED))
    return [verdict(f"runner/counts a program that {name}", count == expected,
                    0.0, f"counted {count}, must be {expected}: {found}")]


# What tests/mutants/run.py prints: the cases that failed, all cases, and
# whether the output is whole.
MUTANTS = {
    "catches": ("caught   a\ncaught   b\n2 caught, 0 survived\n",
                ([], 2, True)),
    "does not catch": (
        "caught   a\nSURVIVED b: survived x\n1 caught, 1 survived\n",
        (["mutant/b"], 2, True)),
    "does not get to": ("caught   a\nTraceback\n", ([], 1, False)),
    "loses": ("caught   a\n2 caught, 0 survived\n", ([], 1, False)),
    "does not have": ("0 caught, 0 survived\n", ([], 0, False)),
}


def _judge_mutants(item):
    name, (output, expected) = item
    found, whole = mutants.read(output)
    failed = [case.name for case in found if case.status == FAILED]
    seen = (failed, len(found), whole)
    return [verdict(f"runner/reads a mutant that it {name}", seen == expected,
                    0.0, f"read {seen}, must be {expected}: {found}")]


def run_selftest():
    return (in_parallel(_judge, PROGRAMS.items())
            + in_parallel(_judge_mutants, MUTANTS.items()))
