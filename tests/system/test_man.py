# SPDX-License-Identifier: MIT
"""Manual pages say what the programs do: every option, command and exit code
of --help, and every item of the configuration with its default."""
import re
import subprocess

import pytest
from conftest import DEADLINE_S, ROOT, program

MAN = ROOT / "man"
PAGES = sorted(path.name for path in MAN.glob("*.[1-8]"))
PROGRAMS = {"mppd": "mppd.8", "mppctl": "mppctl.8", "mpp": "mpp.1",
            "mppbench": "mppbench.1", "mppsim": "mppsim.1"}
ITEM = re.compile(r'CONF_ITEM\((\w+), \w+, "([\w-]+)", \w+,\s*"([^"]*)",')
DEFAULT = re.compile(r"^The default is\n\.Cm (.*) \.$", re.M)
# The pages of other pages are looked up in the system's by mandoc, where they
# need not be; test_references looks here.
ELSEWHERE = "STYLE: referenced manual not found"

by_program = pytest.mark.parametrize("name", PROGRAMS)


def run(*command):
    return subprocess.run(command, capture_output=True, text=True,
                          timeout=DEADLINE_S)


def help_of(name):
    done = run(program(name), "--help")
    assert done.returncode == 0, done.stderr
    return done.stdout


def page_of(name):
    return (MAN / PROGRAMS[name]).read_text()


def lint(path):
    done = run("mandoc", "-T", "lint", str(path))
    said = done.stdout + done.stderr
    return [line for line in said.splitlines() if ELSEWHERE not in line]


def section(page, title):
    found = re.search(rf"^\.Sh {title}\n(.*?)(?=^\.Sh |\Z)", page,
                      re.M | re.S)
    assert found, f"no section {title}"
    return found.group(1)


def option_heads(page):
    """The heads of the list of options: .It Fl c , Fl -config Ar file"""
    return re.findall(r"^\.It (Fl .*)$", section(page, "DESCRIPTION"), re.M)


def options(page, long):
    pattern = r"Fl -([a-z][a-z-]*)" if long else r"Fl ([a-z])\b"
    return {option for head in option_heads(page)
            for option in re.findall(pattern, head)}


@pytest.mark.parametrize("page", PAGES)
def test_lint(page):
    assert lint(MAN / page) == []


def test_lint_finds_something(tmp_path):
    page = tmp_path / "bad.8"
    page.write_text((MAN / "mppd.8").read_text().replace(".El\n", "", 1))
    assert lint(page) != []


def test_every_program_and_file_has_its_page():
    assert set(PAGES) == {*PROGRAMS.values(), "mppd.conf.5"}


@pytest.mark.parametrize("page", PAGES)
def test_references(page):
    named = re.findall(r"^\.Xr (\S+) (\d)", (MAN / page).read_text(), re.M)
    assert named
    for name, number in named:
        assert f"{name}.{number}" in PAGES


@by_program
def test_options(name):
    said = help_of(name)
    page = page_of(name)
    long = set(re.findall(r"(?<![\w-])--([a-z][a-z-]*)", said))
    assert {"help", "version"} < long
    assert options(page, long=True) == long
    short = set(re.findall(r"(?<![\w-])-([a-z])\b", said))
    assert short <= options(page, long=False)


@by_program
def test_short_options_of_the_page_are_known(name):
    short = options(page_of(name), long=False)
    assert "h" in short
    for option in short:
        done = run(program(name), f"-{option}", "--help")
        assert "no such option" not in done.stderr


@by_program
def test_values(name):
    """An option takes a value in the page if it takes one in --help."""
    said = help_of(name)
    for head in option_heads(page_of(name)):
        option = re.search(r"Fl -([a-z-]+)", head).group(1)
        shown = re.search(rf"--{option} ([A-Z]+\b|[0-9]+[a-z])", said)
        assert ("Ar " in head) == bool(shown), head


@pytest.mark.parametrize("name", ["mppctl", "mpp", "mppbench"])
def test_commands(name):
    said = re.findall(rf"^{name} ([a-z]+(?: [a-z]+)?)\b", help_of(name), re.M)
    assert said
    heads = re.findall(r"^\.It Cm ([a-z]+(?: [a-z]+)?)\b",
                       section(page_of(name), "DESCRIPTION"), re.M)
    assert heads == said


@by_program
def test_exit_codes(name):
    tail = help_of(name).split("Exit codes:")[1]
    said = set(re.findall(r"\b(\d+) ", tail))
    assert {"0", "64"} < said
    rows = re.findall(r"^\.It (\d+)$", section(page_of(name), "EXIT STATUS"),
                      re.M)
    assert rows == sorted(rows, key=int)
    assert said <= set(rows)


@by_program
def test_environment(name):
    said = set(re.findall(r"\$([A-Z_]+)", help_of(name)))
    page = page_of(name)
    if said:
        rows = re.findall(r"^\.It Ev (\w+)$", section(page, "ENVIRONMENT"),
                          re.M)
        assert said <= set(rows)


def test_configuration_items():
    """Names, sections, order and defaults are those of items.def."""
    defined = ITEM.findall((ROOT / "src/conf/items.def").read_text())
    text = (ROOT / "src/conf/items.def").read_text()
    assert len(defined) == len(re.findall(r"^CONF_ITEM\(", text, re.M)) > 0
    page = (MAN / "mppd.conf.5").read_text()
    described = []
    for part in re.split(r"^\.Ss Section ", page, flags=re.M)[1:]:
        title, _, body = section(f".Sh X\n{part}", "X").partition("\n")
        for item in re.split(r"^\.It Cm ", body, flags=re.M)[1:]:
            default = DEFAULT.search(item)
            assert default or "Not set by default" in item, item
            described.append((title, item.split()[0],
                              default.group(1) if default else ""))
    assert described == defined


def test_the_example_configuration_is_accepted(tmp_path):
    page = (MAN / "mppd.conf.5").read_text()
    example = re.search(r"^\.Bd -literal\n(.*?)^\.Ed$",
                        section(page, "EXAMPLES"), re.M | re.S).group(1)
    path = tmp_path / "mppd.conf"
    path.write_text(example)
    done = run(program("mppd"), "--check-config", "-c", str(path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("OK\n")
    assert "endpoint = presence.example.com:15099" in done.stdout
