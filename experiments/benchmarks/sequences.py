"""``bench sequences``: evolved recurrent networks beside a GRU of PyTorch on problems of memory.

Each problem is a preset. Beside the evolved network it has the winner's founder without evolution, and a fixed random
reservoir; here a GRU is one more arm, with as many parameters as the winner, as nearly as a whole number of units
allows. All arms have the same splits, batches, recipe and number of gradient steps behind their weights. The search
took more steps in all.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.table import Table

from evo.phenotype.phenotype import Phenotype
from experiments.arms import ARMS, ModelSpec, Sized
from experiments.benchmarks.harness.result import BenchResult
from experiments.benchmarks.harness.settings import BenchOptions, check_repeats_only
from experiments.settings.experiment import Experiment, read_settings, with_values
from experiments.statistics.intervals import interval
from experiments.studies.runner import run

PROBLEMS = ("adding-problem", "delayed-xor", "mackey-glass", "sequential-digits")
"""The presets."""

ARMS_SHOWN = ("evolved", "static", "reservoir", "gru")
"""The arms, in the order of the table."""

FEW = 300
"""Parameters of a GRU where there is no winner, that is, in the check before the run."""

QUICK = {
    "evolution.generations": 1,
    "evolution.population": 2,
    "evolution.steps_per_generation": 5,
    "baseline.hidden": 10,
}


def check_sequences(options: BenchOptions) -> None:
    """Raise SettingsError if an option is out of range or is not one of this benchmark."""
    check_repeats_only("sequences", options)


def bench_sequences(options: BenchOptions, say: Callable[[str], None]) -> BenchResult:
    """Run the benchmark; see `experiments.benchmarks.registry.Benchmark`. The number of repeats is that of seeds."""
    seeds = options.repeats or (1 if options.quick else None)
    changes = (QUICK if options.quick else {}) | ({} if seeds is None else {"seeds": seeds})
    found = []
    with _gru_among_arms():
        for problem in PROBLEMS:
            say(problem)
            values = with_values(read_settings(problem), changes)
            arms = [*values["baseline"]["arms"], "gru"]
            found.append(_rows(Experiment(**with_values(values, {"baseline.arms": arms}))))
    rows = pd.concat(found, ignore_index=True)
    tables = {"seeds": rows, "arms": of_arms(rows)}
    return BenchResult(tables, line(tables), shown(tables))


@contextmanager
def _gru_among_arms() -> Iterator[None]:
    """Register the GRU as an arm of one's own, for as long as the block runs."""
    before = dict(ARMS.own)
    ARMS.register("gru", gru, replace=True)
    try:
        yield
    finally:
        ARMS.install(before)


def gru(spec: ModelSpec) -> Sized:
    """Build a GRU with as many parameters as the winner."""
    from experiments.benchmarks.peers.torch_gru import Gru, hidden_for  # noqa: PLC0415 - PyTorch

    ticks, n_inputs = spec.input_shape
    n_outputs, wanted = spec.dataset.n_outputs, FEW
    if spec.evolved is not None:
        wanted = Phenotype(spec.evolved.winner, spec.loss).parameter_count
    hidden = hidden_for(wanted, n_inputs, n_outputs)
    return Gru(n_inputs, hidden, n_outputs, ticks=ticks, loss=spec.loss, rng=spec.rng)


def _rows(experiment: Experiment) -> pd.DataFrame:
    """Run an experiment; return a row for each arm and seed."""
    with tempfile.TemporaryDirectory() as folder:
        results = run(experiment, workers=0, results=Path(folder), quiet=True, figures=False)
        table = results.comparison
    values = [row[f"test_{row['metric']}"] for row in table.to_dict("records")]
    costs = table[["parameters", "steps", "total_steps", "training_macs"]]
    key = table[["seed", "arm", "metric", "larger_is_better"]]
    return pd.concat([key.assign(value=values), costs], axis=1).assign(problem=experiment.name)


def of_arms(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of each arm on each problem with its interval over the seeds, and the means of its costs.

    Examples
    --------
    >>> key = {"problem": "xor", "arm": "gru", "metric": "accuracy", "larger_is_better": True}
    >>> costs = {"parameters": 10, "steps": 5, "total_steps": 5, "training_macs": 7}
    >>> rows = pd.DataFrame([key | costs | {"seed": seed, "value": 0.5 + seed / 10} for seed in range(3)])
    >>> of_arms(rows)[["problem", "arm", "seeds", "mean"]].to_dict("records")
    [{'problem': 'xor', 'arm': 'gru', 'seeds': 3, 'mean': 0.6}]
    """
    found = []
    for (problem, arm), group in rows.groupby(["problem", "arm"], sort=False):
        over_seeds = interval(group["value"])
        found.append(
            {
                "problem": problem,
                "arm": arm,
                "metric": group["metric"].iloc[0],
                "seeds": over_seeds.n,
                "mean": over_seeds.mean,
                "low": over_seeds.low,
                "high": over_seeds.high,
                **group[["parameters", "steps", "total_steps", "training_macs"]].mean().to_dict(),
            }
        )
    order = {arm: k for k, arm in enumerate(ARMS_SHOWN)}
    table = pd.DataFrame(found)
    return table.sort_values(
        ["problem", "arm"],
        key=lambda column: column.map(order) if column.name == "arm" else column,
        ignore_index=True,
    )


def line(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Return the result as one JSON-able object: the problem on which evolved networks are worst beside the GRU."""
    larger_is_better = dict(tables["seeds"][["problem", "larger_is_better"]].to_numpy().tolist())
    errors = {
        (row["problem"], row["arm"]): 1 - row["mean"]
        if larger_is_better[row["problem"]]
        else row["mean"]
        for row in tables["arms"].to_dict("records")
    }
    ratios = {
        problem: errors[problem, "gru"] / errors[problem, "evolved"]
        for problem in larger_is_better
        if errors[problem, "evolved"] > 0
    }
    worst = min(ratios, key=lambda problem: ratios[problem])
    return {
        "name": "sequences",
        "ours": round(errors[worst, "evolved"], 5),
        "peer": round(errors[worst, "gru"], 5),
        "ratio": round(ratios[worst], 3),
        "unit": "RMSE, or share of wrong predictions; a ratio above 1 is in favour of evolved networks",
        "case": worst,
        "ratios": {problem: round(one, 3) for problem, one in ratios.items()},
    }


def shown(tables: Mapping[str, pd.DataFrame]) -> tuple[Table, ...]:
    """Return the table to print."""
    printed = Table(title="Sequences: test part", box=box.SIMPLE, title_justify="left")
    for heading in ("problem", "arm", "metric"):
        printed.add_column(heading)
    for heading in ("mean", "interval", "parameters", "steps", "total steps"):
        printed.add_column(heading, justify="right")
    for row in tables["arms"].to_dict("records"):
        printed.add_row(*cells(row))
    return (printed,)


def cells(row: Mapping[Any, Any]) -> tuple[str, ...]:
    """Return the cells of an arm as text, in the order of the printed table."""
    percent = row["metric"] == "accuracy"
    numbers = [
        f"{100 * row[name]:.2f} %" if percent else f"{row[name]:.4f}"
        for name in ("mean", "low", "high")
    ]
    costs = [f"{row[name]:,.0f}" for name in ("parameters", "steps", "total_steps")]
    return row["problem"], row["arm"], row["metric"], numbers[0], " to ".join(numbers[1:]), *costs
