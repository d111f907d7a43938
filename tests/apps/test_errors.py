"""Bad input on the command line: the exit status, one clear message, nothing left behind."""

import json
from dataclasses import fields

import numpy as np
import pytest

from gradus.apps.options import SweepOptions, TrainOptions
from gradus.apps.usage import FLAGS
from gradus.experiments import train_run

QUICK = ("--epochs", 2, "--layers", "4")


def check(gradus, status, words, *arguments):
    found, out, err = gradus(*arguments)
    assert found == status, err
    assert "Traceback" not in err
    for word in words:
        assert word in err
    return out


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--learning-rate", "fast"], ["--learning-rate", "fast"]),
        (["--learning-rate", "-1"], ["learning_rate", "0 or more"]),
        (["--epochs", "-3"], ["epochs", "-3"]),
        (["--epochs", "10.5"], ["--epochs", "'10.5' is no whole number"]),
        (["--epochs", "all"], ["--epochs", "'all' is no whole number"]),
        (["--seed", "1e3"], ["--seed", "'1e3' is no whole number"]),
        (["--epochs", "0"], ["epochs"]),
        (["--batch-size", "0"], ["batch_size"]),
        (["--dropout", "1.5"], ["dropout", "1.5"]),
        (["--validation", "1"], ["validation"]),
        (["--layers", "8,x"], ["8,x", "128,64"]),
        (["--layers", "8,-1"], ["layers", "-1"]),
        (["--activation", "rleu"], ["'relu'"]),
        (["--activation", "step"], ["derivative is zero"]),
        (["--initializer", "he_norml"], ["'he_normal'"]),
        (["--loss", "mean_square_error"], ["'mean_squared_error'"]),
        (["--optimizer", "adm"], ["'adam'"]),
        (["--optimizer", "adam", "--momentum", "0.9"], ["momentum"]),
        (["--schedule", "cosin"], ["'cosine'"]),
        (["--metrics", "acuracy"], ["'accuracy'"]),
        (["--metrics", "accuracy,mae"], ["--metrics mae", "3 classes", "accuracy, auc", "recall"]),
        (["--epoch", "3"], ["--epochs"]),
        (["--task", "rank"], ["regression"]),
        (["--resume", ".", "--out", "x"], ["--out"]),
    ],
)
def test_bad_usage_is_2(gradus, work, flags, words):
    check(gradus, 2, words, "train", "iris", *flags)
    assert not list((work / "runs").glob("*")) if (work / "runs").exists() else True


def test_metrics_of_classes_do_not_apply_to_numbers(gradus, work):
    rows = [f"{k},{k * k}.5" for k in range(40)]
    (work / "curve.csv").write_text("\n".join(["x,y", *rows]))
    words = ["--metrics accuracy", "numbers", "mean_absolute_error", "r2"]
    check(gradus, 2, words, "train", "curve.csv", "--target", "y", "--metrics", "r2,mae,accuracy")
    words = ["mean_absolute_percentage_error", "where zero is", "standardized", "huber"]
    check(gradus, 2, words, "train", "curve.csv", "--target", "y", "--loss", "mape")
    check(gradus, 2, ["mape", "huber"], "train", "curve.csv", "--target", "y", "--metrics", "mape")
    check(gradus, 2, ["3 classes"], "sweep", "iris", "--metrics", "r2")
    assert list((work / "runs").iterdir()) == []


def test_other_bad_usage(gradus):
    check(gradus, 2, ["train", "trian"], "trian")
    check(gradus, 2, ["train on"], "train")
    check(gradus, 2, [], "evaluate")


def test_a_name_that_is_no_data_set(gradus, work):
    (work / "flowers.pdf").touch()
    (work / "flowers-2.csv").touch()
    check(gradus, 1, ["no file 'flowers'. Did you mean 'flowers-2.csv'?"], "train", "flowers")
    check(gradus, 1, ["no file 'sverige'. Built in: digits"], "train", "sverige")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["empty"]),
        (b"a,b,kind\n", ["no rows"]),
        (b"a,b,kind\n1,2,x\n3,4\n", ["line 3", "3 columns"]),
        (b"\x00\x01\x02\xff" * 50, ["binary"]),
        (b"a,b,kind\n1,2,x\n", ["one class"]),
    ],
)
def test_unreadable_tables(gradus, work, content, words):
    (work / "bad.csv").write_bytes(content)
    check(gradus, 1, words, "train", "bad.csv", "--target", "kind")
    assert not list((work / "runs").glob("*"))


