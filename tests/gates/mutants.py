#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""mutants.py ROOT: every row of tests/mutants still changes something: its
text stands once in its file, which is compiled by itself (a header is not, so
a change of it would break nothing), and no two rows have one name."""
import runpy

from files import finish, root_argument

ROWS = "tests/mutants/mutants.py"


def wrong(root, name, source, old, new):
    if not source.endswith(".c"):
        return f"{source} is not compiled by itself"
    try:
        stands = (root / source).read_text().count(old)
    except FileNotFoundError:
        return f"{source} is not there"
    if stands != 1:
        return f"its text stands {stands} times in {source}"
    return "it changes nothing" if old == new else None


def main():
    root = root_argument("mutants.py")
    findings, seen = [], set()
    rows = runpy.run_path(str(root / ROWS))["MUTANTS"]
    for name, source, old, new, _ in rows:
        why = ("another row has its name" if name in seen
               else wrong(root, name, source, old, new))
        seen.add(name)
        if why is not None:
            findings.append(f"{ROWS}: {name}: {why}")
    finish("mutants", len(rows), findings)


if __name__ == "__main__":
    main()
