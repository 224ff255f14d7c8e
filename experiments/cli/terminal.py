"""Tables and lines of results on the terminal."""

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from evo.files import write_text
from evo.storage.table_folder import write_csv
from experiments.analysis.comparison import costs_in, is_stopped, measures_in, summarize
from experiments.analysis.data_sets import by_data_set, over_data_sets
from experiments.analysis.deciding import is_fraction, metric_of, title_of
from experiments.analysis.frames import latex_table
from experiments.analysis.results import Results
from experiments.analysis.showing import filled_lines, search_cost
from experiments.arms.settings import OF_WINNER
from experiments.cli.output import print_line, print_table

HEADINGS = {
    "macs": "MACs",
    "train_seconds": "seconds",
    "total_steps": "in all",
    "total_played_episodes": "episodes",
    "total_played_steps": "environment steps",
}
"""Headings of columns that are not those of the tables."""

FINE = 5000
"""Number of test samples from which accuracies are shown to a hundredth of a percent."""


def show_results(results: Results, console: Console) -> None:
    """Print the comparison, the verdicts, failures, arms without a result, the cost of the search and the folder."""
    if results.comparison.empty and results.runs["stopped_reason"].notna().any():
        (reason,) = results.runs["stopped_reason"]
        lines = [f"No comparison: the run was stopped {reason}"]
    elif results.tested:
        print_table(console, comparison_table(results))
        lines = results.verdicts()
    else:
        lines = ["No comparison: the run has no test part.", *results.failure_lines()]
    for line in (*lines, *results.divergences()):
        print_line(console, line)
    if results.evolved:
        print_line(console, search_cost(results.runs))
    _show_filled(results, console)
    for line in time_lines(results):
        print_line(console, line)
    for older, rows in results.runs.groupby("continues"):
        first = rows["first_generation"].min()
        print_line(
            console, f"Continues {older}, from generation {first} on; its search is included"
        )
    print_line(console, f"Results: {results.path}")
    if not (results.path / "figures").is_dir():
        print_line(console, f"Pictures: evomatrix figures {results.path}")


