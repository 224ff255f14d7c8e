"""Which data, which fitness and which own parts a run uses, and the refusal to repeat a run with others."""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from evo.environment import environment
from evo.errors import SettingsError
from evo.evolution.fitness import FITNESSES
from evo.genome.activations import ACTIVATIONS
from evo.operators.registry import OPERATORS
from evo.origin import code_hash, origin_of
from evo.policies.regrowth import REGROWTHS
from evo.policies.removal import REMOVALS
from evo.policies.schedules import SCHEDULES
from evo.registry import Registry
from evo.rewards import REWARDS
from experiments.settings.experiment import OF_EVOLUTION, OF_STUDIES, Experiment
from experiments.settings.own_parts import REGISTRIES
from experiments.settings.used import Used, UsedData, first_difference
from experiments.studies.judgement import Source

UNNAMED = (OPERATORS, ACTIVATIONS, REMOVALS, REGROWTHS, SCHEDULES)
"""Registries whose parts policies, graphs and given founders use without being told to by a setting."""


def used_by(
    experiment: Experiment, dataset: Source, fitness: Callable[..., float] | None = None
) -> Used:
    """Return what an experiment uses.

    Parameters
    ----------
    experiment : Experiment
    dataset : Dataset or EpisodeSource
    fitness : callable, optional
        The user's own function, as it was given to :func:`experiments.run`.
    """
    data = UsedData(
        name=dataset.name, shape=(len(dataset), *dataset.input_shape), hash=dataset.data_hash
    )
    return Used(data=data, **code_used_by(experiment, fitness))


def code_used_by(
    experiment: Experiment, fitness: Callable[..., float] | None = None
) -> dict[str, Any]:
    """Return the fitness and the own parts that an experiment uses, by their names in :class:`Used`."""
    parts = {
        f"{kind}.{name}": registry.origin(name)
        for kind, registry, names in _named(experiment)
        for name in names
        if name in registry.own and not (registry is FITNESSES and fitness is not None)
    }
    if not experiment.evolve:
        return {"fitness": None, "parts": parts}
    if experiment.task is not None:
        judged_by = REWARDS.origin(experiment.task.name)
    elif fitness is None:
        judged_by = FITNESSES.origin(experiment.evolution.fitness)
    else:
        judged_by = origin_of(fitness, built_in=FITNESSES.is_built_in(fitness))
    return {"fitness": judged_by, "parts": parts}


def _named(experiment: Experiment) -> Iterator[tuple[str, Registry[Any], Iterable[str]]]:
    """Yield the kind, the registry and the names of the parts that an experiment may use."""
    for public_name, (registry, settings) in REGISTRIES.items():
        if settings in OF_STUDIES:  # they only make the settings of arms, which each run has
            continue
        kind = public_name.rpartition(".")[2].lower()
        if registry in UNNAMED:
            yield kind, registry, registry.own if experiment.evolve else ()
            continue
        for setting in settings.split(", "):
            section, *keys = setting.split(".")
            if experiment.evolve or section not in OF_EVOLUTION:
                if getattr(experiment, section) is None:  # there is no reward
                    continue
                value = functools.reduce(getattr, keys, getattr(experiment, section))
                names = (value,) if isinstance(value, str) else value or ()
                yield kind, registry, [name.removeprefix("-") for name in names]


