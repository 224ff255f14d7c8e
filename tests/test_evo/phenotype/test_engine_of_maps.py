"""Networks of maps compute what evo.genome.feature_maps says, and train by its gradients; LeNet-5 is one."""

from dataclasses import replace

import numpy as np
import pytest

import evo.phenotype.convolutions
from cnn import LECUN_C3, Recipe, Samples, lenet5, small_cnn, train
from evo import Genome, Phenotype, Role
from evo.exchange.layered_networks import from_cnn, to_cnn
from evo.genome.activations import activation_code
from evo.genome.feature_maps import windows

FUNCTIONS = [activation_code(name) for name in ("identity", "relu", "tanh", "sigmoid")]
NEEDS_NET_INPUT = [activation_code(name) for name in ("gelu", "sine", "gaussian")]


def features_of(genome, rng, n=5):
    """Return samples for a genome."""
    return rng.normal(size=(n, genome.n_features))


def by_layers(rng, levels, density=1.0, kernel=3, **parts):
    """Return a genome of levels (side, nodes), each with a fraction of all taps from the level before."""
    map_sizes = np.repeat([map_size for map_size, _ in levels], [count for _, count in levels])
    level = np.repeat(np.arange(len(levels)), [count for _, count in levels])
    n = len(map_sizes)
    targets, sources = np.nonzero(level[:, None] == level + 1)
    taps = [np.arange(w**2) for w in windows(map_sizes[sources], map_sizes[targets], kernel)]
    edges, taps = np.repeat(np.arange(len(targets)), [len(t) for t in taps]), np.concatenate(taps)
    kept = rng.random(len(edges)) < density
    edges, taps = edges[kept], taps[kept]
    roles = np.where(
        level == 0, Role.INPUT, np.where(level == len(levels) - 1, Role.OUTPUT, Role.HIDDEN)
    )
    return Genome(
        **{
            "indptr": np.searchsorted(targets[edges], np.arange(n + 1)).astype(np.int64),
            "indices": sources[edges].astype(np.int32),
            "values": rng.normal(size=len(edges)) * 0.3,
            "bias": rng.normal(size=n) * 0.1,
            "ids": np.arange(n),
            "roles": roles.astype(np.uint8),
            "activations": np.where(level == len(levels) - 1, 0, 2).astype(np.uint8),
            "map_sizes": map_sizes.astype(np.int32),
            "taps": taps.astype(np.uint16),
            "kernel": kernel,
        }
        | parts
    )


def check_gradient(network, inputs, targets, rng, n_checked=25):
    """Compare some of the gradient with central differences."""
    _, gradient = network.loss_and_gradients(inputs, targets)
    gradient = gradient.copy()
    for k in rng.choice(len(gradient), min(n_checked, len(gradient)), replace=False):
        kept, step = network.parameters[k], 1e-6
        losses = []
        for sign in (1, -1):
            network.parameters[k] = kept + sign * step
            losses.append(network.loss(inputs, targets))
        network.parameters[k] = kept
        assert gradient[k] == pytest.approx((losses[0] - losses[1]) / (2 * step), abs=2e-8)


@pytest.mark.parametrize("seed", range(18))
def test_outputs_are_those_of_the_rule(random_map_genome, reference, seed):
    rng = np.random.default_rng(seed)
    genome = random_map_genome(
        rng,
        n=10,
        ticks=1 + seed % 3,
        downsampling=("max", "mean")[seed % 2],
        threshold=(None, 0.4, rng.uniform(0, 0.8, 10))[seed % 3],
        activations=rng.choice(FUNCTIONS, 10).astype(np.uint8),
    )
    inputs = features_of(genome, rng)
    network = Phenotype(genome, "squared_error")
    np.testing.assert_allclose(network.output(inputs), reference.output(genome, inputs), atol=1e-10)


@pytest.mark.parametrize("seed", range(8))
def test_gradients_are_those_of_differences(random_map_genome, seed):
    rng = np.random.default_rng(100 + seed)
    genome = random_map_genome(
        rng,
        n=11,
        ticks=1 + seed % 3,
        downsampling=("max", "mean")[seed % 2],
        # of ReLU a difference could straddle the corner
        activations=rng.choice([0, 2, *NEEDS_NET_INPUT], 11).astype(np.uint8),
    )
    genome = genome.with_values(0.3 * genome.values, 0.3 * genome.bias)
    check_gradient(Phenotype(genome), features_of(genome, rng), rng.integers(0, 2, 5), rng)