def show_parts(parts: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print parts by kind: names and sentences, and where the code of own parts is."""
    width = max(len(part["name"]) for part in parts)
    for (kind, registry, setting), rows in itertools.groupby(
        parts, key=lambda part: (part["kind"], part["registry"], part["setting"])
    ):
        print_line(console, f"{kind}: {registry}, named by {setting}")
        for part in rows:
            where = ""
            if not part["built_in"]:
                place = part["file"] and f" ({part['file']}:{part['line']})"
                where = f" - yours: {part['module']}.{part['function']}{place or ''}"
            print_line(console, f"  {part['name']:<{width}}  {part['sentence']}{where}")


def comparison_table(results: Results) -> Table:
    """Return the comparison on the test part as a table, one row per arm.

    The number after ± is half the 95 % interval of the mean; if nothing evolved, it is the standard deviation over
    seeds.
    """
    summary = results.summary()
    metric = summary.columns[1]
    percent = is_fraction(metric)
    fine = bool((results.runs["n_test"] >= FINE).fillna(False).all())
    digits = 2 if fine else 1
    n_seeds = int(summary["seeds"].max())
    spread = "95 % interval" if results.evolved else "standard deviation"
    over = f"mean of {n_seeds} seeds ± {spread}" if n_seeds > 1 else "one seed"
    table = Table(title=f"Test {title_of(metric)}, {over}")
    table.add_column("network", style="bold", no_wrap=True)
    measures, costs = measures_in(summary), costs_in(summary)
    headings = (*map(title_of, (metric, *measures)), *(HEADINGS.get(one, one) for one in costs))
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for arm, row in summary.iterrows():
        half = (row["high"] - row["low"]) / 2 if results.evolved else row["deviation"]
        if row["seeds"] == 0:
            shown = "no result"
        elif percent:
            shown, around = f"{100 * row[metric]:.{digits}f} %", f"{100 * half:.{digits}f}"
        else:
            shown, around = f"{row[metric]:.4g}", f"{half:.4g}"
        if math.isfinite(half):
            shown += f" ± {around}"
        table.add_row(
            str(arm) if row["seeds"] in {0, n_seeds} else f"{arm} ({int(row['seeds'])} seeds)",
            shown,
            *(_measured(row[one], one) for one in measures),
            *(_shown(row[cost], ".2f" if cost.endswith("seconds") else ",.0f") for cost in costs),
        )
    return table


def show_arms(
    results: Results, against: str | None, console: Console, margin: float | None = None
) -> None:
    """Print the arms of several runs as one comparison, with differences to one arm paired by seed, and verdicts.

    Runs on several data sets are compared on each, and then over all of them.

    Parameters
    ----------
    results : Results
    against : str, optional
        Arm to compare with; by default the second arm of the declared comparison. If none is declared, the first arm by
        name that does not evolve and is not made of a winner, such as the CNN; else the arm that evolved, or the first.
    console : Console
    margin : float, optional
        As for :meth:`~experiments.analysis.results.Results.compare`.
    """
    parts = by_data_set(results)
    for name, part in parts:
        if len(parts) > 1:
            print_line(console, f"Data set {name}:")
        _show_arms(part, against, console, margin)
    if len(parts) > 1:
        print_table(console, data_sets_table(over_data_sets(results)))
    if results.unfinished:
        print_line(console, f"Not finished, and left out: {', '.join(results.unfinished)}")


def _show_arms(
    results: Results, against: str | None, console: Console, margin: float | None
) -> None:
    """Print the arms of several runs on one data set."""
    comparison = results.pooled()
    against = _other_arm(results) if against is None else against
    shown = comparison[~is_stopped(comparison)]
    print_table(console, arms_table(shown, results.compare(against), against))
    for line in (*results.verdicts(against, margin=margin), *results.divergences()):
        print_line(console, line)
    _show_filled(results, console)


def _show_filled(results: Results, console: Console) -> None:
    """Print how much of their grids the runs with the selection map_elites have filled."""
    if results.grids:
        for line in filled_lines(results.quality_diversity(), results.runs):
            print_line(console, line)


def _other_arm(results: Results) -> str:
    """Return the arm that others are compared with.

    It is the second of those declared; or one that does not evolve and is not made of a winner; or the first arm.
    """
    compared = set(results.comparison["arm"])
    if results.declared_arms and results.declared_arms[1] in compared:
        return results.declared_arms[1]
    names = {str(arm) for arm in results.baseline["arm"] if arm in compared}
    fixed = [arm for arm in names if arm.partition("-")[0] not in OF_WINNER]
    return min(fixed) if fixed else str(summarize(results.comparison).index[0])


def compared_with(results: Results, against: str | None, margin: float | None) -> pd.DataFrame:
    """Return the comparisons that :func:`show_arms` prints as one table, with a column for the data set if several.

    Parameters are those of :func:`show_arms`.
    """
    parts = [
        (name, part.compare(_other_arm(part) if against is None else against, margin=margin))
        for name, part in by_data_set(results)
    ]
    if len(parts) == 1:
        return parts[0][1]
    return pd.concat([table.assign(dataset=name) for name, table in parts], ignore_index=True)


IN_PAPERS = ("arm", "other", "seeds", "difference", "low", "high", "p_holm", "winner")
"""The columns of a comparison that stand in its table of LaTeX."""


def save_compared(compared: pd.DataFrame, csv: Path | None, latex: Path | None) -> None:
    """Write comparisons as CSV with all columns, and as LaTeX with those of `IN_PAPERS`, where files are given.

    Raises
    ------
    ResultsError
        If a file cannot be written.
    """
    if csv is not None:
        write_csv(csv, compared)
    if latex is not None:
        columns = [name for name in ("dataset", *IN_PAPERS) if name in compared]
        if compared["margin"].notna().any():
            columns += ["margin", "p_equivalence"]
        write_text(latex, latex_table(compared[columns]) + "\n")


def data_sets_table(ranked: pd.DataFrame) -> Table:
    """Return a table with one row per arm, the best first: interquartile mean and rank over data sets.

    Parameters
    ----------
    ranked : DataFrame
        As :func:`~experiments.analysis.data_sets.over_data_sets` returns it.
    """
    metric = f"test_{ranked['metric'].iloc[0]}"
    scale, unit, form = (100.0, " %", ".2f") if is_fraction(metric) else (1.0, "", ".4g")
    n = int(ranked["data_sets"].iloc[0])
    table = Table(title=f"Test {title_of(metric)} over {n} data sets, interquartile mean")
    table.add_column("arm", style="bold", no_wrap=True)
    for heading in ("seeds", "mean", "95 % interval", "mean rank"):
        table.add_column(heading, justify="right", no_wrap=True)
    for _, row in ranked.iterrows():
        table.add_row(
            str(row["arm"]),
            str(row["seeds"]),
            f"{scale * row['interquartile_mean']:{form}}{unit}",
            f"{scale * row['low']:{form}} to {scale * row['high']:{form}}",
            f"{row['mean_rank']:.2f}",
        )
    return table


def arms_table(comparison: pd.DataFrame, compared: pd.DataFrame, against: str) -> Table:
    """Return a table with one row per arm, the worst first: mean over seeds, and paired difference to one arm.

    Parameters
    ----------
    comparison : DataFrame
        The arms of several runs, as :meth:`~experiments.analysis.results.Results.pooled` returns them.
    compared : DataFrame
        Comparisons, those with the arm `against` among them.
    against : str
    """
    metric, direction = metric_of(comparison)
    percent = is_fraction(metric)
    scale, unit, form = (100.0, " %", ".2f") if percent else (1.0, "", ".4g")
    summary = summarize(comparison).sort_values(metric, ascending=direction > 0)
    found = {row["arm"]: row for _, row in compared.iterrows() if row["other"] == against}
    costs = [one for one in costs_in(summary) if one != "train_seconds"]
    if "steps" in costs:
        costs.insert(costs.index("steps") + 1, "total_steps")
    measures = measures_in(summary)
    table = Table(title=f"Test {title_of(metric)}, ± 95 % interval of the mean")
    table.add_column("arm", style="bold", no_wrap=True)
    headings = ("seeds", title_of(metric), f"− {against}", "95 % interval", "p (Holm)")
    others = (*map(title_of, measures), *(HEADINGS.get(one, one) for one in costs))
    for heading in (*headings, *others):
        table.add_column(heading, justify="right", no_wrap=True)
    for arm, row in summary.iterrows():
        half = (row["high"] - row["low"]) / 2
        shown = f"{scale * row[metric]:{form}}{unit}" if row["seeds"] else "no result"
        if math.isfinite(half):
            shown += f" ± {scale * half:{form}}"
        table.add_row(
            str(arm),
            str(int(row["seeds"])),
            shown,
            *_difference(found.get(str(arm)), scale, "+" + form),
            *(_measured(row[one], one) for one in measures),
            *(_shown(row[cost], ",.0f") for cost in costs),
        )
    return table


def _difference(row: pd.Series | None, scale: float, form: str) -> tuple[str, str, str]:
    """Return difference, interval and p as text; empty for the arm that the others are compared with."""
    if row is None or row["seeds"] == 0:
        return "", "", ""
    mean = f"{scale * row['difference']:{form}}"
    if row["seeds"] == 1:
        return mean, "", ""
    pairs = f" ({row['seeds']} pairs)"
    ends = f"{scale * row['low']:{form}} to {scale * row['high']:{form}}{pairs}"
    return mean, ends, f"{row['p_holm']:.2g}"


def _shown(number: float, form: str) -> str:
    """Return a number as text; empty for NaN."""
    return "" if math.isnan(number) else format(number, form)


def _measured(number: float, column: str) -> str:
    """Return the mean of a measure of a reward as text; empty for NaN."""
    return (
        _shown(number, ".1%").replace("%", " %") if is_fraction(column) else _shown(number, ".4g")
    )


def time_lines(results: Results) -> list[str]:
    """Return one line on where the time of the main process went, and one on that of the workers, if there were any."""
    of_workers = results.times["process"] != "main"
    lines = []
    for of_whom, who in ((~of_workers, "Time"), (of_workers, "Time of the workers")):
        rows = results.times[of_whom]
        seconds = rows.groupby("activity")["seconds"].sum().sort_values(ascending=False)
        total = float(seconds.sum())
        parts = [f"{name} {one / total:.0%}" for name, one in seconds.items() if one >= total / 200]
        if parts:
            lines.append(f"{who}: {total:.1f} s: {', '.join(parts)}")
    return lines
