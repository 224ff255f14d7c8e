"""The PyTorch side of the graph benchmark: every form computes what ours computes."""

from importlib.util import find_spec

import numpy as np
import pytest

from experiments.benchmarks.graph.genomes import random_genome
from experiments.benchmarks.harness.sides import Case, agreement_row, noise_samples
from experiments.benchmarks.harness.workload import recipe

pytestmark = [
    pytest.mark.skipif(
        find_spec("torch") is None, reason='PyTorch, the peer, is not installed (".[bench]")'
    ),
    pytest.mark.usefixtures("one_thread"),
]


@pytest.fixture(scope="module")
def layers():
    from experiments.benchmarks.graph.layers import layers_case

    return layers_case(0.05)


@pytest.fixture(scope="module")
def chain():
    from experiments.benchmarks.graph.deep import chain_case

    return chain_case()


@pytest.fixture(scope="module")
def graph():
    """A graph in which outputs stand at several levels, and one speaks to another."""
    genome = random_genome(60, 250, n_inputs=8, n_outputs=6, seed=1)
    return Case("deep", "small", genome, noise_samples(64, 8, 6), recipe(16))


def test_a_part_computes_on_one_thread_whoever_starts_it():
    import torch

    from experiments.benchmarks.graph.parts import rows
    from experiments.benchmarks.harness.rows import Turns

    for part in ("layers", "deep"):
        torch.set_num_threads(2)
        next(rows(part, Turns.of(1, quick=True), quick=True))
        assert torch.get_num_threads() == 1


def check(case, peers):
    for name, forms in peers.items():
        for form, peer in forms.items():
            _, row = agreement_row(case, f"{name}, {form}", peer)
            assert row["relative_difference"] < 1e-5
            assert row["loss_before"] != row["loss_peer"]


@pytest.mark.slow
def test_layers_agree_in_every_form(layers):
    from experiments.benchmarks.graph.layers import layers_peers

    peers = layers_peers(layers)
    assert list(peers) == [
        "PyTorch, masked",
        "PyTorch, masked after updates",
        "torch.sparse",
        "SciPy",
    ]
    check(layers, peers)


def test_no_weight_comes_where_the_mask_has_none(layers):
    from experiments.benchmarks.graph.layers import layers_peers

    for peer in layers_peers(layers)["PyTorch, masked after updates"].values():
        peer.restore()
        peer.train(layers.order(3))
        for weight, mask in zip(peer.weights, peer.masks, strict=True):
            assert not (weight.detach() * (1 - mask)).any()
            assert not peer.parameters[0].equal(peer._start[0])


@pytest.mark.slow
def test_a_chain_agrees_by_autograd_and_by_hand(chain):
    from experiments.benchmarks.graph.deep import chain_peers, level_peers

    check(chain, chain_peers(chain) | level_peers(chain))


def test_a_graph_agrees_by_levels(graph):
    from experiments.benchmarks.graph.deep import level_peers

    assert not graph.genome.effective_mask().all()  # the peer leaves out the same
    check(graph, level_peers(graph))


def test_a_sparse_gradient_is_that_of_autograd():
    import torch
    from scipy import sparse

    from experiments.benchmarks.peers.torch_graph import Pattern, SparseLinear

    rng = np.random.default_rng(0)
    block = sparse.random_array((7, 5), density=0.4, format="csr", dtype=np.float32, rng=rng)
    dense = torch.tensor(block.toarray(), requires_grad=True)
    x = torch.randn(5, 3, requires_grad=True)
    (dense @ x).tanh().sum().backward()
    expected = dense.grad[torch.tensor(block.toarray() != 0)], x.grad.clone()
    for form in ("sampled", "product and gather"):
        values = torch.tensor(block.data, requires_grad=True)
        x.grad = None
        bias = torch.zeros(7, requires_grad=True)
        SparseLinear.apply(values, bias, x, Pattern(block, form)).tanh().sum().backward()
        torch.testing.assert_close(values.grad, expected[0])
        torch.testing.assert_close(x.grad, expected[1])


@pytest.mark.slow
def test_a_quick_run_ends_in_one_json_line_and_leaves_its_tables(quick_bench):
    printed, tables, described = quick_bench("graph")
    assert {"name", "ours", "peer", "ratio", "unit", "missed"} <= described["result"].keys()
    assert tables.keys() == {"agreement", "bits", "figures", "left_out", "speed"}
    assert tables["bits"]["identical"].all()
    assert (tables["agreement"]["relative_difference"] <= 1e-4).all()
    assert {"layers", "deep", "large", "preparation"} <= set(tables["speed"]["part"])
    assert "reached" in printed
