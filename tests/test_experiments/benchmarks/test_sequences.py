"""The benchmark of sequences: its table follows from its rows, and the GRU is PyTorch's with our trainer."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cnn import Recipe, Samples, evaluate, train
from evo.errors import SettingsError
from experiments import ARMS, Experiment, run
from experiments.benchmarks.harness.settings import BenchOptions
from experiments.benchmarks.sequences import (
    ARMS_SHOWN,
    PROBLEMS,
    cells,
    check_sequences,
    line,
    of_arms,
    shown,
)
from experiments.settings.experiment import read_settings, with_values

ROOT = Path(__file__).parents[3]
PUBLISHED = ROOT / "results" / "reference" / "bench-sequences"
PAGE = ROOT / "docs" / "studies" / "recurrent.md"

with_torch = pytest.mark.skipif(
    find_spec("torch") is None, reason='PyTorch, the peer, is not installed (".[bench]")'
)


def rows_of(values):
    """Return rows of two seeds, given the values of each problem and arm."""
    costs = {"parameters": 10, "steps": 5, "total_steps": 9, "training_macs": 7}
    return pd.DataFrame(
        [
            {"problem": problem, "arm": arm, "seed": seed, "value": value + shift} | kind | costs
            for (problem, arm), (value, kind) in values.items()
            for seed, shift in enumerate((-0.1, 0.1))
        ]
    )


ACCURACY = {"metric": "accuracy", "larger_is_better": True}
RMSE = {"metric": "rmse", "larger_is_better": False}


def test_the_line_names_the_problem_on_which_evolved_networks_are_worst():
    rows = rows_of(
        {
            ("xor", "evolved"): (0.8, ACCURACY),
            ("xor", "gru"): (0.6, ACCURACY),
            ("sum", "gru"): (0.3, RMSE),
            ("sum", "evolved"): (0.4, RMSE),
            ("easy", "evolved"): (1.0, ACCURACY),
            ("easy", "gru"): (0.9, ACCURACY),
        }
    )
    rows.loc[rows["problem"] == "easy", "value"] = rows["value"].round()

    tables = {"seeds": rows, "arms": of_arms(rows)}
    result = json.loads(json.dumps(line(tables)))
    assert (result["case"], result["ours"], result["peer"]) == ("sum", 0.4, 0.3)
    assert result["ratios"] == {"sum": 0.75, "xor": 2.0}
    assert tables["arms"][["problem", "arm"]].to_numpy().tolist() == [
        ["easy", "evolved"],
        ["easy", "gru"],
        ["sum", "evolved"],
        ["sum", "gru"],
        ["xor", "evolved"],
        ["xor", "gru"],
    ]
    assert cells(tables["arms"].iloc[4])[2:4] == ("accuracy", "80.00 %")
    assert len(shown(tables)) == 1


def test_an_option_of_other_benchmarks_is_refused():
    with pytest.raises(SettingsError, match="must not be given to bench sequences"):
        check_sequences(BenchOptions(batches=(1,)))


@pytest.fixture
def gru():
    from experiments.benchmarks.peers.torch_gru import Gru

    def build(loss="squared_error", hidden=6):
        rng = np.random.default_rng(0)
        return Gru(2, hidden, 3, ticks=5, loss=loss, rng=rng)

    return build


X = np.random.default_rng(1).normal(size=(4, 5, 2)).astype(np.float32)
LAST = np.array([[0, 1, 2, 3], [4, 1, 2, 0]])
EACH = np.array([[0, 0, 1, 2, 3, 3], [0, 4, 1, 2, 0, 1]])


@with_torch
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("readings", [None, LAST, EACH])
@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
def test_the_gradient_of_the_gru_equals_central_differences(gru, readings, loss):
    network, rng = gru(loss), np.random.default_rng(2)
    n = 4 if readings is None else readings.shape[1]
    targets = rng.integers(0, 3, n) if loss == "cross_entropy" else rng.normal(size=(n, 3))
    weights = np.array([1.0, 2.0, 0.5, 0.5], np.float32)
    options = {} if readings is None else {"readings": readings}
    gradient = network.loss_and_gradients(X, targets, weights, **options)[1].copy()
    direction = rng.normal(size=len(gradient)).astype(np.float32)
    values, start = [], network.parameters.copy()
    for step in (1e-2, -1e-2):
        network.parameters[...] = start + np.float32(step) * direction
        values.append(network.loss(X, targets, weights, **options))
    assert gradient @ direction == pytest.approx((values[0] - values[1]) / 2e-2, rel=5e-3)


@with_torch
@pytest.mark.usefixtures("one_thread")
def test_the_gru_reads_a_sequence_at_its_own_last_step(gru):
    import torch

    network = gru()
    assert network.parameter_count == sum(part.numel() for part, _ in network._parts())
    output = network.output(X, LAST)
    for k, tick in enumerate(LAST[1]):
        states, _ = network._gru(torch.from_numpy(X[k : k + 1, : tick + 1]))
        alone = network._linear(states[0, -1]).detach().numpy()
        np.testing.assert_allclose(output[k], alone, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@with_torch
@pytest.mark.usefixtures("one_thread")
def test_our_trainer_trains_the_gru(gru):
    rng = np.random.default_rng(3)
    inputs = rng.normal(size=(200, 5, 2)).astype(np.float32)
    lengths = rng.integers(1, 6, 200)
    readings = np.stack([np.arange(200), lengths - 1])
    first = (inputs[:, 0, 0] > 0).astype(np.int64)
    network, samples = gru("cross_entropy", 10), Samples(inputs, first, readings=readings)
    recipe = Recipe(optimizer="adam", learning_rate=0.02)
    train(network, samples, recipe, first_step=0, steps=200, total_steps=200, order_seed=0)
    assert evaluate(network, samples).accuracy > 0.97


@with_torch
def test_the_units_of_a_gru_are_those_with_the_nearest_number_of_parameters():
    from experiments.benchmarks.peers.torch_gru import hidden_for, parameter_count

    for wanted in (20, 300, 1000):
        counts = {size: parameter_count(2, size, 1) for size in range(1, 40)}
        nearest = min(counts, key=lambda size: abs(counts[size] - wanted))
        assert hidden_for(wanted, 2, 1) == nearest


@pytest.mark.slow
@with_torch
def test_the_whole_benchmark_runs(quick_bench):
    own = dict(ARMS.own)
    printed, tables, described = quick_bench("sequences")
    assert set(tables["arms"]["problem"]) == set(PROBLEMS)
    assert set(tables["arms"]["arm"]) == set(ARMS_SHOWN)
    rows = tables["seeds"].set_index(["problem", "arm"])["parameters"].unstack()  # noqa: PD010
    assert ((rows["gru"] - rows["evolved"]).abs() / rows["evolved"] < 0.15).all()
    assert "Sequences: test part" in printed
    assert set(described["result"]["ratios"]) == set(PROBLEMS)
    assert ARMS.own == own


def test_the_published_table_follows_from_its_rows():
    rows = pd.read_csv(PUBLISHED / "seeds.csv")
    pd.testing.assert_frame_equal(of_arms(rows), pd.read_csv(PUBLISHED / "arms.csv"), rtol=1e-9)
    assert set(rows["problem"]) == set(PROBLEMS)
    assert (rows.groupby(["problem", "seed"])["arm"].agg(set) == {*ARMS_SHOWN}).all()


def test_the_page_has_the_published_numbers():
    page = PAGE.read_text("utf-8")
    lines = [
        f"| {' | '.join(cells(row))} |" for _, row in pd.read_csv(PUBLISHED / "arms.csv").iterrows()
    ]
    assert [one for one in lines if one not in page] == []


@pytest.mark.slow
def test_a_seed_gives_the_published_rows_to_the_last_digit(tmp_path):
    published = pd.read_csv(PUBLISHED / "seeds.csv")
    published = published.query("problem == 'delayed-xor' and arm != 'gru' and seed == 0")
    values = with_values(read_settings("delayed-xor"), {"seeds": 1})
    found = run(Experiment(**values), results=tmp_path, workers=0, figures=False)
    table = found.comparison.set_index("arm").loc[published["arm"]]
    assert table["test_accuracy"].tolist() == published["value"].tolist()
    assert table["training_macs"].tolist() == published["training_macs"].tolist()
