"""What is said where the command line was used wrongly: what other tools call things, too."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from cyclopts import CoercionError, CycloptsError, UnknownOptionError
from cyclopts.exceptions import UnknownCommandError, UnusedCliTokensError

# What people write first, from Keras, PyTorch, scikit-learn, and other tools.
FLAGS = {
    "--lr": "--learning-rate",
    "--rate": "--learning-rate",
    "--wd": "--weight-decay",
    "--bs": "--batch-size",
    "--batch": "--batch-size",
    "--epoch": "--epochs",
    "--max-iter": "--epochs",
    "--hidden": "--layers",
    "--hidden-layers": "--layers",
    "--hidden-size": "--layers",
    "--hidden-layer-sizes": "--layers",
    "--units": "--layers",
    "--data": "the first argument: gradus train FILE",
    "--input": "the first argument: gradus train FILE",
    "--label": "--target",
    "--output": "--out",
    "-o": "--out",
    "--sep": "--separator",
    "--delimiter": "--separator",
    "--drop": "--drop-columns",
    "--keep": "--keep-columns",
    "--autoencoder": "gr.Autoencoder, in Python",
    "--val": "--validation",
    "--valid": "--validation",
    "--val-size": "--validation",
    "--val-split": "--validation",
    "--validation-split": "--validation",
    "--test-size": "--test",
    "--test-split": "--test",
    "--size": "--image-size",
    "--img-size": "--image-size",
    "--filters": "--conv",
    "--augment": "--flip or --shift or --rotation or --zoom",
    "--augmentation": "--flip or --shift or --rotation or --zoom",
    "--early-stopping": "--patience",
    "--random-state": "--seed",
    "--verbose": "the default; --quiet shows no progress",
    "-v": "the default; --quiet shows no progress",
    "--n-trials": "--trials",
    "-p": "--port",
    "--bind": "--host",
}

COMMANDS = {
    "fit": "train",
    "run": "train",
    "tune": "sweep",
    "search": "sweep",
    "score": "evaluate",
    "test": "evaluate",
    "infer": "predict",
    "plot": "report",
    "show": "report",
    "list": "runs",
    "ls": "runs",
    "check": "diagnose",
    "doctor": "diagnose",
    "fix": "repair",
    "convert": "export",
    "learn": "lesson",
    "help": "--help",
    "version": "--version",
}

_TWICE = re.compile(r"^Invalid value for (\S+): (?=\1 )")  # the flag, which our message names
_PERCENT = re.compile(r"(\d+\.?\d*) ?%")
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(e[+-]?\d+)?", re.IGNORECASE)


TRAINING = ("train", "sweep")  # the commands that take the settings of a training
_SWITCHES = ("--quiet", "--json")  # which take no value


def with_dash_as_data(arguments: Sequence[str]) -> list[str]:
    """Return arguments with a "-" that stands for the data at their end, where it is no flag.

    Examples:
        >>> from gradus.apps.usage import with_dash_as_data
        >>> with_dash_as_data(["train", "-", "--target", "price", "--missing", "-"])
        ['train', '--target', 'price', '--missing', '-', '--', '-']
    """
    pairs = list(itertools.pairwise(["", *arguments]))
    is_data = [
        argument == "-" and (not before.startswith("-") or before in _SWITCHES)
        for before, argument in pairs
    ]
    if sum(is_data) != 1 or "--" in arguments:
        return list(arguments)
    rest = [argument for argument, moved in zip(arguments, is_data, strict=True) if not moved]
    return [*rest, "--", "-"]


def _training_flags() -> set[str]:
    """Return the flags of `gradus train`."""
    from gradus.apps.options import TrainOptions

    return {f"--{field.name.replace('_', '-')}" for field in fields(TrainOptions)}


def usage_message(error: CycloptsError) -> str:
    """Return what to say of a wrong use of the command line."""
    if isinstance(error, UnknownOptionError):
        flag = (error.token.keyword or error.token.value).partition("=")[0]
        here = FLAGS.get(flag.lower(), flag)
        if f"-{flag}" in _training_flags():  # one dash, as in -target
            here = f"-{flag}"
        if (command := (error.command_chain or ("train",))[0]) not in TRAINING:
            if here in _training_flags():
                return (
                    f"gradus {command} has no {flag}. gradus train has {here}, and what a run was "
                    "trained with is kept in it."
                )
        elif here != flag:
            return f"Unknown option: {flag}. Here it is {here}."
    if isinstance(error, UnknownCommandError) and error.unused_tokens:
        command = error.unused_tokens[0]
        if command.lower() in COMMANDS:
            return (
                f"There is no command {command!r}. Here it is gradus {COMMANDS[command.lower()]}."
            )
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        left = " ".join(error.unused_tokens)
        if all(Path(token).is_file() for token in error.unused_tokens):
            pattern = f'"*{Path(error.unused_tokens[0]).suffix}"'
            return (
                f"{left!r} is left over: write several files as one pattern, in quotes, since the "
                f"shell resolves it otherwise, such as {pattern}, or as their folder."
            )
        return (
            f"{left!r} is left over: several values are written with commas, as in "
            "--layers 64,32, and all but the data, or the run, with its flag, as in --target NAME."
        )
    if isinstance(error, CoercionError) and (told := _no_value(error)):
        return told
    return _TWICE.sub("", str(error))


def _no_value(error: CoercionError) -> str:
    """Return what to write in place of a value that is none; "" where the error says it."""
    token = error.token
    if token is None:
        return ""
    if _DECIMAL_COMMA.fullmatch(token.value.strip()):
        number = token.value.strip().replace(",", ".")
        return f"{token.keyword} {token.value}: write {number}, with a decimal point."
    percent = _PERCENT.fullmatch(token.value.strip())
    if percent and float(percent[1]) <= 100:
        share = f"{float(percent[1]) / 100:g}"
        return f"{token.keyword} {token.value}: write {share}, a share of 1."
    if "float" in str(error):
        return f"{token.keyword} {token.value}: write a number, such as 0.01 or 1e-3."
    return ""
