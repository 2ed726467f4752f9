# SPDX-License-Identifier: MIT
"""System tests: pytest on tests/system against the programs of a build. Some
try more cases when MPP_TIER is "ci" or "long"."""
import os

from . import cases
from .cases import FAILED, Case, tail
from .process import AT_A_TIME, BUILD, RESULTS, ROOT, progress, run

TIMEOUT_S = {"": 3600, "ci": 5400, "long": 7 * 86400}
# Debian's python3-pytest belongs to this one; another may come first in PATH.
PYTHON = "/usr/bin/python3"


def run_system(preset, tier=""):
    folder = ROOT / "tests" / "system"
    if not any(folder.rglob("test_*.py")):
        return []
    progress(f"system tests ({preset})")
    # The first namespace makes the place for all: not two at a time.
    for verb in ("add", "del"):
        run(["ip", "netns", verb, f"mpp-first{os.getpid()}"], 60,
            RESULTS / f"netns.{verb}.log")
    xml = RESULTS / "system.xml"
    xml.unlink(missing_ok=True)
    done = run([PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider",
                "-n", str(AT_A_TIME), folder, "--junitxml", xml], TIMEOUT_S[tier],
               RESULTS / "system.log",
               {"MPP_BUILD_DIR": str(BUILD / preset), "MPP_TIER": tier,
                "PYTHONDONTWRITEBYTECODE": "1"})
    found = cases.parse_file(xml, "system/")
    failed = any(case.status == FAILED for case in found)
    if done.timed_out or not found or (not done.good and not failed):
        found.append(Case("system/pytest", FAILED, done.seconds,
                          f"{done.why(TIMEOUT_S[tier])}\n{tail(done.output)}"))
    return found
