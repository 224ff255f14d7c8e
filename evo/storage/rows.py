"""Rows of the tables that :mod:`evo.storage.tables` declares, made from individuals and generations."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cnn.training.curve import LearningCurve
from evo.evolution.evolution import Generation
from evo.evolution.individual import Individual
from evo.genome.genome import FloatArray
from evo.storage.tables import PLAYED, STATISTICS, Row


def generation_row(generation: Generation, seconds: float, key: Row) -> Row:
    """Return the row of ``generations``."""
    population = generation.population
    scored = [one.fitness for one in population if one.fitness is not None]
    best = generation.best if scored else None
    statistics = best and best.statistics
    return key | {
        "generation": generation.number,
        "n_individuals": len(generation.offspring),
        "n_failures": sum(one.status != "ok" for one in generation.offspring),
        "n_surviving_children": sum(
            one.job.origin == "child" and one.job.generation == generation.number
            for one in population
        ),
        "best_individual": best and best.job.individual,
        "best_fitness": best and best.fitness,
        "best_validation_loss": best and best.validation_loss,
        "best_validation_accuracy": best and best.validation_accuracy,
        **{
            f"best_validation_{name}": value
            for name, value in (best.metrics if best else {}).items()
        },
        "mean_fitness": sum(scored) / len(scored) if scored else None,
        "best_n_active": statistics and statistics.n_active,
        "best_parameters": statistics and statistics.parameters,
        "best_macs": statistics and statistics.macs,
        "seconds": seconds,
    }


def played_columns(prefix: str, episodes: int | None, steps: int | None) -> Row:
    """Return the columns about episodes that were played; none where samples train and judge."""
    if episodes is None:
        return {}
    return {
        f"{prefix}{name}": number for name, number in zip(PLAYED, (episodes, steps), strict=True)
    }


def individual_row(
    individual: Individual, survived: bool, key: Row, sources: Sequence[str] = ()
) -> Row:
    """Return the row of ``individuals``; `sources` says where the founders come from, which take turns."""
    job = individual.job
    statistics: Row = {column.name: None for column in STATISTICS}
    if individual.statistics is not None:
        statistics = dict(vars(individual.statistics))
    return (
        key
        | {
            "generation": job.generation,
            "individual": job.individual,
            "slot": job.slot,
            "arrival": individual.arrival,
            "origin": job.origin,
            "parents": list(job.parents),
            "founder": job.founder,
            "founder_source": sources[job.founder % len(sources)] if sources else "",
            "operators": "".join(operation.operator for operation in individual.operations),
            "status": individual.status,
            "reason": individual.reason,
            "error_at": individual.error_at,
            "survived": survived,
            **{f"gene_{name}": value for name, value in job.genes.items()},
        }
        | statistics
        | {
            "fitness": individual.fitness,
            "train_loss": individual.train_loss,
            "validation_loss": individual.validation_loss,
            "validation_accuracy": individual.validation_accuracy,
            **{f"validation_{name}": value for name, value in individual.metrics.items()},
            "reused_from": individual.reused_from and individual.reused_from.job.individual,
            "steps": individual.steps,
            "training_macs": individual.training_macs,
            **played_columns("played_", individual.episodes, individual.environment_steps),
            "ended_by": individual.ended_by,
            "ancestry_steps": individual.ancestry_steps,
            "genome_hash": individual.genome.fingerprint(),
            "modify_seconds": individual.modify_seconds,
            "train_seconds": individual.train_seconds,
            "evaluate_seconds": individual.evaluate_seconds,
            "cpu_seconds": individual.cpu_seconds,
        }
    )


def operation_rows(individual: Individual, key: Row) -> list[Row]:
    """Return the rows of ``operations``, one per operator applied."""
    return [
        key
        | {
            "generation": individual.job.generation,
            "individual": individual.job.individual,
            "position": position,
            "modification": individual.job.modification,
        }
        | vars(operation)
        | {"parameters": json.dumps(operation.parameters)}
        for position, operation in enumerate(individual.operations)
    ]


def population_rows(generation: Generation, key: Row) -> list[Row]:
    """Return the rows of ``population``, one per slot."""
    return [
        key
        | {
            "generation": generation.number,
            "slot": slot,
            "individual": one.job.individual,
        }
        for slot, one in enumerate(generation.population)
    ]


def credit_rows(generation: Generation, key: Row) -> list[Row]:
    """Return the rows of ``credits``, one per operator."""
    return [key | {"generation": generation.number} | vars(credit) for credit in generation.credits]


def training_rows(
    curve: LearningCurve, measured: Mapping[int, tuple[float | None, float | None]], key: Row
) -> list[Row]:
    """Return the rows of ``training``, one per point of a learning curve.

    Parameters
    ----------
    curve : LearningCurve
    measured : mapping
        Validation loss and accuracy by step, for the steps after which they were measured.
    key : dict
        The columns that identify the curve.
    """
    points = zip(curve.step, curve.loss, curve.learning_rate, curve.gradient_norm, strict=True)
    names = ("step", "loss", "learning_rate", "gradient_norm")
    rows = []
    for point in points:
        row = {name: value.item() for name, value in zip(names, point, strict=True)}
        loss, accuracy = measured.get(row["step"], (None, None))
        rows.append(key | row | {"validation_loss": loss, "validation_accuracy": accuracy})
    return rows


def prediction_rows(
    rows: NDArray[np.int64],
    truth: NDArray[Any],
    output: FloatArray,
    classes: Sequence[str | int] | None,
    outputs: Sequence[str],
    key: Row,
    steps: NDArray[np.int64] | None = None,
) -> pa.Table:
    """Return the rows of ``predictions`` of one arm, one per target of the test part.

    Parameters
    ----------
    rows : ndarray, shape (n,)
        Index in the data set of the sample of each target.
    truth : ndarray
        Class indices, shape (n,); or values, shape (n, k).
    output : ndarray
        Class probabilities, shape (n, n_classes); or values, shape (n, k).
    classes : sequence of str or int, or None
        Label of each class; None in regression.
    outputs : sequence of str
        Names of several values to predict; empty if there is one.
    key : dict
        The columns that identify the arm.
    steps : ndarray, shape (n,), optional
        The step of each target, where steps have targets.
    """
    own: dict[str, Any] = {} if steps is None else {"step": steps}
    if classes is not None:
        numbers = all(isinstance(one, int) for one in classes)
        labels = pa.array(classes if numbers else [str(one) for one in classes])
        own |= {"truth": labels.take(truth), "prediction": labels.take(output.argmax(axis=1))}
        own |= {
            f"probability_{one}": column
            for one, column in zip(classes, output.T.astype(np.float32), strict=True)
        }
    elif not outputs:
        own |= {"truth": truth[:, 0], "prediction": output[:, 0]}
    else:
        own |= {name: pa.nulls(len(rows), pa.float64()) for name in ("truth", "prediction")}
        for name, values in (("truth", truth), ("prediction", output)):
            own |= {f"{name}_{one}": column for one, column in zip(outputs, values.T, strict=True)}
    return pa.table(
        {name: pa.repeat(value, len(rows)) for name, value in key.items()} | {"row": rows} | own
    )


def generation_rows(
    generation: Generation, seconds: float, key: Row, sources: Sequence[str] = ()
) -> dict[str, list[Row]]:
    """Return all rows that one finished generation adds, by table; `sources` is that of :func:`individual_row`."""
    holders = {one.job.individual for one in generation.population}
    rows: dict[str, list[Row]] = {
        "generations": [generation_row(generation, seconds, key)],
        "population": population_rows(generation, key),
        "individuals": [],
        "operations": [],
        "credits": credit_rows(generation, key),
        "training": [],
    }
    for one in generation.offspring:
        rows["individuals"].append(individual_row(one, one.job.individual in holders, key, sources))
        rows["operations"] += operation_rows(one, key)
        if one.curve is not None:
            who = {
                "arm": "evolved",
                "generation": generation.number,
                "individual": one.job.individual,
            }
            last = int(one.curve.step[-1]) if len(one.curve) else 0
            measured = {last: (one.validation_loss, one.validation_accuracy)}
            rows["training"] += training_rows(one.curve, measured, key | who)
    return rows
