"""Messages of `gradus sweep`: invalid settings, and what it does."""

import re

import pytest

from gradus.errors import nearest

QUICK = ("--trials", 2, "--epochs", 1, "--layers", "4")


@pytest.mark.parametrize("command", ["train", "sweep"])
@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('[preprocessing]\nscaling = "minmx"', ["'minmax'?", "auto, standard, normal, minmax"]),
        ('[training]\nbatch_size = "al"', ["training.batch_size = 'al'", "'all'?"]),
        ("[network]\ndropout = [0, 0.5]", ["write dropout = {choice = [0, 0.5]} for gradus sweep"]),
        ('[network]\nactivation = ["relu"]', ['activation = {choice = ["relu"]}']),
        ("[network]\nlayers = [[64], [32]]", ["write layers = {choice = [[64], [32]]}"]),
        ('[optimizer]\nname = ["sgd", "adam"]', ['write name = {choice = ["sgd", "adam"]}']),
        ("[optimizer]\nlearning_rate = [0.1, 0.2]", ["learning_rate = {choice = [0.1, 0.2]}"]),
        (
            '[optimizer]\nname = "sgd"\nmomentum = [0, 0.9]',
            ["write momentum = {choice = [0, 0.9]}"],
        ),
        ('[optimizer]\nname = "adam"\nlr = 0.1', ["'adam': 'lr'", "'learning_rate'?"]),
        (
            '[optimizer]\nname = "adam"\n[optimizer.sgd]\nmomentum = 0.9',
            ["[optimizer.sgd] applies only", 'name = {choice = ["adam", "sgd"]} in [optimizer]'],
        ),
        (
            '[schedule]\nname = "cosine"\n[schedule.exponential]\ndecay_rate = 0.9',
            ["[schedule.exponential] applies only"],
        ),
        ("[augmentation]\nshift = 2", ["augmentation.shift = 2", "<= 1"]),
        ('[augmentation]\nflip = "horizontl"', ["flip = 'horizontl'", "'horizontal'?"]),
        ("[augmentation]\ncrop = 0.1", ["[augmentation]", "'crop'", "flip, shift, rotation"]),
        ("[sweeep]\ntrials = 3", ["Did you mean 'sweep'?", "training, sweep."]),
    ],
)
def test_an_invalid_setting_comes_with_what_to_write(gradus, work, command, lines, words):
    (work / "mine.toml").write_text(f'data = "iris"\n{lines}\n')
    status, _, err = gradus(command, "mine.toml")
    assert status == 2, err
    for word in ["mine.toml", *words]:
        assert err.count(word) == 1, err


def test_a_list_where_no_space_is_allowed_gets_no_hint_to_write_one(gradus, work):
    (work / "mine.toml").write_text('data = "iris"\nvalidation = [0.1, 0.2]\n')
    status, _, err = gradus("sweep", "mine.toml")
    assert (status, "validation = [0.1, 0.2]" in err, "choice" in err) == (2, True, False)


def test_a_sweep_that_is_not_a_section(gradus, work):
    (work / "mine.toml").write_text('sweep = 3\ndata = "iris"\n')
    status, _, err = gradus("sweep", "mine.toml")
    assert (status, "sweep = 3: write a section, [sweep]" in err) == (2, True)


@pytest.mark.parametrize(
    ("data", "what"),
    [(("iris",), "numbers of shape"), (("flowers.csv", "--target", "kind"), "a table")],
)
def test_augmentation_is_for_images(gradus, work, data, what):
    rows = "".join(f"{k},{'ab'[k % 2]}\n" for k in range(20))
    (work / "flowers.csv").write_text("size,kind\n" + rows)
    for command in ("train", "sweep"):
        status, _, err = gradus(command, *data, "--rotation", 0.1)
        assert status == 1
        assert "[augmentation] is for images" in err
        assert f"is {what}" in err


