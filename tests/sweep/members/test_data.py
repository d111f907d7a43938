"""Inputs can be hyperparameters: each trial equals its model trained on its inputs."""

import collections

import numpy as np
import pytest

import gradus as gr
from gradus.data import Dataset, Preprocessing
from gradus.errors import DataError, GradusError
from gradus.hyperparameters import find_hyperparameters, resolve
from gradus.sweep.execution import ray_task
from gradus.sweep.execution.local import Local
from gradus.sweep.members.data import SweepData
from gradus.sweep.members.fold import Fold

RNG = np.random.default_rng(0)
RAW = RNG.normal(50, 20, (60, 3)).astype(np.float32)
Y = (RAW[:, 0] + RAW[:, 1] > 100).astype(np.int32)
SCALED = ((RAW - RAW.mean(0)) / RAW.std(0)).astype(np.float32)
SQUARED = np.concatenate([SCALED, SCALED**2], axis=1)
KINDS = {"raw": RAW, "scaled": SCALED, "squared": SQUARED}
LOSS = "sparse_categorical_crossentropy"
FIT = {"batch_size": 16, "epochs": 2, "probes": False}


def model(**settings):
    net = gr.Sequential([gr.Dense(4, "tanh"), gr.Dropout(0.2), gr.Dense(2, "softmax")])
    rate = settings.pop("rate", 0.01)
    return gr.Model(net, LOSS, gr.Adam(rate), metrics=["accuracy"], **settings)


def kinds(**options):
    return gr.choice(KINDS, name="kind", **options)


def alone(sweep, trial, x, y=Y, seed=0, **options):
    settled = dict(resolve(sweep.model.settings, sweep.hypers, trial.values))
    one = gr.Model(**(settled | {"seed": settled["seed"] + seed}))
    one.fit(x, y, monitor=sweep.monitor, verbose=False, **(FIT | options))  # by the same program
    return one


def same(one, other):
    for name in ("loss", "val_loss", "val_accuracy"):
        np.testing.assert_array_equal(one.history[name], other.history[name])
    assert one.weights.keys() == other.weights.keys()
    for path, weight in one.weights.items():
        np.testing.assert_array_equal(weight, other.weights[path])


class Counting(Local):
    """Counts the members that it trains."""

    seen = 0

    def run(self, members, until=None):
        for done in super().run(members, until):
            self.seen += len(done)
            yield done


class Pickled:
    """Trains what would be sent to another machine, as `Cluster` sends it."""

    def __init__(self, pickle):
        self.pickle, self.payload = pickle, None

    def run(self, members, until=None):
        for member in members:
            self.payload = self.payload or self.pickle.dumps(
                ray_task.SweepPayload.create(members.factory)
            )
            request = self.pickle.loads(self.pickle.dumps(ray_task.MemberRequest.create(member)))
            ((member.train_state, member.model.history),) = ray_task.train_members(
                self.pickle.loads(self.payload), [request], until, workers=1, width=1
            )
            yield [member]


# --- choices of arrays -------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("executor", [Local(), Local(width=4)], ids=["one by one", "mapped"])
def test_each_trial_is_its_model_alone_on_its_inputs(executor):
    rate = gr.choice(0.01, 0.1)
    sweep = gr.Sweep(model(rate=rate), search="grid", seeds=2, executor=executor)
    held = gr.choice([x[:20] for x in KINDS.values()], name="kind")
    sweep.fit(kinds(), Y, validation_data=(held, Y[:20]), verbose=False, **FIT)
    assert sweep.table()["kind"].to_list() == [kind for _ in range(2) for kind in KINDS]
    for trial in sweep.trials:
        x = KINDS[trial.settings(sweep.hypers)["kind"]]
        for seed in range(2):
            one = alone(sweep, trial, x, seed=seed, validation_data=(x[:20], Y[:20]))
            found = next(m for m in sweep.member_models(trial) if m.seed == seed)
            exact = executor.config.parallelism is None
            if exact:
                same(found, one)
            if exact or x is not RAW:  # which saturates tanh, where Adam's steps are of rounding
                np.testing.assert_allclose(found.predict(x), one.predict(x), rtol=1e-3, atol=1e-5)
    best = max(sweep.trials, key=lambda trial: trial.score)
    assert sweep.best_settings == best.settings(sweep.hypers)
    x = KINDS[sweep.best_settings["kind"]][:20]
    assert sweep.best.evaluate(x, Y[:20])["accuracy"] == pytest.approx(max(best.scores))


