"""Plain data from a file as a typed object: every entry is there and of its type, or an error says.

JSON knows neither tuples nor dataclasses, and a file may have been altered. So whatever is read
again goes through `as_record`, which builds a dataclass or a `msgspec.Struct` from it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from gradus.errors import SavedError

T = TypeVar("T")

MAX_BYTES = 256 * 2**20  # of a file that only describes others


def as_record(plain: Any, cls: type[T], where: str, strict: bool = True, whole: bool = True) -> T:
    """Return plain data (dicts, lists, strings and numbers) as an object of `cls`.

    Args:
        plain: the data; entries that `cls` lacks are ignored.
        cls: a dataclass or a struct, whose annotations are the types.
        where: what the data are, for errors, such as "'run.json'".
        strict: whether a number must be a number; if not, it may be text, such as "nan".
        whole: whether every entry must be there; if not, one that is missing has its default.

    Raises:
        SavedError: naming the first entry that is missing or of another type.
    """
    try:
        record = msgspec.convert(plain, cls, strict=strict)
    except (msgspec.ValidationError, RecursionError) as error:
        raise SavedError(f"{where} is damaged: {error}.") from None
    if whole and (missing := _missing_entry(record, plain, "$")):
        raise SavedError(f"{where} is damaged: it lacks the entry `{missing}`.")
    return record


def as_plain(record: Any) -> Any:
    """Return a record as dicts, lists, strings and numbers; `as_record` restores an equal one."""
    return msgspec.to_builtins(record, str_keys=True)


def infinities_as_text(plain: Any) -> Any:
    """Return plain data with NaN and infinities, which JSON lacks, as text."""
    if isinstance(plain, dict):
        return {key: infinities_as_text(value) for key, value in plain.items()}
    if isinstance(plain, list | tuple):
        return [infinities_as_text(value) for value in plain]
    return repr(plain) if isinstance(plain, float) and not math.isfinite(plain) else plain


def finite_or_none(value: Any) -> Any:
    """Return `value` with None instead of NaN and infinity, which JSON lacks."""
    if isinstance(value, Mapping):
        return {key: finite_or_none(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [finite_or_none(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _missing_entry(record: Any, given: Any, path: str) -> str:
    """Return the path of the first entry that was not given, but has a default; or ""."""
    if isinstance(record, list | tuple) and isinstance(given, list | tuple):
        pairs = [(f"{path}[{i}]", *pair) for i, pair in enumerate(zip(record, given, strict=True))]
    elif isinstance(given, Mapping) and (names := _names(record)) is not None:
        if missing := next((name for name in names if str(name) not in given), None):
            return f"{path}.{missing}"
        pairs = [(f"{path}.{name}", value, given[str(name)]) for name, value in names.items()]
    else:
        return ""
    return next(filter(None, (_missing_entry(value, g, where) for where, value, g in pairs)), "")


def _names(record: Any) -> dict[Any, Any] | None:
    """Return the entries of a dict, a dataclass, or a struct; None of anything else."""
    if isinstance(record, Mapping):
        return dict(record)
    if isinstance(record, msgspec.Struct):
        return {name: getattr(record, name) for name in record.__struct_fields__}
    if dataclasses.is_dataclass(record):
        return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    return None


def checksum(plain: Any) -> str:
    """Return the SHA-256 of plain data, whatever the order of their keys."""
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file.

    Raises:
        SavedError: if it is larger than `MAX_BYTES`, nested too deeply, or not a table of entries.
        OSError: if it cannot be read.
    """
    return _read(path, msgspec.json.decode, "is damaged or was cut short")


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file; errors as of `read_json`."""
    return _read(path, msgspec.toml.decode, "is not TOML")


def _read(path: Path, decode: Callable[[bytes], Any], problem: str) -> dict[str, Any]:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise SavedError(
            f"{str(path)!r} has {size / 2**20:,.0f} MiB; it may have {MAX_BYTES // 2**20}."
        )
    try:
        content = decode(path.read_bytes())
    except RecursionError:
        raise SavedError(f"{str(path)!r} {problem}: it is nested too deeply.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SavedError(f"{str(path)!r} {problem}: {error}.") from None
    if not isinstance(content, dict):
        raise SavedError(f"{str(path)!r} {problem}: it has no entries.")
    return content
