# SPDX-License-Identifier: MIT
"""Cases: the unit in which every check of this project is counted."""
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from xml.sax.saxutils import escape

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"

# What XML 1.0 does not allow; a failure message may hold any byte.
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# cmocka puts messages into CDATA as they are, "]]>" included.
CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>(?=\s*</failure>)", re.S)
# cmocka appends to the file of a group that has the name of an earlier one,
# so that documents follow each other.
AROUND_SUITES = re.compile(r"<\?xml\b.*?\?>|</?testsuites\b[^>]*>")
TAIL_LINES = 30


@dataclass
class Case:
    name: str
    status: str
    seconds: float = 0.0
    message: str = ""


def tail(text, lines=TAIL_LINES):
    return "\n".join(text.rstrip().splitlines()[-lines:])


def verdict(name, good, seconds=0.0, message=""):
    return Case(name, PASSED if good else FAILED, seconds, message)


def _case_of(element, prefix):
    status, message = PASSED, ""
    for child in element:
        if child.tag in ("failure", "error"):
            status = FAILED
            parts = (child.get("message") or "", child.text or "")
            message = "\n".join(part.strip() for part in parts if part.strip())
            break
        if child.tag == "skipped":
            status = SKIPPED
    name = element.get("name", "?")
    return Case(f"{prefix}{name}", status, float(element.get("time") or 0),
                message)


def _errors_of(suite, cases, prefix):
    """Failures that a suite counts but no case shows, as when its setup
    fails; and cases that it counts but does not show."""
    hidden = (int(suite.get("failures") or 0) + int(suite.get("errors") or 0)
              - sum(case.status == FAILED for case in cases))
    if hidden > 0:
        return [Case(f"{prefix}suite", FAILED, 0.0,
                     f"{hidden} failures outside of its cases")]
    announced = int(suite.get("tests") or len(cases))
    if announced > len(cases):
        return [Case(f"{prefix}suite", FAILED, 0.0,
                     f"announces {announced} cases, shows {len(cases)}")]
    return []


def parse(text, prefix):
    """The cases of JUnit-style XML (cmocka's or pytest's). Raises
    ET.ParseError when it is not XML."""
    text = NOT_XML.sub("?", text)
    text = CDATA.sub(lambda found: escape(found.group(1)), text)
    text = AROUND_SUITES.sub("", text)
    found = []
    for suite in ET.fromstring(f"<all>{text}</all>".encode()):
        cases = [_case_of(e, prefix) for e in suite.iter("testcase")]
        found += cases + _errors_of(suite, cases, prefix)
    return found


def parse_file(path, prefix):
    """As parse(), but a bad file is one failed case."""
    text = ""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
        return parse(text, prefix)
    except (OSError, ET.ParseError, ValueError) as error:
        return [Case(f"{prefix}results", FAILED, 0.0,
                     f"{path.name} is no XML: {error}\n{tail(text)}")]


def _print_failures(cases):
    for case in cases:
        if case.status == FAILED:
            print(f"\nFAILED {case.name}")
            for line in case.message.splitlines():
                print(f"    {line}")


def report(cases):
    """Print what happened; the exit code of the whole run."""
    _print_failures(cases)
    print("\nten slowest:")
    for case in sorted(cases, key=lambda c: -c.seconds)[:10]:
        print(f"  {case.seconds:8.2f} s  {case.name}")
    count = {status: sum(case.status == status for case in cases)
             for status in (PASSED, FAILED, SKIPPED)}
    print(f"\n{count[PASSED]} passed, {count[FAILED]} failed, "
          f"{count[SKIPPED]} skipped", flush=True)
    return 1 if count[FAILED] > 0 or count[PASSED] == 0 else 0
