"""Baselines in the middle of their training, in a file: what is needed to go on with the same bits."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from cnn.arrays import FloatVector
from cnn.files import one_line
from cnn.training.curve import LearningCurve
from cnn.training.fitting import EpochRecord, FitState
from cnn.training.trainer import OptimizerState
from evo.errors import ResultsError
from evo.files import read_arrays, write_arrays

FORMAT = "evomatrix-training-1"

FORMAT_OF_POPULATION = "evomatrix-population-1"

_CURVE_ARRAYS = tuple(one.name for one in fields(LearningCurve) if one.name != "layers")


@dataclass(frozen=True, eq=False)
class TrainingState:
    """A training after some of its phases.

    Attributes
    ----------
    parameters : ndarray, shape (n_parameters,)
    fit : FitState
        The state of the optimizer, the number of phases made, and the best epoch so far.
    curve : LearningCurve
        The curve of all these phases.
    epochs : sequence of EpochRecord
        One for each phase, if phases are epochs.
    seconds, cpu_seconds : float
        Wall time and CPU time of training.
    """

    parameters: FloatVector
    fit: FitState
    curve: LearningCurve
    epochs: Sequence[EpochRecord]
    seconds: float
    cpu_seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class PopulationState:
    """Networks that are trained side by side, after some of their phases.

    Attributes
    ----------
    parameters : sequence of ndarray
        The parameters of each network.
    optimizers : sequence of OptimizerState
        The state of the optimizer of each network.
    more : mapping
        All else, as values that JSON can write.
    """

    parameters: Sequence[FloatVector]
    optimizers: Sequence[OptimizerState]
    more: Mapping[str, Any]


def curve_to_arrays(curve: LearningCurve, prefix: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of a learning curve; the names of its layers are no array."""
    return {prefix + name: getattr(curve, name) for name in _CURVE_ARRAYS}


def curve_from_arrays(
    arrays: Mapping[str, NDArray[Any]], prefix: str, layers: Iterable[str]
) -> LearningCurve:
    """Join what :func:`curve_to_arrays` split; raise KeyError if an array is missing."""
    return LearningCurve(
        **{name: arrays[prefix + name] for name in _CURVE_ARRAYS}, layers=tuple(layers)
    )


def save_training(path: Path, state: TrainingState) -> None:
    """Write a state to a file; raise ResultsError if that is not possible."""
    fit = state.fit
    arrays: dict[str, NDArray[Any]] = {
        "parameters": state.parameters,
        "moments": fit.optimizer.moments,
        **curve_to_arrays(state.curve, "curve/"),
    }
    if fit.optimizer.last_weights is not None:
        arrays["last_weights"] = fit.optimizer.last_weights
    if fit.best_parameters is not None:
        arrays["best_parameters"] = fit.best_parameters
    described = {
        "format": FORMAT,
        "step": fit.optimizer.step,
        "epoch": fit.epoch,
        "best_epoch": fit.best_epoch,
        "best_loss": fit.best_loss,
        "layers": list(state.curve.layers),
        "epochs": [asdict(one) for one in state.epochs],
        "seconds": state.seconds,
        "cpu_seconds": state.cpu_seconds,
    }
    write_arrays(path, arrays, described)


def load_training(path: Path) -> TrainingState:
    """Read what :func:`save_training` wrote.

    Raises
    ------
    ResultsError
        If the file is missing or is not such a file: one line with the file and the rule.
    """
    with _opened(path, FORMAT, "a training") as (arrays, described):
        return TrainingState(
            parameters=arrays["parameters"],
            fit=FitState(
                epoch=described["epoch"],
                optimizer=OptimizerState(
                    arrays["moments"], described["step"], arrays.get("last_weights")
                ),
                best_epoch=described["best_epoch"],
                best_loss=described["best_loss"],
                best_parameters=arrays.get("best_parameters"),
            ),
            curve=curve_from_arrays(arrays, "curve/", described["layers"]),
            epochs=tuple(EpochRecord(**one) for one in described["epochs"]),
            seconds=described["seconds"],
            cpu_seconds=described["cpu_seconds"],
        )


def save_population(path: Path, state: PopulationState) -> None:
    """Write the state of networks that are trained side by side; raise ResultsError if that is not possible."""
    arrays: dict[str, NDArray[Any]] = {}
    for number, (parameters, one) in enumerate(
        zip(state.parameters, state.optimizers, strict=True)
    ):
        arrays |= {f"{number}/parameters": parameters, f"{number}/moments": one.moments}
        if one.last_weights is not None:
            arrays[f"{number}/last_weights"] = one.last_weights
    steps = [one.step for one in state.optimizers]
    described = {"format": FORMAT_OF_POPULATION, "steps": steps, "more": state.more}
    write_arrays(path, arrays, described)


def load_population(path: Path) -> PopulationState:
    """Read what :func:`save_population` wrote.

    Raises
    ------
    ResultsError
        If the file is missing or is not such a file: one line with the file and the rule.
    """
    with _opened(path, FORMAT_OF_POPULATION, "a population") as (arrays, described):
        steps = described["steps"]
        return PopulationState(
            [arrays[f"{number}/parameters"] for number in range(len(steps))],
            [
                OptimizerState(
                    arrays[f"{number}/moments"], step, arrays.get(f"{number}/last_weights")
                )
                for number, step in enumerate(steps)
            ],
            dict(described["more"]),
        )


@contextmanager
def _opened(
    path: Path, form: str, what: str
) -> Iterator[tuple[Mapping[str, NDArray[Any]], dict[str, Any]]]:
    """Give the arrays and the description of a file of some form; what they lack becomes one line."""
    arrays, described = read_arrays(path)
    try:
        if described["format"] != form:
            raise ValueError(f"format must be {form}; got {described['format']!r}")
        yield arrays, described
    except (KeyError, TypeError, ValueError) as error:
        raise ResultsError(f"{path}: must be a file of {what}; got {one_line(error)}") from error