def begun_with(known: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides the bits of a run beside settings and what it uses: code, versions and arithmetic.

    Processors with the same arithmetic compute the same bits, so a run may go on on another machine.

    Parameters
    ----------
    known : mapping
        What :func:`evo.environment.environment` returned when the run began.
    """
    machine = {name: known[name] for name in ("python", "packages", "arithmetic")}
    return {"code": code_hash(), "machine": machine}


def change_in_use(experiment: Experiment, before: Used | None, now: Used) -> str | None:
    """Return in words which data or reward, fitness or own part is another one; None if none is, or it is not known."""
    if before is None:
        return None
    used = (one.model_dump(mode="json") for one in (before, now))
    return change_in_words(*used, of_reward=experiment.task is not None)


def changes_of_code(begun: Mapping[str, Any]) -> list[str]:
    """Return in words what of code, versions and arithmetic is different from the beginning of a run.

    Parameters
    ----------
    begun : mapping
        The first line of the run's journal, with what :func:`begun_with` returned then.
    """
    found, present = [], begun_with(environment())
    if present["code"] != begun.get("code"):
        found.append("the code of EvoMatrix has changed since that run began")
    other = first_difference(dict(begun.get("machine", {})), present["machine"], "machine")
    if other is not None:
        found.append(f"versions or arithmetic are not those of the beginning ({other})")
    return found


def other_files(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Return in words which files of own parts are not those of the beginning of a run; empty if they are the same.

    Parameters
    ----------
    before, now : mapping
        SHA-256 of each file by its path, as :func:`experiments.settings.own_parts.files_of_own_parts` returns them. If
        one of them is empty, nothing is known to be different.

    Examples
    --------
    >>> print(other_files({"a.py": "5f" * 32}, {"a.py": "a0" * 32}))
    parts: the run began with a.py (SHA-256 5f5f5f5f), and a.py (a0a0a0a0) is loaded now; what it uses is the same
    """
    was, found = (
        {path: one for path, one in files.items() if one not in others.values()}
        for files, others in ((before, now), (now, before))
    )
    if not before or not now or not was | found:
        return ""
    told = [
        ", ".join(f"{path} ({sha[:8]})" for path, sha in files.items()) or "nothing else"
        for files in (was, found)
    ]
    began = told[0].replace("(", "(SHA-256 ", 1)
    return (
        f"parts: the run began with {began}, and {told[1]} is loaded now; what it uses is the same"
    )


def with_used(experiment: Experiment, used: Used) -> Experiment:
    """Return the experiment as config.json has it: with what it uses.

    Raises
    ------
    SettingsError
        If the settings are those of an earlier run that used something else.
    """
    _check_repeats(experiment, used)
    return experiment.model_copy(update={"used": used})


def _check_repeats(experiment: Experiment, used: Used) -> None:
    """Raise SettingsError if the settings are those of an earlier run that used something else."""
    other = change_in_use(experiment, experiment.used, used)
    if other is not None:
        raise SettingsError(
            f"{other}; these settings repeat a run, and `used` must be as it was; without it they are a new run"
        )


def change_in_words(
    before: Mapping[str, Any], now: Mapping[str, Any], *, of_reward: bool = False
) -> str | None:
    """Return what a run used that is different now, in words and with the first difference; None if nothing is.

    Parameters
    ----------
    before, now : mapping
        What was used, as config.json has it.
    of_reward : bool, default False
        Whether the data are a reward.

    Examples
    --------
    >>> data = {"name": "signs", "shape": [9, 2], "hash": "5f"}
    >>> change_in_words({"data": data}, {"data": {**data, "hash": "a0"}})
    "the data 'signs' have changed since that run (used.data.hash: '5f', now 'a0')"
    """
    difference = first_difference(before, now, "used")
    if difference is None:
        return None
    section = difference.removeprefix("used.").partition(":")[0].partition(".")[0]
    old, new = before.get(section) or {}, now.get(section) or {}
    if section == "parts":
        words = _change_of_parts(old, new)
    elif not old or not new:
        return difference
    elif (was := _named_in(old)) == (named := _named_in(new)):
        what = "reward" if of_reward else section
        words = f"the {what} {was} {'have' if what == 'data' else 'has'} changed since that run"
    elif of_reward:
        words = (
            f"the reward of that run, task.name, was {was}, and is {named} now; load the code of "
            "that run: --parts FILE in a shell, or an import in a script; a class that stands in the script itself "
            "(__main__) is there only in this script"
        )
    else:
        argument = "dataset" if section == "data" else section
        words = (
            f"that run used the {section} {was}, now given is {named}; what was passed to run() must be passed again, "
            f"in a script, with {argument}="
        )
    return f"{words} ({difference})"


def _named_in(used: Mapping[str, Any]) -> str:
    """Return the name of the data, or the name and module of a fitness."""
    name = used.get("name")
    return f"{name} of {used['module']}" if "module" in used else repr(name)


def _change_of_parts(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Return the first own part, by its kind and name, that is different now, and how."""
    name = next(one for one in [*new, *old] if old.get(one) != new.get(one))
    if name not in old:
        return f"the own part {name} is new since that run"
    if name not in new:
        module = old[name]["module"]
        return f"the own part {name} of {module} is not there, which --parts or an import of {module} loads"
    return f"the own part {name} of {old[name]['module']} has changed since that run"
