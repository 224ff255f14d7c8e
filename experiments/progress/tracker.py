"""What the trackers have in common: runs as numbers and texts, by name, and the packages that write them."""

import math
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

import pandas as pd

from evo.errors import EvoMatrixError
from experiments.analysis.results import Results
from experiments.progress.callbacks import Callback
from experiments.progress.events import (
    BaselineTrained,
    EpochDone,
    GenerationDone,
    RunFinished,
    RunStopped,
)


class MissingPackageError(EvoMatrixError, ImportError):
    """A package that a tracker needs is not installed."""


class Tracker(Callback):
    """Writes the numbers and texts of runs into a store of another program.

    A subclass begins a run: its `begun` enters into `runs` what it needs to write into the store. It defines `write`,
    `tell` and `end`.
    """

    def __init__(self) -> None:
        self.runs: dict[str, Any] = {}

    def write(self, run: str, values: Mapping[str, float], step: int) -> None:
        """Write numbers by name."""
        raise NotImplementedError

    def tell(self, run: str, name: str, text: str) -> None:
        """Write a text: ``verdicts`` or ``stopped``."""
        raise NotImplementedError

    def end(self, run: str, *, complete: bool) -> None:
        """End a run in the store."""
        raise NotImplementedError

    def generation(self, event: GenerationDone) -> None:
        """Write the values of a generation; its number is the step."""
        self.write(event.run, generation_values(event), event.generation.number)

    def epoch(self, event: EpochDone) -> None:
        """Write the values of an epoch; its number is the step."""
        self.write(event.run, epoch_values(event), event.record.epoch)

    def trained(self, event: BaselineTrained) -> None:
        """Write the values of a trained baseline; the number of its gradient steps is the step."""
        self.write(event.run, trained_values(event), event.steps or 0)

    def finished(self, event: RunFinished) -> None:
        """Write the test metrics and the verdicts, and end the run."""
        self.write(event.run, comparison_values(event.results), 0)
        lines = conclusions(event.results)
        if lines:
            self.tell(event.run, "verdicts", "\n\n".join(lines))
        self.end(event.run, complete=True)
        del self.runs[event.run]

    def stopped(self, event: RunStopped) -> None:
        """Write the reason, and end the run, if its beginning was written."""
        if event.run in self.runs:
            self.tell(event.run, "stopped", event.reason)
            self.end(event.run, complete=False)
            del self.runs[event.run]


def package(name: str, extra: str) -> Any:
    """Import a package; if it is missing, say which extra of EvoMatrix brings it.

    Raises
    ------
    MissingPackageError
        If it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingPackageError(
            f'{name.partition(".")[0]} must be installed: pip install "evomatrix[{extra}]"; got {error}'
        ) from error


def generation_values(event: GenerationDone) -> dict[str, float]:
    """Return what a generation is judged by, such as ``seed-0/best_fitness``."""
    best = event.best
    return _values(
        f"seed-{event.seed}",
        {
            "best_fitness": event.best_fitness,
            "median_fitness": event.median_fitness,
            "best_validation_loss": best.validation_loss,
            "best_validation_accuracy": best.validation_accuracy,
            **{f"best_validation_{name}": value for name, value in best.metrics.items()},
            "best_n_effective": best.statistics.n_effective if best.statistics else None,
            "n_failures": event.n_failed,
        },
    )


def epoch_values(event: EpochDone) -> dict[str, float]:
    """Return what an epoch of a baseline is judged by, such as ``seed-0/cnn/train_loss``."""
    record = event.record
    names = ("train_loss", "validation_loss", "validation_accuracy", "learning_rate")
    return _values(
        f"seed-{event.seed}/{event.arm}", {name: getattr(record, name) for name in names}
    )


def trained_values(event: BaselineTrained) -> dict[str, float]:
    """Return what a trained baseline is judged by, such as ``seed-0/cnn/trained_validation_loss``."""
    measured = {
        "loss": event.validation_loss,
        "accuracy": event.validation_accuracy,
        **event.metrics,
    }
    return _values(
        f"seed-{event.seed}/{event.arm}",
        {f"trained_validation_{name}": value for name, value in measured.items()},
    )


def comparison_values(results: Results) -> dict[str, float]:
    """Return the metrics of every arm on the test part, such as ``seed-0/evolved/test_accuracy``."""
    found: dict[str, float] = {}
    for _, row in results.comparison.iterrows():
        metrics = {str(name): value for name, value in row.items() if str(name).startswith("test_")}
        found |= _values(f"seed-{row['seed']}/{row['arm']}", metrics)
    return found


def conclusions(results: Results) -> list[str]:
    """Return what the comparison of a run comes to, in lines for people."""
    return [*(results.verdicts() if results.tested else ()), *results.failure_lines()]


def _values(prefix: str, values: Mapping[str, float | None]) -> dict[str, float]:
    """Return the finite values, under full names."""
    return {f"{prefix}/{name}": float(value) for name, value in _finite(values.items())}


def _finite(values: Iterable[tuple[str, float | None]]) -> Iterator[tuple[str, float]]:
    for name, value in values:
        if value is not None and not pd.isna(value) and math.isfinite(value):
            yield name, value
