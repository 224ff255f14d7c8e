"""Where results come from: settings, environment, and the command that made them."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from evo.errors import ResultsError
from evo.storage.run_reader import run_names
from experiments.analysis.results import Results
from experiments.report.blocks.html import escaped, paragraph, table
from experiments.report.blocks.meanings import NOTES, SETTINGS

ENVIRONMENT = "environment.json"
MOST_NAMED = 3
"""Most arms, cells or runs that a line names."""

NO_COMMIT = "unknown: no repository was found beside the package"
LEFT_OUT = ("command", "directory", "started", "ended", "error")
"""What is noted of single runs, which differ in it."""


def settings(results: Results) -> str:
    """Return the table of the settings that are not the defaults."""
    changed = grouped_settings(results)
    if results.runs.empty:
        raise ResultsError(
            "they are shown when the first seed is done; config.json in the run's folder has them"
        )
    if changed.empty:
        raise ResultsError("all settings are the defaults")
    return table(changed, "Settings that are not the defaults", SETTINGS, more="results.settings()")


def grouped_settings(results: Results) -> pd.DataFrame:
    """Return the settings that are not the defaults, each value once, with the runs that have it if there are several.

    Returns
    -------
    DataFrame
        Columns `setting`, `value`, `default`; of several runs also `runs`, a text.
    """
    columns = ["setting", "value", "default"]
    changed = results.settings()
    if len(results.paths) == 1:
        return changed[columns]
    groups, kinds = changed.groupby(columns, sort=False, dropna=False)["run"], _kinds(results)
    return groups.agg(lambda runs: _which([*runs], kinds)).rename("runs").reset_index()


def environment(results: Results) -> str:
    """Return the table of what the runs noted: commit, versions, machine and arithmetic."""
    rows: dict[tuple[str, str], list[str]] = {}
    for name, noted in _noted(results).items():
        known = {key: noted[key] for key in noted if key not in LEFT_OUT}
        known |= {} if known.get("commit") else {"commit": NO_COMMIT}
        for what, value in _flat(known):
            rows.setdefault((what, value), []).append(name)
    if not rows:
        raise ResultsError(f"no run has a file {ENVIRONMENT}")
    kinds = _kinds(results)
    frame = pd.DataFrame(
        [(what, value, _which(runs, kinds)) for (what, value), runs in rows.items()],
        columns=[*NOTES],
    ).sort_values("what", kind="stable", ignore_index=True)
    return table(frame, "Environment at the beginning of the runs", NOTES)


def reproduction(results: Results) -> str:
    """Return the commands that made the runs, and those that compute a run again."""
    noted = _noted(results)
    parts = []
    commands = command_lines(noted.values())
    if commands:
        parts.append(paragraph("What was started:"))
        parts += [_code(command) for command in commands]
    name, path = next((name, path) for path, name in run_names(results.paths).items())
    which = "the run" if len(results.paths) == 1 else f"one run, here {name}"
    parts.append(paragraph(f"Repeat {which} in a new folder, or compute it again and compare:"))
    folder = shlex.quote(str(path))
    parts.append(_code(f"evomatrix run {shlex.quote(str(path / 'config.json'))}"))
    parts.append(_code(f"evomatrix verify {folder}"))
    parts.append(
        paragraph(
            "Data or a fitness that a script passed to run have to be passed again, in a script.",
            "remark",
        )
    )
    return "".join(parts)


def command_lines(noted: Any) -> list[str]:
    """Return the distinct commands of several runs, as a shell reads them."""
    lists = [one.get("command") for one in noted]
    lines = [shlex.join(map(str, one)) for one in lists if isinstance(one, list)]
    return [*dict.fromkeys(lines)]


def noted_commands(results: Results) -> list[str]:
    """Return the distinct commands that made the runs."""
    return command_lines(_noted(results).values())


def _noted(results: Results) -> dict[str, Mapping[str, Any]]:
    """Return what each run noted, by its name; nothing of a run without a readable file."""
    found = {path: _read(path / ENVIRONMENT) for path in results.paths}
    return {name: found[path] for path, name in run_names(results.paths).items() if found[path]}


def _read(path: Path) -> Mapping[str, Any]:
    try:
        noted = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ResultsError(f"{path}: cannot be read ({error})") from error
    return noted if isinstance(noted, dict) else {}


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Yield names with dots and values as text; what is not known is left out."""
    for name, value in values.items():
        if value is None:
            continue
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        elif isinstance(value, list) and all(isinstance(one, str) for one in value):
            yield before + name, " ".join(value)
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield before + name, text


def _which(runs: list[str], kinds: Sequence[Mapping[str, str]]) -> str:
    """Return which runs these are: all, the arms or the cells of a study that they are, or their names.

    Of many cells or runs the first few are named, and the others counted.

    Parameters
    ----------
    runs : list of str
    kinds : sequence of mapping
        The arm of each run, and the cell, as :func:`_kinds` returns them.
    """
    n_runs, named = len(kinds[0]), runs
    if len(runs) == n_runs:
        return "all"
    for kind in kinds:
        chosen = {kind[one] for one in runs}
        if sum(one in chosen for one in kind.values()) == len(runs):
            named = [*dict.fromkeys(kind[one] for one in runs)]
            break
    shown = ", ".join(named[:MOST_NAMED])
    if len(named) > MOST_NAMED:
        shown += f" and {len(named) - MOST_NAMED} more"
    return shown if len(named) == len(runs) else f"{shown} ({len(runs)} of {n_runs} runs)"


def _kinds(results: Results) -> tuple[dict[str, str], dict[str, str]]:
    """Return the arm of each run of a study, and its cell, which has all seeds; another run is one of its own."""
    arms, cells = {}, {}
    for run in run_names(results.paths).values():
        config = results.configs.get(run, {})
        in_study = run in results.studies
        cells[run] = run.removesuffix(f"-seed-{config.get('seed')}") if in_study else run
        arms[run] = cells[run].removesuffix(f"-{config.get('cell')}")
    return arms, cells


def _code(text: str) -> str:
    return f'<pre tabindex="0"><code>{escaped(text)}</code></pre>'
