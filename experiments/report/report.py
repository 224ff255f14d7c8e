"""One HTML file about runs or a study, which opens without a network; and the same again while a run goes on."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from evo.errors import ResultsError
from evo.files import write_text
from evo.storage.journal import is_journal, read_journal
from evo.storage.run_reader import error_of, is_over, is_run, planned_study, run_names, runs_at
from experiments.analysis.data_sets import by_data_set, over_data_sets
from experiments.analysis.results import Results, load_results
from experiments.figures.style.facts import facts_of, is_of_rewards
from experiments.report.blocks.html import paragraph, table
from experiments.report.blocks.meanings import DATA_SETS
from experiments.report.page import Part, page
from experiments.report.sections import SECTIONS

LARGEST = 8_000_000
"""Largest number of bytes of a report."""

GIVEN_UP = ("film", "winner", "pareto", "curves")
"""The sections that are left out of a report that would be too large, in this order."""

PAUSE = 1.0
"""Seconds between two looks at the journals of runs that go on."""

SHARE = 4
"""Times that a watch rests for as long as the last report took, so that most of the processor is the run's."""

NAME = "report.html"


def write_report(
    results: Results | str | Path | Sequence[str | Path],
    path: str | Path | None = None,
    *,
    reload: bool = False,
) -> Path:
    """Write one HTML file about one or many runs. It opens from the disk and needs no network.

    Parameters
    ----------
    results : Results, path, or sequence of paths
        Results, or the folders of runs and studies.
    path : str or Path, optional
        The file to write; an existing one is replaced. By default ``report.html`` in the folder of the run, or in the
        folder that holds the runs.
    reload : bool, default False
        Whether the page loads itself again every ten seconds: for a run that goes on.

    Returns
    -------
    Path
        The file. It has at most 8 MB: if there is too much to show, sections are left out, and a sentence says which.

    Raises
    ------
    ResultsError
        If there is no run, its files are damaged, or the file cannot be written.

    Notes
    -----
    The same results give the same file, bit for bit, with the same version of Plotly.
    """
    loaded = results if isinstance(results, Results) else load_results(*_listed(results))
    target = default_path(loaded) if path is None else Path(path)
    write_text(target, report(loaded, reload=reload))
    return target


def report(results: Results, *, reload: bool = False) -> str:
    """Return the HTML of a report, see :func:`write_report`."""
    given_up: list[str] = []
    parts = _parts(results)
    while True:
        text = page(_title(results), _about(results), parts, reload=reload)
        if len(text.encode()) <= LARGEST or len(given_up) == len(GIVEN_UP):
            return text
        given_up.append(GIVEN_UP[len(given_up)])
        reason = f"Left out, for the report would be larger than {LARGEST / 1e6:.0f} MB."
        parts = [
            Part(one.anchor, one.title, paragraph(reason, "left-out"))
            if one.anchor.split(".")[-1] == given_up[-1]
            else one
            for one in parts
        ]


def default_path(results: Results) -> Path:
    """Return where a report is written if nobody says where: in the run's folder, or in that which holds the runs."""
    folder = results.paths[0]
    return (folder if len(results.paths) == 1 else folder.parent) / NAME


def _listed(paths: str | Path | Sequence[str | Path]) -> list[str | Path]:
    return [paths] if isinstance(paths, str | Path) else [*paths]


def _title(results: Results) -> str:
    names = ", ".join(facts_of(results).experiments)
    if len(results.paths) == 1:
        return f"{names}: {next(iter(run_names(results.paths).values()))}"
    return f"{names}: {len(results.paths)} runs"


def _about(results: Results) -> str:
    facts, n_unfinished = facts_of(results), len(results.unfinished)
    seeds = f"{len(facts.seeds)} seed{'s'[: len(facts.seeds) != 1]}"
    state = ""
    if n_unfinished:
        state = f"; {n_unfinished} of {len(results.paths)} runs not finished"
    individuals = f"{len(results.individuals):,} individuals"
    what = "Reward" if is_of_rewards(results) else "Data set"
    return f"{what} {', '.join(facts.datasets)}; {seeds}; {individuals}{state}"


# -- the sections ------------------------------------------------------------------------------------------------------


def _parts(results: Results) -> list[Part]:
    """Return all sections; with several data sets, one table over all of them, then all sections of each."""
    of_data = by_data_set(results)
    if len(of_data) == 1:
        return list(_sections(results, "", ""))
    parts = [Part("all", "All data sets", _content(_over_all, results))]
    for number, (data, own) in enumerate(of_data):
        parts += _sections(own, f"data{number}.", f"{data}: ")
    return parts


def _sections(results: Results, before: str, of_data: str) -> Iterator[Part]:
    for section in SECTIONS:
        yield Part(
            f"{before}{section.name}",
            f"{of_data}{section.title}",
            _content(section.content, results),
        )


def _content(make: Callable[[Results], str], results: Results) -> str:
    """Return the content of a section; or a sentence why it is left out."""
    try:
        return make(results)
    except ResultsError as error:
        return paragraph(f"Left out: {error}.", "left-out")


def _over_all(results: Results) -> str:
    return table(
        over_data_sets(results), "Arms over all data sets, the best mean rank first", DATA_SETS
    )


# -- while a run goes on -----------------------------------------------------------------------------------------------


def watch(
    paths: Sequence[str | Path],
    path: str | Path | None = None,
    *,
    tell: Callable[[str], None] = lambda _: None,
    pause: float = PAUSE,
) -> Path:
    """Write a report again whenever a journal of its runs has grown, until all of them are finished or have failed.

    If it is interrupted, the last report is one that does not load itself again.

    Parameters
    ----------
    paths : sequence of path
        Folders of runs or of studies. A study is finished when all runs that it plans are.
    path : str or Path, optional
        As for :func:`write_report`.
    tell : callable
        Called with a line on each report that was written.
    pause : float
        Seconds between two looks, at least; more if a report takes long.

    Returns
    -------
    Path
        The file, whose page no longer loads itself again.

    Raises
    ------
    ResultsError
        As :func:`write_report`.
    """
    before, seconds = None, 0.0
    try:
        while any(map(goes_on, map(Path, paths))):
            state, began = _state(paths), time.monotonic()
            if state != before:
                before = state
                written = write_report(list(paths), path, reload=True)
                seconds = time.monotonic() - began
                tell(f"{written}: written, the run goes on")
            time.sleep(max(pause, SHARE * seconds))
    finally:
        written = write_report(list(paths), path)
    tell(f"{written}: written for the last time")
    return written


def _state(paths: Sequence[str | Path]) -> list[tuple[Path, int]]:
    """Return how long the journal of each run is."""
    runs = [run for path in paths for run in runs_at(Path(path))]
    return [(run, read_journal(run).n_bytes if is_journal(run) else 0) for run in runs]


def goes_on(path: Path) -> bool:
    """Return whether a run, or a run of those that a folder holds or a study plans, has not ended."""
    if is_run(path):
        return not (is_over(path) or error_of(path))
    runs = [path / name for name in planned_study(path).get("runs", ())] or [*runs_at(path)]
    return any(not is_run(run) or goes_on(run) for run in runs)
