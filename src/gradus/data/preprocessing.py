"""Settings of the preprocessing, before it is fitted to data."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from gradus.checks import as_index, as_items, flag, is_word, whole_number
from gradus.errors import DataError, unknown
from gradus.foreign_names.arguments import explain_methods
from gradus.space import Space, given_values

SCALINGS = ("auto", "standard", "normal", "minmax", "none")
FILLS = ("median", "mean")
ONE_HOT_LIMIT = 24
TEXT_FEATURES = 500
MAX_SIDE = 100_000  # of images
SAVED_AS = "The saved preprocessing"  # what errors call it


@explain_methods
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
        text_features: how many words and characters a text becomes at most; 0 leaves texts out.
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
    text_features: Any = TEXT_FEATURES
    image_size: Any = None

    def __post_init__(self) -> None:
        for name, known in (("scaling", SCALINGS), ("missing", FILLS)):
            value = getattr(self, name)
            if not isinstance(value, Space) and not is_word(value, known):
                raise unknown(name, value, known)

        for value in given_values(self.indicator):
            flag("indicator", value, "Preprocessing")
        for name in ("one_hot_limit", "text_features"):
            for value in given_values(getattr(self, name)):
                whole_number(name, value, 0, "Preprocessing")
        for value in given_values(self.image_size):
            _check_image_size(value)

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


def _check_image_size(size: Any) -> None:
    """Refuse what is neither None nor (height, width)."""
    both = [1, 1] if size is None else as_items(size)
    sizes = [as_index(each) for each in both or ()]
    if len(sizes) != 2 or any(each is None or not 1 <= each <= MAX_SIDE for each in sizes):
        raise DataError(f"image_size = {size!r}: write a height and a width, such as (28, 28).")


def check_preprocessing(preprocessing: Any) -> Preprocessing:
    """Return what was given as settings of the preprocessing.

    Raises:
        DataError: if it is none.
    """
    if not isinstance(preprocessing, Preprocessing):
        raise DataError(
            f"preprocessing={preprocessing!r}: write the settings, such as "
            'gr.data.Preprocessing(scaling="minmax").'
        )
    return preprocessing


AUTOMATIC = Preprocessing()
