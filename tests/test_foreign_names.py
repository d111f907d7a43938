"""Names of other libraries are answered with those of this one."""

import re

import pytest

import gradus as gr
from gradus.foreign_names import HERE, meaning_here


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("EarlyStopping", "Here it is fit(…, patience=…)."),
        ("Linear", "Here it is Dense."),
        ("Denze", "Did you mean 'Dense'?"),
    ],
)
def test_a_name_of_another_library_is_answered(name, words):
    with pytest.raises(AttributeError, match=re.escape(words)):
        getattr(gr, name)


def test_what_is_named_exists_and_no_name_of_ours_is_answered():
    """Names that begin with a capital are classes, but for FOLDER."""
    named = {name for text in HERE.values() for name in re.findall(r"\b[A-Z]\w+", text)}
    assert named - {"FOLDER"} <= set(gr.__all__)
    assert not set(HERE) & set(gr.__all__)
    assert meaning_here("anything") == ""
    with pytest.raises(AttributeError, match="Here it is not needed: the first batch"):
        gr.Input  # noqa: B018
