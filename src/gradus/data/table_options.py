"""How a table is read: what a user says instead of leaving it to be inferred."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gradus.checks import flag
from gradus.data.columns.formats import ColumnFormat, texts
from gradus.errors import DataError, no_column
from gradus.foreign_names.arguments import explain_methods


@explain_methods
@dataclass(frozen=True)
class TableOptions:
    r"""How a table is read; None is inferred, and what was inferred is told.

    Attributes:
        header: whether the first row of a text file names the columns; without a header they are
            column_1, column_2, ….
        separator: between the values of a row of a text file: ",", ";", "\t", "|" or " ".
        encoding: of a text file, such as "latin-1".
        decimal: the decimal mark of numbers in text, "." or ",".
        missing: text that means a missing value, besides an empty cell, in every column.
        sheet: of a spreadsheet, its name; by default the first.
        columns: the kind of a column ("category"), its levels in order (["S", "M", "L"]), or its
            settings (`ColumnFormat`), by the name of the column.

    Raises:
        DataError: for an invalid option.

    Examples:
        >>> options = gr.data.TableOptions(missing=["-1"], columns={"size": ["S", "M", "L"]})
        >>> table = {"size": ["M", "S", "L"], "age": ["20", "-1", "30"], "paid": ["a", "b", "a"]}
        >>> data = gr.data.load(table, "paid", options=options)
        >>> data.x["age"].to_list(), data.formats["size"].levels
        ([20, None, 30], ('S', 'M', 'L'))
    """

    header: bool | None = None
    separator: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    missing: tuple[str, ...] | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)
    sheet: str | None = None

    def __post_init__(self) -> None:
        separator = self.separator
        if separator is not None and not (isinstance(separator, str) and len(separator) == 1):
            raise DataError(f"separator={self.separator!r}: write one character, such as ';'.")
        if self.missing is not None:
            object.__setattr__(self, "missing", texts("missing", self.missing))
        if not isinstance(self.columns, Mapping):
            raise DataError(
                f"columns={self.columns!r}: write a dict from a column to its kind, such as "
                '{"zip": "category"}.'
            )
        if self.header is not None:
            flag("header", self.header)
        if not isinstance(self.encoding, str | None):
            raise DataError(f"encoding={self.encoding!r}: write a name, such as 'latin-1'.")
        if not isinstance(self.sheet, str | None):
            raise DataError(f"sheet={self.sheet!r}: write the name of a sheet, such as 'Sheet1'.")
        columns = {str(name): ColumnFormat.of(given, name) for name, given in self.columns.items()}
        object.__setattr__(self, "columns", columns)
        ColumnFormat(decimal=self.decimal)

    def format_of(self, column: str) -> ColumnFormat:
        """Return what is said about a column."""
        given = self.columns.get(column, ColumnFormat())
        missing = self.missing if given.missing is None else given.missing
        return replace(given, missing=missing, decimal=given.decimal or self.decimal)

    def check_columns(self, names: Sequence[str]) -> None:
        """Check that every column that is described exists.

        Raises:
            DataError: with the nearest name.
        """
        for name in self.columns:
            if name not in names:
                raise no_column(name, names)


AUTOMATIC_TABLE = TableOptions()