@pytest.mark.parametrize("downsampling", ["max", "mean"])
@pytest.mark.parametrize("density", [1.0, 0.6, 0.2])
def test_convolutions_are_the_same_as_taps(monkeypatch, reference, density, downsampling):
    rng = np.random.default_rng(7)
    levels = [(8, 2), (8, 5), (6, 3), (3, 9), (1, 4), (6, 2), (1, 3)]
    genome = by_layers(rng, levels, density, downsampling=downsampling)
    inputs, targets = features_of(genome, rng, n=3), np.array([0, 2, 1])
    network = Phenotype(genome)
    assert len(network.plan.convolutions) in {1.0: {4}, 0.6: {2, 3, 4}, 0.2: {0}}[density]
    loss, gradient = network.loss_and_gradients(inputs, targets)
    monkeypatch.setattr(evo.phenotype.convolutions, "DENSE_TAPS", 2.0)
    alone = Phenotype(genome)
    assert not alone.plan.convolutions
    expected, of_taps = alone.loss_and_gradients(inputs, targets)
    assert loss == pytest.approx(expected, abs=1e-12)
    np.testing.assert_allclose(gradient, of_taps, atol=1e-12)
    scores = reference.output(genome, inputs)
    np.testing.assert_allclose(
        network.output(inputs), np.exp(scores) / np.exp(scores).sum(1, keepdims=True), atol=1e-10
    )


