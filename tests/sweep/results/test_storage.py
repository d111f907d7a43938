"""A stopped sweep resumes from its storage as if it had never been stopped."""

import contextlib
import functools
import itertools
import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import optuna
import pytest

import gradus as gr
from gradus.errors import GradusError
from gradus.records import checksum
from gradus.sweep.execution.local import Local
from gradus.sweep.results.storage import Storage

X = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int32)
LOSS = "sparse_categorical_crossentropy"
EPOCHS = 4


@pytest.fixture
def by_optuna():
    """A function that reads and writes a storage through Optuna alone, without gradus."""
    with contextlib.ExitStack() as held:

        def storage(place):
            made = optuna.storages.RDBStorage(f"sqlite:///{place}")
            held.callback(made.engine.dispose)
            held.callback(made.remove_session)
            return made

        yield storage


class Stopped(Local):
    """Trains some members, then stops like Ctrl-C, `kill -9`, or in another way."""

    def __init__(self, left, stop=None):
        super().__init__(workers=1)
        self.left, self.stop = left, stop

    def run(self, members, until=None):
        members = iter(members)
        for done in super().run(itertools.islice(members, self.left), until):
            self.left -= len(done)
            yield done
        if self.left <= 0:
            self._stop()
            yield from super().run(members, until)

    def _stop(self):
        if self.stop is None:
            raise KeyboardInterrupt
        self.stop()


class Counting(Local):
    """Counts the members that it trains."""

    def __init__(self):
        super().__init__(workers=1)
        self.numbers = []

    def run(self, members, until=None):
        for done in super().run(members, until):
            self.numbers += [member.trial for member in done]
            yield done


def sweep(trials=20, rate=None, **options):
    kind = gr.choice(gr.SGD(0.1, momentum=gr.choice(0.0, 0.9)), gr.Adam(0.1), name="kind")
    net = gr.Sequential([gr.Dropout(rate or gr.uniform(0, 0.4)), gr.Dense(2, "softmax")])
    return gr.Sweep(gr.Model(net, LOSS, kind, metrics=["accuracy"]), trials, **options)


def fit(one, y=Y, epochs=EPOCHS):
    return one.fit(X, y, epochs=epochs, batch_size=20, verbose=False)


def results(one):
    """What must be exactly equal: values and scores."""
    return [
        (t.number, t.values, t.status, t.epochs, repr((t.scores, t.score, t.metrics)))
        for t in one.trials
    ]


@functools.cache
def undisturbed(trials, search="random", strategy=None, seed=0):
    return fit(sweep(trials, search=search, strategy=strategy, seed=seed))


WHOLE = [("sobol", None), ("tpe", None), ("cmaes", None), ("random", "halving")]


@pytest.mark.slow
@pytest.mark.parametrize(("search", "strategy"), WHOLE, ids=str)
def test_a_resumed_sweep_equals_an_uninterrupted_one(tmp_path, search, strategy, by_optuna):
    options = {"search": search, "strategy": strategy, "seed": 3}
    whole = undisturbed(20, **options)
    place = tmp_path / "sweep.db"
    after = 18 if strategy is None else 23  # of halving's 20 + 6 + 2 members
    half = fit(sweep(executor=Stopped(after), storage=place, **options))
    assert half.interrupted
    ended = {trial.number for trial in half.trials if trial.status != "waiting"}
    assert 0 < len(ended) < 20
    counting = Counting()
    again = fit(sweep(executor=counting, storage=str(place), **options))
    assert results(again) == results(whole)
    assert not ended & set(counting.numbers)  # no trial twice
    study = optuna.load_study(study_name="sweep", storage=by_optuna(place))
    assert sorted(one.user_attrs["gradus"]["trial"]["number"] for one in study.trials) == list(
        range(20)
    )
    np.testing.assert_allclose(again.best.predict(X), whole.best.predict(X), rtol=1e-5)
    assert again.ranking[0].histories


SCRIPT = """
import os, signal, sys
sys.path.insert(0, {folder!r})
import test_storage as t
kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
t.fit(t.sweep(24, executor=t.Stopped(9, kill), storage={place!r}))
"""


@pytest.mark.slow
def test_a_killed_process_loses_only_running_trials(tmp_path):
    place = str(tmp_path / "sweep.db")
    code = SCRIPT.format(folder=str(Path(__file__).parent), place=place)
    done = subprocess.run([sys.executable, "-c", code], check=False, env=os.environ)
    assert done.returncode == -signal.SIGKILL
    counting = Counting()
    again = fit(sweep(24, executor=counting, storage=place))
    assert 0 < len(counting.numbers) <= 24 - 9
    assert results(again) == results(undisturbed(24))
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.db"]