@pytest.mark.slow
def test_hold_outs_and_folds_use_the_trials_own_inputs():
    split = gr.Sweep(model(), search="grid").fit(kinds(), Y, verbose=False, **FIT)
    folds = gr.Sweep(model(), search="grid", cv=2).fit(kinds(), Y, verbose=False, **FIT)
    for trial, x in zip(split.trials, KINDS.values(), strict=True):
        same(split.member_models(trial)[0], alone(split, trial, x, validation_split=0.2))
        fixed = gr.Sweep(model(rate=gr.choice(0.01)), 1, cv=2).fit(x, Y, verbose=False, **FIT)
        assert folds.trials[trial.number].scores == fixed.trials[0].scores
    assert len({tuple(trial.scores) for trial in folds.trials}) == 3


def test_groups_stay_in_one_fold():
    groups = np.arange(len(RAW)) // 7
    arrays = {
        "x": RAW, "y": Y, "sample_weight": None, "class_weight": None, "validation_data": None
    }  # fmt: skip
    data = SweepData(arrays, {}, 0.2, 3, 0, groups)
    held = [set(groups[fold.data.validation]) for fold in data.folds({})]
    assert sum(map(len, held)) == len(set.union(*held)) == len(set(groups))
    years = np.arange(len(RAW)) // 4
    by_time = SweepData(arrays, {}, 0.2, 3, 0, times=years).folds({})
    for fold in by_time:
        assert years[fold.data.rows].max() < years[fold.data.validation].min()
    with pytest.raises(GradusError, match="groups are those of folds"):
        SweepData(arrays, {}, 0.2, None, 0, groups)
    with pytest.raises(DataError, match="one of each of the 60 rows"):
        SweepData(arrays, {}, 0.2, 3, 0, groups[:9]).folds({})


def test_samples_are_put_on_the_device_once_and_lazily(monkeypatch):
    placed, of = collections.Counter(), Fold.create

    def counted(data, number=0):
        placed[data.samples.x.shape[1], float(data.samples.x[0, 0])] += 1
        return of(data, number)

    monkeypatch.setattr(Fold, "create", counted)
    sweep = gr.Sweep(model(rate=gr.log_uniform(0.01, 0.1)), 3)
    sweep.fit(kinds(), Y, verbose=False, **FIT)
    drawn = {trial.settings(sweep.hypers)["kind"] for trial in sweep.trials}
    assert len(drawn) == 2
    assert set(placed.values()) == {1}
    assert len(placed) == len(drawn)


@pytest.mark.slow
def test_inputs_of_one_shape_share_one_program():
    traced = collections.Counter()

    def counts(options):
        def loss(y_true, y_pred):
            traced[options] += y_pred.shape[0] == 16  # fewer are the check of a loss of one's own
            return (y_true - y_pred) ** 2

        net = gr.Sequential([gr.Dense(3, "tanh"), gr.Dense(1)])
        x = gr.choice([SCALED + k for k in range(options)])
        sweep = gr.Sweep(gr.Model(net, loss), search="grid")
        sweep.fit(x, SCALED[:, :1], verbose=False, **FIT)
        assert len(sweep.trials) == options
        return traced[options]

    assert counts(4) == counts(1) > 0


@pytest.mark.slow
def test_an_ensemble_uses_only_trials_with_the_best_ones_inputs():
    sweep = gr.Sweep(model(rate=gr.choice(0.01, 0.02, 0.05)), search="grid")
    sweep.fit(kinds(), Y, verbose=False, **FIT)
    kind = sweep.best_settings["kind"]
    alike = [t for t in sweep.ranking if t.settings(sweep.hypers)["kind"] == kind]
    x = KINDS[kind]
    expected = np.mean([sweep.member_models(trial)[0].predict(x) for trial in alike[:2]], axis=0)
    np.testing.assert_allclose(sweep.ensemble(2).predict(x), expected, rtol=1e-4, atol=1e-6)
    assert len(sweep.ensemble(9).net.layers[0].layers) == 3


