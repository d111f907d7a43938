"""What a report says of overriding a column is what the flags and the experiment file take."""

import shlex
import tomllib

from gradus.apps.cli import app, main
from gradus.experiments.column_overrides import HINT, override_rows
from gradus.experiments.settings.experiment_file import check_experiment


def test_the_flags_and_the_settings_are_understood_and_equal():
    rows = override_rows([("zip code", "number", "standardized"), ("town", "category", "one-hot")])
    assert len(rows) == 3
    for _, flag, setting in rows:
        arguments = ["train", "houses.csv", *shlex.split(flag)]
        _, bound, _ = app.parse_args(arguments, exit_on_error=False, print_error=False)
        settings = bound.arguments["options"].settings()
        raw = {"data": "houses.csv", **tomllib.loads(setting)}
        check_experiment(raw, "the report")
        columns = raw.get("table", {}).get("columns", {})
        if columns:
            assert columns == {"zip code": "category"}
            assert settings["table"]["columns"] == {"zip code": {"kind": "category"}}
        else:
            assert settings.items() <= raw.items()


def test_a_category_is_overridden_by_another_kind():
    assert override_rows([("town", "category", "one-hot")])[0][1] == "--column town=number"
    assert override_rows([]) == []


def test_every_flag_of_the_hint_exists(capsys):
    main(["train", "--help"])
    shown = capsys.readouterr().out
    for word in HINT.split():
        if word.startswith("--"):
            assert word in shown
