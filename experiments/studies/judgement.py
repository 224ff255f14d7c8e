"""What an experiment is judged by: the metrics in its tables, and the weights of samples in its loss.

Both depend on the settings and on the data, so they are checked here, before any work.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cnn.readings import mean_weights
from cnn.training.samples import Samples
from evo.errors import SettingsError
from evo.evolution.fitness import FITNESSES
from evo.evolution.job import Judge
from evo.evolution.metrics import METRICS
from evo.registry import must_be_one_of
from evo.rewards import EpisodeSource, EpisodeSplit
from evo.rewards.compiled_reward import COMPILED_REWARDS, CompiledReward
from evo.selection import check_names
from evo.storage.tables import PLAYED, OwnColumns
from experiments.analysis.deciding import broken_rule
from experiments.datasets import Dataset, DataSplit
from experiments.settings.experiment import Experiment

Source = Dataset | EpisodeSource
Split = DataSplit | EpisodeSplit
"""What a run has its samples from, or its episodes; and the parts of one seed."""

IN_EVERY_TABLE = "accuracy"
"""The metric that has its columns in every run."""


def metrics_of(experiment: Experiment, source: Source) -> tuple[str, ...]:
    """Return the metrics that stand in the tables beside loss and accuracy: those named, and that of verdicts.

    Of a reward they are its measures.
    """
    if isinstance(source, EpisodeSource):
        return source.measures
    names = [*experiment.evaluation.metrics, experiment.evaluation.verdict or IN_EVERY_TABLE]
    return tuple(name for name in dict.fromkeys(names) if name != IN_EVERY_TABLE)


def deciding_metric(experiment: Experiment, dataset: Source) -> tuple[str, bool]:
    """Return the name of the metric of summaries and verdicts, and whether larger is better."""
    name = experiment.evaluation.verdict
    if isinstance(dataset, EpisodeSource):
        decides = name or "return"
        return decides, dataset.directions[decides]
    if name is not None:
        return name, METRICS[name].larger_is_better
    return ("accuracy", True) if dataset.task == "classification" else ("loss", False)


def own_columns(experiment: Experiment, dataset: Source) -> OwnColumns:
    """Return the columns whose names depend on settings and data."""
    genes = tuple(experiment.evolution.recipe_genes.ranges)
    played = PLAYED if isinstance(dataset, EpisodeSource) else ()
    metrics, per_step = metrics_of(experiment, dataset), dataset.has_targets_per_step
    return OwnColumns(metrics, dataset.classes, dataset.value_names, genes, per_step, played)


def check_judgement(experiment: Experiment, dataset: Dataset) -> None:
    """Raise SettingsError if a metric, a margin of equivalence or a class weight does not suit the data."""
    evaluation = experiment.evaluation
    named = [("evaluation.metrics", name) for name in evaluation.metrics]
    named += [("evaluation.verdict", evaluation.verdict)] if evaluation.verdict else []
    if experiment.evolve and experiment.evolution.fitness in METRICS:
        named.append(("evolution.fitness", experiment.evolution.fitness))
    for setting, name in named:
        if METRICS[name].task != dataset.task:
            suitable = ", ".join(one.name for one in METRICS.values() if one.task == dataset.task)
            raise SettingsError(
                f"{setting} must be for {dataset.task}, the task of {dataset.name!r} ({suitable}); got {name!r}"
            )
    margin = evaluation.equivalence_margin
    metric, _ = deciding_metric(experiment, dataset)
    broken = "" if margin is None else broken_rule(margin, metric)
    if broken:
        raise SettingsError(f"evaluation.equivalence_margin {broken}")
    wanted = experiment.training.class_weight
    if wanted is None:
        return
    if dataset.classes is None:
        raise SettingsError(
            f"training.class_weight must not be given for {dataset.name!r}, which has no classes; got {wanted!r}"
        )
    if isinstance(wanted, Mapping):
        labels = [str(one) for one in dataset.classes]
        for label in wanted:
            if label not in labels:
                raise SettingsError(
                    f"training.class_weight must name classes of {dataset.name!r} ({', '.join(labels)}); got {label!r}"
                )


def check_measures(experiment: Experiment, source: EpisodeSource) -> None:
    """Raise SettingsError if the selection, or a comparison, names a measure that the reward does not have.

    The measure that decides comparisons has a direction, and the margin of equivalence suits it.
    """
    try:
        check_names(experiment.evolution.selection, source.measures)
    except ValueError as error:
        raise SettingsError(f"evolution.{error}") from None
    name, margin = (
        experiment.evaluation.verdict or "return",
        experiment.evaluation.equivalence_margin,
    )
    if name not in source.measures:
        raise SettingsError(
            f"evaluation.verdict, beside task a measure of its reward, {must_be_one_of(source.measures, name)}"
        )
    if name not in source.directions:
        raise SettingsError(
            f"evaluation.verdict must be a measure of which the reward says whether larger values are better; got "
            f"{name!r}: give the class, or compiled_task, larger_is_better = {{{name!r}: True}}, or False"
        )
    broken = "" if margin is None else broken_rule(margin, name)
    if broken:
        raise SettingsError(f"evaluation.equivalence_margin {broken}")


def check_engine(experiment: Experiment, source: Source, judge: Judge) -> None:
    """Raise SettingsError if the data, the reward or the fitness is not for compiled code that evolution asks for."""
    if experiment.evolution.engine != "compiled":
        return
    where = 'where evolution.engine = "compiled"'
    if source.n_ticks is not None or experiment.founders.sequence:
        raise SettingsError(f"dataset must have samples without steps {where}; got sequences")
    if isinstance(source, EpisodeSource) and not isinstance(judge, CompiledReward):
        raise SettingsError(
            f"task.name must be a task in compiled code ({', '.join(COMPILED_REWARDS)}, or an own one) {where}; "
            f"got {source.settings.name!r}"
        )
    if isinstance(source, Dataset) and not FITNESSES.is_built_in(judge):
        raise SettingsError(f"fitness must be one of the package {where}; got a function")


def check_defined(experiment: Experiment, dataset: Dataset, split: DataSplit) -> None:
    """Raise SettingsError if the metric that selects, or that decides, is not defined on its part of the data."""
    fitness, verdict = experiment.evolution.fitness, experiment.evaluation.verdict
    judged = []
    for name in ("verdict", "primary", "equivalence_margin"):
        given = getattr(experiment.evaluation, name)
        if given is not None and split.test is None:
            raise SettingsError(
                f"evaluation.{name} must not be given without a test part; got {given!r}"
            )
    if verdict and split.test is not None:
        judged.append(("evaluation.verdict", verdict, "test", split.test))
    if experiment.evolve and fitness in METRICS:
        judged.append(("evolution.fitness", fitness, "validation", split.validation))
    for setting, name, part, samples in judged:
        reason = METRICS[name].undefined(samples.targets, dataset.n_outputs)
        if reason:
            raise SettingsError(
                f"{setting} must be defined on the {part} part of {dataset.name!r}; got {name!r}, and {reason}"
            )


def weighted(experiment: Experiment, dataset: Dataset, split: DataSplit) -> DataSplit:
    """Return a split whose training and validation samples have the weights of the settings and of the data set.

    A weight is that of the sample times that of its class; where steps have classes, steps have weights. Weights are
    divided by their mean over the training part, so that the learning rate keeps its meaning. The test part has no
    weights.

    Raises
    ------
    SettingsError
        If no sample of a part has a weight above 0.
    """
    class_weight = experiment.training.class_weight
    if class_weight is None and split.train.weights is None:
        return split
    of_class = np.ones(dataset.n_outputs)
    if class_weight is not None and dataset.classes is not None:
        of_class = _class_weights(class_weight, dataset.classes, split.train.targets)
    weights = {
        part: _weights(samples, of_class)
        for part, samples in (("train", split.train), ("validation", split.validation))
    }
    for part, found in weights.items():
        if not found.any():
            raise SettingsError(
                f"training.class_weight must leave a weight above 0 in the {part} part; got {class_weight!r}"
            )
    readings, mean = split.train.readings, weights["train"].mean()
    if readings is not None and len(weights["train"]) != len(split.train):
        mean = mean_weights(readings, weights["train"]).mean()
    return replace(
        split,
        train=replace(split.train, weights=weights["train"] / mean),
        validation=replace(split.validation, weights=weights["validation"] / mean),
        test=split.test and replace(split.test, weights=None),
    )


def _weights(samples: Samples, of_class: NDArray[np.float64]) -> NDArray[np.float64]:
    own = np.ones(len(samples)) if samples.weights is None else samples.weights.astype(np.float64)
    if not samples.has_classes or (of_class == 1).all():
        return own
    if samples.readings is not None:
        own = own[samples.readings[0]]
    return own * of_class[samples.targets]


def _class_weights(
    wanted: str | Mapping[str, float], classes: tuple[str | int, ...], targets: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the weight of each class; balanced: n / (classes × samples of the class), as in scikit-learn."""
    if isinstance(wanted, Mapping):
        return np.array([wanted.get(str(label), 1.0) for label in classes])
    counts = np.bincount(targets, minlength=len(classes))
    return len(targets) / (len(classes) * np.maximum(counts, 1))
