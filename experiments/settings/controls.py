"""Controls: arms that are an evolving arm with one thing switched off, at the same cost.

A control is a function from the settings of an evolving arm to what is different, and an entry in :data:`CONTROLS`. The
gradient steps of the whole search are those of the evolving arm, or as near as whole networks allow; the table
``comparison`` has what they were.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from cnn.checks import brief
from evo.errors import SettingsError
from evo.registry import Registry, check_signature
from experiments.settings.experiment import Experiment

LETTERS = "ABCDFHN"
"""The operators of the seed document, which only_letters and without_letters switch."""

Changes = Mapping[str, Any]
"""Settings by dotted names."""

Control = Callable[[Experiment], Mapping[str, Changes]]
"""Returns what is different from an evolving arm, by the name of the control's arm. ValueError: why there is none."""


def _converted(name: str, given: Any) -> Control:
    """Return an own control; raise TypeError if it is no function of an experiment."""
    check_signature("control", name, given, "experiment")
    control: Control = given
    return control


CONTROLS: Registry[Control] = Registry("control", convert=_converted)
"""The controls by name."""


_ONLY_TRAINED = {"evolution.train_only_fraction": 1.0, "policy.name": "none"}

_REWIRING = frozenset("AN")
"""The letters that prune-and-regrow is made of."""

_WITHOUT_REWIRING = {"policy.rewiring_probability": 0.0}
"""Without prune-and-regrow, which applies A and then N."""


def random_search(experiment: Experiment) -> Mapping[str, Changes]:
    """Draw more founders, train each as long as an evolved network, and keep the best by fitness.

    Where nothing trains, a later generation would judge the same founders again. There each founder is judged once, in
    a single generation that has as many networks as the whole search.
    """
    evolution = experiment.evolution
    if experiment.founders.graph == "given":
        raise ValueError('founders.graph must be drawn; got "given"')
    drawn: Changes = {"evolution.population": _networks(experiment)}
    if evolution.steps_per_generation == 0:
        drawn = {
            "evolution.population": evolution.expected_individuals(),
            "evolution.generations": 0,
        }
    return {"random_search": {**drawn, **_ONLY_TRAINED}}


def train_only(experiment: Experiment) -> Mapping[str, Changes]:
    """Train the founders of the arm, without modification, for all gradient steps of its search."""
    evolution = experiment.evolution
    generations = evolution.expected_individuals() // evolution.population - 1
    return {"train_only": {"evolution.generations": generations} | _ONLY_TRAINED}


def modify_only(experiment: Experiment) -> Mapping[str, Changes]:
    """Modify and select as many networks, and train none."""
    evolution = experiment.evolution
    n_individuals = evolution.expected_individuals()
    modifying = {"generations": n_individuals, "train_only_fraction": 0.0}
    expected = evolution.model_copy(update=modifying).expected_offspring
    generations, total = 1, expected(0) + expected(1)
    # One generation more, as long as that comes nearer to the number of the search.
    while abs(total + expected(generations + 1) - n_individuals) < abs(total - n_individuals):
        generations += 1
        total += expected(generations)
    return {
        "modify_only": {
            "evolution.generations": generations,
            "evolution.steps_per_generation": 0,
            "evolution.train_only_fraction": 0.0,
        }
    }


def baldwinian(experiment: Experiment) -> Mapping[str, Changes]:
    """Inherit topologies without weights: every network trains from weights drawn anew."""
    return {"baldwinian": {"evolution.inheritance": "baldwinian"}}


def no_selection(experiment: Experiment) -> Mapping[str, Changes]:
    """Let every child replace its parent; fitness chooses only the best individual of the last population."""
    if experiment.evolution.selection.name == "random_search":
        raise ValueError('evolution.selection.name must be one that selects; got "random_search"')
    changes = {
        "evolution.population": _networks(experiment),
        "evolution.selection.name": "random_search",
    }
    return {"no_selection": changes}


def one_recipe(experiment: Experiment) -> Mapping[str, Changes]:
    """Train every network by the recipe, without recipe genes."""
    ranges = experiment.evolution.recipe_genes.ranges
    if not ranges:
        raise ValueError(f"evolution.recipe_genes.ranges must have genes; got {ranges}")
    without: dict[str, list[float]] = {gene: [] for gene in ranges}
    return {"one_recipe": {"evolution.recipe_genes.ranges": without}}


