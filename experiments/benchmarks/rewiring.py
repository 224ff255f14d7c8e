"""``bench rewiring``: what policies of sparse training and changed images cost, beside the training that they serve.

The network is that of the preset ``sparse-mlp``, 784-1568³-10 with 77,145 weights. Each policy rewires it after every
epoch of 55,040 samples; the methods that prune to a density begin with twice as many weights. What a run spends on
rewiring and on training stands in its table ``individuals``. The scores of link prediction are those of one of its
layers, 1568 × 1568 at 1 %. Images are shifted, mirrored and erased for epochs of LeNet-5, which take turns with epochs
of images as they are.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse
from rich import box
from rich.table import Table

import cnn
from evo.policies.link_prediction import ch2_l3n, ch3_l3p, link_scores
from evo.policies.rewiring import METHODS
from experiments.benchmarks.harness.result import BenchResult
from experiments.benchmarks.harness.settings import BenchOptions, check_repeats_only
from experiments.benchmarks.harness.timing import Side, interleave
from experiments.datasets import Dataset
from experiments.settings.experiment import Experiment, read_settings, with_values
from experiments.studies.runner import run

EPOCH = 860
"""Steps of an epoch, of 64 samples each."""

AUGMENTATION: Mapping[str, Any] = {"shift": 2, "flip": True, "erase": 8}
"""Every change of images that there is."""


def check_rewiring(options: BenchOptions) -> None:
    """Raise SettingsError if an option is out of range or is not one of this benchmark."""
    check_repeats_only("rewiring", options)


def bench_rewiring(options: BenchOptions, say: Callable[[str], None]) -> BenchResult:
    """Run the benchmark; see `experiments.benchmarks.registry.Benchmark`."""
    rounds = options.repeats or (1 if options.quick else 5)
    steps = 20 if options.quick else EPOCH
    say(f"{len(METHODS)} policies, {rounds} epochs each")
    policies = [row for name in METHODS for row in _epochs(name, steps, rounds)]
    say("scores of link prediction")
    seconds = interleave([*_sides_of_scores()], rounds)
    say("images for LeNet-5")
    images = interleave([*_sides_of_images(steps)], rounds)
    tables = {
        "policies": pd.DataFrame(policies),
        "scores": _turns("rule", seconds),
        "images": _turns("images", images),
    }
    return BenchResult(tables, line(tables), shown(tables))


def _epochs(policy: str, steps: int, rounds: int) -> Iterator[dict[str, Any]]:
    """Yield the seconds of rewiring and of the epoch after it, for each of some generations."""
    settings = {
        name: section
        for name, section in read_settings("sparse-mlp").items()
        if name not in ("arms", "evaluation", "policy")
    }
    n_samples = 64 * steps + 1000
    changes: dict[str, Any] = {
        "seeds": 1,
        "dataset": {"name": "own", "validation": 500 / n_samples, "test": 500 / n_samples},
        "evolution.generations": rounds,
        "evolution.steps_per_generation": steps,
        "evolution.train_only_fraction": 0.0,
        "policy": {"name": policy, "fixed_layers": [-1]},
    }
    if METHODS[policy].regrowth != "none":
        changes["policy.rewired_fraction"] = 0.3
    if METHODS[policy].density_schedule != "constant":
        changes |= {"founders.density": 0.02, "policy.final_density": 0.01}
    rng = np.random.default_rng(0)
    data = Dataset.from_arrays(
        rng.standard_normal((n_samples, 784), np.float32), rng.integers(0, 10, n_samples)
    )
    experiment = Experiment(**with_values(settings, changes))
    with tempfile.TemporaryDirectory() as folder:
        results = run(
            experiment, dataset=data, workers=0, results=Path(folder), quiet=True, figures=False
        )
    rewired = results.individuals.query("generation > 0")
    for generation, modify, train in zip(
        rewired["generation"], rewired["modify_seconds"], rewired["train_seconds"], strict=True
    ):
        yield {
            "policy": policy,
            "round": generation,
            "rewiring_seconds": modify,
            "training_seconds": train,
        }


def _sides_of_scores() -> Iterator[Side]:
    """Yield the scores of each rule."""
    layer = scipy.sparse.random_array((1568, 1568), density=0.01, rng=np.random.default_rng(0))
    for rule in (ch2_l3n, ch3_l3p):
        score = partial(link_scores, layer, rule)
        yield Side(rule.__name__, score, score)


def _sides_of_images(steps: int) -> Iterator[Side]:
    """Yield an epoch of LeNet-5 with images as they are, and one with changed images."""
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((64 * steps, 28, 28), np.float32)
    samples = cnn.Samples(inputs, rng.integers(0, 10, len(inputs)))
    for name, augmentation in (("as they are", {}), ("changed", AUGMENTATION)):
        network = cnn.lenet5(rng=np.random.default_rng(0))
        recipe = cnn.Recipe(learning_rate=0.01, batch_size=64, augmentation=augmentation)
        train = partial(cnn.train, network, samples, recipe, first_step=0, order_seed=0)
        warm_up, epoch = (partial(train, steps=n, total_steps=n) for n in (2, steps))
        yield Side(name, warm_up, epoch)


def _turns(name: str, seconds: Mapping[str, list[float]]) -> pd.DataFrame:
    rows = [
        {name: side, "round": number, "seconds": one}
        for side, turns in seconds.items()
        for number, one in enumerate(turns, start=1)
    ]
    return pd.DataFrame(rows)


def shares(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the median seconds of rewiring and training of each policy, and their ratio `share`."""
    columns = ["rewiring_seconds", "training_seconds"]
    found = tables["policies"].groupby("policy", sort=False)[columns].median()
    found["share"] = found["rewiring_seconds"] / found["training_seconds"]
    return found


def line(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Return the result as one JSON-able object: the policy that costs most, scores, and images."""
    found = shares(tables)
    worst = str(found["share"].idxmax())
    rewiring, training, share = map(float, found.loc[worst])
    scores = tables["scores"].groupby("rule")["seconds"].median()
    images = tables["images"].groupby("images")["seconds"].median()
    return {
        "name": "rewiring",
        "ours": round(rewiring, 4),
        "peer": round(training, 4),
        "ratio": round(1 / share, 2),
        "unit": "s to rewire a network, and to train it for an epoch",
        "case": worst,
        "scores_ms": {rule: round(1000 * seconds, 1) for rule, seconds in scores.items()},
        "share_of_images": round(images["changed"] / images["as they are"] - 1, 3),
    }


def shown(tables: Mapping[str, pd.DataFrame]) -> tuple[Table, ...]:
    """Return the tables to print: policies, scores, images."""
    policies = _table(
        "Rewiring beside an epoch of training", "policy", "rewiring, ms", "epoch, ms", "share"
    )
    for name, row in shares(tables).iterrows():
        milliseconds = (
            f"{1000 * row[column]:,.0f}" for column in ("rewiring_seconds", "training_seconds")
        )
        policies.add_row(str(name), *milliseconds, f"{row['share']:.1%}")
    others = _table("Scores of a layer, and epochs of LeNet-5", "what", "ms")
    for name in ("scores", "images"):
        kind = str(tables[name].columns[0])
        for what, seconds in tables[name].groupby(kind, sort=False)["seconds"].median().items():
            others.add_row(f"{kind}: {what}", f"{1000 * seconds:,.1f}")
    return policies, others


def _table(title: str, first: str, *numbers: str) -> Table:
    table = Table(title=title, box=box.SIMPLE, title_justify="left")
    table.add_column(first)
    for heading in numbers:
        table.add_column(heading, justify="right")
    return table
