"""How a run began that continues another one: which run that is, where its folder is, and with which individuals."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from evo.errors import ResultsError
from evo.storage.individuals import load_individuals
from evo.storage.journal import is_journal, read_journal
from evo.storage.rows import individual_row
from evo.storage.run_reader import CONFIG, committed_file, file_of_run
from evo.storage.tables import Row


class LineageWarning(UserWarning):
    """The folder of an older run is not found, so that a lineage begins with the newer run."""


@dataclass(frozen=True)
class OlderRun:
    """The run that another one continues.

    Attributes
    ----------
    name : str
        Name of its folder when it was continued.
    path : Path
        Its folder then.
    found : Path or None
        Its folder now: there, or of the same name beside the newer run, or in a study beside it; None if it is in none
        of these places.
    """

    name: str
    path: Path
    found: Path | None


def older_run(run: Path) -> OlderRun | None:
    """Return the run that a run continues; None if it began with founders.

    Raises
    ------
    ResultsError
        If config.json cannot be read, or does not say this as it was written.
    """
    if not is_journal(run):  # a run of an older version
        return None
    path = file_of_run(run, CONFIG)
    try:
        told = json.loads(path.read_text("utf-8")).get("continues")
        if told is None:
            return None
        name, folder, first_line = told["run"], Path(told["path"]), told["journal"]
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise ResultsError(f"{path}: continues must say which run this run continues") from error
    beside = run.resolve().parent
    places = (folder, beside / name, beside / folder.parent.name / name)
    found = next((one for one in places if _is_that_run(one, first_line)), None)
    return OlderRun(name, folder, found)


def _is_that_run(folder: Path, first_line: str) -> bool:
    try:
        return is_journal(folder) and read_journal(folder).entries[0]["sum"] == first_line
    except ResultsError:  # a damaged run has no ancestors to show
        return False


def first_individuals(run: Path, name: str) -> list[Row]:
    """Return rows of ``individuals`` for those with which a run began that continues an older one.

    Parameters
    ----------
    run : Path
    name : str
        What stands in the column `run`.

    Raises
    ------
    ResultsError
        If a file with the individuals is missing or damaged.
    """
    journal, rows = read_journal(run), []
    sources = journal.entries[0].get("sources", ())
    for file in sorted(journal.files):
        start = re.fullmatch(r"states/seed-(\d+)-start\.npz", file)
        path = committed_file(run, file) if start else None
        if start and path:
            key = {"run": name, "seed": int(start[1])}
            individuals = load_individuals(path)[0]
            rows += [individual_row(one, True, key, sources) for one in individuals.values()]
    return rows


def without_ancestors(run: Path, older: OlderRun) -> str:
    """Return in words that the folder of the older run is not found."""
    return (
        f"{run}: continues {older.name}, which is not at {older.path}; the lineage begins with the individuals with "
        "which this run began"
    )
