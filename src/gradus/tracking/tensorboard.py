"""Runs as event files of TensorBoard, which tensorboardX writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gradus.errors import GradusError
from gradus.files import user_path
from gradus.foreign_names.arguments import explain_methods
from gradus.optional import import_optional


@explain_methods
class TensorBoard:
    """Logs trainings and trials for TensorBoard: `tensorboard --logdir logs`.

    A training is written to the folder itself, a trial to a folder in it, such as `logs/trial-3`;
    so give each training a folder of its own. Curves are scalars; settings, status, and findings
    are texts, and rows of the HParams page.

    Args:
        log_dir: the folder of the event files.

    Examples:
        >>> gr.trackers.TensorBoard("logs/first").log_dir.name
        'first'
    """

    package, extra = "tensorboardX", "track"

    def __init__(self, log_dir: str | Path = "logs") -> None:
        if not isinstance(log_dir, str | Path) or log_dir == "":
            raise GradusError(f'TensorBoard(log_dir={log_dir!r}): write a folder, such as "logs".')
        self.log_dir = user_path(log_dir)

    def check(self) -> None:
        """Import tensorboardX, and make the folder.

        Raises:
            GradusError: if it is not installed, or the folder cannot be written.
        """
        import_optional(self.package, "The tracker TensorBoard", self.extra)
        try:
            self.log_dir.mkdir(parents=True, exist_ok=True)
            probe = self.log_dir / ".gradus"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise GradusError(
                f"TensorBoard(log_dir={str(self.log_dir)!r}) cannot be written: {error.strerror}."
            ) from None

    def start(self, name: str, settings: Mapping[str, Any]) -> TensorBoardRun:
        """Begin a run; see `Tracker`."""
        return TensorBoardRun(self.log_dir / name, settings)


class TensorBoardRun:
    """A run in an event file.

    Args:
        folder: of the event file.
        settings: of the run.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder, self.settings = folder, settings
        self._writer: Any = None
        self._names: set[str] = set()

    def log(self, epoch: int, numbers: Mapping[str, float]) -> None:
        """Write the numbers of an epoch."""
        writer = self._open(epoch)
        self._names |= set(numbers)
        # `gradus diagnose` and others take steps for batches where nothing counts epochs.
        for name, value in {**numbers, "epoch": epoch}.items():
            writer.add_scalar(name, value, epoch)

    def end(self, status: str, findings: Sequence[str]) -> None:
        """Write status, findings, and the row of the HParams page; close the file."""
        from tensorboardX.summary import hparams

        writer = self._open(1)
        writer.add_text("status", status)
        if findings:
            writer.add_text("findings", "\n".join(f"- {finding}" for finding in findings))
        for summary in hparams({**self.settings, "status": status}, dict.fromkeys(self._names)):
            writer.file_writer.add_summary(summary)
        writer.close()

    def _open(self, epoch: int) -> Any:
        """Return the writer; one that is new hides what the folder has from this epoch on.

        There are such epochs if a training is resumed from a checkpoint.
        """
        if self._writer is None:
            from tensorboardX import SummaryWriter

            self._writer = SummaryWriter(str(self.folder), purge_step=epoch, flush_secs=5)
            rows = "\n".join(f"| {key} | {value} |" for key, value in self.settings.items())
            self._writer.add_text("settings", f"| setting | value |\n| --- | --- |\n{rows}")
        return self._writer