# --- inputs that a function makes --------------------------------------------------------------


@pytest.mark.slow
def test_a_function_makes_inputs_once_for_each_setting():
    calls = []
    data = Dataset(RAW, Y, "binary", ("small", "large"))

    def features(treatment, columns):
        calls.append((treatment.scaling, columns))
        preprocessor = data.preprocessor(treatment)
        x = data.xy(preprocessor)[0][:, :columns]
        return {"x": x, "validation_data": (x[:20], Y[:20])}

    how = Preprocessing(scaling=gr.choice("standard", "minmax", "none", name="scaling"))
    x = gr.prepared(features, treatment=how, columns=gr.int_uniform(2, 3))
    sweep = gr.Sweep(model(rate=gr.choice(0.01, 0.1)), search="grid")
    sweep.fit(x, Y, verbose=False, **FIT)
    assert list(sweep.hypers) == ["optimizer.learning_rate", "scaling", "x.columns"]
    assert len(sweep.trials) == 12
    assert collections.Counter(calls).most_common(1)[0][1] == 1
    for trial in sweep.trials:
        drawn = trial.settings(sweep.hypers)
        low = RAW.min(0)
        made = {"standard": SCALED, "minmax": (RAW - low) / np.ptp(RAW, 0), "none": RAW}
        x = made[drawn["scaling"]][:, : drawn["x.columns"]]
        one = alone(sweep, trial, x, validation_data=(x[:20], Y[:20]))
        found = sweep.member_models(trial)[0]
        np.testing.assert_allclose(found.history["loss"], one.history["loss"], rtol=1e-4)


@pytest.mark.slow
def test_an_option_of_inputs_can_have_its_own_settings():
    def cut(length):
        return {"x": SCALED[:, :length]}

    def whole():
        return {"x": RAW}

    x = gr.choice(gr.prepared(whole), gr.prepared(cut, length=gr.choice(1, 2, name="length")))
    sweep = gr.Sweep(model(), search="grid").fit(x, Y, verbose=False, **FIT)
    assert sweep.table()["length"].to_list() == [None, 1, 2]
    shapes = [sweep.member_models(trial)[0].weights["dense/kernel"].shape for trial in sweep.trials]
    assert shapes == [(3, 4), (1, 4), (2, 4)]


@pytest.mark.slow
def test_weights_of_samples_and_classes_are_inputs_too():
    weights = gr.choice({"none": None, "balanced": "balanced"}, name="class_weight")
    sweep = gr.Sweep(model(), search="grid")
    held = (SCALED[:20], Y[:20])
    sweep.fit(SCALED, Y, class_weight=weights, validation_data=held, verbose=False, **FIT)
    for trial, weight in zip(sweep.trials, (None, "balanced"), strict=True):
        one = alone(sweep, trial, SCALED, class_weight=weight, validation_data=held)
        same(sweep.member_models(trial)[0], one)


# --- storage and other machines ----------------------------------------------------------------


def stored(place, x, trials=6, executor=None, **options):
    one = gr.Sweep(model(rate=gr.choice(0.01, 0.1)), trials, storage=place, executor=executor)
    return one.fit(x, Y, verbose=False, **(FIT | options))


@pytest.mark.slow
def test_a_sweep_over_inputs_resumes(tmp_path):
    pytest.importorskip("optuna")
    whole = stored(None, kinds())
    stored(tmp_path / "a.db", kinds(), 3)
    counting = Counting()
    again = stored(tmp_path / "a.db", kinds(), executor=counting)
    assert counting.seen == 3
    assert again.table().equals(whole.table())
    same(again.best, whole.best)


