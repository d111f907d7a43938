"""The one way from models to `gradus.doctor`, which trains with sweeps and so comes after them."""

from __future__ import annotations

import importlib
from typing import Any


def doctor(module: str) -> Any:
    """Return a module of `gradus.doctor`, found by its name when it is needed."""
    return importlib.import_module(f"gradus.doctor.{module}")
