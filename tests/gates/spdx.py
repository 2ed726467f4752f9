#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""spdx.py ROOT: every source file names its licence in its first 3 lines."""
from files import finish, project_files, root_argument

SUFFIXES = (".c", ".h", ".def", ".sh", ".py", ".cmake", "CMakeLists.txt")
LINE = b"SPDX-License-" + b"Identifier: MIT"


def first_lines(path):
    with open(path, "rb") as file:
        return [file.readline(200) for _ in range(3)]


def main():
    root = root_argument("spdx.py")
    looked_at, findings = 0, []
    for name in project_files(root):
        lines = first_lines(root / name)
        if not name.endswith(SUFFIXES) and not lines[0].startswith(b"#!"):
            continue
        looked_at += 1
        if not any(LINE in line for line in lines):
            findings.append(f"{name}:1: no SPDX line in the first 3 lines")
    finish("spdx", looked_at, findings)


if __name__ == "__main__":
    main()