@pytest.mark.slow
def test_other_inputs_are_another_sweep(tmp_path):
    pytest.importorskip("optuna")
    factor = [1.0]

    def scaled(by):
        return {"x": SCALED * by * factor[0] if by > 1 else SCALED}

    made = gr.prepared(scaled, by=gr.choice(1, 2, name="by"))
    stored(tmp_path / "a.db", kinds(), 2)
    stored(tmp_path / "b.db", made, 2)
    for other in (
        gr.choice({**KINDS, "squared": SQUARED + 1}, name="kind"),
        gr.choice({**KINDS, "more": RAW}, name="kind"),
        gr.choice(dict(reversed(KINDS.items())), name="kind"),
        RAW,
    ):
        with pytest.raises(GradusError, match="holds another sweep"):
            stored(tmp_path / "a.db", other, 2)
    factor[0] = 3.0
    with pytest.raises(GradusError, match=r"holds another sweep: x with by = 2 was .* and is"):
        stored(tmp_path / "b.db", made, 2)


@pytest.mark.slow
def test_inputs_are_sent_to_other_machines():
    pickle = pytest.importorskip("ray").cloudpickle
    here = {"kind": gr.choice("raw", "scaled", name="kind"), "by": gr.choice(1.0, 2.0, name="by")}
    arrays = {"raw": RAW, "scaled": SCALED}

    def made(kind, by):  # a closure, sent by value
        return {"x": arrays[kind] * np.float32(by)}

    for x in (kinds(), gr.prepared(made, **here)):
        results = []
        for executor in ("local", Pickled(pickle)):
            sweep = gr.Sweep(model(), search="grid", cv=2, executor=executor)
            results.append(sweep.fit(x, Y, verbose=False, **FIT))
        assert results[0].table().equals(results[1].table())
        same(results[0].best, results[1].best)


# --- mistakes ----------------------------------------------------------------------------------


def test_invalid_inputs_fail_alone_or_raise():
    sweep = gr.Sweep(model(), search="grid")
    broken = gr.choice({"fine": RAW, "broken": np.full_like(RAW, np.nan)}, name="kind")
    sweep.fit(broken, Y, verbose=False, **FIT)
    assert [trial.status for trial in sweep.trials] == ["finished", "failed"]
    assert "not finite" in sweep.trials[1].error
    short = gr.choice(RAW[:50], RAW[:40])
    with pytest.raises(GradusError, match=r"No trial could be built: .*numbers of rows differ"):
        gr.Sweep(model(), search="grid").fit(short, Y, verbose=False)
    with pytest.raises(DataError, match=r"cv=61 is more folds than the 60 rows.*from 2 to 60"):
        gr.Sweep(model(rate=gr.choice(0.1)), cv=61).fit(RAW, Y, verbose=False)
    with pytest.raises(DataError, match="not finite"):
        gr.Sweep(model(rate=gr.choice(0.1))).fit(np.full_like(RAW, np.nan), Y, verbose=False)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda by: {"x": RAW * by}, r"x\.by = uniform\(1, 2\) would make new samples"),
    ],
)
def test_a_range_of_inputs_is_rejected(make, words):
    with pytest.raises(GradusError, match=words):
        gr.Sweep(model()).fit(gr.prepared(make, by=gr.uniform(1, 2)), Y, verbose=False)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (RAW, r"returned ndarray. Return a dict with x"),
        ({"y": Y}, r"returned dict. Return a dict with x"),
        ({"x": RAW, "validation": (RAW, Y)}, r"'validation'.*Did you mean 'validation_data'"),
    ],
)
def test_a_function_that_returns_something_else_is_rejected(given, words):
    def made(kind):
        return given

    x = gr.prepared(made, kind=gr.choice(1, 2))
    with pytest.raises(GradusError, match=words):
        gr.Sweep(model(), search="grid").fit(x, Y, verbose=False)


def test_choices_with_one_name_are_drawn_together():
    first, second = gr.choice({"a": 1, "b": 2}, name="p"), gr.choice(10, 20, name="p")
    settings = {"one": first, "other": [second]}
    hypers = find_hyperparameters(settings)
    assert list(hypers) == ["p"]
    assert resolve(settings, hypers, {"p": 1}) == {"one": 2, "other": [20]}
    assert hypers["p"].space.labels == ["a", "b"]
    with pytest.raises(GradusError, match="Two spaces have the name 'p'"):
        find_hyperparameters([first, gr.choice(1, 2, 3, name="p")])
