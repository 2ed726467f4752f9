# SPDX-License-Identifier: MIT
"""Building presets. A build that works is no case; one that fails is."""
import re

from .cases import FAILED, Case, tail
from .process import RESULTS, progress, run

TIMEOUT_S = 3600
# What ninja says of steps that went well, and the commands of those that did
# not; the log has them.
NOISE = re.compile(r"^(\[\d+/\d+\] .*|/usr/bin/\S+ +-.*)\n", re.M)


def build(preset, targets=()):
    """A list with the failed case, or an empty one."""
    progress(f"build {preset}")
    target = ["--target", *targets] if targets else []
    for name, command in (
            ("configure", ["cmake", "--preset", preset]),
            ("build", ["cmake", "--build", "--preset", preset, *target,
                       "--", "-k", "0"])):
        log = RESULTS / "build" / f"{preset}.{name}.log"
        done = run(command, TIMEOUT_S, log)
        if not done.good:
            said = tail(NOISE.sub("", done.output), 60)
            return [Case(f"{name} {preset}", FAILED, done.seconds,
                         f"{done.why(TIMEOUT_S)}\n{said}")]
    return []