@pytest.mark.slow
@pytest.mark.parametrize("search", ["random", "tpe"])
def test_a_sweep_resumes_with_more_trials(tmp_path, search):
    place, options = tmp_path / "sweep.db", {"search": search}
    few = fit(sweep(6, storage=place, **options))
    counting = Counting()
    more = fit(sweep(10, storage=place, executor=counting, **options))
    assert results(more)[:6] == results(few)
    assert sorted(counting.numbers) == [6, 7, 8, 9]
    if search == "random":
        assert results(more) == results(undisturbed(24))[:10]
    counting = Counting()
    fewer = fit(sweep(4, storage=place, executor=counting, **options))
    assert results(fewer) == results(few)[:4]
    settings = {"epochs": EPOCHS, "batch_size": 20, "verbose": False}
    restored = sweep(12, storage=place, executor=counting, **options).restore(X, Y, **settings)
    assert results(restored)[:10] == results(more)
    assert [trial.status for trial in restored.trials[10:]] == ["waiting"] * 2
    assert counting.numbers == []
    with pytest.raises(GradusError, match="has no storage"):
        sweep(12).restore(X, Y)


@pytest.mark.slow
def test_population_based_training_resumes(tmp_path):
    options = {"strategy": "population", "seed": 1}
    whole = fit(sweep(8, **options))
    fit(sweep(8, executor=Stopped(12), storage=tmp_path / "a.db", **options))
    first = fit(sweep(8, storage=tmp_path / "a.db", **options))
    again = fit(sweep(8, storage=tmp_path / "a.db", executor=Counting(), **options))
    assert results(again) == results(first) == results(whole)
    assert [t.lineage for t in again.trials] == [t.lineage for t in whole.trials]
    assert any(trial.lineage for trial in again.trials)
    np.testing.assert_allclose(again.best.predict(X), whole.best.predict(X), rtol=1e-5)


@pytest.mark.slow
def test_optuna_reads_it_with_readable_labels(tmp_path, by_optuna):
    place = tmp_path / "sweep.db"
    model = gr.Model(
        gr.Sequential([gr.Dense(gr.choice(4, 0)), gr.Dense(1)]), "mse", gr.SGD(gr.choice(1e-3, 1e9))
    )
    done = gr.Sweep(model, search="grid", storage=place).fit(X, X[:, :1], epochs=3, verbose=False)
    study = optuna.load_study(study_name="sweep", storage=by_optuna(place))
    assert study.direction == optuna.study.StudyDirection.MINIMIZE
    assert study.metric_names == ["val_loss"]
    rows = {one.user_attrs["gradus"]["trial"]["number"]: one for one in study.trials}
    states = [rows[number].state.name for number in range(4)]
    assert states == ["COMPLETE", "FAIL", "FAIL", "FAIL"]
    assert [t.status for t in done.trials] == ["finished", "diverged", "failed", "failed"]
    assert rows[0].params == {"dense.units": 4, "optimizer.learning_rate": 1e-3}
    assert rows[0].value == done.trials[0].score
    assert (
        rows[0].user_attrs["gradus"]["trial"]["metrics"]["val_loss"]
        == done.trials[0].metrics["val_loss"]
    )
    assert rows[0].user_attrs["gradus"]["trial"]["epochs"] == 3
    assert "units=0" in rows[2].user_attrs["gradus"]["trial"]["error"]
    again = gr.Sweep(model, search="grid", storage=place)
    assert results(again.fit(X, X[:, :1], epochs=3, verbose=False)) == results(done)
    assert math.isnan(again.trials[1].score)
    assert again.trials[2].error == done.trials[2].error


@pytest.mark.slow
def test_another_sweep_is_rejected_with_the_differences(tmp_path, by_optuna):
    place = tmp_path / "sweep.db"
    fit(sweep(2, storage=place))
    with pytest.raises(GradusError, match=r"holds another sweep: epochs was 4 and is 5\. Give"):
        fit(sweep(2, storage=place), epochs=5)
    with pytest.raises(GradusError, match=r"another sweep: y was int32\[40\] sha256 \w+ and is"):
        fit(sweep(2, storage=place), y=1 - Y)
    with pytest.raises(GradusError, match=r"rate was uniform\(0, 0\.4\) and is uniform\(0, 0\.3\)"):
        fit(sweep(2, gr.uniform(0, 0.3), storage=place))
    with pytest.raises(GradusError, match=r"search was 'random' and is 'tpe'"):
        fit(sweep(2, storage=place, search="tpe"))
    other = fit(sweep(2, storage=Storage(place, "other"), seed=1))
    assert results(fit(sweep(2, storage=Storage(place, "other"), seed=1))) == results(other)
    study = optuna.create_study(storage=by_optuna(place), study_name="own")
    study.add_trial(optuna.trial.create_trial(value=1.0))
    with pytest.raises(GradusError, match="holds another sweep"):
        fit(sweep(2, storage=Storage(place, "own")))