def test_the_target_must_be_named_and_exist(gradus, flowers):
    words = ["--target", "size, width, color, kind", "gr.Autoencoder"]
    check(gradus, 2, words, "train", flowers)
    check(gradus, 1, ["'kid'", "'kind'"], "train", flowers, "--target", "kid")


def test_a_truncated_gzip_and_a_wrong_magic_number(gradus, work):
    import gzip

    whole = gzip.compress(b"a,kind\n" + b"1,x\n2,y\n" * 500)
    (work / "cut.csv.gz").write_bytes(whole[:-20])
    check(gradus, 1, ["cut short"], "train", "cut.csv.gz", "--target", "kind")
    (work / "idx").mkdir()
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                 "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):  # fmt: skip
        (work / "idx" / name).write_bytes(b"\x12\x34\x56\x78" + b"\0" * 40)
    check(gradus, 1, ["magic"], "train", "idx")


def test_invalid_arrays(gradus, work):
    x, y = np.ones((20, 3)), np.arange(20) % 2
    x[4, 1] = np.nan
    np.savez("nan.npz", x=x, y=y)
    check(gradus, 1, ["NaN"], "train", "nan.npz")
    np.savez("lengths.npz", x=np.ones((20, 3)), y=y[:10])
    check(gradus, 1, ["20", "10"], "train", "lengths.npz")
    np.savez("alone.npz", x=np.ones((20, 3)))
    check(gradus, 1, ["no targets"], "train", "alone.npz")


def test_a_batch_larger_than_the_data_leaves_no_run_behind(gradus, work):
    check(gradus, 1, ["5000", "135"], "train", "iris", "--batch-size", 5000)
    check(gradus, 1, ["'val_accuracy'"], "train", "iris", "--monitor", "val_acc")
    assert list((work / "runs").iterdir()) == []


def test_a_run_is_never_overwritten(gradus, work):
    (work / "mine").mkdir()
    (work / "mine" / "precious.txt").write_text("x")
    check(gradus, 1, ["not empty"], "train", "iris", *QUICK, "--out", "mine")
    assert [entry.name for entry in (work / "mine").iterdir()] == ["precious.txt"]


@pytest.mark.slow
def test_missing_incomplete_and_too_new_runs(gradus, gradus_json, flowers, work):
    run = work / gradus_json("train", flowers, "--target", "kind", *QUICK)["run"]
    check(gradus, 1, ["'runs/flowers-1'"], "evaluate", "flowers-7", flowers)
    check(gradus, 1, [".csv"], "predict", run, flowers, "--out", "p.docx")
    check(gradus, 1, ["table"], "evaluate", run, "iris")
    (work / "fewer.csv").write_text("size,color\n1,red\n")
    check(gradus, 1, ["'width'"], "predict", run, "fewer.csv")
    (work / "other.csv").write_text("size,width,color,kind\n1,2,red,tulip\n1,2,red,rose\n")
    check(gradus, 1, ["'tulip'", "lily, rose"], "evaluate", run, "other.csv")
    weights = (run / "weights.safetensors").read_bytes()
    (run / "weights.safetensors").write_bytes(weights[:-7])
    check(gradus, 1, ["cut short"], "predict", run, flowers)
    (run / "weights.safetensors").write_bytes(weights)
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, "format": 99}))
    check(gradus, 1, ["newer"], "predict", run, flowers)
    (run / "run.json").unlink()
    check(gradus, 1, ["--resume"], "predict", run, flowers)


def test_invalid_settings_files(gradus, work):
    path = work / "experiment.toml"
    for text, words in {
        "data = ": ["not TOML"],
        "[training]\nepochs = 3": ["data"],
        'data = "iris"\n[training]\nepoch = 3': ["'epoch'", "'epochs'", "[training]"],
        'data = "iris"\ntarge = "x"': ["'targe'", "'target'"],
        'data = "iris"\n[training]\nepochs = "many"': ["training.epochs", "'many'"],
        'data = "iris"\n[training]\nepochs = "5"': ["Write 5, without quotes"],
        'data = "iris"\nepochs = 5': ["'epochs' stands in the section [training]"],
        'data = "iris"\n[training]\nseed = 5': ["'seed' stands before the first section"],
        'data = "iris"\n[network]\nlayers = "64,32"': ["Write a list, [64, 32]"],
        'data = "iris"\n[network]\nlayers = 64': ["Write a list, [64]"],
        'data = "iris"\n[network]\ndropout = "20%"': ["Write 0.2, without quotes"],
        'data = "iris"\ntrack = "tensorboard"': ["Write a list, ['tensorboard']"],
        'data = ["a.csv", "b.csv"]': ["several files are a pattern"],
        "data = iris": ["Text stands in quotes"],
        'data = "iris"\n[optimizer]\nlearning_rate = "high"': ["learning_rate", "number"],
        'data = "iris"\n[optimizer]\nname = "sgd"\nmomentun = 0.9': ["'momentum'"],
        'data = "iris"\n[schedule]\nname = "cosine"\nsteps = 5': ["'steps'"],
        'data = "iris"\n[network]\nlayers = "128"': ["network.layers"],
    }.items():
        path.write_text(text)
        check(gradus, 2, words, "train", path)
    check(gradus, 2, ["cannot be read"], "train", "nowhere.toml")


