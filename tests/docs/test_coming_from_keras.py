"""The page for those who come from other libraries shows the table of foreign names, all of it."""

from pathlib import Path

import pytest

from gradus.foreign_names.module_names import PACKAGES
from gradus.foreign_names.table import ARGUMENTS, ATTRIBUTES, NAMES, WORDS

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "coming-from-keras.md"
# By the heading of the page: the rows that it shows.
SECTIONS = {
    "Names at `gr.…`": NAMES,
    "Packages of gradus, as if they were functions": PACKAGES,
    "Words for `loss=`": WORDS["loss"],
    "Arguments of layers": ARGUMENTS["Layer"],
    "Arguments of `add_weight`": ARGUMENTS["Layer.add_weight"],
    "Arguments of `gr.mlp`": ARGUMENTS["mlp"],
    "Arguments of optimizers": ARGUMENTS["Optimizer"] | ARGUMENTS["RMSprop"],
    "Arguments of schedules": ARGUMENTS["Schedule"],
    "Arguments of `gr.schedules.StepDecay`": ARGUMENTS["StepDecay"],
    "Arguments of losses": ARGUMENTS["Loss"],
    "Arguments of metrics": ARGUMENTS["Metric"],
    "Arguments of penalties": ARGUMENTS["Penalty"],
    "Arguments of `gr.Model`": ARGUMENTS["BaseModel"],
    "Arguments of `fit`": ARGUMENTS["Model.fit"],
    "Arguments of `predict` and `evaluate`": ARGUMENTS["BaseModel.predict"],
    "Arguments of `Model.load`": ARGUMENTS["Model.load"],
    "Arguments of `gr.data.load`": ARGUMENTS["load"],
    "Arguments of `gr.data.TableOptions`": ARGUMENTS["TableOptions"],
    "Arguments of `Model.save`": ARGUMENTS["Model.save"],
    "Arguments of `gr.Sweep`": ARGUMENTS["Sweep"],
    "Arguments of a sweep's `fit`, besides those of `fit`": {
        name: here
        for name, here in ARGUMENTS["Sweep.fit"].items()
        if name not in ARGUMENTS["Model.fit"]
    },
    "Arguments of `gr.distributed.start`": ARGUMENTS["start"],
    "Arguments of `gr.Classifier` and `gr.Regressor`": ARGUMENTS["NetworkEstimator"],
    "Arguments of their `fit`": ARGUMENTS["NetworkEstimator.fit"],
    "Attributes of a model": ATTRIBUTES["BaseModel"],
    "Attributes of a layer or a network": ATTRIBUTES["Layer"],
    "Attributes of a history": ATTRIBUTES["History"],
    "Attributes of `gr.Classifier` and `gr.Regressor`": ATTRIBUTES["NetworkEstimator"],
    "Attributes of a sweep": ATTRIBUTES["Sweep"],
    "Attributes of a run, `gr.load(folder)`": ATTRIBUTES["Run"],
    "Attributes of `gr.data.load(…)`": ATTRIBUTES["Dataset"],
    "Attributes of preprocessors": ATTRIBUTES["TablePreprocessor"],
    "Attributes of `gr.data.TextVectorizer`": ATTRIBUTES["TextVectorizer"],
}


def table(rows):
    """The rows as a Markdown table, names with one answer together."""
    names = {}
    for name, here in rows.items():
        names.setdefault(here, []).append(f"`{name}`")
    lines = [f"| {', '.join(theirs)} | {here} |" for here, theirs in names.items()]
    return "\n".join(["| There | Here |", "| --- | --- |", *lines])


@pytest.mark.parametrize("heading", SECTIONS)
def test_the_page_shows_the_rows_of_a_table(heading):
    _, _, rest = PAGE.read_text().partition(f"\n### {heading}\n\n")
    assert rest.partition("\n\n")[0].strip() == table(SECTIONS[heading])


def test_no_rows_are_left_out():
    shown = [id(rows) for rows in SECTIONS.values()]
    others = {id(ARGUMENTS[name]) for name in ("Optimizer", "RMSprop", "Sweep.fit")}
    assert ATTRIBUTES["ArrayPreprocessor"].items() <= ATTRIBUTES["TablePreprocessor"].items()
    others.add(id(ATTRIBUTES["ArrayPreprocessor"]))
    for rows in [NAMES, PACKAGES, *WORDS.values(), *ARGUMENTS.values(), *ATTRIBUTES.values()]:
        assert id(rows) in {*shown, *others}
