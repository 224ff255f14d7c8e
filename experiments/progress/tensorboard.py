"""Curves of runs for TensorBoard, written by tensorboardX, which needs no TensorFlow."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.progress.callbacks import Callback
from experiments.progress.events import (
    BaselineTrained,
    EpochDone,
    GenerationDone,
    RunBegun,
    RunFinished,
    RunStopped,
)
from experiments.progress.packages import package
from experiments.progress.values import (
    comparison_values,
    conclusions,
    epoch_values,
    generation_values,
    trained_values,
)


class TensorBoard(Callback):
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
        self.folder = None if folder is None else Path(folder)
        self._make_writer = package("tensorboardX", "tensorboard").SummaryWriter
        self._writers: dict[str, Any] = {}

    def begun(self, event: RunBegun) -> None:
        """Begin the event file of a run, with its settings as text."""
        own = event.path / "tensorboard" if self.folder is None else self.folder / event.run
        files = len(
            [*own.glob("events*")]
        )  # names have the second: a run may go on within the same one
        writer = self._make_writer(logdir=str(own), filename_suffix=f".{files}")
        self._writers[event.run] = writer
        rows = [f"| {name} | {value} |" for name, value in event.settings.items()]
        writer.add_text("settings", "\n".join(["| setting | value |", "|---|---|", *rows]))

    def generation(self, event: GenerationDone) -> None:
        """Write the values of a generation; its number is the step."""
        self._write(event.run, generation_values(event), event.generation.number)

    def epoch(self, event: EpochDone) -> None:
        """Write the values of an epoch; its number is the step."""
        self._write(event.run, epoch_values(event), event.record.epoch)

    def trained(self, event: BaselineTrained) -> None:
        """Write the values of a trained baseline; the number of its gradient steps is the step."""
        self._write(event.run, trained_values(event), event.steps or 0)

    def finished(self, event: RunFinished) -> None:
        """Write the test metrics and the verdicts, and end the event file."""
        self._write(event.run, comparison_values(event.results), 0)
        lines = conclusions(event.results)
        if lines:
            self._writers[event.run].add_text("verdicts", "\n\n".join(lines))
        self._writers.pop(event.run).close()

    def stopped(self, event: RunStopped) -> None:
        """End the event file with the reason."""
        writer = self._writers.pop(event.run, None)
        if writer is not None:
            writer.add_text("stopped", event.reason)
            writer.close()

    def _write(self, run: str, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._writers[run].add_scalar(name, value, step)
