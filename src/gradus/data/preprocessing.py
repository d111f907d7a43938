"""Settings of the preprocessing, before it is fitted to data."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from gradus.errors import DataError, unknown
from gradus.space import Space

SCALINGS = ("auto", "standard", "normal", "minmax", "none")
FILLS = ("median", "mean")
ONE_HOT_LIMIT = 24
SAVED_AS = "The saved preprocessing"  # what errors call it


@dataclass(frozen=True)
class Preprocessing:
    """Settings of a preprocessor; each may be a space of a sweep.

    Attributes:
        scaling: of numbers. "standard": to mean 0 and deviation 1. "normal", for tables: by rank
            to the normal distribution. "minmax": to [0, 1]. "none": unchanged. "auto": "standard",
            but images by the range of their type (0 to 255), and columns of a table that are far
            from normal by "normal".
        missing: what replaces a missing number, the column's "median" or "mean".
        indicator: whether a column with missing values gets a second one that marks them.
        one_hot_limit: a category with more levels is embedded, others are one-hot; 0 embeds all.
        image_size: (height, width) that images are resized to; None leaves them unchanged.

    Raises:
        GradusError: for an unknown value, with the nearest known one.

    Examples:
        >>> settings = gr.data.Preprocessing(scaling="minmax")
        >>> data = gr.data.load("wine")
        >>> x, y = data.xy(data.preprocessor(settings))
        >>> float(x.min()), float(x.max())
        (0.0, 1.0)
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
        """Check that every setting that is not at its default applies to a kind of data.

        Args:
            kind: of the data, for the error.
            names: of the settings that apply to it.

        Raises:
            DataError: naming a setting that does not apply.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name not in names and value != field.default:
                raise DataError(f"{field.name} = {value!r} does not apply to {kind}: leave it out.")


AUTOMATIC = Preprocessing()
