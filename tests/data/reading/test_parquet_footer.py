"""The row groups of Parquet files."""

import numpy as np
import polars as pl
import pyarrow.parquet
import pytest

from gradus.data.reading.parquet_footer import RowGroup, row_groups
from gradus.errors import DataError


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("footer") / "rows.parquet"
    count = 1_000
    columns = {
        "number": np.arange(count),
        "text": [f"text {row}" for row in range(count)],
        "yes": np.arange(count) % 2 == 0,
        "list": [[row, row] for row in range(count)],
    }
    pl.DataFrame(columns).write_parquet(path, row_group_size=60)
    return path


@pytest.mark.parametrize("version", ["1.0", "2.6"])
def test_row_groups_are_those_that_arrow_reads(path, tmp_path, version):
    again = tmp_path / "again.parquet"
    table = pyarrow.parquet.read_table(path)
    pyarrow.parquet.write_table(
        table, again, row_group_size=300, version=version, write_page_index=True
    )
    for written in (path, again):
        found = pyarrow.parquet.ParquetFile(written).metadata
        known = [found.row_group(index) for index in range(found.num_row_groups)]
        assert row_groups(written) == [RowGroup(g.num_rows, g.total_byte_size) for g in known]
    pyarrow.parquet.write_table(table.slice(0, 0), again)
    assert row_groups(again) == []


def test_a_damaged_footer_is_an_error(path, tmp_path):
    content, rng = path.read_bytes(), np.random.default_rng(0)
    length = int.from_bytes(content[-8:-4], "little")
    damaged = tmp_path / "damaged.parquet"
    for bad in (b"", b"PAR1", content[:-1], b"\xff" * 4 + b"PAR1", content[-length // 2 :]):
        damaged.write_bytes(bad)
        with pytest.raises(DataError, match="is not a Parquet file, or is damaged"):
            row_groups(damaged)
    refused = 0
    for _ in range(60):
        altered = bytearray(content[-length - 8 :])
        for place in rng.integers(0, length, 3):
            altered[place] = rng.integers(256)
        damaged.write_bytes(altered)
        try:
            row_groups(damaged)
        except DataError:
            refused += 1
    assert refused > 10
