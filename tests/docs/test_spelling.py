"""One spelling, the American, as Keras's and JAX's users expect."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "src").rglob("*.py"),
    *(ROOT / "src").rglob("*.html"),
    *(ROOT / "src").rglob("*.md"),
    *(ROOT / "benchmarks").rglob("*.py"),
]
# Pages that were built are not sources.
PAGES = sorted(page for page in PAGES if "site" not in page.relative_to(ROOT).parts)
STEMS = (
    "optimis(?=e|a|ing) initialis normalis standardis regularis penalis recognis minimis maximis",
    "organis generalis serialis realis summaris visualis specialis parametris discretis quantis",
    "vectoris emphasis(?=e|i) analys(?=e[^s]|ing) behaviour colour favour neighbour honour labell",
    "modell travell cancell(?=ed|ing) centre metres? litre grey learnt spelt burnt whilst towards",
    "afterwards programme catalogue dialogue artefact ageing judgement fulfil(?=s| ) defence",
    "licence(?=d) mould",
)
BRITISH = re.compile(
    rf"\b(?:un|re|de|over|mis)?(?:{'|'.join(' '.join(STEMS).split())})\w*", re.IGNORECASE
)
# Addresses, attributes of HTML, and codes of findings, which are stable, are as they are.
FOREIGN = re.compile(r"https?://\S+|aria-labelledby|[\"`]initialisation[\"`]|over[-_]regularised")


def british(text):
    return [
        f"line {number}: {match[0]}"
        for number, line in enumerate(text.splitlines(), 1)
        for match in BRITISH.finditer(FOREIGN.sub("", line))
    ]


def test_spelling_is_american():
    found = {str(page.relative_to(ROOT)): british(page.read_text("utf-8")) for page in PAGES}
    assert {page: words for page, words in found.items() if words} == {}


def test_british_spelling_is_found():
    assert british("An optimiser learnt\nthe colours") == [
        "line 1: optimiser",
        "line 1: learnt",
        "line 2: colours",
    ]
    assert british("An optimizer learned the colors; analyses of parallelism and surprises") == []
