"""Many steps in one compiled call: the same as one step after another, whatever the phase is cut into."""

import os
import subprocess
import sys

import numpy as np
import pytest
from effort import first_now, trials

from cnn.training.budget import TrainingBudget
from cnn.training.descent import descend_stepwise
from cnn.training.losses import LOSSES
from cnn.training.optimizers import OPTIMIZERS
from cnn.training.recipe import Recipe
from cnn.training.samples import Samples
from cnn.training.trainer import train
from evo import Genome, Phenotype
from evo.genome.activations import ACTIVATIONS
from evo.phenotype.kernels import backward_kernels, forward_kernels, training_kernels
from evo.phenotype.kernels.training_kernels import LOSS_MARKS, OPTIMIZER_CODES

DTYPE, CLOSE = trials((np.float32, 1e-4), (np.float64, 1e-9))
"""The compiled loop of a commit is that of float32, which other tests run too; to compile it takes long."""


class Stepwise:
    """A graph whose steps are made one after another from Python."""

    def __init__(self, network):
        self.network = network
        self.parameters, self.macs = network.parameters, network.macs
        self.loss_and_gradients = network.loss_and_gradients
        self.loss, self.output = network.loss, network.output
        self.parameter_groups = network.parameter_groups


def draw(dtype=np.float64, ticks=1, threshold=None):
    rng = np.random.default_rng(5)
    matrix = (rng.normal(size=(16, 16)) * (rng.random((16, 16)) < 0.5) / 2).astype(dtype)
    return Genome.from_matrix(
        matrix, n_inputs=4, n_outputs=3, ticks=ticks, bias=rng.normal(size=16), threshold=threshold
    )


def data(loss, dtype=np.float64):
    rng = np.random.default_rng(6)
    inputs = rng.normal(size=(50, 4)).astype(dtype)
    if LOSSES[loss].target_kind == "classes":
        return Samples(inputs, rng.integers(0, 3, 50))
    return Samples(inputs, rng.normal(size=(50, 3)).astype(dtype))


def run(network, samples, recipe, steps=25, first_step=0, state=None, total_steps=100, **options):
    return train(
        network,
        samples,
        recipe,
        first_step=first_step,
        steps=steps,
        total_steps=total_steps,
        order_seed=3,
        state=state,
        **options,
    )


def test_the_compiled_loop_knows_every_loss_and_optimizer():
    assert set(LOSS_MARKS) == set(LOSSES)
    assert len(set(LOSS_MARKS.values())) == len(LOSSES)
    assert set(OPTIMIZER_CODES) == set(OPTIMIZERS)


@pytest.mark.parametrize("clip", [None, 0.05])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("loss", first_now(LOSSES))
def test_it_makes_the_steps_of_the_general_trainer(loss, optimizer, clip):
    recipe = Recipe(
        optimizer=optimizer,
        learning_rate=0.02,
        weight_decay=0.01,
        batch_size=7,
        gradient_clip=clip,
    )
    for dormant, threshold in (("frozen", None), ("straight_through", 0.4)):
        genome, samples = draw(DTYPE, threshold=threshold), data(loss, DTYPE)
        networks = [Phenotype(genome, loss, dormant=dormant) for _ in range(2)]
        options = {"record_every": 10, "record_layers": True, "record_parameters": True}
        ours = run(networks[0], samples, recipe, **options)
        theirs = run(Stepwise(networks[1]), samples, recipe, **options)
        close = {"rtol": CLOSE, "atol": CLOSE / 10}
        np.testing.assert_allclose(networks[0].parameters, networks[1].parameters, **close)
        np.testing.assert_allclose(ours.state.moments, theirs.state.moments, **close)
        assert ours.state.step == theirs.state.step == 25
        for name in ("step", "loss", "learning_rate", "gradient_norm", "gradients"):
            np.testing.assert_allclose(
                getattr(ours.curve, name), getattr(theirs.curve, name), **close
            )
        np.testing.assert_allclose(
            ours.curve.layer_gradient_norms, theirs.curve.layer_gradient_norms, **close
        )


MODERN = {"l2": 0.02, "label_smoothing": 0.2, "average": "exponential", "average_decay": 0.9}


