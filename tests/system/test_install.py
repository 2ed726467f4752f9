# SPDX-License-Identifier: MIT
"""What `cmake --install` gives: complete, movable, and enough to build an
application with nothing but the flags of pkg-config.

Installs the release build ($MPP_RELEASE_DIR, build/release when not set):
a build with sanitizers installs nothing."""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import DEADLINE_S, ROOT

RELEASE = Path(os.environ.get("MPP_RELEASE_DIR", ROOT / "build" / "release"))
EXAMPLE = ROOT / "examples" / "smallest_client.c"
# Functions of an application, with names that are taken inside the library.
CLASH = """
#include <mpp/loop.h>
int scan_number(void);
int base64_feed(void);
int heap_set = 3;
int scan_number(void) { return 1; }
int base64_feed(void) { return 2; }
int main(void)
{
	mpp_loop *loop;
	mpp_loop_error e;
	mpp_loop_config c = {.state_dir = "/nonexistent",
			     .mode = MPP_MODE_STATUS};
	if (mpp_loop_open(&c, &loop, &e) != MPP_ERR_NOTFOUND)
		return 9;
	return scan_number() + base64_feed() + heap_set;
}
"""


def run(*command, **options):
    return subprocess.run([str(word) for word in command], text=True,
                          capture_output=True, timeout=DEADLINE_S, **options)


def good(*command, **options):
    done = run(*command, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """Installed in one place and moved to another."""
    first = tmp_path_factory.mktemp("install") / "first"
    good("cmake", "--install", RELEASE, "--prefix", first)
    return first.rename(first.parent / "second")


@pytest.fixture(scope="module")
def flags(prefix):
    folder = next(prefix.glob("**/pkgconfig"))
    env = {**os.environ, "PKG_CONFIG_PATH": str(folder)}
    return good("pkg-config", "--cflags", "--libs", "--static", "mpp",
                env=env).split()


def build(source, target, flags):
    good(shutil.which("cc"), "-Wall", "-Werror", "-o", target, source, *flags)
    return target


def test_all_is_there(prefix):
    found = {str(path.relative_to(prefix)) for path in prefix.rglob("*")
             if path.is_file()}
    libdir = str(next(prefix.glob("**/libmpp.a")).parent.relative_to(prefix))
    assert found == {
        "sbin/mppd", "bin/mppctl", "bin/mpp",
        f"{libdir}/libmpp.a", f"{libdir}/pkgconfig/mpp.pc",
        *(f"include/mpp/{path.name}"
          for path in (ROOT / "include" / "mpp").glob("*.h")),
        "share/man/man1/mpp.1", "share/man/man5/mppd.conf.5",
        "share/man/man8/mppctl.8", "share/man/man8/mppd.8",
        "share/mpp/wireshark/mpp.lua"}


@pytest.mark.parametrize("name", ["sbin/mppd", "bin/mppctl", "bin/mpp"])
def test_programs_run(prefix, name):
    version = re.search(r"project\(meshpresence VERSION (\S+)",
                        (ROOT / "CMakeLists.txt").read_text()).group(1)
    said = good(prefix / name, "--version")
    assert said == f"{Path(name).name} {version}\n"


def test_mpp_pc_says_the_version(prefix):
    folder = next(prefix.glob("**/pkgconfig"))
    env = {**os.environ, "PKG_CONFIG_PATH": str(folder)}
    said = good("pkg-config", "--modversion", "mpp", env=env).strip()
    assert f"mpp {said}\n" == good(prefix / "bin" / "mpp", "--version")


def test_flags_name_this_prefix_alone(prefix, flags):
    own = [flag for flag in flags if flag.startswith(("-I", "-L"))]
    assert any(flag.startswith("-I") for flag in own)
    assert any(flag.startswith("-L") for flag in own)
    for flag in own:
        assert Path(flag[2:]).resolve().is_relative_to(prefix), flag


def test_the_example_builds_with_these_flags(flags, tmp_path):
    program = build(EXAMPLE, tmp_path / "smallest_client", flags)
    done = run(program)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr.startswith("usage: smallest_client ")
    done = run(program, tmp_path / "nothing")
    assert done.returncode == 66
    assert str(tmp_path / "nothing") in done.stderr


def test_names_inside_do_not_meet_those_of_an_application(flags, tmp_path):
    inside = good("nm", "--defined-only", RELEASE / "libmpp.a")
    for name in ("scan_number", "base64_feed", "heap_set"):
        assert re.search(rf" T {name}$", inside, re.M), \
            f"{name} is no longer in the library: choose another"
    source = tmp_path / "clash.c"
    source.write_text(CLASH)
    assert run(build(source, tmp_path / "clash", flags)).returncode == 6
