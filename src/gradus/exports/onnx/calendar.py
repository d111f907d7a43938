"""The parts of a date as operations of ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradus.exports.onnx.graph import Graph, Tensor

MICROSECONDS = 86_400_000_000  # of a day
SLACK = 50  # microseconds: as a float64, a day of the year 9999 may lie 32 below what it stands for
TO_MARCH_OF_YEAR_0 = 719_468  # days from 0000-03-01 to 1970-01-01
ERA, FOUR_YEARS, CENTURY, YEAR = 146_097, 1_460, 36_524, 365  # days; an era is 400 years


def date_parts(
    graph: Graph, raw: Tensor, missing: Tensor, names: Sequence[str]
) -> dict[str, Tensor]:
    """Return the parts of dates as float64, as `DateEncoder` takes them.

    Args:
        graph: the graph.
        raw: days since 1970, float64, the time of day as a fraction.
        missing: which are missing; their parts do not matter.
        names: of the parts: "days", "year", "month", "day", "weekday", "hour".
    """
    counting = _Counting(graph)
    present = graph.op("Where", missing, np.float64(0), raw)
    rounded = graph.op("Round", graph.op("Mul", present, np.float64(MICROSECONDS)))
    instant = graph.op("Cast", rounded, to=graph.onnx.TensorProto.INT64)
    instant = counting("Add", instant, SLACK)
    time = counting("Mod", instant, MICROSECONDS)
    days = counting("Div", counting("Sub", instant, time), MICROSECONDS)
    parts = {"days": raw}
    if {"year", "month", "day"} & set(names):
        parts |= _civil(counting, days)
    if "weekday" in names:  # 1970-01-01 was a Thursday, and Monday is 1
        parts["weekday"] = counting("Add", counting("Mod", counting("Add", days, 3), 7), 1)
    if "hour" in names:
        parts["hour"] = counting("Div", time, MICROSECONDS // 1440)  # whole minutes
    numbers = {name: _double(graph, part) for name, part in parts.items() if name in names}
    if "hour" in numbers:
        numbers["hour"] = graph.op("Div", numbers["hour"], np.float64(60))
    return numbers


class _Counting:
    """Arithmetic of whole numbers: `counting("Add", days, 3)`."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def __call__(self, kind: str, *operands: Any) -> Tensor:
        whole = [x if isinstance(x, Tensor) else np.int64(x) for x in operands]
        return self.graph.op(kind, *whole)


def _civil(counting: _Counting, days: Tensor) -> dict[str, Tensor]:
    """Return year, month, and day of the Gregorian calendar, years beginning in March.

    Source: Hinnant 2014, "chrono-compatible low-level date algorithms", `civil_from_days`.
    """
    shifted = counting("Add", days, TO_MARCH_OF_YEAR_0)
    of_era = counting("Mod", shifted, ERA)
    era = counting("Div", counting("Sub", shifted, of_era), ERA)
    leaps = counting("Sub", of_era, counting("Div", of_era, FOUR_YEARS))
    leaps = counting("Add", leaps, counting("Div", of_era, CENTURY))
    leaps = counting("Sub", leaps, counting("Div", of_era, ERA - 1))
    year = counting("Div", leaps, YEAR)  # of the era
    before = counting("Add", counting("Mul", year, YEAR), counting("Div", year, 4))
    before = counting("Sub", before, counting("Div", year, 100))
    of_year = counting("Sub", of_era, before)
    march_month = counting("Div", counting("Add", counting("Mul", of_year, 5), 2), 153)
    begin = counting("Div", counting("Add", counting("Mul", march_month, 153), 2), 5)
    day = counting("Add", counting("Sub", of_year, begin), 1)
    month = counting("Add", counting("Mod", counting("Add", march_month, 2), 12), 1)
    years = counting("Add", year, counting("Mul", era, 400))
    next_year = counting.graph.op("LessOrEqual", month, np.int64(2))
    later = counting.graph.op("Cast", next_year, to=counting.graph.onnx.TensorProto.INT64)
    return {"year": counting("Add", years, later), "month": month, "day": day}


def _double(graph: Graph, x: Tensor) -> Tensor:
    return graph.op("Cast", x, to=graph.onnx.TensorProto.DOUBLE)
