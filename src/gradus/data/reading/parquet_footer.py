"""The row groups of a Parquet file, which Polars keeps to itself.

They stand in the footer of the file, in the compact protocol of Thrift.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from gradus.errors import DataError

MAGIC = b"PAR1"
TAIL = 8  # bytes: how long the footer is, and what ends each file


class RowGroup(NamedTuple):
    """Rows of a file that stand together, column after column.

    Attributes:
        rows: how many they are.
        size: the bytes of their values, encoded, but not packed.
    """

    rows: int
    size: int


def row_groups(path: Path) -> list[RowGroup]:
    """Return the row groups of a Parquet file in their order, without those that have no rows.

    The footer is a `FileMetaData` (https://github.com/apache/parquet-format, parquet.thrift), whose
    field 4 is the row groups; field 2 of each is its size, and field 3 its rows.

    Raises:
        DataError: if it is damaged, or no Parquet file.
    """
    try:
        with path.open("rb") as file:
            end = file.seek(0, 2)
            file.seek(max(end - TAIL, 0))
            tail = file.read(TAIL)
            length = int.from_bytes(tail[:4], "little")
            if tail[4:] != MAGIC or length > end - TAIL:
                raise ValueError("no footer ends the file")
            file.seek(end - TAIL - length)
            footer = CompactReader(file.read(length)).struct()
        groups = [RowGroup(int(fields[3]), int(fields[2])) for fields in footer.get(4, [])]
    except (IndexError, KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise DataError(
            f"{str(path)!r} is not a Parquet file, or is damaged: its footer cannot be read."
        ) from None
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error.strerror}.") from None
    return [group for group in groups if group.rows > 0]


class CompactReader:
    """Reads values of Thrift's compact protocol; text is left out.

    Args:
        data: the bytes.

    Examples:
        >>> CompactReader(bytes([0x15, 0x06, 0x19, 0x25, 0x02, 0x01, 0x00])).struct()
        {1: 3, 2: [1, -1]}
    """

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def struct(self) -> dict[int, Any]:
        """Return the fields of a struct, by their numbers."""
        fields, number = dict[int, Any](), 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._whole_number()
            kind = head & 15
            fields[number] = kind == 1 if kind in (1, 2) else self._value(kind)
        return fields

    def _value(self, kind: int) -> Any:
        if kind in (1, 2, 3):  # a boolean in a list, or a byte
            return self._byte()
        if kind in (4, 5, 6):
            return self._whole_number()
        if kind in (7, 8):  # a double, or text
            length = 8 if kind == 7 else self._unsigned()
            self._at += length
            return None
        if kind in (9, 10):
            head = self._byte()
            count = head >> 4 if head >> 4 < 15 else self._unsigned()
            return [self._value(head & 15) for _ in range(count)]
        if kind == 11:
            count = self._unsigned()
            kinds = self._byte() if count else 0
            return [(self._value(kinds >> 4), self._value(kinds & 15)) for _ in range(count)]
        if kind == 12:
            return self.struct()
        raise ValueError(f"no type has the number {kind}")

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    def _whole_number(self) -> int:
        """Return a number whose sign is its last bit."""
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)
