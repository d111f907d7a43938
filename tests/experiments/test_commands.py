"""Messages of the library name flags on the command line, and in the pages that it writes."""

import pytest

from gradus.data import TablePreprocessor
from gradus.data.columns.usefulness import why_not_general
from gradus.experiments.settings.commands import with_flag_names


@pytest.mark.parametrize(
    ("message", "flag"),
    [
        ("predict all as numbers, write task='regression'; to", "write --task regression; to"),
        ("has its own target; target='cat' is for tables", "--target cat is for tables"),
        ("use cross-validation: gr.Sweep(…, cv=5).", "gradus sweep … --cv 5."),
        ("a tenth of the learning rate or clipnorm=1.0.", "or --clipnorm 1.0."),
        ("by class: validation_split=0.2.", "by class: --validation 0.2."),
        ('try class_weight="balanced".', "try --class-weight balanced."),
        ("Write epochs=32, and patience=10 to end it.", "--epochs 32, and --patience 10 to end"),
        ("Write batch_size=32; with", "Write --batch-size 32; with"),
        ('Use metrics=["mae", "r2"].', "Use --metrics mae,r2."),
        ("column 'day' stays an input: drop=['day'] leaves", "--drop-columns 'day' leaves"),
    ],
)
def test_arguments_become_flags(message, flag):
    assert flag in with_flag_names(message)


def test_a_column_of_names_is_told_with_the_flag_that_uses_it():
    import polars as pl

    names = pl.Series("name", [f"opel kadett {row}" for row in range(40)])
    note = TablePreprocessor.fit({"name": names, "b": range(40)}, keep=["b"]).notes[0]
    assert why_not_general(names) in note
    assert "(to use them, write --column 'name=text')" in with_flag_names(note)
