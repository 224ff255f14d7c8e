"""``bench control``: XOR and two poles on a cart, ours beside neat-python and beside ablations of ours.

Ours and neat-python take turns, seed by seed, in one process on one thread. The other arms follow.
"""

from collections.abc import Callable
from typing import Any

import pandas as pd
from rich import box
from rich.table import Table

from experiments.benchmarks.control.problems import OURS, PEER, PROBLEMS, Problem
from experiments.benchmarks.control.runs import Row, mark_row, run_row
from experiments.benchmarks.harness.result import BenchResult
from experiments.benchmarks.harness.settings import BenchOptions, check_repeats_only

SEEDS = 50
QUICK_EVALUATIONS = 400
"""Evaluations of every run of a quick benchmark, two seeds of each arm."""


def check_control(options: BenchOptions) -> None:
    """Raise SettingsError if an option is out of range or is not one of this benchmark."""
    check_repeats_only("control", options)


def bench_control(options: BenchOptions, say: Callable[[str], None]) -> BenchResult:
    """Run the benchmark; see `experiments.benchmarks.registry.Benchmark`.

    ``repeats`` is the number of seeds, from 0; some arms have fewer.
    """
    n_seeds = options.repeats or (2 if options.quick else SEEDS)
    limit = QUICK_EVALUATIONS if options.quick else None
    runs, marks = list[Row](), list[Row]()
    for problem in PROBLEMS:
        found = _rows(problem, n_seeds, limit, say)
        for arm in problem.all_arms:
            rows = [row for row in found if row["arm"] == arm]
            marks.append(mark_row(rows, problem.published if arm == OURS else None))
        runs += found
    tables = {"runs": pd.DataFrame(runs), "marks": pd.DataFrame(marks)}
    return BenchResult(tables, line(tables["marks"]), (shown(tables["marks"]),))


def _rows(
    problem: Problem, n_seeds: int, limit: int | None, say: Callable[[str], None]
) -> list[Row]:
    """Return the rows of all runs on one problem, after runs that compile."""
    for arm in (OURS, *problem.arms):
        run_row(problem, arm, 0, 2 * problem.settings.population)
    rows = list[Row]()
    for seed in range(n_seeds):
        say(f"{problem.name}, seed {seed}")
        rows.append(run_row(problem, OURS, seed, limit))
        for arm, peer in problem.peers.items():
            if seed < peer.seeds:
                rows.append(run_row(problem, arm, seed, limit))
    for arm in problem.arms:
        say(f"{problem.name}, {arm}")
        n_arm = min(n_seeds, problem.arm_seeds)
        rows += [run_row(problem, arm, seed, limit) for seed in range(n_arm)]
    return rows


def line(marks: pd.DataFrame) -> dict[str, Any]:
    """Return the summary: evaluations a second beside neat-python on the problem where the ratio is smallest.

    Problems on which neat-python does only the first generations, whose networks fall early, do not count.
    """
    ours, peer = (marks[marks["arm"] == arm].set_index("problem") for arm in (OURS, PEER))
    rates, others = (side["evaluations_per_second"].to_dict() for side in (ours, peer))
    whole = [one.name for one in PROBLEMS if one.peers[PEER].max_evaluations == one.max_evaluations]
    worst = min(whole, key=lambda problem: rates[problem] / others[problem])
    return {
        "name": "control",
        "ours": round(rates[worst], 1),
        "peer": round(others[worst], 1),
        "ratio": round(rates[worst] / others[worst], 2),
        "unit": "evaluations/s",
        "case": f"{worst}, beside {PEER}",
        "median_evaluations": ours["median_evaluations"].to_dict(),
        "solved_share": ours["solved_share"].to_dict(),
    }


def shown(marks: pd.DataFrame) -> Table:
    """Return the table of marks to print."""
    table = Table(box=box.SIMPLE, title="Median evaluations to a solution, and its size")
    names = {
        "problem": "problem",
        "arm": "arm",
        "runs": "runs",
        "solved_share": "solved",
        "median_evaluations": "evaluations",
        "published_evaluations": "NEAT, 2002",
        "n_effective": "edges",
        "with_cycles": "with cycles",
        "generalisation": "of 625",
        "evaluations_per_second": "a second",
    }
    for name, title in names.items():
        table.add_column(title, justify="left" if name in ("problem", "arm") else "right")
    for row in marks.to_dict("records"):
        table.add_row(*(_text(row[name], name) for name in names))
    return table


def _text(value: Any, name: str) -> str:
    """Return a cell of the printed table."""
    if isinstance(value, str):
        return value
    if pd.isna(value):
        return "–"
    return f"{value:.2f}" if name in ("solved_share", "with_cycles") else f"{value:,.0f}"
