"""Events as numbers by name, for programs that draw curves of many runs."""

import math
from collections.abc import Iterable, Iterator, Mapping

import pandas as pd

from experiments.analysis.results import Results
from experiments.progress.events import BaselineTrained, EpochDone, GenerationDone


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
