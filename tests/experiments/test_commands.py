"""Messages of the library name flags on the command line, and in the pages that it writes."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from gradus.apps.output import Output
from gradus.data import TablePreprocessor
from gradus.data.columns.usefulness import why_not_general
from gradus.diagnosis.symptoms.data.leak_rows import REMOVE
from gradus.experiments.settings.commands import with_flag_names
from gradus.streams import worded
from gradus.train.history import History
from gradus.train.progress import TrainingProgress


@pytest.mark.parametrize(
    ("message", "flag"),
    [
        ("predict all as numbers, write task='regression'; to", "write --task regression; to"),
        ("has its own target; target='cat' is for tables", "--target cat is for tables"),
        ("use cross-validation: gr.Sweep(…, cv=5).", "gradus sweep … --cv 5."),
        ("a tenth of the learning rate or clipnorm=1.0.", "or --clipnorm 1.0."),
        ("stratified split: validation_split=0.2.", "split: --validation 0.2."),
        ("Use epochs=8, and patience to stop.", "Use --epochs 8, and patience"),
        ("Use patience=10 to keep", "Use --patience 10 to keep"),
        ("call model.fit(epochs=8)", "model.fit(epochs=8)"),
        ("Use batch_size=32.", "Use --batch-size 32."),
        ('Use metrics=["mae", "r2"].', "Use --metrics mae,r2."),
        ("Otherwise leave it out: np.delete(x, 3, axis=1).", "out: --drop-columns with its name."),
        (f"Now. {REMOVE}", "Before the split, remove repeated rows from the file."),
        ("and std 1: (x - x.mean(0)) / (x.std(0) + 1e-7).", "1: --scaling standard."),
        ('try class_weight="balanced".', "try --class-weight balanced."),
        ("column 'a': 'k.A.' is; if so: missing=['k.A.']", "if so: --missing 'k.A.'"),
        ("column 'a': '1.10' is; if names, say so: kind='text'", "write --column 'a=text'"),
        ("column 'a': if not, give its pattern: date='%d'", "write --column 'a=date;date=%d'"),
        ("column 'day' stays an input: drop=['day'] leaves", "--drop-columns 'day' leaves"),
        ("or drop them: drop=['a', 'b c'].", "drop them: --drop-columns 'a,b c'."),
    ],
)
def test_arguments_become_flags(message, flag):
    assert flag in with_flag_names(message)


def test_a_live_note_is_in_the_words_of_who_reads_it(capsys):
    history = History()
    history.notes = ["Use epochs=8, and patience to stop in time."]
    for words, found in ((with_flag_names, "--epochs 8"), (str, "epochs=8")):
        with worded(words):
            TrainingProgress(True, 10, 2).report_notes(history)
        assert found in capsys.readouterr().err


def test_the_rate_of_an_epoch_that_was_cut_short_is_not_told(capsys):
    history = History()
    history.extend({"loss": np.array([1.0])}, 1)
    history.seconds.append(0.5)
    state = SimpleNamespace(epochs_begun=2)
    for interrupted in (False, True):
        progress = TrainingProgress(True, 10, 2)
        progress.interrupted = interrupted
        progress(state, history)
        assert ("20 samples/s" in capsys.readouterr().err) is not interrupted


def test_sentences_of_json_name_flags_and_data_do_not(capsys):
    said = {"notes": ["try patience=3"], "predictions": {"prediction": ["patience=3"]}}
    Output(json=True).print_json(said)
    assert json.loads(capsys.readouterr().out) == {**said, "notes": ["try --patience 3"]}


def test_a_column_of_names_is_told_with_the_flag_that_uses_it():
    import polars as pl

    names = pl.Series("name", [f"opel kadett {row}" for row in range(40)])
    note = TablePreprocessor.fit({"name": names, "b": range(40)}, keep=["b"]).notes[0]
    assert why_not_general(names) in note
    assert "(to use them, write --column 'name=text')" in with_flag_names(note)
