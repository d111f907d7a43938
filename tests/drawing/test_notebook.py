"""What a notebook shows is HTML with all text escaped."""

import numpy as np

from gradus.drawing.notebook import records_table
from gradus.train.history import History


def test_records_of_other_names_share_a_table():
    table = records_table([{"a": 1, "b": 0.123456}, {"a": "<", "c": None}], "a & b")
    assert table == (
        "<p>a &amp; b</p><table><tr><th>a</th><th>b</th><th>c</th></tr>"
        "<tr><td>1</td><td>0.1235</td><td></td></tr>"
        "<tr><td>&lt;</td><td></td><td>None</td></tr></table>"
    )
    assert records_table([], "nothing") == "<p>nothing</p>"


def test_a_history_shows_its_first_best_and_last_epoch():
    history = History()
    assert "<table" not in history._repr_html_()
    history.extend({"loss": np.array([3.0, 1.0, 2.0])}, 3)
    history.best_epoch = 2
    shown = history._repr_html_()
    for number, loss in ((1, 3), (2, 1), (3, 2)):
        assert f"<tr><td>{number}</td><td>{loss}</td></tr>" in shown
