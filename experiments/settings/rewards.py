"""What the other settings of an experiment are beside a reward, or where nothing trains: other defaults, and rules."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from cnn.settings import NoEffectError
from cnn.training.recipe import Recipe
from evo.evolution.settings import EvolutionSettings
from evo.policies.policies import PolicySettings
from evo.rewards import TaskSettings
from evo.settings import Settings

ARMS = ("static", "retrained", "shuffled")
"""The arms that need no samples."""

OF_STRATEGIES = ("retrained", "shuffled")
"""Those with weights drawn anew, which a strategy has to train."""

OF_SAMPLES = ("batch_size", "augmentation", "dropout", "label_smoothing", "class_weight")
"""The keys of [training] that act on samples."""

GENES_OF_SAMPLES = ("dropout", "label_smoothing", "shift", "erase")
"""The recipe genes that act on samples."""

OF_GRADIENTS = ("mixed", "layerwise")
"""The policies that grow edges by the gradient unless ``gradient_fraction`` is 0."""

MOVED = {"mutation_probability": 0.8}
"""The settings of operator N with which weights move, where no train phase moves them."""


def with_defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of an experiment; beside a task, with what the defaults would be that need no samples.

    Without a strategy there is no train phase, and operator N moves weights. No edges grow by gradient, and there are
    no baselines. The compiled engine trains nothing, whatever judges; so there are no baselines beside it either.

    Examples
    --------
    >>> with_defaults({"task": {"name": "gymnasium"}})["evolution"]
    {'steps_per_generation': 0}
    """
    found = dict(values)
    if _value(found.get("evolution"), "engine") == "compiled":
        untrained = {"steps_per_generation": 0, "train_only_fraction": 0.0}
        found["evolution"] = _with(found["evolution"], untrained)
        found["policy"] = _with(found.get("policy"), {"name": "compiled"})
        found["baseline"] = _with(found.get("baseline"), {"arms": []})
    if found.get("task") is None:
        return found
    if not _trains(found["task"]):
        found["evolution"] = _with(found.get("evolution"), {"steps_per_generation": 0})
        moved = _with(_value(found.get("policy"), "operators"), MOVED)
        found["policy"] = _with(found.get("policy"), {"operators": moved}, replace=True)
    name = _value(found.get("policy"), "name")
    if name is None or name in OF_GRADIENTS:
        found["policy"] = _with(found.get("policy"), {"gradient_fraction": 0.0})
    found["baseline"] = _with(found.get("baseline"), {"arms": []})
    return found


def _trains(task: Any) -> bool:
    """Return whether the values of a task have a strategy."""
    return _value(_value(task, "strategy"), "name") not in {None, "none"}


def _value(section: Any, name: str) -> Any:
    """Return a value of a section, which may be a table or settings; None if it is not given."""
    if isinstance(section, Settings):
        return getattr(section, name, None) if name in section.model_fields_set else None
    return section.get(name) if isinstance(section, Mapping) else None


def _with(section: Any, defaults: Mapping[str, Any], *, replace: bool = False) -> Any:
    """Return a section with values where it has none, or in the place of its own."""
    if isinstance(section, Settings):
        new = {k: v for k, v in defaults.items() if replace or k not in section.model_fields_set}
        return section.model_copy(update=new) if new else section
    if section is None or isinstance(section, Mapping):
        own = dict(section or {})
        return {**own, **defaults} if replace else {**defaults, **own}
    return section  # a mistake, which the section itself tells


def check_task(experiment: Any, task: TaskSettings) -> None:
    """Raise ValueError if settings of an experiment need samples or a gradient, or have no effect, beside a reward."""
    if not experiment.evolve:
        raise ValueError("evolve must be true beside task, for only networks that evolve act")
    if task.name == "gymnasium" and task.id is None:
        raise ValueError('task.id must be given where task.name = "gymnasium"; got none')
    if "dataset" in experiment.model_fields_set:
        raise ValueError(
            f"dataset must not be given beside task, which takes its place; got {experiment.dataset.name!r}"
        )
    if experiment.founders.sequence:
        raise ValueError(
            "founders.sequence must be false beside task, whose observations come one after another; got true"
        )
    _check_judgement(experiment, task)
    _check_evolution(experiment.evolution, task)
    _check_policy(experiment.policy)
    _check_training(experiment.training, task)
    for arm in experiment.baseline.arms:
        if arm not in ARMS:
            raise ValueError(
                f"baseline.arms must name arms that need no samples ({', '.join(ARMS)}) beside task; got {arm!r}"
            )
        if arm in OF_STRATEGIES and not task.trains:
            raise ValueError(
                f"baseline.arms must not name {arm} beside task unless task.strategy.name is openai_es or cma_es, "
                "for nothing would train its new weights"
            )


