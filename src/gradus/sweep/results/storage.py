"""Where a sweep is kept as it goes: a study of Optuna in SQLite, PostgreSQL or the like.

Each trial is written once, when it has ended, with all that it came to; so whenever the process is
killed, a storage holds whole trials alone. What was under way is found again from the seed.
"""

from __future__ import annotations

import math
import sqlite3
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from gradus.errors import GradusError
from gradus.hyperparameters import Hyperparameter
from gradus.optional import import_optional, quiet_optuna
from gradus.space import Choice, Value
from gradus.sweep.results.fingerprint import fingerprint_differences
from gradus.sweep.results.storage_lock import hold_lock
from gradus.sweep.search.trial import FINISHED, STOPPED, Trial, TrialRecord

RECORD = "gradus"  # the attribute that a trial is read back from
DRIVERS = {  # how packages are called that are imported by another name, or need more than it
    "psycopg": "'psycopg[binary]'",
    "psycopg2": "psycopg2-binary",
    "MySQLdb": "mysqlclient",
}
KEPT = ("number", "values", "status", "score", "scores", "epochs", "metrics", "error", "lineage")


class Storage:
    """A sweep's place in a database.

    Args:
        where: the path of an SQLite file, made if there is none, or a URL that SQLAlchemy knows,
            such as "postgresql://user:password@host/database".
        name: of the study, so that one database can hold several sweeps.

    Raises:
        GradusError: for what is neither.
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
        self._known: dict[int, Any] = {}
        self._unwritten: list[Any] = []
        self._broken = False
        self._held = ExitStack()

    def open(
        self,
        identity: Mapping[str, str],
        hypers: Mapping[str, Hyperparameter],
        monitor: str,
        mode: str,
    ) -> dict[int, TrialRecord]:
        """Connect, and return the records of the trials that ended in earlier runs of the sweep.

        Args:
            identity: what decides the results, from `gradus.sweep.results.fingerprint`.
            hypers: the hyperparameters by name.
            monitor: what the trials are judged by.
            mode: "min" or "max", whether less or more of it is better.

        Raises:
            GradusError: if the database cannot be reached or written, holds another sweep, or is
                being written by another process.
        """
        self._optuna = import_optional("optuna", "Sweep(storage=…)")
        self._hypers, self._unwritten, self._broken = hypers, [], False
        try:
            with quiet_optuna(self._optuna), self._reaching():
                self._take()
                self._study = self._connect(mode)
                trials = self._study.get_trials(deepcopy=False)
                self._check(identity, new=not trials)
                self._study.set_metric_names([monitor])
        except BaseException:
            self.close()
            raise
        plain = [one.user_attrs[RECORD] for one in trials if RECORD in one.user_attrs]
        self._known = {one["trial"]["number"]: one for one in plain}  # of two the last
        return {number: _record(one) for number, one in self._known.items()}

    def write(self, record: TrialRecord) -> None:
        """Write a trial that has ended, if it is not there already.

        If the database does not take it, it is kept, and written when the storage is closed if
        that can be; a warning says so.
        """
        number, plain = record.trial.number, _plain(record)
        if self._known.get(number) == plain:
            return
        self._known[number] = plain
        self._unwritten.append(self._frozen(record.trial, plain))
        if self._study is not None and not self._broken:
            self._write_all(
                "the sweep goes on, and what ends from now on is written at its end if it can be"
            )

    def close(self) -> None:
        """Write what could not be written, and let go of the database."""
        if self._study is not None and self._unwritten:
            self._write_all(
                f"{len(self._unwritten)} trials are in this process's memory alone (sweep.trials), "
                "and would be trained again"
            )
        self._study = None
        if self._storage is not None:
            self._storage.remove_session()
            self._storage.engine.dispose()
        self._storage = None
        self._held.close()

    def _write_all(self, otherwise: str) -> None:
        """Write all that is not written yet, or warn."""
        try:
            with quiet_optuna(self._optuna):
                study = self._storage.get_study_id_from_name(self.name)
                while self._unwritten:
                    # What `study.add_trial` does, without a copy in memory, a fifth of its time.
                    self._storage.create_new_trial(study, self._unwritten[0])
                    del self._unwritten[0]
        except Exception as error:  # whatever it is, the results of the sweep must not be lost
            self._broken = True
            warnings.warn(
                f"storage={self._words()} cannot be written ({_reason(error)}): {otherwise}.",
                RuntimeWarning,
                stacklevel=2,
            )

    def _take(self) -> None:
        """Take the sweep for this process, until the storage is closed.

        Raises:
            GradusError: if another process has it.
        """
        if not self._held.enter_context(hold_lock(self._url(), self.name)):
            raise GradusError(
                f"storage={self._words()} is in use: another process trains this sweep. Wait until "
                "it has ended, or end it; then this one goes on with what it wrote."
            )

    def _connect(self, mode: str) -> Any:
        """Return the study, a new one if there is none."""
        url = self._url()
        options = {"connect_args": {"factory": _Unhurried}} if url.startswith("sqlite") else {}
        template = url.replace("{", "{{").replace("}", "}}")  # as Optuna reads it
        self._storage = self._optuna.storages.RDBStorage(template, engine_kwargs=options)
        return self._optuna.create_study(
            storage=self._storage,
            study_name=self.name,
            direction="minimize" if mode == "min" else "maximize",
            load_if_exists=True,
        )

    def _check(self, identity: Mapping[str, str], new: bool) -> None:
        """Note what sweep this is if it is new.

        Raises:
            GradusError: if it is another one.
        """
        known = self._study.user_attrs.get(RECORD)
        if known is None and new:
            self._study.set_user_attr(RECORD, dict(identity))
        elif found := fingerprint_differences(known or {}, identity):
            raise GradusError(
                f"storage={self._words()} holds another sweep: {', '.join(found)}. Give this one "
                "another file, or, with from gradus.sweep.results.storage import Storage, another "
                "name: storage=Storage(…, name='another')."
            )

    def _url(self) -> str:
        if "://" in self.where:
            return self.where
        path = Path(self.where).expanduser().absolute()
        if not path.parent.is_dir():
            raise GradusError(f"storage={self.where!r}: there is no folder {path.parent}.")
        if "?" in str(path):
            raise GradusError(f"storage={self.where!r}: SQLite's URLs know no path with '?'.")
        return f"sqlite:///{path}"

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """Say what is the matter with a database that cannot be reached."""
        try:
            yield
        except GradusError:
            raise
        except Exception as error:  # of Optuna, SQLAlchemy, a driver or the system
            cause = _cause(error)
            if isinstance(cause, ModuleNotFoundError):
                raise GradusError(
                    f"storage={self._words()} needs the package {cause.name}, which is not "
                    f"installed: write pip install {DRIVERS.get(str(cause.name), cause.name)}."
                ) from None
            raise GradusError(
                f"storage={self._words()} cannot be used: {_reason(error)}. Write the path of a "
                "file that can be written, such as 'sweep.db', or a URL such as "
                "'postgresql://user:password@host/database'."
            ) from None

    def _words(self) -> str:
        """Return the place without a password."""
        if "://" not in self.where:
            return repr(self.where)
        scheme, _, rest = self.where.partition("://")
        return repr(f"{scheme}://{rest.rpartition('@')[2]}")

    def _frozen(self, trial: Trial, plain: dict[str, Any]) -> Any:
        """Return a trial as Optuna stores it."""
        states = self._optuna.trial.TrialState
        known = math.isfinite(trial.score)
        state = {FINISHED: states.COMPLETE, STOPPED: states.PRUNED}.get(trial.status, states.FAIL)
        if not known:
            state = states.FAIL
        with quiet_optuna(self._optuna):
            spaces = {name: self._distribution(name) for name in trial.values}
        return self._optuna.trial.create_trial(
            state=state,
            value=trial.score if known else None,
            params={name: _shown(self._hypers[name].space, v) for name, v in trial.values.items()},
            distributions=spaces,
            user_attrs={RECORD: plain},  # one of all, as each takes a millisecond
        )

    def _distribution(self, name: str) -> Any:
        """Return a space in a reader's words."""
        space: Any = self._hypers[name].space
        kinds = self._optuna.distributions
        if isinstance(space, Choice):
            return kinds.CategoricalDistribution(_labels(space))
        if space.whole:
            return kinds.IntDistribution(space.low, space.high, log=space.log)
        return kinds.FloatDistribution(float(space.low), float(space.high), log=space.log)


