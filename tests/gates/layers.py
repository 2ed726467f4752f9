#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""layers.py ROOT: a file includes only its own floor and lower ones.

The tables below are the architecture; whoever adds a floor or a public header
gives it its place here."""
import re
from pathlib import Path

from files import finish, root_argument

# Height of each floor of the core; equal heights do not see each other.
CORE = {"base": 0, "jsonbcd": 1, "udf": 1, "rud": 2, "stun": 2, "presence": 3,
        "role": 4}

# What each directory above the core may include besides itself and the core.
ABOVE = {
    "netcheck": set(),
    "crypto": set(),
    "loop": {"crypto"},
    "host": {"crypto"},
    "store": {"crypto", "host"},
    "dns": {"host"},
    "conf": {"crypto", "host", "dns"},
    "web": {"crypto", "host"},
}
PROGRAMS = {"mppd", "mppctl", "mpp", "mppbench", "mppsim"}

# Public headers: the floor that implements or owns each of them. crypto.h is
# the table of primitives that the core is given, so it lies at the bottom.
PUBLIC = {
    "base": "base", "crypto": "base", "limits": "base",
    "jsonbcd": "jsonbcd", "udf": "udf", "rud": "rud", "token": "rud",
    "presence": "presence", "client": "role", "service": "role",
    "loop": "loop", "mpp": "loop",
}

CORE_STANDARD = {"stdbool.h", "stddef.h", "stdint.h", "string.h", "assert.h"}
FREESTANDING = {"float.h", "iso646.h", "limits.h", "stdalign.h", "stdarg.h",
                "stdbool.h", "stddef.h", "stdint.h", "stdnoreturn.h"}

COMMENT = re.compile(r"/\*.*?\*/", re.S)
INCLUDE = re.compile(r"^[ \t]*#[ \t]*include\b[ \t]*(.*)$", re.M)
TARGET = re.compile(r'([<"])([^>"]+)[>"]')


def includes(path):
    """(line, quote, name) of each #include; the name is None when it is
    computed by a macro."""
    text = path.read_text(errors="replace")
    text = COMMENT.sub(lambda m: "\n" * m.group().count("\n"), text)
    for found in INCLUDE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        target = TARGET.match(found.group(1))
        yield (line, *target.groups()) if target else (line, None, None)


def locate(root, path, quote, name):
    """The project's file that an include means, relative to ROOT; None for
    a header of the system."""
    where = [root / "include", root / "src"]
    if quote == '"':
        where.insert(0, path.parent)
    for place in where:
        candidate = (place / name).resolve()
        if candidate.is_file():
            if root in candidate.parents:
                return candidate.relative_to(root)
            return None
    return None


def floor_of(relative):
    """(directory, is public) of a file of the project."""
    parts = relative.parts
    if parts[:2] == ("include", "mpp") and len(parts) == 3:
        return PUBLIC.get(relative.stem), True
    if parts[0] == "src" and len(parts) > 2:
        return parts[1], False
    return None, False


def known(floor):
    return floor in CORE or floor in ABOVE or floor in PROGRAMS


def may_see(own, other):
    if own == other:
        return True
    if own in CORE:
        return other in CORE and CORE[other] < CORE[own]
    if own in PROGRAMS:
        return other not in PROGRAMS
    return other in CORE or other in ABOVE[own]


def judge_system(own, public, quote, name):
    if quote == '"':
        return f'"{name}" is not found in the project'
    if name.startswith("mpp/"):
        return f"<{name}> does not exist"
    if public and name not in FREESTANDING:
        return f"a public header must not include <{name}>"
    if own in CORE and not public and name not in CORE_STANDARD:
        return f"the core must not include <{name}>"
    return None


def judge(root, path, own, public, include):
    """Why this include is wrong, or None."""
    _, quote, name = include
    if name is None:
        return "computed include"
    target = locate(root, path, quote, name)
    if target is None:
        return judge_system(own, public, quote, name)
    other, other_public = floor_of(target)
    if other is None or not known(other):
        return f"{target} has no floor (see tests/gates/layers.py)"
    if other_public and not name.startswith("mpp/"):
        return f"public headers are included as <mpp/{target.name}>"
    if public and not other_public:
        return f"a public header must not include {target}"
    if not may_see(own, other):
        return f"{own} must not include {target} ({other})"
    return None


def main():
    root = root_argument("layers.py")
    paths = sorted(p for top in ("src", "include")
                   for p in (root / top).rglob("*")
                   if p.suffix in (".c", ".h", ".def", ".inc"))
    findings = []
    for path in paths:
        relative = path.relative_to(root)
        own, public = floor_of(relative)
        if own is None or not known(own):
            findings.append(f"{relative}:1: this file has no floor"
                            " (see tests/gates/layers.py)")
            continue
        for include in includes(path):
            why = judge(root, path, own, public, include)
            if why:
                findings.append(f"{relative}:{include[0]}: {why}")
    finish("layers", len(paths), findings)


if __name__ == "__main__":
    main()
