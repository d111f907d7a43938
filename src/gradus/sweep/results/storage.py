"""The storage of a sweep: an Optuna study in SQLite, PostgreSQL, or another database.

Each trial is written once with all its results when it has ended, so the storage holds only
complete trials whenever the process is killed. The others are drawn again from the seed.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from gradus.errors import GradusError, warn
from gradus.files import user_path
from gradus.hyperparameters import Hyperparameter
from gradus.optional import import_optional, quiet_optuna
from gradus.space import Choice, Value
from gradus.sweep.results.fingerprint import fingerprint_differences
from gradus.sweep.results.storage_lock import hold_lock
from gradus.sweep.results.stored_trial import from_stored, to_stored
from gradus.sweep.search.trial import FINISHED, STOPPED, Trial, TrialRecord

RECORD = "gradus"  # the user attribute that holds a trial's record
DRIVERS = {  # pip names of drivers that differ from their import names
    "psycopg": "'psycopg[binary]'",
    "psycopg2": "psycopg2-binary",
    "MySQLdb": "mysqlclient",
}


class Storage:
    """A sweep in a database.

    Args:
        where: the path of an SQLite file, created if needed, or a SQLAlchemy URL such as
            "postgresql://user:password@host/database".
        name: the name of the study; one database can hold several.

    Raises:
        GradusError: if `where` is neither.
    """

    def __init__(self, where: str | Path, name: str = "sweep") -> None:
        if not isinstance(where, str | Path) or not str(where):
            raise GradusError(
                f"storage={where!r}: write the path of a file, such as 'sweep.db', or a URL."
            )
        self.where, self.name = str(where), name
        self._hypers: Mapping[str, Hyperparameter] = {}
        self._optuna: Any = None
        self._storage: Any = None
        self._study: Any = None
        self._written: dict[int, Any] = {}
        self._pending: list[Any] = []
        self._failed = False
        self._lock = ExitStack()

    def open(
        self,
        identity: Mapping[str, str],
        hypers: Mapping[str, Hyperparameter],
        monitor: str,
        mode: str,
    ) -> dict[int, TrialRecord]:
        """Connect and return the records of the trials that ended in earlier runs of the sweep.

        Args:
            identity: the fingerprint of the sweep (`sweep_fingerprint`).
            hypers: the hyperparameters by name.
            monitor: the metric that scores the trials.
            mode: "min" or "max": whether lower or higher is better.

        Raises:
            GradusError: if the database cannot be reached or written, holds another sweep, or is
                in use by another process.
        """
        self._optuna = import_optional("optuna", "Sweep(storage=…)")
        self._hypers, self._pending, self._failed = hypers, [], False
        try:
            with quiet_optuna(self._optuna), self._connection_errors():
                self._acquire_lock()
                self._study = self._connect(mode)
                trials = self._study.get_trials(deepcopy=False)
                self._check_identity(identity, new=not trials)
                self._study.set_metric_names([monitor])
        except BaseException:
            self.close()
            raise
        try:
            return self._read_records(trials)
        except GradusError:
            self.close()
            raise

    def write(self, record: TrialRecord) -> None:
        """Write a trial that has ended, unless it has been written.

        If that fails, a warning says so, and the trial is written when the storage closes, if
        possible.
        """
        number, plain = record.trial.number, to_stored(record)
        if self._written.get(number) == plain:
            return
        self._written[number] = plain
        self._pending.append(self._frozen_trial(record.trial, plain))
        if self._study is not None and not self._failed:
            self._write_all(
                "the sweep continues and tries to write the remaining trials at its end"
            )

    def close(self) -> None:
        """Write pending trials, disconnect, and release the lock."""
        if self._study is not None and self._pending:
            self._write_all(
                f"{len(self._pending)} trials are only in this process's memory (sweep.trials) and "
                "would be trained again"
            )
        self._study = None
        if self._storage is not None:
            self._storage.remove_session()
            self._storage.engine.dispose()
        self._storage = None
        self._lock.close()

    def _read_records(self, trials: Sequence[Any]) -> dict[int, TrialRecord]:
        """Return the records of Optuna's trials; the last of several of a trial is the valid one.

        Raises:
            SavedError: if one was altered.
        """
        self._written, records = {}, {}
        for trial in trials:
            if RECORD in trial.user_attrs:
                stored = trial.user_attrs[RECORD]
                record = from_stored(stored, self._hypers, f"storage={self._redacted_url()}")
                records[record.trial.number] = record
                self._written[record.trial.number] = stored
        return records

    def _write_all(self, consequence: str) -> None:
        """Write all pending trials, or warn."""
        try:
            with quiet_optuna(self._optuna):
                study = self._storage.get_study_id_from_name(self.name)
                while self._pending:
                    # `study.add_trial` without its copy in memory, which takes a fifth of its time.
                    self._storage.create_new_trial(study, self._pending[0])
                    del self._pending[0]
        except Exception as error:  # no error may lose the results of the sweep
            self._failed = True
            warn(
                f"storage={self._redacted_url()} cannot be written ({_reason(error)}): "
                f"{consequence}.",
                RuntimeWarning,
            )

    def _acquire_lock(self) -> None:
        """Lock the sweep for this process until the storage is closed.

        Raises:
            GradusError: if another process has locked it.
        """
        if not self._lock.enter_context(hold_lock(self._database_url(), self.name)):
            raise GradusError(
                f"storage={self._redacted_url()} is in use: another process trains this sweep. "
                "Wait until it has ended, or end it, then run again to resume from its trials."
            )

    def _connect(self, mode: str) -> Any:
        """Return the study; create it if there is none."""
        url = self._database_url()
        options = (
            {"connect_args": {"factory": _FastCommitConnection}} if url.startswith("sqlite") else {}
        )
        template = url.replace("{", "{{").replace("}", "}}")  # Optuna formats it
        self._storage = self._optuna.storages.RDBStorage(template, engine_kwargs=options)
        return self._optuna.create_study(
            storage=self._storage,
            study_name=self.name,
            direction="minimize" if mode == "min" else "maximize",
            load_if_exists=True,
        )

    def _check_identity(self, identity: Mapping[str, str], new: bool) -> None:
        """Store the fingerprint of a new sweep, or compare it.

        Raises:
            GradusError: if it is another sweep.
        """
        stored = self._study.user_attrs.get(RECORD)
        if stored is None and new:
            self._study.set_user_attr(RECORD, dict(identity))
        elif differences := fingerprint_differences(stored or {}, identity):
            raise GradusError(
                f"storage={self._redacted_url()} holds another sweep: {', '.join(differences)}. "
                "Give this one another file, or another name: from gradus.sweep.results.storage "
                "import Storage, then storage=Storage(…, name='another')."
            )

    def _database_url(self) -> str:
        if "://" in self.where:
            return self.where
        path = user_path(self.where).absolute()
        if not path.parent.is_dir():
            raise GradusError(f"storage={self.where!r}: there is no folder {path.parent}.")
        from sqlalchemy import URL, make_url

        url = URL.create("sqlite", database=str(path)).render_as_string()
        if make_url(url).database != str(path):
            raise GradusError(
                f"storage={self.where!r}: SQLAlchemy before 2.1 cannot open a file with '?' in its "
                "path: rename it, or write pip install --upgrade sqlalchemy."
            )
        return url

    @contextmanager
    def _connection_errors(self) -> Iterator[None]:
        """Turn errors of the database into a `GradusError`."""
        try:
            yield
        except GradusError:
            raise
        except Exception as error:  # of Optuna, SQLAlchemy, a driver, or the system
            cause = _cause(error)
            if isinstance(cause, ModuleNotFoundError):
                raise GradusError(
                    f"storage={self._redacted_url()} needs the package {cause.name}, which is not "
                    f"installed: write pip install {DRIVERS.get(str(cause.name), cause.name)}."
                ) from None
            raise GradusError(
                f"storage={self._redacted_url()} cannot be used: {_reason(error)}. Write the path "
                "of a writable file, such as 'sweep.db', or a URL such as "
                "'postgresql://user:password@host/database'."
            ) from None

    def _redacted_url(self) -> str:
        """Return the path or URL, without a password."""
        if "://" not in self.where:
            return repr(self.where)
        scheme, _, rest = self.where.partition("://")
        return repr(f"{scheme}://{rest.rpartition('@')[2]}")

    def _frozen_trial(self, trial: Trial, plain: dict[str, Any]) -> Any:
        """Return a trial as Optuna stores it."""
        states = self._optuna.trial.TrialState
        scored = math.isfinite(trial.score)
        known = {FINISHED: states.COMPLETE, STOPPED: states.PRUNED}
        state = known.get(trial.status, states.FAIL) if scored else states.FAIL
        with quiet_optuna(self._optuna):
            spaces = {name: self._distribution(name) for name in trial.values}
        return self._optuna.trial.create_trial(
            state=state,
            value=trial.score if scored else None,
            params={
                name: _optuna_value(self._hypers[name].space, v) for name, v in trial.values.items()
            },
            distributions=spaces,
            user_attrs={RECORD: plain},  # a single one, as each takes a millisecond
        )

    def _distribution(self, name: str) -> Any:
        """Return a space as Optuna's distribution, with labels for options."""
        space: Any = self._hypers[name].space
        kinds = self._optuna.distributions
        if isinstance(space, Choice):
            return kinds.CategoricalDistribution(_labels(space))
        if space.whole:
            return kinds.IntDistribution(space.low, space.high, log=space.log)
        return kinds.FloatDistribution(float(space.low), float(space.high), log=space.log)


