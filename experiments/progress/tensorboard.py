"""Curves of runs for TensorBoard, written by tensorboardX, which needs no TensorFlow."""

from collections.abc import Mapping
from pathlib import Path

from experiments.progress.events import RunBegun
from experiments.progress.tracker import Tracker, package


class TensorBoard(Tracker):
    """Writes event files: a value per generation for each seed, one per epoch for each baseline, the test metrics.

    Parameters
    ----------
    folder : str or Path, optional
        Folder in which each run has a folder of its own; by default ``tensorboard`` in the folder of the run.

    Raises
    ------
    MissingPackageError
        If tensorboardX is not installed.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        super().__init__()
        self.folder = None if folder is None else Path(folder)
        self._make_writer = package("tensorboardX", "tensorboard").SummaryWriter

    def begun(self, event: RunBegun) -> None:
        """Begin an event file of a run, with its settings as text."""
        own = event.path / "tensorboard" if self.folder is None else self.folder / event.run
        files = len(
            [*own.glob("events*")]
        )  # names have the second: a run may go on within the same one
        self.runs[event.run] = self._make_writer(logdir=str(own), filename_suffix=f".{files}")
        rows = [f"| {name} | {value} |" for name, value in event.settings.items()]
        self.tell(event.run, "settings", "\n".join(["| setting | value |", "|---|---|", *rows]))

    def write(self, run: str, values: Mapping[str, float], step: int) -> None:
        """Write numbers by name."""
        for name, value in values.items():
            self.runs[run].add_scalar(name, value, step)

    def tell(self, run: str, name: str, text: str) -> None:
        """Write a text."""
        self.runs[run].add_text(name, text)

    def end(self, run: str, *, complete: bool) -> None:
        """End the event file."""
        self.runs[run].close()
