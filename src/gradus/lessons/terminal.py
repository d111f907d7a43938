"""How a lesson looks on the terminal."""

from __future__ import annotations

from typing import Any


def print_block(block: Any) -> None:
    """Print a part of a lesson's page."""
    print(block)