def _check_judgement(experiment: Any, task: TaskSettings) -> None:
    evaluation, rule = experiment.evaluation, "beside task, whose measures stand in the tables"
    _refuse(
        experiment.evolution, "evolution", ("fitness",), "beside task, whose reward is the fitness"
    )
    _refuse(evaluation, "evaluation", ("metrics",), rule)
    for name in ("verdict", "primary", "equivalence_margin"):
        given = getattr(evaluation, name)
        if given is not None and task.test_episodes == 0:
            raise ValueError(
                f"evaluation.{name} must not be given where task.test_episodes = 0; got {given!r}"
            )


def _check_evolution(evolution: EvolutionSettings, task: TaskSettings) -> None:
    if evolution.dormant != "frozen":
        raise ValueError(
            f'evolution.dormant must be "frozen" beside task, for a reward has no gradient; got {evolution.dormant!r}'
        )
    if evolution.recombination.mode == "soup" and evolution.recombination.probability > 0:
        raise ValueError(
            'evolution.recombination.mode must not be "soup" beside task, for a reward has no validation loss'
        )
    if evolution.inheritance == "baldwinian" and not task.trains:
        raise ValueError(
            'evolution.inheritance must be "lamarckian" beside task unless task.strategy.name is openai_es or cma_es, '
            'for nothing would train the weights that are drawn anew; got "baldwinian"'
        )
    if "validation_loss" in evolution.selection.objectives:
        raise ValueError(
            "evolution.selection.objectives must not have validation_loss beside task, which has no loss; "
            f"got {list(evolution.selection.objectives)}"
        )
    _refuse(
        evolution.budget,
        "evolution.budget",
        ("samples", "macs"),
        "beside task, which has no samples",
    )
    if task.strategy.name == "cma_es":
        rule = 'where task.strategy.name = "cma_es"'
        _refuse(evolution.budget, "evolution.budget", ("seconds",), rule)
    if not task.trains:
        rule = "unless task.strategy.name is openai_es or cma_es"
        _refuse(evolution.budget, "evolution.budget", ("steps", "seconds"), rule)
        if evolution.steps_per_generation:
            steps = evolution.steps_per_generation
            raise NoEffectError("evolution.steps_per_generation", rule, steps)
    if task.strategy.name != "openai_es":
        genes = evolution.recipe_genes.ranges
        if genes:
            rule = "unless task.strategy.name is openai_es, which reads the recipe"
            raise NoEffectError("evolution.recipe_genes.ranges", rule, genes)
    for gene in evolution.recipe_genes.ranges:
        if gene in GENES_OF_SAMPLES:
            raise ValueError(
                f"evolution.recipe_genes.ranges must not have {gene} beside task, which has no samples; "
                f"got {evolution.recipe_genes.ranges[gene]}"
            )


def _check_policy(policy: PolicySettings) -> None:
    method = policy.method
    if method is not None and method.needs_gradients:
        raise ValueError(
            f"policy.name must be one that needs no gradient beside task, for a reward has none; got {policy.name!r}"
        )
    if policy.name in OF_GRADIENTS and policy.gradient_fraction:
        raise ValueError(
            "policy.gradient_fraction must be 0 beside task, for a reward has no gradient; "
            f"got {policy.gradient_fraction}"
        )


def _check_training(training: Any, task: TaskSettings) -> None:
    if task.strategy.name == "openai_es":
        _refuse(training, "training", OF_SAMPLES, "beside task, which has no samples")
        return
    names = (*Recipe.model_fields, "class_weight")
    _refuse(
        training,
        "training",
        names,
        "unless task.strategy.name is openai_es, which reads the recipe",
    )


def _refuse(section: BaseModel, where: str, names: tuple[str, ...], rule: str) -> None:
    """Raise NoEffectError if one of some settings of a section differs from its default."""
    default = type(section)()
    for name in names:
        value = getattr(section, name)
        if value != getattr(default, name):
            raise NoEffectError(f"{where}.{name}", rule, value)
