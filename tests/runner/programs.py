# SPDX-License-Identifier: MIT
"""cmocka programs: one for each tests/unit/**/test_*.c and
tests/vectors/test_*.c, the same rule as in CMakeLists.txt."""
import re
import xml.etree.ElementTree as ET

from . import cases
from .cases import FAILED, Case, tail
from .process import BUILD, RESULTS, ROOT, in_parallel, progress, run

TIMEOUT_S = 300
# cmocka writes to stderr when the file of a group exists already, as for two
# groups of one name.
STRAY = re.compile(r"<testsuite\b.*?</testsuite>", re.S)


def sources():
    tests = ROOT / "tests"
    return sorted([*tests.glob("unit/**/test_*.c"),
                   *tests.glob("vectors/test_*.c")])


def run_program(binary, prefix, results, timeout=TIMEOUT_S, command=()):
    """Run one program; its cases. Whatever goes wrong is a failed case: a
    crash, the time limit, no results, or an exit code that no failed case
    explains (a leak found at the end, say)."""
    results.mkdir(parents=True, exist_ok=True)
    for stale in results.glob(f"{binary.name}.*.xml"):
        stale.unlink()
    done = run([*command, binary], timeout, results / f"{binary.name}.log",
               {"CMOCKA_MESSAGE_OUTPUT": "xml",
                "CMOCKA_XML_FILE": str(results / f"{binary.name}.%g.xml")})
    prefix = f"{prefix}{binary.name}."
    found = []
    for path in sorted(results.glob(f"{binary.name}.*.xml")):
        found += cases.parse_file(path, prefix)
    for stray in STRAY.findall(done.output):
        try:
            found += cases.parse(stray, prefix)
        except (ET.ParseError, ValueError) as error:
            found.append(Case(f"{prefix}results", FAILED, 0.0, str(error)))
    if not found:
        found.append(Case(f"{prefix}program", FAILED, done.seconds,
                          f"no results; {done.why(timeout)}\n"
                          f"{tail(done.output)}"))
    elif not done.good and not any(c.status == FAILED for c in found):
        found.append(Case(f"{prefix}program", FAILED, done.seconds,
                          f"{done.why(timeout)}\n{tail(done.output)}"))
    return found


def run_all(preset, prefix=""):
    """Every program of a preset that is built."""
    def one(source):
        binary = BUILD / preset / "tests" / source.stem
        if not binary.exists():
            return [Case(f"{prefix}{source.stem}.program", FAILED, 0.0,
                         f"{binary} was not built")]
        found = run_program(binary, prefix, RESULTS / preset)
        bad = sum(case.status == FAILED for case in found)
        progress(f"{prefix}{source.stem}: {len(found)} cases"
                 + (f", {bad} FAILED" if bad else ""))
        return found

    return in_parallel(one, sources())
