# SPDX-License-Identifier: MIT
"""Further checks: static analysis and valgrind, on the core. Each must also
find what is wrong in tests/gates/planted.c, or it finds nothing."""
import re

from .cases import FAILED, Case, tail, verdict
from .process import BUILD, RESULTS, ROOT, in_parallel, progress, run

TIMEOUT_S = 1200
FLOORS = ("base", "jsonbcd", "udf", "rud", "presence", "role")
PLANTED = ROOT / "tests" / "gates" / "planted.c"
GCC = ["gcc", "-std=c11", "-O2", "-Iinclude", "-Isrc", "-fno-strict-aliasing",
       "-Wall", "-Wextra", "-Werror"]
ANALYZER = [*GCC, "-fanalyzer", "-c", "-o", "/dev/null"]
CPPCHECK = ["cppcheck", "-q", "--std=c11", "--error-exitcode=1",
            "--enable=warning,performance,portability", "--inline-suppr",
            "--suppress=missingIncludeSystem", "-Iinclude", "-Isrc"]
TIDY = ["clang-tidy", "--quiet", "--warnings-as-errors=*",
        "--checks=-*,clang-analyzer-*,misc-no-recursion,-clang-analyzer-"
        "security.insecureAPI.DeprecatedOrUnsafeBufferHandling"]
TIDY_FLAGS = ["--", "-std=c11", "-Iinclude", "-Isrc"]
VALGRIND = ["valgrind", "-q", "--error-exitcode=99", "--leak-check=full",
            "--errors-for-leak-kinds=definite,possible"]
# A program that counts allocations has a malloc() of its own, which valgrind
# must leave in its place or nothing is counted.
COUNTS = '#include "counting.h"'
KEEPS_MALLOC = "--soname-synonyms=somalloc=nouserintercepts"


def _said(output):
    """The findings alone where they can be told from their long accounts."""
    findings = re.findall(r"^.*: (?:error|warning): .*$", output, re.M)
    return "\n".join(findings) or tail(output)


def _core():
    return sorted(str(path.relative_to(ROOT)) for floor in FLOORS
                  for path in (ROOT / "src" / floor).glob("*.c"))


def _find(tool, command):
    """The tool must find what is planted."""
    done = run(command, TIMEOUT_S, RESULTS / "checks" / f"{tool}.planted.log")
    good = not done.timed_out and done.code != 0 and PLANTED.name in done.output
    return [verdict(f"{tool}/finds a planted bug", good, done.seconds,
                    f"{done.why(TIMEOUT_S)}\n{tail(done.output)}")]


def _over_core(tool, command, after=()):
    """One case: the tool finds nothing in any source of the core."""
    progress(tool)
    sources = _core()

    def one(source):
        log = RESULTS / "checks" / f"{tool}.{source.replace('/', '.')}.log"
        done = run([*command, source, *after], TIMEOUT_S, log)
        return [(done, f"{source}: {done.why(TIMEOUT_S)}\n"
                 f"{_said(done.output)}")]

    results = in_parallel(one, sources)
    bad = [message for done, message in results if not done.good]
    seconds = sum(done.seconds for done, _ in results)
    return [verdict(f"{tool}/core", bool(sources) and not bad, seconds,
                    "\n".join(bad) or "no sources")]


def analyze():
    return (_over_core("analyzer", ANALYZER)
            + _find("analyzer", [*ANALYZER, PLANTED])
            + _over_core("clang-tidy", TIDY, TIDY_FLAGS)
            + _find("clang-tidy", [*TIDY, PLANTED, *TIDY_FLAGS]))


def cppcheck():
    progress("cppcheck")
    done = run([*CPPCHECK, "src", "include"], TIMEOUT_S,
               RESULTS / "checks" / "cppcheck.log")
    return [verdict("cppcheck/src", done.good, done.seconds,
                    tail(done.output))] + _find("cppcheck",
                                                [*CPPCHECK, PLANTED])


def _core_tests():
    return [path for floor in FLOORS for path in
            (ROOT / "tests" / "unit" / floor).glob("**/test_*.c")]


def core_programs():
    return sorted(path.stem for path in _core_tests())


def counting_programs():
    return {path.stem for path in _core_tests() if COUNTS in path.read_text()}


def _valgrind_one(name):
    """One case a program; what fails in it without valgrind too has been
    said already, but is not passed over here."""
    binary = BUILD / "dev" / "tests" / name
    if not binary.exists():
        return [Case(f"valgrind/{name}", FAILED, 0.0, "was not built")]
    keeps = [KEEPS_MALLOC] if name in counting_programs() else []
    done = run([*VALGRIND, *keeps, binary], TIMEOUT_S,
               RESULTS / "valgrind" / f"{name}.log")
    return [verdict(f"valgrind/{name}", done.good, done.seconds,
                    f"{done.why(TIMEOUT_S)}\n{tail(done.output)}")]


def valgrind():
    progress("valgrind")
    binary = RESULTS / "valgrind" / "planted"
    binary.parent.mkdir(parents=True, exist_ok=True)
    done = run(["gcc", "-g", "-O0", "-w", PLANTED, "-o", binary], TIMEOUT_S,
               RESULTS / "valgrind" / "planted.build.log")
    if not done.good:
        return [Case("valgrind/finds a planted bug", FAILED, 0.0, done.output)]
    return (in_parallel(_valgrind_one, core_programs())
            + _find("valgrind", [*VALGRIND, binary]))
