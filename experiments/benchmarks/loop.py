"""``bench loop``: a whole run beside its training steps alone, in this process and on two Ray workers.

The run is the preset ``digits`` with two seeds. All sides give the same tables and differ in time only. What a run
spends on each activity stands in its table ``times``; the time of its training steps alone is that of the activity
``train`` in the run without workers.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.table import Table

from experiments.analysis.results import Results
from experiments.benchmarks.harness.result import BenchResult
from experiments.benchmarks.harness.settings import BenchOptions, check_repeats_only
from experiments.settings.experiment import Experiment, read_settings, with_values
from experiments.studies.runner import run

OF_SEARCH = (
    "modify",
    "plan",
    "describe",
    "train",
    "evaluate",
    "select",
    "store",
    "messages",
    "wait",
)
"""Activities of the main process in a search."""

SIDES: Mapping[str, int] = {"this process": 0, "two workers": 2}
"""Numbers of workers."""


def check_loop(options: BenchOptions) -> None:
    """Raise SettingsError if an option is out of range or is not one of this benchmark."""
    check_repeats_only("loop", options)


def bench_loop(options: BenchOptions, say: Callable[[str], None]) -> BenchResult:
    """Run the benchmark; see `experiments.benchmarks.registry.Benchmark`."""
    changes = {"seeds": 2} | (
        {"evolution.generations": 1, "evolution.population": 2} if options.quick else {}
    )
    experiment = Experiment(**with_values(read_settings("digits"), changes))
    rounds = options.repeats or (1 if options.quick else 5)
    turns, times = [], []
    for number in range(rounds):
        for side, workers in SIDES.items():
            say(f"round {number + 1} of {rounds}: {side}")
            turn, spent = _turn(experiment, workers)
            turns.append({"side": side, "round": number + 1} | turn)
            times += [{"side": side, "round": number + 1} | row for row in spent]
    tables = {"turns": pd.DataFrame(turns), "times": pd.DataFrame(times)}
    return BenchResult(tables, line(tables), shown(tables))


def _turn(experiment: Experiment, workers: int) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Make a run; return its seconds, and those of each activity."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        results = run(experiment, workers=workers, results=Path(folder), quiet=True)
        whole = time.perf_counter() - started
        spent = [*_spent(results)]
        search = sum(
            row["seconds"]
            for row in spent
            if row["process"] == "main" and row["activity"] in OF_SEARCH
        )
        return {"seconds": whole, "search_seconds": search}, spent


def _spent(results: Results) -> Iterator[dict[str, Any]]:
    """Yield the seconds of each activity: of the main process, and of a worker on average."""
    times = results.times
    n_workers = max(1, times["process"].nunique() - 1)
    for kind, of_kind in times.groupby(times["process"] != "main"):
        sums = of_kind.groupby("activity")["seconds"].sum()
        mean = (sums / n_workers if kind else sums).to_dict()
        for activity, seconds in mean.items():
            yield {
                "process": "worker" if kind else "main",
                "activity": activity,
                "seconds": seconds,
            }


def medians(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the median seconds of each activity over the rounds, and their share of the process."""
    keys = ["side", "process", "activity"]
    found = tables["times"].groupby(keys, sort=False)["seconds"].median().reset_index()
    found["share"] = found["seconds"] / found.groupby(["side", "process"])["seconds"].transform(
        "sum"
    )
    return found


def line(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Return the result as one JSON-able object: how much of a run is training, and what two workers gain."""
    shares = medians(tables).set_index(["side", "process", "activity"])["share"]
    turns = tables["turns"].groupby("side").median()
    alone, both = turns.loc["this process"], turns.loc["two workers"]
    return {
        "name": "loop",
        "ours": round(both["search_seconds"], 2),
        "peer": round(alone["search_seconds"], 2),
        "ratio": round(alone["search_seconds"] / both["search_seconds"], 3),
        "unit": "s for the searches of a run",
        "case": "two workers, beside this process",
        "ratio_of_whole_runs": round(alone["seconds"] / both["seconds"], 3),
        "training_share": round(shares["this process", "main", "train"], 3),
        "training_share_of_workers": round(shares["two workers", "worker", "train"], 3),
    }


def shown(tables: Mapping[str, pd.DataFrame]) -> tuple[Table, ...]:
    """Return the tables to print: medians, the largest activities first."""
    printed = Table(title="Where the time of a run goes", box=box.SIMPLE, title_justify="left")
    for heading in ("side", "process", "activity"):
        printed.add_column(heading)
    for heading in ("seconds", "share"):
        printed.add_column(heading, justify="right")
    found = medians(tables).sort_values(
        ["side", "process", "seconds"], ascending=[True, True, False]
    )
    for row in found.to_dict("records"):
        seconds, share = f"{row['seconds']:.2f}", f"{row['share']:.1%}"
        printed.add_row(row["side"], row["process"], row["activity"], seconds, share)
    turns = Table(title="Whole runs and their searches", box=box.SIMPLE, title_justify="left")
    turns.add_column("side")
    for heading in ("run, s", "search, s"):
        turns.add_column(heading, justify="right")
    for side, of_side in tables["turns"].groupby("side", sort=False).median().iterrows():
        seconds, search = of_side["seconds"], of_side["search_seconds"]
        turns.add_row(str(side), f"{seconds:.2f}", f"{search:.2f}")
    return printed, turns
