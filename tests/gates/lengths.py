#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""lengths.py ROOT: functions of at most 60 lines and files of at most 800 in
src/ and include/; functions of at most 100 lines in tests/."""
import json
import subprocess
import sys

from files import finish, project_files, root_argument

FUNCTION_MAX = 60
FILE_MAX = 800
TEST_FUNCTION_MAX = 100


def chosen(name):
    if name.startswith(("src/", "include/")):
        return name.endswith((".c", ".h"))
    return name.startswith("tests/") and name.endswith((".c", ".h", ".py"))


def functions(root, names):
    """What ctags knows of each function: a dict with path, line, end."""
    done = subprocess.run(
        ["ctags", "--output-format=json", "--fields=+ne", "--sort=no",
         "--langmap=C:.c.h", "--languages=C,Python", "--kinds-C=f",
         "--kinds-Python=fm", "-L", "-"],
        cwd=root, input="\n".join(names), capture_output=True, text=True,
        check=False)
    if done.returncode != 0:
        sys.exit(f"lengths.py: ctags failed: {done.stderr.strip()}")
    tags = [json.loads(line) for line in done.stdout.splitlines()]
    return [tag for tag in tags if tag["_type"] == "tag"]


def too_long_function(tag):
    path, line = tag["path"], tag["line"]
    if "end" not in tag:
        return f"{path}:{line}: the end of {tag['name']} cannot be seen"
    length = tag["end"] - line + 1
    most = TEST_FUNCTION_MAX if path.startswith("tests/") else FUNCTION_MAX
    if length > most:
        return f"{path}:{line}: {tag['name']} has {length} lines, over {most}"
    return None


def too_long_file(root, name):
    if name.startswith("tests/"):
        return None
    with open(root / name, "rb") as file:
        length = sum(1 for _ in file)
    if length > FILE_MAX:
        return f"{name}:1: {length} lines, over {FILE_MAX}"
    return None


def main():
    root = root_argument("lengths.py")
    names = [name for name in project_files(root) if chosen(name)]
    findings = [too_long_file(root, name) for name in names]
    if names:
        findings += [too_long_function(t) for t in functions(root, names)]
    finish("lengths", len(names), [f for f in findings if f])


if __name__ == "__main__":
    main()