def _alter(place, change, resealed=True):
    """Alter the stored records of trials as someone with an editor would."""
    with contextlib.closing(sqlite3.connect(place)) as database, database:
        rows = database.execute(
            "SELECT trial_user_attribute_id, value_json FROM trial_user_attributes"
        ).fetchall()
        for key, text in rows:
            record = json.loads(text)
            change(record)
            if resealed:
                record.pop("sha256")
                record["sha256"] = checksum(record)
            database.execute(
                "UPDATE trial_user_attributes SET value_json = ? WHERE trial_user_attribute_id = ?",
                (json.dumps(record), key),
            )


ALTERATIONS = {
    "checksum": (lambda record: record["trial"].update(score=0.0), False),
    "`str`": (lambda record: record["trial"].update(epochs="many"), True),
    "lacks the entry": (lambda record: record["trial"].pop("status"), True),
    "not in the space": (lambda record: record["trial"]["values"].update(units=7), True),
    "damaged": (lambda record: record.update(batch=[1]), True),
}


@pytest.mark.parametrize("words", ALTERATIONS)
def test_an_altered_record_is_refused_and_stays(tmp_path, words):
    place = tmp_path / "s.db"
    fit(sweep(trials=2, storage=place))
    _alter(place, *ALTERATIONS[words])
    before = _stored_texts(place)
    with pytest.raises(GradusError, match=words):
        fit(sweep(trials=2, storage=place))
    assert _stored_texts(place) == before


def _stored_texts(place):
    with contextlib.closing(sqlite3.connect(place)) as database:
        return database.execute("SELECT value_json FROM trial_user_attributes").fetchall()


def test_an_invalid_storage_is_rejected_before_training(tmp_path):
    counting = Counting()

    def refused(place, words):
        with pytest.raises(GradusError, match=words) as caught:
            fit(sweep(2, storage=place, executor=counting))
        return str(caught.value)

    refused(tmp_path / "absent" / "sweep.db", "no folder .*absent")
    refused(tmp_path, "unable to open database file")
    (tmp_path / "words.txt").write_text("no database" * 1000)
    refused(tmp_path / "words.txt", "not a database")
    refused("nosuch://host/base", "storage='nosuch://host/base'.*nosuch")
    place = "mssql+pyodbc://me:secret@localhost:1/base"
    assert "secret" not in refused(place, r"package pyodbc, .* pip install pyodbc\.")
    sqlite3.connect(tmp_path / "empty.db").close()
    refused(f"sqlite:///file:{tmp_path}/empty.db?mode=ro&uri=true", "readonly|read-only")
    for wrong in (7, ""):
        with pytest.raises(GradusError, match=r"storage=.*write the path"):
            sweep(storage=wrong)
    assert counting.numbers == []


@pytest.mark.slow
def test_a_full_disk_costs_no_results(tmp_path, monkeypatch):
    still = types.SimpleNamespace(sleep=lambda seconds: None)
    monkeypatch.setattr("optuna.storages._rdb.storage.time", still)
    storage = Storage(tmp_path / "sweep.db")

    def fill():
        storage._storage.engine.dispose()  # leaves one connection
        with storage._storage.engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    with pytest.warns(RuntimeWarning, match="disk is full") as caught:
        full = fit(sweep(24, storage=storage, executor=Stopped(8, fill)))
    assert len(caught) == 2
    assert "only in this process's memory" in str(caught[1].message)
    assert results(full) == results(undisturbed(24))
    counting = Counting()
    again = fit(sweep(24, storage=storage, executor=counting))
    assert results(again) == results(full)
    assert 0 < len(counting.numbers) < 24


def test_the_error_for_a_missing_package_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(GradusError, match=r"base' needs .* pip install 'psycopg\[binary\]'"):
        fit(sweep(2, storage="postgresql://me:secret@localhost/base"))
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(GradusError, match=r"optuna.*pip install 'gradus-nn\[search\]'"):
        fit(sweep(2, storage=tmp_path / "sweep.db"))
