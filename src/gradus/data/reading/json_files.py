"""Tables in JSON: a list of records, a record a line, or a list of values for each column."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gradus.data.reading.compression import check_unpacked_size
from gradus.errors import DataError
from gradus.host_memory import host_free_bytes

OBJECT_SIZE = 5  # how many times as large as its text a value is in Python, or more
_FORMS = (
    'a list of records, [{"a": 1}, …], a record in each line, or a list for each column, '
    '{"a": [1, …]}'
)


def read_json_table(content: bytes, name: str) -> list[dict[str, Any]] | dict[str, list[Any]]:
    r"""Return the records, or the columns, in the bytes of a JSON file.

    Args:
        content: of the file.
        name: what errors call it.

    Returns:
        A list of records, each a dict, or a dict of columns.

    Raises:
        DataError: if it is not JSON, with the line, holds something else, or is too large.

    Examples:
        >>> from gradus.data.reading.json_files import read_json_table
        >>> read_json_table(b'{"a": 1}\n{"a": 2}\n', "'t.jsonl'")
        [{'a': 1}, {'a': 2}]
        >>> read_json_table(b'{"a": {"0": 1, "1": 2}}', "'t.json'")
        {'a': [1, 2]}
    """
    check_unpacked_size(OBJECT_SIZE * len(content), host_free_bytes(), name, "takes")
    try:
        text = content.decode(json.detect_encoding(content))
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name} is not UTF-8 text (byte {error.start}), as JSON is: save it as UTF-8."
        ) from None
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        return _records_by_line(text, name, error)
    if isinstance(parsed, list) and parsed and all(isinstance(row, dict) for row in parsed):
        return parsed
    if isinstance(parsed, dict) and parsed:
        if all(isinstance(values, list) for values in parsed.values()):
            columns = parsed
        elif _is_by_row(parsed):
            return list(parsed.values())
        elif all(isinstance(values, dict) for values in parsed.values()):
            columns = _aligned(parsed)
        else:
            return _one_record(parsed, name)
        if any(columns.values()):
            return columns
    raise _no_table(parsed, name)


def _records_by_line(text: str, name: str, whole: Exception) -> list[dict[str, Any]]:
    """Return the records of JSON lines.

    Raises:
        DataError: naming the line that is none; as the file as a whole if its first line is none.
    """
    records: list[dict[str, Any]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            if not records:
                raise DataError(f"{name} is not JSON: {whole}. gradus reads {_FORMS}.") from None
            reason = str(error).partition(": line")[0]
            raise DataError(f"{name} is not JSON in line {number}: {reason}.") from None
        if not isinstance(record, dict):
            kind = _kind(record)
            raise DataError(f'{name} has {kind} in line {number}: write a record, {{"a": 1}}.')
        records.append(record)
    return records


def _is_by_row(parsed: Mapping[str, Any]) -> bool:
    """Whether an object has a record for each number of a row, as pandas writes `orient="index"`.

    By default pandas writes columns of values by the numbers of rows.
    """
    if not all(isinstance(part, dict) and key.isdecimal() for key, part in parsed.items()):
        return False
    return not all(key.isdecimal() for part in parsed.values() for key in part)


def _aligned(columns: Mapping[str, dict[str, Any]]) -> dict[str, list[Any]]:
    """Return columns of values by the names of rows, as pandas writes them, as lists."""
    rows = dict.fromkeys(row for values in columns.values() for row in values)
    return {name: [values.get(row) for row in rows] for name, values in columns.items()}


def _one_record(parsed: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the only record of a file.

    Raises:
        DataError: if it has a list of records as a part, with what to write instead.
    """
    inner = [key for key, part in parsed.items() if isinstance(part, list | dict)]
    if not inner:
        return [parsed]
    raise DataError(
        f"{name} is one object with the parts {', '.join(map(repr, list(parsed)[:6]))}: save the "
        f"table in it alone, as {_FORMS}."
    )


def _no_table(parsed: Any, name: str) -> DataError:
    kind = _kind(parsed)
    if isinstance(parsed, list) and parsed:
        other = next(row for row in parsed if not isinstance(row, dict))
        kind = f"a list that holds {_kind(other)}"
    return DataError(f"{name} is {kind}: gradus reads {_FORMS}.")


def _kind(value: Any) -> str:
    if isinstance(value, list | dict):
        empty = "" if value else "n empty"
        return f"a{empty} {'list' if isinstance(value, list) else 'object'}"
    return {str: "text", bool: "true or false", type(None): "null"}.get(type(value), "a number")
