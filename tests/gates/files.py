# SPDX-License-Identifier: MIT
"""Which files of a tree a gate looks at, and how a gate reports."""
import os
import subprocess
import sys
from pathlib import Path

FIXTURES = "tests/gates/fixtures/"
SKIPPED_DIRS = {".git", "__pycache__", ".pytest_cache"}


def _from_git(root):
    """Tracked files, and those that only wait to be; None without git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others",
             "--exclude-standard"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return [name for name in done.stdout.decode().split("\0") if name]


def _from_disk(root):
    found = []
    for where, dirs, names in os.walk(root):
        relative = Path(where).relative_to(root)
        dirs[:] = [d for d in dirs if d not in SKIPPED_DIRS and not
                   (relative == Path(".") and d.startswith("build"))]
        found += [(relative / name).as_posix() for name in names]
    return found


def project_files(root):
    """Relative names of the project's files, fixtures of gates left out."""
    names = _from_git(root)
    if names is None:
        names = _from_disk(root)
    return sorted(name for name in set(names)
                  if not name.startswith(FIXTURES)
                  and (Path(root) / name).is_file())


def finish(gate, looked_at, findings):
    """Print findings and leave with the gate's verdict; a gate that looked
    at nothing has not passed."""
    for finding in findings:
        print(finding)
    if not looked_at:
        print(f"{gate}: no file to look at")
    print(f"{gate}: {looked_at} files, {len(findings)} findings")
    sys.exit(1 if findings or not looked_at else 0)


def root_argument(gate):
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit(f"usage: {gate} ROOT")
    return Path(sys.argv[1]).resolve()
