#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Break the core in small ways and see that the tests catch each of them.

  run.py [--only TEXT]

The core, the cryptography and the memory store are compiled once; for each
mutant one file again, and the tests that must fail are linked and run. Every
test is run unbroken first: it must pass; and a change of a comment must
survive. Prints a line a mutant and, last, "N caught, N survived"; exit code 0
if none survived.
"""

import argparse
import concurrent.futures
import os
import shutil
import subprocess
import sys
import tempfile

from mutants import (ADMIT, MUTANTS, SIM, SIM_ATTACK, SIM_CLOCKS, SIM_NAT,
                     SIM_THIEF, SIM_TOKENS)

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
FOLDERS = ["base", "jsonbcd", "udf", "rud", "stun", "presence", "role",
           "crypto", "netcheck"]
EXTRA = ["src/store/mem.c", "src/store/batch.c", "src/store/error.c"]
FLAGS = ["-std=c11", "-g", "-O1", "-fno-strict-aliasing", "-w",
         "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
         "-D_GNU_SOURCE", '-DMPP_VERSION="0"',
         f'-DMPP_TESTS_DIR="{ROOT}/tests"']
# The simulator is a test too: everything at once, and devices that are far
# behind when their packets are sent on from forged addresses.
SIM_RUNS = {
    SIM: ["mixed", "--seeds", "40", "--set", "hijack=5%", "--set",
          "publish=3s", "--set", "stores=20", "--set", "filters=0%"],
    SIM_ATTACK: ["attack", "--seeds", "12", "--set", "flood=1s"],
    SIM_THIEF: ["calm", "--seeds", "3", "--set", "thief=200ms", "--set",
                "duration=5m"],
    SIM_CLOCKS: ["clocks", "--seeds", "12"],
    SIM_NAT: ["nat", "--seeds", "12"],
    SIM_TOKENS: ["tokens", "--seeds", "12"],
}
TESTS = sorted({test for mutant in MUTANTS for test in mutant[4] or ()}
               - set(SIM_RUNS))
LIBS = ["-lcmocka", "-lcrypto", "-lsodium", "-llmdb", "-lpthread"]
# Breaks nothing, so it must survive.
HARMLESS = ("a comment", "src/role/service_data.c",
            "/* SPDX-License-Identifier: MIT */", "/* none */", [ADMIT])


def sources():
    for folder in FOLDERS:
        path = os.path.join(ROOT, "src", folder)
        for name in sorted(os.listdir(path)):
            if name.endswith(".c"):
                yield f"src/{folder}/{name}"
    yield from EXTRA


def sources_of(test):
    """What a test adds to them."""
    if test not in SIM_RUNS:
        return [f"tests/unit/{test}.c"]
    return [f"src/mppsim/{name}"
            for name in sorted(os.listdir(os.path.join(ROOT, "src/mppsim")))
            if name.endswith(".c")]


def compile_file(source, target, text=None):
    """Compile a source, or a changed text in its place."""
    command = ["gcc", *FLAGS, f"-I{ROOT}/include", f"-I{ROOT}/src",
               f"-I{ROOT}/tests", "-c", "-o", target]
    if text is None:
        command.append(os.path.join(ROOT, source))
    else:
        command += ["-x", "c", "-"]
    done = subprocess.run(command, input=text, text=True, check=False,
                          capture_output=True)
    return done.stderr if done.returncode != 0 else None


def run_test(objects, test, folder):
    """Link and run; True when the test passes."""
    program = os.path.join(folder, os.path.basename(test))
    arguments = SIM_RUNS.get(test, [])
    subprocess.run(["gcc", *FLAGS, "-o", program, *objects, *LIBS],
                   check=True, capture_output=True)
    try:
        done = subprocess.run([program, *arguments], capture_output=True,
                              timeout=300 if arguments else 120,
                              stdin=subprocess.DEVNULL, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


class Bench:
    """Everything compiled unbroken."""

    def __init__(self, folder):
        self.folder = folder
        self.objects, self.tests, seen = {}, {}, set()
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for source in sources():
                target = os.path.join(folder, source.replace("/", "_") + ".o")
                self.objects[source] = target
                pool.submit(self.build, source, target)
            for test in [*TESTS, *SIM_RUNS]:
                self.tests[test] = []
                for source in sources_of(test):
                    target = os.path.join(folder,
                                          source.replace("/", "_") + ".o")
                    self.tests[test].append(target)
                    if target not in seen:
                        pool.submit(self.build, source, target)
                    seen.add(target)

    @staticmethod
    def build(source, target):
        error = compile_file(source, target)
        if error is not None:
            print(error, file=sys.stderr)

    def judge(self, mutant):
        """None when caught, else what went wrong."""
        name, source, old, new, tests = mutant
        with open(os.path.join(ROOT, source), encoding="utf-8") as f:
            text = f.read()
        if text.count(old) != 1:
            return f"its text stands {text.count(old)} times in {source}"
        folder = tempfile.mkdtemp(dir=self.folder)
        broken = os.path.join(folder, "broken.o")
        error = compile_file(source, broken, text.replace(old, new))
        if error is not None:
            return "does not compile: " + error.splitlines()[0]
        objects = [broken] + [o for s, o in self.objects.items()
                              if s != source]
        passed = [t for t in tests or TESTS
                  if run_test([*self.tests[t], *objects], t, folder)]
        shutil.rmtree(folder)
        if tests is None:  # any of them may catch it
            return None if len(passed) < len(TESTS) else "survived"
        return None if not passed else "survived " + " ".join(passed)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="", metavar="TEXT",
                        help="mutants whose name has this in it")
    only = parser.parse_args().only
    chosen = [m for m in MUTANTS if only in m[0]]
    caught = survived = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        bench = Bench(folder)
        for test in [*TESTS, *SIM_RUNS]:
            if not run_test([*bench.tests[test], *bench.objects.values()],
                            test, folder):
                print(f"{test} fails unbroken")
                return 1
        wrong = bench.judge(HARMLESS)
        if wrong != f"survived {ADMIT}":
            print(f"a change of a comment: {wrong or 'caught'}")
            return 1
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for mutant, wrong in zip(chosen, pool.map(bench.judge, chosen)):
                print(f"{'caught  ' if wrong is None else 'SURVIVED'} "
                      f"{mutant[0]}{'' if wrong is None else ': ' + wrong}",
                      flush=True)
                caught += wrong is None
                survived += wrong is not None
    print(f"{caught} caught, {survived} survived")
    return 0 if survived == 0 and caught > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