@pytest.mark.slow
def test_it_penalises_smooths_labels_and_averages_as_the_general_trainer_does():
    samples = data("cross_entropy")
    weights = np.random.default_rng(7).uniform(0, 2, len(samples))
    for settings, some in (
        (MODERN, samples),
        ({"label_smoothing": 0.2}, Samples(samples.inputs, samples.targets, weights)),
    ):
        recipe = Recipe(learning_rate=0.02, batch_size=7, gradient_clip=0.5, **settings)
        networks = [Phenotype(draw()) for _ in range(2)]
        options = {"record_every": 10, "record_parameters": True}
        ours = run(networks[0], some, recipe, **options)
        theirs = run(Stepwise(networks[1]), some, recipe, **options)
        close = {"rtol": 1e-9, "atol": 1e-12}
        np.testing.assert_allclose(networks[0].parameters, networks[1].parameters, **close)
        np.testing.assert_allclose(ours.state.rows, theirs.state.rows, **close)
        np.testing.assert_allclose(ours.curve.loss, theirs.curve.loss, **close)
        np.testing.assert_allclose(ours.curve.gradients, theirs.curve.gradients, **close)


@pytest.mark.parametrize("loss", ["softmax_squared_error", "squared_error"])
def test_only_the_cross_entropy_is_trained_with_smoothed_labels(loss):
    for network in (Phenotype(draw(), loss), Stepwise(Phenotype(draw(), loss))):
        before = network.parameters.copy()
        with pytest.raises(ValueError, match="label_smoothing must be 0 for"):
            run(network, data(loss), Recipe(batch_size=8, label_smoothing=0.1))
        assert np.array_equal(network.parameters, before)


def test_how_a_run_with_an_average_is_cut_changes_no_bit():
    recipe = Recipe(batch_size=8, average="exponential", average_decay=0.9)
    samples = data("cross_entropy", np.float32)
    whole, cut = Phenotype(draw(np.float32)), Phenotype(draw(np.float32))
    expected = run(whole, samples, recipe, steps=60).state
    first = run(cut, samples, recipe, steps=23, record_every=4)
    last = run(cut, samples, recipe, steps=37, first_step=23, state=first.state).state
    assert np.array_equal(whole.parameters, cut.parameters)
    assert np.array_equal(expected.rows, last.rows)
    assert np.abs(expected.last_weights - whole.parameters).max() > 1e-3


@pytest.mark.parametrize("ticks", [1, 3])
def test_how_a_run_is_cut_changes_no_bit(ticks):
    recipe, samples = Recipe(batch_size=8), data("cross_entropy", np.float32)
    whole = Phenotype(draw(np.float32, ticks))
    run(whole, samples, recipe, steps=60)
    cut = Phenotype(draw(np.float32, ticks))
    first = run(cut, samples, recipe, steps=23, record_every=4)
    run(cut, samples, recipe, steps=37, first_step=23, state=first.state, record_every=7)
    assert np.array_equal(whole.parameters, cut.parameters)
    timed = Phenotype(draw(np.float32, ticks))
    run(timed, samples, recipe, steps=60, budget=TrainingBudget(seconds=3600))
    assert np.array_equal(whole.parameters, timed.parameters)


