"""Numbers that stand for a missing value."""

import numpy as np
import pytest

from gradus.data import load
from gradus.data.columns.missing_codes import code_note
from gradus.estimators.settings import in_arguments
from gradus.experiments.settings.commands import with_flag_names

SIZES = np.linspace(30, 210, 40)


@pytest.mark.parametrize(
    ("others", "code", "told"),
    [
        (SIZES, -999.0, True),
        (SIZES, 9999.0, True),
        (SIZES, -999.9, True),
        (SIZES, 99.0, False),  # amid the others
        (SIZES, 220.0, False),  # no nines
        (SIZES, 299.0, False),
        (SIZES * 10, -99.0, False),  # nearer than the others are to each other
        (SIZES[:1], 999.0, False),  # two numbers are alike
    ],
)
def test_a_number_of_nines_far_from_all_others_is_told(others, code, told):
    note = code_note("size", np.array([*others, np.nan, code, code]))
    assert (note is not None) == told
    assert code_note("size", np.array([*others, code])) is None


def test_a_column_of_one_number_has_no_other_to_be_far_from():
    assert code_note("size", np.array([-999.0, np.nan, -999.0])) is None
    frame = {"size": [-999, None] * 20, "y": np.tile([0, 0, 1, 1], 10)}
    assert load(frame, "y").preprocessor(keep=["size"]).feature_names == ("size", "size=missing")


def test_what_the_note_says_to_write_makes_it_missing():
    sizes = np.where(np.arange(40) % 8 == 0, -999, SIZES)
    frame = {"size": sizes, "a": SIZES**2, "y": np.tile([0, 1], 20)}
    (note,) = load(frame, "y").preprocessor().notes
    assert "'size' is -999 in 5 rows" in note
    assert note.endswith("say so: missing=['-999']")
    assert with_flag_names(note).endswith("say so: --missing '-999'")
    assert in_arguments(note).endswith("say so: columns={'size': {'missing': ['-999']}}")
    (note,) = load(frame, "size").preprocessor().notes
    assert "'size' is -999" in note
