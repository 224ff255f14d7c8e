"""Modules of PyTorch: our outputs and gradients, training that keeps the topology, and the way back."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from evo import Phenotype, from_torch, to_torch
from evo.exchange import blocks

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install torch")
nn = torch.nn

pytestmark = pytest.mark.usefixtures("one_thread")


def check_genomes(any_network, seeds):
    """Compare scores and gradients in float64; in every third network outputs are read at several ticks."""
    for seed in seeds:
        genome, rng, n_steps = any_network(seed)
        genome = genome.with_values(0.4 * genome.values, genome.bias)
        readings = None
        if seed % 3 == 0:
            genome, n_steps = replace(genome, ticks=3), 3
            readings = np.array([[0, 0, 1, 2, 2, 2], [0, 2, 1, 0, 1, 2]])
        assert_same_gradients(genome, rng, n_steps, readings)


def assert_same_gradients(genome, rng, n_steps=1, readings=None):
    inputs = rng.normal(size=(3, genome.n_features * n_steps))
    n_targets = 3 if readings is None else readings.shape[1]
    labels = rng.integers(0, len(genome.outputs), n_targets)
    network, module = Phenotype(genome), to_torch(genome)
    scores = module(torch.tensor(inputs), None if readings is None else torch.tensor(readings))
    losses = nn.functional.cross_entropy(scores, torch.tensor(labels), reduction="none")
    of_samples = np.arange(3) if readings is None else readings[0]
    weights = (
        1 / np.bincount(of_samples)[of_samples] / 3
    )  # a sample counts by the mean over its readings
    (losses @ torch.tensor(weights)).backward()
    np.testing.assert_allclose(
        torch.softmax(scores, 1).detach().numpy(), network.output(inputs, readings), atol=1e-10
    )
    # Without effective edges the weights take no part in the scores, and PyTorch gives them no gradient.
    gradients = [
        torch.zeros_like(one) if one.grad is None else one.grad for one in module.parameters()
    ]
    found = torch.cat(gradients).numpy()
    _, expected = network.loss_and_gradients(inputs, labels, readings=readings)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.usefixtures("form")
def test_any_network_has_our_outputs_and_gradients(any_network):
    check_genomes(any_network, range(24))


@pytest.mark.slow
@pytest.mark.usefixtures("form")
def test_a_thousand_networks_have_our_outputs_and_gradients(any_network):
    check_genomes(any_network, range(1000, 2000))


def test_large_and_almost_empty_matrices_are_no_arrays(random_genome, form):
    products = [
        one
        for block in blocks.blocks_of(random_genome(np.random.default_rng(0), n=12, ticks=2))
        for one in block.products
    ]
    assert [one.is_sparse for one in products] == [form == "sparse"] * len(products)


def test_an_optimizer_trains_edges_and_adds_none(random_genome):
    rng = np.random.default_rng(5)
    genome = random_genome(rng, threshold=None)
    genome = genome.with_values(0.4 * genome.values, genome.bias)
    module = to_torch(genome)
    inputs = torch.tensor(rng.normal(size=(8, genome.n_features)))
    labels = torch.tensor(rng.integers(0, 2, 8))
    optimizer = torch.optim.Adam(module.parameters(), lr=0.05)
    losses = []
    for _ in range(15):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(module(inputs), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    trained, effective = from_torch(module), genome.effective_mask()
    assert np.array_equal(trained.indices, genome.indices)
    np.testing.assert_array_equal(trained.values[~effective], genome.values[~effective])
    found = Phenotype(trained).output(inputs.numpy())
    np.testing.assert_allclose(found, torch.softmax(module(inputs), 1).detach(), atol=1e-10)


def test_the_state_of_a_module_is_its_parameters(random_genome):
    module = to_torch(random_genome(np.random.default_rng(0)))
    assert list(module.state_dict()) == ["weights", "bias"]


def test_features_must_fit(random_genome):
    module = to_torch(random_genome(np.random.default_rng(0), ticks=2))
    with pytest.raises(
        ValueError, match=r"inputs must have 3 or, as a sequence, 6 features a sample; got 4"
    ):
        module(torch.zeros(2, 4, dtype=torch.float64))


SEQUENCES = {
    "perceptron": (
        lambda: nn.Sequential(
            nn.Linear(5, 7), nn.Tanh(), nn.Dropout(), nn.Linear(7, 3, bias=False)
        ),
        None,
        (5,),
    ),
    "cnn": (
        lambda: nn.Sequential(
            nn.Sequential(nn.Conv2d(2, 3, 3, padding="same"), nn.ReLU(), nn.MaxPool2d(2)),
            nn.Conv2d(3, 4, 3),
            nn.Sigmoid(),
            nn.Flatten(),
            nn.Linear(4 * 9, 6),
            nn.ReLU(),
            nn.Linear(6, 3),
        ),
        (2, 10, 10),
        (2, 10, 10),
    ),
    "groups and means": (
        lambda: nn.Sequential(
            nn.Conv2d(4, 6, 3, groups=2, bias=False),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(54, 2),
        ),
        (4, 8, 8),
        (4, 8, 8),
    ),
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_sequence_becomes_a_genome(name):
    make, given, shape = SEQUENCES[name]
    torch.manual_seed(0)
    module = make().double().eval()
    genome = from_torch(module, given)
    inputs = torch.randn(3, *shape, dtype=torch.float64)
    found = Phenotype(genome, "squared_error").output(inputs.numpy())
    np.testing.assert_allclose(found, module(inputs).detach().numpy(), atol=1e-10)
    assert to_torch(genome)(inputs).shape == found.shape


@pytest.mark.parametrize(
    ("layers", "shape", "message"),
    [
        (lambda: [nn.Linear(2, 2), nn.GELU()], None, r"layer 2 \(GELU\) must be one of Conv2d, "),
        (lambda: [nn.ReLU(), nn.Linear(2, 2)], None, r"layer 1 \(ReLU\) must come after Conv2d or"),
        (
            lambda: [nn.Conv2d(1, 1, 3, stride=2)],
            (1, 8, 8),
            r"layer 1 \(Conv2d\) must have stride 1; got \(2, 2\)",
        ),
        (
            lambda: [nn.Conv2d(1, 1, 3), nn.MaxPool2d(3)],
            (1, 8, 8),
            r"layer 2 \(MaxPool2d\) must have kernel_size 2; got 3",
        ),
        (lambda: [nn.Conv2d(1, 1, 3)], None, "input_shape must be given unless the first layer is"),
        (lambda: [nn.Flatten()], (1, 8, 8), "module must have at least one Linear layer; got none"),
    ],
)
def test_other_sequences_are_refused(layers, shape, message):
    with pytest.raises(ValueError, match=message):
        from_torch(nn.Sequential(*layers()), shape)


def test_something_else_than_a_sequence_is_refused():
    with pytest.raises(TypeError, match=r"module must be a torch.nn.Sequential; got Linear"):
        from_torch(nn.Linear(2, 2))


def test_without_torch_one_line_says_how_to_install_it(random_genome, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "evo.exchange.torch_modules", raising=False)
    with pytest.raises(ImportError, match=r"^to_torch needs PyTorch: pip install torch$"):
        to_torch(random_genome(np.random.default_rng(0)))
