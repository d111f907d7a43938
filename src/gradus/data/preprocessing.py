"""How data become what a network is trained on: settings, before anything is learnt from rows."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from gradus.errors import DataError, unknown
from gradus.space import Space

SCALINGS = ("auto", "standard", "normal", "minmax", "none")
FILLS = ("median", "mean")
ONE_HOT_LIMIT = 24


@dataclass(frozen=True)
class Preprocessing:
    """How a preprocessor treats what it is fitted to; each setting may be a space of a sweep.

    Attributes:
        scaling: of numbers. "standard": to mean 0 and deviation 1. "normal", for tables: by their
            ranks to the normal distribution. "minmax": to [0, 1]. "none": as they are. "auto":
            standard, but for images by the range of their kind (0 to 255), and in tables normal
            where a column is far from that.
        missing: what stands in the place of a missing number, the column's "median" or "mean".
        indicator: whether a column with missing values gets one more that says which they are.
        one_hot_limit: a category with more levels is embedded, others are one-hot; 0 embeds all.
        image_size: (height, width) that images are resized to; None leaves them as they are.

    Raises:
        GradusError: for an unknown word, with the nearest.
    """

    scaling: Any = "auto"
    missing: Any = "median"
    indicator: Any = True
    one_hot_limit: Any = ONE_HOT_LIMIT
    image_size: Any = None

    def __post_init__(self) -> None:
        for name, known in (("scaling", SCALINGS), ("missing", FILLS)):
            value = getattr(self, name)
            if not isinstance(value, Space) and value not in known:
                raise unknown(name, value, known)

    def check_for(self, kind: str, names: tuple[str, ...]) -> None:
        """Check that what is set means something for data of a kind.

        Args:
            kind: of the data, in words.
            names: of the settings that have a meaning for it.

        Raises:
            DataError: naming one that has none.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name not in names and value != field.default:
                raise DataError(f"{field.name} = {value!r} means nothing for {kind}: leave it out.")


AUTOMATIC = Preprocessing()
