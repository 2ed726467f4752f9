#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""words.py ROOT: no notes to self, and no paths of somebody's workplace."""
import re

from files import finish, project_files, root_argument

# Written in pieces, so that this file does not find itself.
NOTES = rb"\b(?:TO" + rb"DO|FIX" + rb"ME|XX" + rb"X)\b"
PLACES = rb"(?<![\w.~-])/(?:wor" + rb"k|ro" + rb"ot)/|\.\./sha" + rb"red/"
PATTERN = re.compile(NOTES + rb"|" + PLACES)


def main():
    root = root_argument("words.py")
    looked_at, findings = 0, []
    for name in project_files(root):
        data = (root / name).read_bytes()
        if b"\0" in data[:8192]:
            continue
        looked_at += 1
        for number, line in enumerate(data.split(b"\n"), 1):
            found = PATTERN.search(line)
            if found:
                word = found.group().decode()
                findings.append(f"{name}:{number}: says {word}")
    finish("words", looked_at, findings)


if __name__ == "__main__":
    main()