def test_flags_that_leave_nothing_to_search(gradus, work):
    fixed = ("--learning-rate", 0.1, "--dropout", 0, "--l2", 0)
    status, _, err = gradus("sweep", "iris", *QUICK, *fixed)
    assert status == 2
    assert "learning_rate = {log_uniform = [1e-4, 1e-1]} in [optimizer]" in err
    assert "gr." not in err
    assert not (work / "runs").exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--epochs", 50], "training.epochs = 50 instead of 1"),
        (["--search", "sobol"], 'sweep.search = "sobol" instead of "random"'),
        (["--l1", 0.1], "penalty.l1 = 0.1"),
        (["--shuffle-seed", 3], "shuffle_seed = 3"),
    ],
)
def test_a_resumed_sweep_keeps_its_settings(gradus, work, flags, words):
    (work / "mine").mkdir()
    (work / "mine" / "sweep.toml").write_text(
        'data = "iris"\n[training]\nepochs = 1\n[sweep]\ntrials = 2\nsearch = "random"\n'
    )
    status, _, err = gradus("sweep", "--resume", "mine", "--trials", 3, *flags)
    assert status == 2
    assert f"cannot take {words}:" in err
    assert err.count(words) == 1
    assert "gradus sweep mine/sweep.toml" in err


@pytest.mark.slow
def test_a_storage_of_another_sweep_raises_without_python(gradus, work):
    pytest.importorskip("optuna")
    status, _, err = gradus("sweep", "iris", *QUICK, "--out", "mine", "--quiet")
    assert status == 0, err
    path = work / "mine" / "sweep.toml"
    path.write_text(path.read_text().replace("epochs = 1", "epochs = 2"))
    status, _, err = gradus("sweep", "--resume", "mine", "--quiet")
    assert (status, "epochs was 1 and is 2" in err) == (1, True)
    assert "Start a new one with --out." in err
    assert "import" not in err


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (
            ["--batch-size", 5000],
            "--batch-size 5000 is more than the 120 samples to train on: write at most 120",
        ),
        (["--monitor", "val_acc"], "Unknown monitor 'val_acc'. Did you mean 'val_accuracy'?"),
    ],
)
def test_an_error_of_all_trials_names_none(gradus, work, flags, words):
    pytest.importorskip("optuna")
    status, _, err = gradus("sweep", "iris", *QUICK, *flags)
    assert status in (1, 2)
    assert f"gradus: {words}" in err
    assert "None" not in err


@pytest.mark.slow
def test_folds_and_the_first_programs_are_announced(gradus):
    status, out, err = gradus("sweep", "iris", *QUICK, "--cv", 3)
    assert status == 0, err
    assert re.search(
        r"^folds +the 120 training rows in 3 folds of at most 40, .*30 valid", out, re.M
    )
    assert err.splitlines()[0] == "0/2 trials  compiling …"
    status, out, _ = gradus("sweep", "iris", *QUICK)
    assert (status, "folds" in out) == (0, False)


@pytest.mark.parametrize(
    ("given", "meant"), [("lr", "learning_rate"), ("wd", "weight_decay"), ("rat", "rate")]
)
def test_short_names_are_known(given, meant):
    assert nearest(given, ["layer_rates", "learning_rate", "rate", "weight_decay"]) == meant
    assert nearest(given, ["xyzzy"]) is None


def test_swapped_letters_and_left_out_words_come_before_other_names():
    assert nearest("adma", ["adamax", "adam"]) == "adam"
    assert nearest("acc", ["auc", "balanced_accuracy", "accuracy"]) == "accuracy"  # it begins so
    assert nearest("bayes", ["cmaes", "random", "tpe"]) == "tpe"
    losses = ["binary_crossentropy", "sparse_categorical_crossentropy"]
    assert nearest("sparse_crossentropy", losses) == losses[1]
    kinds = ["category", "date", "identifier", "number", "text"]
    assert [nearest(kind, kinds) for kind in ("integer", "id")] == ["number", "identifier"]