def test_maps_hear_a_convolution_and_further_taps(reference):
    """A node of a convolution may have other in-edges: from other maps, from itself a tick later."""
    rng = np.random.default_rng(3)
    genome = by_layers(rng, [(6, 2), (6, 4), (4, 3), (1, 2)])
    dense = genome.to_dense()
    K, n = genome.rows_per_node, genome.n_nodes
    extra = np.zeros_like(dense)
    for source, target, tap in [(0, 6, 4), (1, 7, 0), (7, 7, 4), (3, 2, 8), (5, 4, 1)]:
        extra[K * source + tap, target] = 0.5
    matrix = dense + extra
    rows, targets = np.nonzero(matrix.T)[::-1]
    order = np.lexsort((rows, targets))
    rows, targets = rows[order], targets[order]
    genome = replace(
        genome,
        indptr=np.searchsorted(targets, np.arange(n + 1)).astype(np.int64),
        indices=(rows // K).astype(np.int32),
        taps=(rows % K).astype(np.uint16),
        values=matrix[rows, targets],
        ticks=3,
    )
    network = Phenotype(genome, "squared_error")
    assert network.plan.convolutions
    inputs = features_of(genome, rng)
    np.testing.assert_allclose(network.output(inputs), reference.output(genome, inputs), atol=1e-10)
    check_gradient(network, inputs, rng.normal(size=(5, 2)), rng)


def test_a_range_of_inputs_and_computed_maps_loses_no_gradient():
    """Inputs and a computed map lie in consecutive rows, and maps with taps from all of them are a convolution."""
    map_sizes = np.array([4, 4, 4, 3, 3, 1, 1], np.int32)
    sources_of = [[], [], [0, 1], [0, 1, 2], [0, 1, 2], [3, 4], [3, 4]]
    indices, taps, indptr = [], [], [0]
    for target, sources in enumerate(sources_of):
        for source in sources:
            n_taps = int(windows(map_sizes[[source]], map_sizes[[target]], 1)[0]) ** 2
            indices += [source] * n_taps
            taps += range(n_taps)
        indptr.append(len(taps))
    rng = np.random.default_rng(0)
    genome = Genome(
        indptr=np.array(indptr),
        indices=np.array(indices, np.int32),
        values=rng.normal(size=len(taps)),
        bias=np.zeros(7),
        ids=np.arange(7),
        roles=np.array([0, 0, 1, 1, 1, 2, 2], np.uint8),
        activations=np.array([0, 0, 2, 2, 2, 0, 0], np.uint8),
        map_sizes=map_sizes,
        taps=np.array(taps, np.uint16),
        kernel=1,
    )
    network = Phenotype(genome)
    assert network.plan.convolutions
    check_gradient(network, features_of(genome, rng), rng.integers(0, 2, 5), rng, n_checked=60)


@pytest.mark.parametrize("cell", range(4))
def test_no_maximum_hides_what_is_not_a_number(cell):
    """Divergence must be seen."""
    network = Phenotype(by_layers(np.random.default_rng(9), [(4, 1), (1, 2)]))  # halved once
    image = np.ones((1, 4, 4))
    image[0, cell // 2, cell % 2] = np.nan
    assert np.isnan(network.output(image)).all()


# -- LeNet-5 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "changes"),
    [
        ((28, 28), {}),
        ((28, 28), {"connections": LECUN_C3}),
        ((28, 28), {"pooling": "mean", "activation": "relu"}),
        ((3, 32, 32), {"activation": "sigmoid"}),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lenet_as_a_matrix_is_lenet(shape, changes, dtype):
    rng = np.random.default_rng(0)
    layers = lenet5(shape, rng=rng, dtype=dtype, **changes)
    layers.parameters[:] += 0.05 * rng.standard_normal(layers.parameter_count)
    network = Phenotype(from_cnn(layers))
    assert network.parameter_count == layers.parameter_count
    assert network.macs == layers.macs
    inputs, targets = rng.random((7, *shape)).astype(dtype), rng.integers(0, 10, 7)
    np.testing.assert_allclose(network.output(inputs), layers.output(inputs), atol=1e-5)
    loss, gradient = network.loss_and_gradients(inputs, targets)
    expected, of_layers = layers.loss_and_gradients(inputs, targets)
    assert loss == pytest.approx(expected, abs=1e-5)
    # What stands where a parameter stands is compared as parameters are: by way of the layers.
    network.parameters[:] = gradient
    as_layers = to_cnn(network.to_genome()).parameters
    np.testing.assert_allclose(as_layers, of_layers, atol=1e-5)


def test_lenet_as_a_matrix_learns_what_lenet_learns():
    rng = np.random.default_rng(1)
    layers = small_cnn((8, 8), 10, rng=rng, dtype=np.float64)
    network = Phenotype(from_cnn(layers))
    samples = Samples(rng.random((50, 8, 8)), rng.integers(0, 10, 50))
    recipe = Recipe(optimizer="momentum", learning_rate=0.1, batch_size=16, gradient_clip=1.0)
    settings = {"first_step": 0, "steps": 30, "total_steps": 30, "order_seed": 5}
    reports = [train(one, samples, recipe, **settings) for one in (layers, network)]
    assert reports[1].train_loss == pytest.approx(reports[0].train_loss, abs=1e-10)
    learnt = to_cnn(network.to_genome()).parameters
    np.testing.assert_allclose(learnt, layers.parameters, atol=1e-9)


# -- dormant and absent entries ----------------------------------------------------------------------------------------


def test_dormant_taps_learn_straight_through():
    """Their gradient is that of a network in which they are zeros."""
    rng = np.random.default_rng(2)
    genome = by_layers(rng, [(8, 1), (8, 4), (6, 4), (1, 5), (1, 3)], threshold=0.25)
    network = Phenotype(genome, dormant="straight_through")
    assert network.parameter_count == genome.n_stored + genome.n_nodes - 1
    zeros = np.where(genome.active_mask(), genome.values, 0)
    other = Phenotype(replace(genome.with_values(zeros, genome.bias), threshold=None))
    inputs, targets = features_of(genome, rng), rng.integers(0, 3, 5)
    loss, gradient = network.loss_and_gradients(inputs, targets)
    expected, of_other = other.loss_and_gradients(inputs, targets)
    assert loss == expected
    np.testing.assert_array_equal(gradient, of_other)
    active = network.without_dormant()
    assert active.parameter_count < network.parameter_count
    np.testing.assert_allclose(active.output(inputs), network.output(inputs), atol=1e-12)


@pytest.mark.parametrize("ticks", [1, 2])
@pytest.mark.parametrize("threshold", [None, 0.4])
def test_gradients_at_taps_are_those_of_added_zeros(random_map_genome, ticks, threshold):
    rng = np.random.default_rng(4)
    genome = random_map_genome(rng, n=9, ticks=ticks, threshold=threshold)
    genome = genome.with_values(0.5 * genome.values, genome.bias)
    network = Phenotype(genome)
    inputs, targets = features_of(genome, rng), rng.integers(0, 2, 5)
    n = genome.n_nodes
    sources, ends = rng.integers(n, size=120), rng.integers(n, size=120)
    window = windows(genome.map_sizes[sources], genome.map_sizes[ends], genome.kernel)
    taps = (rng.random(120) * window**2).astype(int)
    found = network.gradients_at(sources, ends, inputs, targets, taps)
    stored = {
        (int(i), int(j), int(t)): e
        for e, (i, j, t) in enumerate(zip(genome.indices, genome.targets, genome.taps, strict=True))
    }
    live, checked = genome.active_mask(), 0
    for source, target, tap, gradient in zip(sources, ends, taps, found, strict=True):
        delayed = source >= target and genome.roles[source] != Role.INPUT
        if genome.roles[target] == Role.INPUT or (delayed and ticks == 1):
            assert gradient == 0
            continue
        e = stored.get((int(source), int(target), int(tap)))
        losses = []
        for step in (1e-6, -1e-6):
            changed = genome
            if e is not None and live[e]:
                values = genome.values.copy()
                values[e] += step
                changed = genome.with_values(values, genome.bias)
            else:
                changed = _with(genome, int(source), int(target), int(tap), step)
            losses.append(Phenotype(changed).loss(inputs, targets))
        assert gradient == pytest.approx((losses[0] - losses[1]) / 2e-6, abs=1e-7)
        checked += gradient != 0
    assert checked > 5


@pytest.mark.parametrize(
    ("sources", "targets", "taps", "rule"),
    [
        ([0], [2], [25], "taps must be from 0 to 8 from node 0 to node 2; got 25"),
        ([0], [2], [-1], "taps must be from 0 to 8 from node 0 to node 2; got -1"),
        ([0, 1], [2], [0], "sources, targets and taps must be equally many; got 2, 1 and 1"),
        ([-1], [2], [0], "sources"),
        ([0], [99], [0], "targets"),
    ],
)
def test_gradients_are_asked_for_at_places_that_there_are(sources, targets, taps, rule):
    rng = np.random.default_rng(8)
    network = Phenotype(by_layers(rng, [(8, 2), (6, 2), (1, 3)]))
    places = (np.array(part) for part in (sources, targets))
    with pytest.raises((ValueError, IndexError), match=rule):
        network.gradients_at(*places, np.zeros((1, 128)), np.zeros(1, int), np.array(taps))


def _with(genome, source, target, tap, value):
    """Return a genome without threshold in which one more tap has a value; dormant entries are dropped."""
    K, n = genome.rows_per_node, genome.n_nodes
    live = genome.active_mask()
    rows = np.append(genome.rows[live], K * source + tap)
    targets = np.append(genome.targets[live], target)
    values = np.append(genome.values[live], value)
    order = np.lexsort((rows, targets))
    rows, targets = rows[order], targets[order]
    return replace(
        genome,
        indptr=np.searchsorted(targets, np.arange(n + 1)).astype(np.int64),
        indices=(rows // K).astype(np.int32),
        taps=(rows % K).astype(np.uint16),
        values=values[order],
        threshold=None,
    )


# -- counts and bits ---------------------------------------------------------------------------------------------------


def test_effective_taps_are_charged():
    """A tap costs the pixels of its target; what reaches no output costs nothing."""
    rng = np.random.default_rng(5)
    genome = by_layers(rng, [(8, 1), (8, 2), (6, 2), (1, 3)], density=0.5)
    network = Phenotype(genome)
    effective = genome.effective_mask()
    map_sizes = genome.map_sizes[genome.targets[effective]].astype(int)
    computed = np.unique(genome.targets[effective])
    assert network.n_edges == effective.sum()
    assert network.macs == (map_sizes**2).sum()
    assert network.parameter_count == effective.sum() + len(computed)


def test_training_repeats_to_the_bit_and_cuts_change_nothing():
    rng = np.random.default_rng(6)
    genome = by_layers(rng, [(8, 1), (8, 4), (6, 4), (1, 5), (1, 3)], density=0.5)
    genome = replace(
        genome, values=genome.values.astype(np.float32), bias=genome.bias.astype(np.float32)
    )
    samples = Samples(rng.random((40, 8, 8), dtype=np.float32), rng.integers(0, 3, 40))
    recipe = Recipe(optimizer="momentum", learning_rate=0.1, batch_size=16)

    def learnt(*cuts):
        network, state = Phenotype(genome), None
        for first, last in zip((0, *cuts), (*cuts, 20), strict=True):
            report = train(
                network, samples, recipe, first_step=first, steps=last - first, total_steps=20,
                order_seed=1, state=state,
            )  # fmt: skip
            state = report.state
        return network.parameters.tobytes()

    whole = learnt()
    assert learnt() == whole
    assert learnt(7, 8) == whole


def test_samples_must_have_a_maps_features():
    rng = np.random.default_rng(8)
    network = Phenotype(by_layers(rng, [(8, 2), (1, 3)]))
    with pytest.raises(ValueError, match="inputs must have 128 features a sample"):
        network.output(np.zeros((2, 64)))
