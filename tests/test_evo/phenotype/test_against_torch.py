"""Evolved graphs against a dense masked PyTorch model of the same matrix, and its automatic differentiation."""

import numpy as np
import pytest

from cnn.training.recipe import Recipe
from cnn.training.samples import Samples
from cnn.training.trainer import train
from evo import Genome, Phenotype
from evo.genome.activations import activation_name

torch = pytest.importorskip("torch", reason="PyTorch is the peer here: pip install -e '.[bench]'")

pytestmark = pytest.mark.usefixtures("one_thread")

PHI = {
    "identity": lambda x: x,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": lambda x: torch.nn.functional.leaky_relu(x, 0.01),
    "gelu": torch.nn.functional.gelu,
    "sine": torch.sin,
    "gaussian": lambda x: torch.exp(-x * x),
}


class Masked(torch.nn.Module):
    """The formula on a dense matrix with a mask, node after node, tick after tick; inputs first, outputs last."""

    def __init__(self, genome):
        super().__init__()
        self.genome = genome
        dense = torch.tensor(genome.to_dense())
        self.mask = (dense != 0).to(dense.dtype)
        self.weights = torch.nn.Parameter(dense)
        self.bias = torch.nn.Parameter(torch.tensor(genome.bias.copy()))

    def forward(self, x):
        genome = self.genome
        n, n_inputs = genome.n_nodes, len(genome.inputs)
        weights = self.weights * self.mask
        zeros = [torch.zeros(len(x), dtype=x.dtype)] * (n - n_inputs)
        before = [*x.T, *zeros]
        for _ in range(genome.ticks):
            now = [*x.T]
            for j in range(n_inputs, n):
                states = torch.stack([*now[:j], *before[j:]])
                net = weights[:, j] @ states + self.bias[j]
                now.append(PHI[activation_name(genome.activations[j])](net))
            before = now
        return torch.stack(before[n - len(genome.outputs) :]).T


def draw(rng, ticks, dtype):
    n = 14
    matrix = (rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.4)).astype(dtype)
    names = rng.choice([name for name in PHI if name != "identity"], size=n).tolist()
    return Genome.from_matrix(
        matrix, n_inputs=4, n_outputs=3, ticks=ticks, activation=names, bias=rng.normal(size=n)
    )


@pytest.mark.parametrize("ticks", [1, 2, 4])
def test_outputs_and_gradients_are_those_of_a_masked_matrix(ticks):
    rng = np.random.default_rng(ticks)
    for _ in range(8):
        genome = draw(rng, ticks, np.float64)
        ours, theirs = Phenotype(genome), Masked(genome)
        X, y = rng.normal(size=(6, 4)), rng.integers(0, 3, 6)
        value, gradient = ours.loss_and_gradients(X, y)
        loss = torch.nn.functional.cross_entropy(theirs(torch.tensor(X)), torch.tensor(y))
        loss.backward()
        assert value == pytest.approx(loss.item(), rel=1e-10)
        column = np.repeat(np.arange(genome.n_nodes), np.diff(genome.indptr))[ours.plan.entries]
        edges = theirs.weights.grad.numpy()[genome.indices[ours.plan.entries], column]
        biases = theirs.bias.grad.numpy()[ours.plan.nodes]
        np.testing.assert_allclose(gradient, np.concatenate([edges, biases]), rtol=1e-8, atol=1e-11)


@pytest.mark.slow
def test_training_is_that_of_a_masked_matrix():
    rng = np.random.default_rng(9)
    genome = draw(rng, 2, np.float32)
    ours, theirs = Phenotype(genome), Masked(genome)
    X, y = rng.normal(size=(40, 4)).astype(np.float32), rng.integers(0, 3, 40)
    # Whole batches, so that the order of samples plays no part.
    recipe = Recipe(learning_rate=0.05, momentum=0.9, batch_size=40, schedule="constant")
    train(ours, Samples(X, y), recipe, first_step=0, steps=20, total_steps=20, order_seed=0)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.05, momentum=0.9)
    for _ in range(20):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(theirs(torch.tensor(X)), torch.tensor(y)).backward()
        optimizer.step()
    trained = ours.to_genome()
    kept = trained.to_dense() != 0
    np.testing.assert_allclose(
        trained.to_dense()[kept], theirs.weights.detach().numpy()[kept], rtol=2e-3, atol=2e-4
    )
