"""The PyTorch side of the CNN benchmark: it computes what ours computes, in every form that is timed."""

from importlib.util import find_spec

import numpy as np
import pytest

from experiments.benchmarks import BenchmarkError
from experiments.benchmarks.harness import workload

pytestmark = [
    pytest.mark.skipif(
        find_spec("torch") is None, reason='PyTorch, the peer, is not installed (".[bench]")'
    ),
    pytest.mark.usefixtures("one_thread"),
]


@pytest.fixture(scope="module")
def samples():
    return workload.synthetic_samples()


@pytest.fixture
def cell(samples):
    from experiments.benchmarks.cnn.cell import Cell

    return Cell.build("small_cnn", 32, 1, samples)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("optimizer", ["fused", "foreach", "loop"])
@pytest.mark.parametrize("reordered", [False, True])
def test_every_form_agrees_with_ours(cell, channels_last, optimizer, reordered):
    from experiments.benchmarks.cnn.agreement import check_agreement
    from experiments.benchmarks.peers.torch_layers import Form

    peer = cell.peer(Form(channels_last, optimizer, reordered))
    assert check_agreement(cell, peer, "training")["gradient_difference"] < 5e-3
    assert check_agreement(cell, peer, "inference")["probability_difference"] < 1e-5
    np.testing.assert_array_equal(cell.trainable.parameters, cell.start)
    np.testing.assert_array_equal(peer.parameters(), cell.start)


def test_ours_on_two_threads_agrees_as_well(samples):
    from contextlib import closing

    from experiments.benchmarks.cnn.agreement import check_agreement, digests
    from experiments.benchmarks.cnn.cell import Cell
    from experiments.benchmarks.peers.torch_layers import Form

    with closing(Cell.build("small_cnn", 32, 2, samples)) as cell:
        assert cell.trainable is not cell.network
        check_agreement(cell, cell.peer(Form()), "training")
        assert digests(cell)["identical"]


@pytest.mark.parametrize(
    ("phase", "what"), [("training", "loss difference"), ("inference", "probability difference")]
)
def test_a_peer_with_other_weights_is_found_out(cell, phase, what):
    from experiments.benchmarks.cnn.agreement import check_agreement
    from experiments.benchmarks.cnn.cell import Cell
    from experiments.benchmarks.peers.torch_layers import Form

    other = Cell.build("small_cnn", 32, 1, cell.samples)
    other.start[0] += 0.5
    with pytest.raises(BenchmarkError, match=f"small_cnn at batch 32: {what} to PyTorch"):
        check_agreement(cell, other.peer(Form()), phase)


def test_both_sides_see_the_same_batches_in_the_same_order(cell):
    from experiments.benchmarks.peers.torch_layers import Form

    peer = cell.peer(Form())
    order = cell.order(200)  # more than an epoch
    taken = [peer.images.index_select(0, chosen).numpy()[:, 0] for chosen in peer.order(order)]
    np.testing.assert_array_equal(np.stack(taken), cell.samples.inputs[order])
    ours, theirs = cell.slices(130), peer.slices(32, 130)
    assert len(ours) == len(theirs) == 130
    np.testing.assert_array_equal(np.stack(ours), np.stack([x.numpy()[:, 0] for x in theirs]))


def test_turns_of_both_sides_begin_at_the_starting_weights(cell):
    from experiments.benchmarks.cnn.cell import our_side, peer_side
    from experiments.benchmarks.peers.torch_layers import Form

    peer = cell.peer(Form())
    for side, parameters in (
        (our_side(cell, "training", 3), lambda: cell.trainable.parameters),
        (peer_side("eager", peer, cell, "training", 3), peer.parameters),
    ):
        ends = []
        for _ in range(2):
            side.prepare()
            np.testing.assert_array_equal(parameters(), cell.start)
            side.run()
            ends.append(parameters().copy())
        assert not np.array_equal(ends[0], cell.start)
        np.testing.assert_array_equal(ends[0], ends[1])
