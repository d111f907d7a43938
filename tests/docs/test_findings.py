"""The page of findings has a section for each code, whose example prints that code.

That the examples print what the page shows is tested with all pages, in `test_pages.py`.
"""

import re
from pathlib import Path

import pytest

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.symptoms import symptoms

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "findings.md"
PARTS = re.split(r"^### (.+)\n", PAGE.read_text(), flags=re.M)[1:]  # a heading, its text, …
SECTIONS = dict(zip(PARTS[::2], PARTS[1::2], strict=True))
CODES = [symptom.code for symptom in symptoms()]


def test_the_page_has_a_section_for_each_code_and_no_other():
    assert sorted(PARTS[::2]) == sorted(CODES)


def test_the_page_describes_the_entries_of_a_finding_in_json():
    table = PAGE.read_text().partition("## As JSON")[2].partition("```python")[0]
    entries = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", table, re.M))
    evidence = {"units": {"value": 1, "threshold": 2}}
    plain = Finding("m", "w", "r", layer="l", epoch=1, evidence=evidence, cause="c", proof={})
    plain = plain.to_plain()
    assert set(entries) == set(plain)
    types = {"text": str, "a whole number": int, "an object": dict, '`"': str}
    for name, described in entries.items():
        (expected,) = [cls for words, cls in types.items() if described.startswith(words)]
        assert type(plain[name]) is expected, name
    defaults = Finding("m", "w", "r").to_plain()
    optional = {name for name, described in entries.items() if described.endswith("or null")}
    assert {name for name, value in defaults.items() if value is None} == optional - {"evidence"}


@pytest.mark.parametrize("code", CODES)
def test_a_section_shows_its_code_first_and_says_how_to_mend_it(code):
    example, shown = re.findall(r"```(?:python|text)\n(.*?)```", SECTIONS[code], re.S)[:2]
    assert len(example.splitlines()) <= 10
    assert re.match(rf"(fault|note) {code}\n", shown)
    assert "To fix it: " in SECTIONS[code]
