"""All registries, their parts as rows, and files of own parts that are loaded before settings are checked."""

import importlib
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from evo.errors import SettingsError
from evo.evolution.fitness import FITNESSES
from evo.evolution.metrics import METRICS
from evo.genome.activations import ACTIVATIONS
from evo.initial.settings import GRAPHS
from evo.initial.topologies import TOPOLOGIES
from evo.operators.registry import OPERATORS
from evo.origin import is_installed, place_of
from evo.policies.policies import POLICIES
from evo.policies.regrowth import REGROWTHS
from evo.policies.removal import REMOVALS
from evo.policies.schedules import SCHEDULES
from evo.registry import Registry
from evo.rewards import REWARDS
from evo.selection import DESCRIPTORS, SELECTIONS
from experiments.arms import ARMS
from experiments.datasets import DATASETS
from experiments.settings.controls import CONTROLS

REGISTRIES: dict[str, tuple[Registry[Any], str]] = {
    "evo.OPERATORS": (OPERATORS, "policy.operator_weights"),
    "evo.POLICIES": (POLICIES, "policy.name"),
    "evo.REMOVALS": (REMOVALS, "policy.removal"),
    "evo.REGROWTHS": (REGROWTHS, "policy.regrowth"),
    "evo.SCHEDULES": (SCHEDULES, "policy.fraction_schedule, policy.density_schedule"),
    "evo.SELECTIONS": (SELECTIONS, "evolution.selection.name"),
    "evo.DESCRIPTORS": (
        DESCRIPTORS,
        "evolution.selection.descriptors, evolution.selection.objectives",
    ),
    "evo.FITNESSES": (FITNESSES, "evolution.fitness"),
    "evo.REWARDS": (REWARDS, "task.name"),
    "evo.METRICS": (METRICS, "evaluation.metrics, evaluation.verdict"),
    "evo.ACTIVATIONS": (ACTIVATIONS, "founders.activation"),
    "evo.GRAPHS": (GRAPHS, "founders.graph"),
    "evo.TOPOLOGIES": (TOPOLOGIES, "founders.topology"),
    "experiments.DATASETS": (DATASETS, "dataset.name"),
    "experiments.ARMS": (ARMS, "baseline.arms"),
    "experiments.CONTROLS": (CONTROLS, "controls"),
}
"""Every registry by its public name, and the settings that name its parts."""


def list_parts(registries: Iterable[str] = REGISTRIES) -> list[dict[str, Any]]:
    """Return one row per part: registry, setting, name, sentence and origin.

    Examples
    --------
    >>> [row["name"] for row in list_parts(["evo.SELECTIONS"])][:3]
    ['local_search', 'tournament', 'random_search']
    """
    rows = []
    for public_name in registries:
        registry, setting = REGISTRIES[public_name]
        for name in registry:
            entry, origin = registry.entry(name), registry.origin(name)
            built_in = name not in registry.own
            file, line = (None if built_in else place_of(entry.part)) or (None, None)
            rows.append(
                {
                    **{"kind": registry.kind, "registry": public_name, "setting": setting},
                    **{"name": name, "sentence": entry.sentence, "built_in": built_in},
                    **{
                        "module": origin.module,
                        "function": origin.name,
                        "file": file,
                        "line": line,
                    },
                    "source_hash": origin.source_hash,
                }
            )
    return rows


def own_parts() -> list[dict[str, Any]]:
    """Return the rows of :func:`list_parts` that are not built in: what the results of a run depend on besides it."""
    return [row for row in list_parts() if not row["built_in"]]


def files_of_own_parts() -> dict[str, str]:
    """Return the SHA-256 of each file in which own parts are written, by its path, as the parts were registered.

    The script that runs is left out, and so are installed packages.
    """
    script = getattr(sys.modules["__main__"], "__file__", None)
    left_out = None if script is None else str(Path(script).resolve())
    files = {
        entry.file
        for registry, _ in REGISTRIES.values()
        for entry in registry.own.values()
        if entry.file is not None
    }
    return {
        path: sha256
        for path, sha256 in sorted(files)
        if path != left_out and not is_installed(path)
    }


def load_parts(source: str) -> None:
    """Import a Python file or module that registers own parts.

    Parameters
    ----------
    source : str
        Path of a ``.py`` file, or the dotted name of a module. A file is imported like a module from its folder, so
        it can import its neighbours. Its code runs: load only files that you trust.

    Raises
    ------
    SettingsError
        If there is no such file or module, or if its code raises an error: one line with file and line.
    """
    name = source
    if not source.endswith(".py") and not _is_name_of_module(source):
        raise SettingsError(f"parts must be Python files (.py) or names of modules; got {source!r}")
    if source.endswith(".py"):
        path = Path(source).resolve()
        if not path.is_file():
            raise SettingsError(f"parts must be Python files or modules; {source} is no file")
        name = path.stem
        if not name.isidentifier():
            raise SettingsError(f"parts: the name of {source} must be letters, digits and '_'")
        if str(path.parent) not in sys.path:
            sys.path.insert(0, str(path.parent))
        importlib.invalidate_caches()
    try:
        module = importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise SettingsError(f"parts: {source}: {_in_one_line(error)}") from error
    if source.endswith(".py") and Path(module.__file__ or "").resolve() != path:
        raise SettingsError(
            f"parts: {source} has the name of another module, {module.__file__}; rename the file"
        )


def _is_name_of_module(source: str) -> bool:
    """Tell whether text is the dotted name of a module and no file, such as settings."""
    named = all(part.isidentifier() for part in source.split("."))
    return named and not Path(source).is_file() and not source.endswith((".toml", ".json"))


def _in_one_line(error: BaseException) -> str:
    """Return an error with the last place in a file outside Python's import system."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    if isinstance(error, SyntaxError):
        return text
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<") and "importlib" not in frame.filename
    ]
    own = [frame for frame in frames if frame.filename != __file__]
    return f"line {own[0].lineno} of {own[0].filename}: {text}" if own else text