class _FastCommitConnection(sqlite3.Connection):
    """An SQLite connection whose commits do not wait for the disk: 1 ms instead of 20.

    Killing the process loses nothing; a power failure may lose the last trials, which are then
    trained again.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.execute("PRAGMA journal_mode=WAL")
        self.execute("PRAGMA synchronous=NORMAL")

    def __del__(self) -> None:
        """Close: SQLAlchemy drops its connections open where creating the storage fails."""
        with suppress(sqlite3.Error):  # a connection that could not be opened
            self.close()


def get_storage(storage: str | Path | Storage | None) -> Storage | None:
    """Return the storage at a path or URL; a storage or None as it is."""
    if storage is None or isinstance(storage, Storage):
        return storage
    return Storage(storage)


def _labels(space: Choice) -> tuple[Any, ...]:
    """Return unique labels of a choice's options."""
    labels = [label if " at 0x" not in str(label) else "option" for label in space.labels]
    if len(set(labels)) == len(labels):  # 1, 1.0 and True are equal
        return tuple(labels)
    return tuple(f"{label} ({index})" for index, label in enumerate(labels))


def _optuna_value(space: Any, value: Value) -> Any:
    if isinstance(space, Choice):
        return _labels(space)[int(value)]
    return min(max(value, space.low), space.high)  # against rounding of a logarithm


def _reason(error: BaseException) -> str:
    """Return the root cause of an error as one line, without SQLAlchemy's hints."""
    cause = _cause(error)
    lines = str(cause).strip().splitlines()
    return (lines[0] if lines else type(cause).__name__).rstrip(".")


def _cause(error: BaseException) -> BaseException:
    """Return the root cause of an error, or the error itself."""
    return error if error.__cause__ is None else _cause(error.__cause__)
