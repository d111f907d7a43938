"""Flags of `train` and `sweep` whose values are more than a number or a name: how they are read."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any


def parse_widths(_: Any, tokens: Any) -> list[int]:
    """Parse "128,64"; "none" means no hidden layer."""
    text = tokens[0].value
    if text.strip().lower() in ("", "none", "0"):
        return []
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(
            f'{tokens[0].keyword} {text}: write widths such as "128,64", or "none".'
        ) from None


def parse_size(_: Any, tokens: Any) -> list[int]:
    """Parse "48,64", a height and a width, or "64" for both."""
    text: str = tokens[0].value
    sides = text.replace("x", ",").replace("×", ",").split(",")
    try:
        size = [int(side) for side in sides]
    except ValueError:
        size = []
    if len(size) not in (1, 2) or min(size) < 1:
        raise ValueError(
            f"--image-size {text}: write the height and the width in pixels, such as 48,64, or one "
            "number for both."
        )
    return size * 2 if len(size) == 1 else size


def parse_names(_: Any, tokens: Any) -> list[str]:
    """Parse "accuracy,f1"."""
    return [part.strip() for part in tokens[0].value.split(",") if part.strip()]


def parse_whole(kind: Any, tokens: Any) -> int | str:
    """Parse "10", and "all" where that is a choice; otherwise 10.5 would become 10."""
    text: str = tokens[0].value.strip()
    if text == "all" and "all" in str(kind):
        return text
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{text!r} is no whole number.") from None


def parse_test(_: Any, tokens: Any) -> float | str:
    """Parse "0.2", a share of the rows; anything else is the name of test data."""
    text: str = tokens[0].value
    if re.fullmatch(r"\d+(\.\d+)?%", text) and not Path(text).exists():
        raise ValueError(f"--test {text}: write a share of the rows, from 0 to 1, or a file.")
    try:
        share = float(text)
    except ValueError:
        return text
    return text if Path(text).exists() else share  # a folder may be called 2024


def parse_columns(_: Any, tokens: Any) -> list[str]:
    """Return "zip=category" and the like as they are, if `_columns` can read them."""
    texts = [token.value for token in tokens]
    _columns(texts)
    return texts


def _columns(texts: list[str]) -> dict[str, Any]:
    """Parse ["zip=category", "when=date;date=%d/%m/%Y", "size=category;levels=S,M,L"]."""
    columns = {}
    for written in texts:
        name, _, text = written.partition("=")
        kind, *settings = (part.strip() for part in text.split(";"))
        pairs = dict(setting.partition("=")[::2] for setting in settings)
        if not name or not kind or not all(pairs.values()):
            raise ValueError(
                f'--column {written}: write NAME=KIND, or "NAME=KIND;SETTING=VALUE", '
                'such as "when=date;date=%d/%m/%Y" or "size=category;levels=S,M,L".'
            )
        lists = {key: value.split(",") for key, value in pairs.items() if key in _COLUMN_LISTS}
        columns[name.strip()] = {"kind": kind, **pairs, **lists}
    return columns


_COLUMN_LISTS = ("levels", "missing")


def parse_weights(_: Any, tokens: Any) -> list[str]:
    """Return ["price=2", "spam=0.5"] as they are, if `_weights` can read them."""
    texts = parse_names(_, tokens)
    _weights(texts)
    return texts


def _weights(texts: list[str]) -> dict[str, float]:
    """Parse ["price=2", "spam=0.5"]."""
    weights = {}
    for written in texts:
        name, _, weight = written.rpartition("=")
        try:
            weights[name.strip()] = float(weight)
        except ValueError:
            name = ""
        if not name.strip():
            raise ValueError(
                f"--loss-weights {written}: write TARGET=NUMBER, or several: price=2,spam=0.5."
            )
    return weights


ENTRIES: dict[str, Callable[[list[str]], dict[str, Any]]] = {
    "column": _columns,
    "loss_weights": _weights,
}
