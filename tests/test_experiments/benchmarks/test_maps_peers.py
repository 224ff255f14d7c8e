"""The peers of the benchmark of maps: every form computes what ours computes."""

from importlib.util import find_spec

import numpy as np
import pytest

from experiments.benchmarks import BenchmarkError
from experiments.benchmarks.harness import workload
from experiments.benchmarks.harness.settings import MapsSettings
from experiments.benchmarks.maps.bench import memory_rows
from experiments.benchmarks.maps.networks import CNN, NETWORKS, dense_network

pytestmark = [
    pytest.mark.skipif(
        find_spec("torch") is None, reason='PyTorch, the peer, is not installed (".[bench]")'
    ),
    pytest.mark.usefixtures("one_thread"),
]
BATCH = 8


@pytest.fixture(scope="module")
def cases():
    from experiments.benchmarks.maps.sides import maps_case

    samples = workload.synthetic_samples()
    return {name: maps_case(name, BATCH, samples) for name in NETWORKS}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(NETWORKS))
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(("optimizer", "reordered"), [("fused", False), ("foreach", True)])
def test_pytorch_computes_what_ours_computes(cases, name, channels_last, optimizer, reordered):
    from experiments.benchmarks.maps.sides import agreement_row, torch_side
    from experiments.benchmarks.peers.torch_layers import Form

    case = cases[name]
    side = torch_side(case, Form(channels_last, optimizer, reordered))
    _, row = agreement_row(case, "PyTorch", side)
    assert row["gradient_difference"] < 1e-5
    np.testing.assert_array_equal(case.network.parameters, case.start)
    np.testing.assert_array_equal(side.parameters(), case.start)


def test_the_layers_of_cnn_compute_what_the_matrix_computes(cases):
    from experiments.benchmarks.maps.sides import CnnSide, agreement_row

    case = cases["lenet5"]
    side = CnnSide(case, dense_network(1))
    agreement_row(case, CNN, side)
    order = case.order(3)
    assert side.loss(order[0]) == side.loss_and_gradient(order[0])[0]
    side.train(order)
    assert not np.array_equal(side.parameters(), case.start)


def test_another_network_is_found_out(cases):
    from experiments.benchmarks.maps.sides import agreement_row, torch_side
    from experiments.benchmarks.peers.torch_layers import Form

    side = torch_side(cases["twice"], Form())
    side.peer._start[0].mul_(1.01)
    with pytest.raises(BenchmarkError, match=r"twice, batch 8: \w+ difference to it must be"):
        agreement_row(cases["twice"], "it", side)


def test_no_weight_comes_where_the_mask_has_none(cases):
    from experiments.benchmarks.maps.sides import torch_side
    from experiments.benchmarks.peers.torch_layers import Form

    case = cases["twice"]
    side = torch_side(case, Form(channels_last=True))
    side.train(case.order(3))
    assert np.count_nonzero(side.peer.parameters()) <= case.network.parameter_count
    assert not np.array_equal(side.parameters(), case.start)


def test_dormant_weights_learn_and_active_ones_change(cases):
    from experiments.benchmarks.maps.sides import torch_side
    from experiments.benchmarks.peers.torch_layers import Form

    case = cases["straight_through"]
    side = torch_side(case, Form())
    n_edges = case.network.n_edges
    asleep = ~case.genome.active_mask()[case.network.plan.entries]
    order = case.order(20)
    side.train(order)
    moved = side.parameters()[:n_edges] != case.start[:n_edges]
    assert moved[asleep].mean() > 0.9
    let_through = [np.count_nonzero(p.detach().numpy()) for p in side.peer.module.parameters()]
    assert 0.8 * 61_470 < sum(let_through) < 1.2 * 61_470
    trained = case.genome.with_values(side.parameters()[:n_edges], case.genome.bias)
    assert not np.array_equal(trained.active_mask(), case.genome.active_mask())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["twice", "straight_through"])
def test_each_side_trains_alone_and_tells_its_memory(name):
    rows = list(memory_rows(MapsSettings(name, (BATCH,), None, quick=True)))
    assert len(rows) in {0, 4}  # none where the system does not tell
    for before, peak in zip(rows[::2], rows[1::2], strict=True):
        assert before["value"] < peak["value"]


@pytest.mark.slow
def test_a_quick_run_ends_in_one_json_line_and_leaves_its_tables(quick_bench):
    printed, tables, described = quick_bench("maps")
    assert {"name", "ours", "peer", "ratio", "unit", "missed"} <= described["result"].keys()
    assert tables.keys() == {"agreement", "bits", "figures", "left_out", "speed"}
    assert tables["bits"]["identical"].all()
    assert (tables["agreement"]["gradient_difference"] <= 1e-5).all()
    assert set(tables["speed"]["part"]) == set(NETWORKS)
    assert (tables["speed"]["unit"] == "samples/s").all()
    targets = tables["speed"].dropna(subset="target").set_index("part")["target"]
    assert targets.to_dict() == {"lenet5": 0.8, "twice": 3.0, "three_times": 3.0}
    assert "reached" in printed