def test_json_contains_the_error(gradus):
    out = check(gradus, 1, ["digts"], "train", "digts", "--json")
    assert "'digits'" in json.loads(out)["error"]


def test_a_table_of_free_text_alone_raises(gradus, work):
    rows = [f'"the story of number {n} is a long one",{n % 2}' for n in range(40)]
    (work / "text.csv").write_text("\n".join(["story,kind", *rows]))
    check(
        gradus,
        1,
        ["No column is left", "'story' is text, but no word is in several rows"],
        "train",
        "text.csv",
        "--target",
        "kind",
    )


def test_an_unexpected_error_shows_a_traceback_only_on_request(gradus, monkeypatch):
    def fail(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr(train_run, "train_run", fail)
    check(gradus, 1, ["RuntimeError: a bug", "GRADUS_TRACEBACK=1"], "train", "iris")
    monkeypatch.setenv("GRADUS_TRACEBACK", "1")
    with pytest.raises(RuntimeError, match="a bug"):
        gradus("train", "iris")


def test_ctrl_c_outside_of_training(gradus, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(train_run, "train_run", stop)
    check(gradus, 130, ["Interrupted"], "train", "iris")


def test_predictions_into_a_missing_folder_raise_before_the_work(gradus):
    check(gradus, 1, ["no folder 'nowhere'"], "predict", "runs/x", "iris", "--out", "nowhere/p.csv")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["train", "iris", "--val", "0.1"], "Unknown option: --val. Here it is --validation."),
        (["train", "digits", "--rotation", "90"], "For 90 degrees write 0.25, a fraction of"),
        (["train", "iris", "--dropout", "50"], "For 50 % write 0.5."),
        (["train", "iris", "--lr", "0.1"], "Unknown option: --lr. Here it is --learning-rate."),
        (["train", "iris", "-epochs", "3"], "Unknown option: -epochs. Here it is --epochs."),
        (["train", "iris", "--hidden=64"], "Unknown option: --hidden. Here it is --layers."),
        (["sweep", "iris", "--n-trials", "4"], "Here it is --trials."),
        (["train", "iris", "--epoks", "4"], "Did you mean --epochs?"),
        (["predict", "runs/a", "b.xlsx", "--sheet", "2"], "gradus predict has no --sheet."),
        (["evaluate", "runs/a", "b.csv", "--sep=;"], "has no --sep. gradus train has --separator"),
        (["predict", "runs/a", "b.csv", "--kep", "id"], "Did you mean --keep?"),
        (["train", "iris", "--layers", "64", "32"], "'32' is left over"),
        (["train", "mine.csv", "churn"], "as in --target NAME"),
        (
            ["train", "iris", "--learning-rate", "1e-3x"],
            "1e-3x: write a number, such as 0.01 or 1e-3",
        ),
        (["train", "iris", "--test", "20%"], "--test 20%: write 0.2, a share of 1"),
        (
            ["train", "iris", "--test", "150%"],
            "gradus: --test 150%: write a share of the rows",
        ),
        (
            ["train", "a.csv", __file__, __file__],
            "one pattern, in quotes, since the shell resolves",
        ),
    ],
)
def test_flags_of_other_tools_are_answered_with_those_of_this_one(gradus, command, words):
    check(gradus, 2, [words], *command)


def test_each_flag_that_is_named_exists():
    flags = {f"--{field.name.replace('_', '-')}" for options in (TrainOptions, SweepOptions)
             for field in fields(options)} | {"--out", "--quiet", "--host", "--port"}  # fmt: skip
    named = {word for text in FLAGS.values() for word in text.split() if word.startswith("--")}
    assert named <= flags
    assert not flags & set(FLAGS)
