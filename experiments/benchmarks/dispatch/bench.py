"""``bench dispatch``: overhead beside bare Ray actors and `multiprocessing`, bytes, efficiency, simulated clusters."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.table import Table

from experiments.benchmarks.dispatch.overhead import bytes_rows, efficiency_rows, overhead_rows
from experiments.benchmarks.dispatch.simulation import Size, simulate
from experiments.benchmarks.harness.result import BenchResult
from experiments.benchmarks.harness.settings import BenchOptions, check_repeats_only

SIZES = {"many workers": Size(1000, 1000, 57), "many generations": Size(100, 60, 1000)}
"""Simulated searches of a hundred thousand individuals."""

QUICK_SIZES = {"many workers": Size(20, 10, 5), "many generations": Size(2, 2, 20)}


def check_dispatch(options: BenchOptions) -> None:
    """Raise SettingsError if an option is out of range or is not one of this benchmark."""
    check_repeats_only("dispatch", options)


def bench_dispatch(options: BenchOptions, say: Callable[[str], None]) -> BenchResult:
    """Run the benchmark; see `experiments.benchmarks.registry.Benchmark`."""
    quick = options.quick
    rounds = options.repeats or (1 if quick else 5)
    say("overhead of tiny individuals")
    overhead = list(overhead_rows(60 if quick else 1000, rounds))
    say("efficiency of individuals of half a second")
    seconds, n_jobs = (0.02, 4) if quick else (0.5, 16)
    efficiency = list(efficiency_rows(seconds, n_jobs, 1 if quick else min(rounds, 3)))
    say("bytes")
    bytes_each = list(bytes_rows((2, 50) if quick else (2, 200, 1000)))
    simulated = []
    for name, size in (QUICK_SIZES if quick else SIZES).items():
        say(f"simulation: {name}")
        with tempfile.TemporaryDirectory() as folder:
            simulated += [
                {"search": name, "workers": size.workers} | row
                for row in simulate(size, Path(folder))
            ]
    rows = {
        "overhead": overhead,
        "efficiency": efficiency,
        "bytes": bytes_each,
        "simulation": simulated,
    }
    tables = {name: pd.DataFrame(found) for name, found in rows.items()}
    return BenchResult(tables, line(tables), shown(tables))


def line(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Return the result as one JSON-able object: our overhead beside the least of the peers, and the main figures."""
    overhead = tables["overhead"].set_index("side")["overhead_microseconds"]
    peers = overhead[[name for name in overhead.index if not name.startswith("ours")]]
    simulated = tables["simulation"].groupby("search", sort=False)
    last = simulated.last()
    grown = simulated["resident_mib"].last() - simulated["resident_mib"].nth(1).to_numpy()
    return {
        "name": "dispatch",
        "ours": round(overhead["ours"], 1),
        "peer": round(peers.min(), 1),
        "ratio": round(peers.min() / overhead["ours"], 3),
        "unit": "µs overhead per individual",
        "case": f"tiny individuals, beside {peers.idxmin()}",
        "ratio_bare_actor_calls": round(peers["bare actor calls"] / overhead["ours"], 3),
        "efficiency": round(tables["efficiency"]["efficiency"].iloc[0], 3),
        "driver_milliseconds": round(last["milliseconds_per_individual"].max(), 3),
        "grown_mib": round(float(grown.max()), 1),
    }


def shown(tables: Mapping[str, pd.DataFrame]) -> tuple[Table, ...]:
    """Return the tables to print."""
    titles = {
        "overhead": "Tiny individuals on two workers: the time beyond the workers' own, each individual",
        "efficiency": "Two workers beside this process alone",
        "bytes": "Bytes each individual, beside whole jobs and whole individuals",
        "simulation": "Simulated workers; the driver and its files are real",
    }
    return tuple(_table(titles[name], found) for name, found in tables.items())


def _table(title: str, found: pd.DataFrame) -> Table:
    table = Table(title=title, box=box.SIMPLE, title_justify="left")
    for column in found.columns:
        table.add_column(
            str(column).replace("_", " "),
            justify="left" if found[column].dtype == object else "right",
        )
    for _, row in found.iterrows():
        table.add_row(*(_cell(value) for value in row))
    return table


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"
