"""Only one process at a time trains a sweep in a database; killing it releases the lock."""

import os
import signal
import subprocess
import sys

import pytest

from gradus.errors import GradusError
from gradus.sweep.results.storage import Storage
from gradus.sweep.results.storage_lock import hold_lock

pytest.importorskip("optuna")

# Database servers are tested if a URL is given: "postgresql://user:password@host/database".
SERVER = os.environ.get("GRADUS_TEST_DATABASE")
HOLD = """
import sys, time
from gradus.sweep.results.storage_lock import hold_lock
with hold_lock(sys.argv[1], "mine") as free:
    print(free, flush=True)
    time.sleep(60)
"""


@pytest.fixture(params=["file", "server"])
def url(request, tmp_path):
    if request.param == "file":
        return f"sqlite:///{tmp_path}/a sweep.db"
    return SERVER or pytest.skip("GRADUS_TEST_DATABASE names no database")


def test_a_lock_is_free_again_when_its_process_is_killed(url, tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, url], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "True\n"
        with hold_lock(url, "mine") as free:
            assert not free
        with hold_lock(url, "another/one") as free:
            assert free
        other.send_signal(signal.SIGKILL)
        other.wait()
    with hold_lock(url, "mine") as free:
        assert free
        with hold_lock(url, "mine") as twice:
            assert not twice
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mssql+pyodbc://host/base"])
def test_other_databases_are_never_locked(url):
    with hold_lock(url, "mine") as free, hold_lock(url, "mine") as twice:
        assert (free, twice) == (True, True)


def test_a_second_process_fails_and_resumes_after_the_first(tmp_path):
    place = tmp_path / "sweep.db"
    first, second = Storage(place), Storage(place)
    assert first.open({"a": "1"}, {}, "val_loss", "min") == {}
    with pytest.raises(GradusError, match=r"sweep\.db' is in use: another process"):
        second.open({"a": "1"}, {}, "val_loss", "min")
    other = Storage(place, "other")
    assert other.open({"a": "2"}, {}, "val_loss", "min") == {}
    other.close()
    first.close()
    assert second.open({"a": "1"}, {}, "val_loss", "min") == {}
    second.close()
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.db"]


@pytest.mark.slow
def test_a_rejected_sweep_releases_the_lock(tmp_path):
    place = tmp_path / "sweep.db"
    first, other = Storage(place), Storage(place)
    first.open({"a": "1"}, {}, "val_loss", "min")
    first.close()
    with pytest.raises(GradusError, match="holds another sweep"):
        other.open({"a": "2"}, {}, "val_loss", "min")
    first.open({"a": "1"}, {}, "val_loss", "min")
    first.close()