def only_letters(experiment: Experiment) -> Mapping[str, Changes]:
    """Draw one operator alone: an arm for each letter of A B C D F H N that the policy uses."""
    weights = experiment.policy.operator_weights
    return {
        f"only-{letter}": {
            "policy.operator_weights": dict.fromkeys(weights, 0.0) | {letter: 1.0},
            **_WITHOUT_REWIRING,
        }
        for letter in _letters(experiment)
    }


def without_letters(experiment: Experiment) -> Mapping[str, Changes]:
    """Draw all operators but one: an arm for each letter of A B C D F H N that the policy uses."""
    policy, letters = experiment.policy, _letters(experiment)
    if len(policy.drawn_weights) < 2:
        raise ValueError(
            f"policy.operator_weights must have two letters or more; got {', '.join(letters)}"
        )
    return {
        f"without-{letter}": {
            "policy.operator_weights": {**policy.operator_weights, letter: 0.0},
            **(_WITHOUT_REWIRING if letter in _REWIRING else {}),
        }
        for letter in letters
    }


CONTROLS.fill(
    {
        one.__name__: one
        for one in (
            random_search,
            train_only,
            modify_only,
            baldwinian,
            no_selection,
            one_recipe,
            only_letters,
            without_letters,
        )
    }
)


def _networks(experiment: Experiment) -> int:
    """Return how many networks can be trained for the whole schedule with the gradient steps of a search."""
    evolution = experiment.evolution
    return max(round(evolution.expected_individuals() / (evolution.generations + 1)), 1)


def _letters(experiment: Experiment) -> list[str]:
    """Return the letters of A B C D F H N that the policy draws, or prunes and regrows by."""
    policy = experiment.policy
    if policy.name == "layerwise":
        raise ValueError(
            'policy.name must be one that applies drawn letters alone; got "layerwise", which rewires every layer'
        )
    drawn = set(policy.drawn_weights)
    if policy.name == "mixed" and policy.rewiring_probability > 0:
        drawn |= _REWIRING
    letters = [letter for letter in LETTERS if letter in drawn]
    if not letters:
        raise ValueError(
            f"policy.name must be one that draws letters of {' '.join(LETTERS)}; got {policy.name!r}"
        )
    return letters


def check_controls(given: Any, evolving: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the names of the controls of each arm that has some.

    Parameters
    ----------
    given : list of str, or mapping
        A list for the only arm that evolves; or a table with a list for each of several arms.
    evolving : sequence of str
        The arms that evolve.

    Raises
    ------
    SettingsError
        If it is of another form, or names another control or arm.
    """
    where = "controls"
    if isinstance(given, Mapping):
        unknown = [arm for arm in given if arm not in evolving]
        if unknown:
            raise SettingsError(
                f"{where} must be of arms that evolve ({', '.join(evolving) or 'none'}); got {brief(unknown[0])}"
            )
        return {str(arm): _names(names, f"{where}.{arm}") for arm, names in given.items()}
    if len(evolving) != 1:
        raise SettingsError(
            f'{where} must be a table with a list for each arm, such as {{ evolved = ["train_only"] }}, unless one arm '
            f"evolves; those that evolve: {', '.join(evolving) or 'none'}"
        )
    return {evolving[0]: _names(given, where)}


def _names(given: Any, where: str) -> tuple[str, ...]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise SettingsError(f"{where} must be a list of names; got {brief(given)}")
    names = tuple(given)
    for name in names:
        try:
            CONTROLS.check(name)
        except (TypeError, ValueError) as error:
            raise SettingsError(f"{where} {error}") from None
    if not names or len(set(names)) < len(names):
        raise SettingsError(f"{where} must name one control or more, each once; got {brief(given)}")
    return names


def changes_of(control: str, experiment: Experiment, where: str) -> Mapping[str, Changes]:
    """Return what is different from an evolving arm in the arms of a control, by their names.

    Raises
    ------
    SettingsError
        If there is no such control of this arm, or it would be the arm itself.
    """
    try:
        found = CONTROLS[control](experiment)
    except ValueError as error:
        raise SettingsError(f"{where}: {control} needs another arm: {error}") from None
    for name, changes in found.items():
        if all(_value(experiment, key) == value for key, value in changes.items()):
            raise SettingsError(f"{where}: {name} would be the arm itself, for it changes nothing")
    return found


def _value(experiment: Experiment, key: str) -> Any:
    """Return the value of a setting by its dotted name."""
    found: Any = experiment
    for name in key.split("."):
        found = getattr(found, name)
    return found
