"""Networks of maps against PyTorch: convolutions with masked kernels, pooling, automatic differentiation."""

import numpy as np
import pytest

from cnn.training.recipe import Recipe
from cnn.training.samples import Samples
from cnn.training.trainer import train
from evo import Genome, Phenotype, Role
from evo.genome.activations import activation_code, activation_name
from evo.genome.feature_maps import map_transform

torch = pytest.importorskip("torch", reason="PyTorch is the peer here: pip install -e '.[bench]'")

pytestmark = pytest.mark.usefixtures("one_thread")

PHI = {"identity": lambda x: x, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "relu": torch.relu}
NAMES = [activation_code(name) for name in ("identity", "tanh", "sigmoid")]


class Masked(torch.nn.Module):
    """The formula node after node, each edge a convolution whose missing taps are zeros."""

    def __init__(self, genome):
        super().__init__()
        self.genome = genome
        self.values = torch.nn.Parameter(torch.tensor(genome.values.copy()))
        self.bias = torch.nn.Parameter(torch.tensor(genome.bias.copy()))

    def view(self, image, target):
        """Return maps, shape (n, 1, s, s), as an edge to a map of side `target` reads them."""
        way = map_transform(image.shape[2], target, self.genome.kernel)
        pool = torch.nn.functional.max_pool2d
        if self.genome.downsampling == "mean":
            pool = torch.nn.functional.avg_pool2d
        for _ in range(way.downsamplings):
            image = pool(image, 2)
        if image.shape[2] < target:
            image = torch.nn.functional.interpolate(image, size=(target, target), mode="nearest")
        return torch.nn.functional.pad(image, [way.margin] * 4)

    def net(self, node, now, before):
        """Return the net input of a node, shape (n, 1, side, side)."""
        genome, map_size = self.genome, int(self.genome.map_sizes[node])
        total = self.bias[node].expand(len(before[0]), 1, map_size, map_size)
        entries = np.arange(genome.indptr[node], genome.indptr[node + 1])
        for source in np.unique(genome.indices[entries]).tolist():
            own = entries[genome.indices[entries] == source]
            window = map_transform(int(genome.map_sizes[source]), map_size, genome.kernel).window
            places = torch.tensor(genome.taps[own].astype(np.int64))
            taps = torch.zeros(window**2, dtype=self.values.dtype).scatter(
                0, places, self.values[own]
            )
            # One that comes later still has its map of the tick before.
            image = self.view(now.get(source, before[source]), map_size)
            total = total + torch.nn.functional.conv2d(image, taps.reshape(1, 1, window, window))
        return total

    def forward(self, x):
        genome = self.genome
        map_sizes = genome.map_sizes.tolist()
        images, begin = {}, 0
        for node in genome.inputs.tolist():
            size = map_sizes[node] ** 2
            images[node] = x[:, begin : begin + size].reshape(
                -1, 1, map_sizes[node], map_sizes[node]
            )
            begin += size
        before = [
            images.get(node, torch.zeros(len(x), 1, map_size, map_size, dtype=x.dtype))
            for node, map_size in enumerate(map_sizes)
        ]
        for _ in range(genome.ticks):
            now = dict(images)
            for node in np.flatnonzero(genome.roles != Role.INPUT).tolist():
                phi = PHI[activation_name(genome.activations[node])]
                now[node] = phi(self.net(node, now, before))
            before = [now[node] for node in range(len(map_sizes))]
        return torch.cat([before[node].reshape(-1, 1) for node in genome.outputs], dim=1)


@pytest.mark.parametrize("ticks", [1, 2])
@pytest.mark.parametrize("downsampling", ["max", "mean"])
@pytest.mark.parametrize("seed", range(3))
def test_outputs_and_gradients_of_any_network(random_map_genome, ticks, downsampling, seed):
    rng = np.random.default_rng([seed, ticks])
    genome = random_map_genome(
        rng,
        n=9,
        ticks=ticks,
        downsampling=downsampling,
        activations=rng.choice(NAMES, 9).astype(np.uint8),
    )
    genome = genome.with_values(0.4 * genome.values, genome.bias)
    network, peer = Phenotype(genome), Masked(genome)
    inputs, targets = rng.normal(size=(4, genome.n_features)), rng.integers(0, 2, 4)
    scores = peer(torch.tensor(inputs))
    np.testing.assert_allclose(
        network.output(inputs), torch.softmax(scores, 1).detach().numpy(), atol=1e-10
    )
    torch.nn.functional.cross_entropy(scores, torch.tensor(targets)).backward()
    _, gradient = network.loss_and_gradients(inputs, targets)
    of_places = network.spread(gradient[None])[0]
    expected = np.concatenate([peer.values.grad.numpy(), peer.bias.grad.numpy()])
    plan = network.plan
    trained = np.concatenate([plan.entries, network.genome.n_stored + plan.nodes])
    np.testing.assert_allclose(of_places[trained], expected[trained], atol=1e-10)


def test_sparse_kernels_learn_what_masked_ones_learn():
    """Momentum for 20 steps, from the same start, on the same batches."""
    rng = np.random.default_rng(0)
    map_sizes, n = np.array([8, 8, 8, 6, 6, 1, 1, 1, 1], np.int32), 9
    level = np.array([0, 1, 1, 2, 2, 3, 3, 4, 4])
    indices, taps, indptr = [], [], [0]
    for target in range(n):
        for source in np.flatnonzero(level == level[target] - 1):
            window = map_transform(int(map_sizes[source]), int(map_sizes[target]), 3).window
            kept = np.flatnonzero(rng.random(window**2) < 0.6)
            indices += [source] * len(kept)
            taps += kept.tolist()
        indptr.append(len(taps))
    genome = Genome(
        indptr=np.array(indptr),
        indices=np.array(indices, np.int32),
        values=0.4 * rng.normal(size=len(taps)),
        bias=np.zeros(n),
        ids=np.arange(n),
        roles=np.array([0, *[1] * 6, 2, 2], np.uint8),
        activations=np.array([0, *[activation_code("tanh")] * 6, 0, 0], np.uint8),
        map_sizes=map_sizes,
        taps=np.array(taps, np.uint16),
        kernel=3,
    )
    samples = Samples(rng.normal(size=(40, 64)), rng.integers(0, 2, 40))
    network, peer = Phenotype(genome), Masked(genome)
    optimizer = torch.optim.SGD(peer.parameters(), lr=0.1, momentum=0.9)
    recipe = Recipe(
        optimizer="momentum", learning_rate=0.1, momentum=0.9, batch_size=40, schedule="constant"
    )
    train(network, samples, recipe, first_step=0, steps=20, total_steps=20, order_seed=0)
    for _ in range(20):
        optimizer.zero_grad()
        scores = peer(torch.tensor(samples.inputs))
        torch.nn.functional.cross_entropy(scores, torch.tensor(samples.targets)).backward()
        optimizer.step()
    np.testing.assert_allclose(network.to_genome().values, peer.values.detach(), atol=1e-9)
    assert not np.allclose(genome.values, peer.values.detach(), atol=1e-2)