@pytest.mark.slow
@pytest.mark.parametrize("n_batch", [1, 2, 3, 5, 16, 33, 50])
def test_a_batch_of_any_size_trains(n_batch):
    """Rows are padded to whole vectors; what stands there must not count."""
    recipe, samples = Recipe(batch_size=n_batch), data("cross_entropy")
    ours, theirs = Phenotype(draw(ticks=2)), Phenotype(draw(ticks=2))
    run(ours, samples, recipe)
    run(Stepwise(theirs), samples, recipe)
    np.testing.assert_allclose(ours.parameters, theirs.parameters, rtol=1e-9, atol=1e-12)
    inputs, targets = samples.inputs[:n_batch], samples.targets[:n_batch]
    each = [
        ours.loss_and_gradients(inputs[k : k + 1], targets[k : k + 1])[1].copy()
        for k in range(n_batch)
    ]
    together = ours.loss_and_gradients(inputs, targets)[1]
    np.testing.assert_allclose(together, np.mean(each, axis=0), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("stepwise", [False, True])
def test_divergence_stops_training_with_a_reason(stepwise):
    network = Phenotype(draw(np.float32), "squared_error")
    recipe = Recipe(learning_rate=1e3, batch_size=8, schedule="constant")
    samples = data("squared_error", np.float32)
    report = run(Stepwise(network) if stepwise else network, samples, recipe)
    assert report.status == "diverged"
    assert 1 <= report.steps < 25
    assert report.reason.startswith("loss ")
    assert report.reason.endswith(f"at step {report.steps}")
    assert report.state.step == report.steps


def test_layers_are_those_of_the_evaluation_order():
    matrix = np.zeros((7, 7))
    for source, target in [(0, 2), (2, 3), (0, 3), (3, 4), (1, 5), (4, 6), (5, 6), (5, 2)]:
        matrix[source, target] = 1.0
    network = Phenotype(Genome.from_matrix(matrix, n_inputs=2, n_outputs=1, ticks=2))
    groups = dict(network.parameter_groups)
    assert list(groups) == ["layer 1", "layer 2", "layer 3", "layer 4"]
    assert np.sort(np.concatenate(list(groups.values()))).tolist() == list(
        range(network.parameter_count)
    )
    column = np.repeat(network.plan.nodes, np.diff(network.plan.indptr))
    targets = [
        sorted({int(column[k]) for k in group if k < network.n_edges}) for group in groups.values()
    ]
    assert targets == [[2, 5], [3], [4], [6]]


def test_the_general_trainer_is_not_what_runs(monkeypatch):
    def refuse(*_):
        raise AssertionError("stepwise")

    network = Phenotype(draw(np.float32))
    samples = data("cross_entropy", np.float32)
    monkeypatch.setattr(network, "loss_and_gradients", refuse)
    assert run(network, samples, Recipe()).status == "ok"
    with pytest.raises(AssertionError, match="stepwise"):
        run(Stepwise(network), samples, Recipe())
    assert callable(descend_stepwise)


def test_another_topology_compiles_nothing():
    recipe, samples = Recipe(batch_size=16), data("cross_entropy", np.float32)
    compiled = (forward_kernels.forward, backward_kernels.backward, training_kernels.descend)
    counted = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        n, ticks = int(rng.integers(10, 90)), int(rng.integers(1, 4))
        matrix = (rng.normal(size=(n, n)) * (rng.random((n, n)) < rng.random())).astype(np.float32)
        names = rng.choice(ACTIVATIONS, size=n).tolist()
        genome = Genome.from_matrix(matrix, n_inputs=4, n_outputs=3, ticks=ticks, activation=names)
        run(Phenotype(genome), samples, recipe, steps=2)
        counted.append(tuple(len(one.signatures) for one in compiled))
    assert len(set(counted)) == 1


@pytest.mark.parametrize("loss", first_now(LOSSES))
def test_samples_that_cannot_be_written_train_to_the_same_bits(loss):
    """What a Ray worker gets out of shared memory is read-only."""
    samples = data(loss, np.float32)
    shared = Samples(samples.inputs.copy(), samples.targets.copy())
    shared.inputs.flags.writeable = shared.targets.flags.writeable = False
    networks = [Phenotype(draw(np.float32, ticks=2), loss) for _ in range(2)]
    reports = [
        run(network, some, Recipe(batch_size=8))
        for network, some in zip(networks, (samples, shared), strict=True)
    ]
    assert np.array_equal(networks[0].parameters, networks[1].parameters)
    assert np.array_equal(reports[0].curve.loss, reports[1].curve.loss)
    signatures = len(training_kernels.descend.signatures)
    assert networks[0].loss(samples.inputs, samples.targets) == networks[1].loss(
        shared.inputs, shared.targets
    )
    run(networks[1], samples, Recipe(batch_size=8))
    assert len(training_kernels.descend.signatures) == signatures


TRAIN = """
import hashlib
import numpy as np
from cnn import Recipe, Samples, train
from evo import Genome, Phenotype
rng = np.random.default_rng(0)
matrix = np.triu(rng.normal(size=(40, 40)), 1).astype(np.float32)
network = Phenotype(Genome.from_matrix(matrix, n_inputs=8, n_outputs=3))
samples = Samples(rng.normal(size=(100, 8)).astype(np.float32), rng.integers(0, 3, 100))
options = {"first_step": 0, "steps": 60, "total_steps": 60, "order_seed": 0}
{first}
train(network, samples, Recipe(), **options)
print(hashlib.sha256(network.parameters.tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_compiling_and_finding_compiled_code_give_the_same_bits(tmp_path):
    look = "network.loss_and_gradients(samples.inputs[:32], samples.targets[:32])"
    digests = [
        subprocess.run(
            [sys.executable, "-c", TRAIN.replace("{first}", first)],
            env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / folder)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for folder, first in (("a", look), ("a", ""), ("a", look), ("b", ""), ("b", ""))
    ]
    assert len(digests[0]) > 60
    assert len(set(digests)) == 1