class _Unhurried(sqlite3.Connection):
    """SQLite of which a commit does not wait for the disk: 1 ms rather than 20.

    A process that is killed loses nothing by that; a power failure may lose the last trials, which
    are then trained again.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.execute("PRAGMA journal_mode=WAL")
        self.execute("PRAGMA synchronous=NORMAL")


def get_storage(storage: str | Path | Storage | None) -> Storage | None:
    """Return the storage at a path or URL; a storage, or None, as it is."""
    if storage is None or isinstance(storage, Storage):
        return storage
    return Storage(storage)


def _labels(space: Choice) -> tuple[Any, ...]:
    """Return what a choice's options are called, each in another way."""
    labels = [label if " at 0x" not in str(label) else "option" for label in space.labels]
    if len(set(labels)) == len(labels):  # 1, 1.0 and True are one
        return tuple(labels)
    return tuple(f"{label} ({place})" for place, label in enumerate(labels))


def _shown(space: Any, value: Value) -> Any:
    if isinstance(space, Choice):
        return _labels(space)[int(value)]
    return min(max(value, space.low), space.high)  # of a logarithm's rounding


def _plain(record: TrialRecord) -> dict[str, Any]:
    """Return a record as JSON; what is no number of JSON's as a word."""
    fields = {name: getattr(record.trial, name) for name in KEPT}
    fields["score"] = _number(fields["score"])
    fields["scores"] = [_number(score) for score in fields["scores"]]
    fields["metrics"] = {name: _number(value) for name, value in fields["metrics"].items()}
    scores = [[epoch, _number(value)] for epoch, value in record.scores.items()]
    return {"trial": fields, "batch": list(record.batch), "standings": scores}


def _record(plain: Mapping[str, Any]) -> TrialRecord:
    """Return the record of a trial that was read, its numbers exactly as they were."""
    fields = dict(plain["trial"])
    fields["score"] = float(fields["score"])
    fields["scores"] = [float(score) for score in fields["scores"]]
    fields["metrics"] = {name: float(value) for name, value in fields["metrics"].items()}
    fields["lineage"] = [(epoch, values) for epoch, values in fields["lineage"]]
    first, count = plain["batch"]
    scores = {int(epoch): float(value) for epoch, value in plain["standings"]}
    return TrialRecord(Trial(**fields), (first, count), scores)


def _number(value: float) -> float | str:
    return value if math.isfinite(value) else repr(float(value))


def _reason(error: BaseException) -> str:
    """Return the last of an error's causes, in one line, without SQLAlchemy's hints."""
    cause = _cause(error)
    lines = str(cause).strip().splitlines()
    return (lines[0] if lines else type(cause).__name__).rstrip(".")


def _cause(error: BaseException) -> BaseException:
    """Return the last of an error's causes, or the error itself."""
    return error if error.__cause__ is None else _cause(error.__cause__)
