"""When networks of maps are the same: the canonical hash, the exact comparison and what training would repeat."""

from dataclasses import replace
from itertools import combinations

import networkx as nx
import numpy as np
import pytest
from effort import trials

from evo import Genome, Phenotype, Role, canonical_hash, same_network
from evo.canonical.canonical import match_nodes
from evo.canonical.hashing import output_hashes
from evo.canonical.labelled_graph import Kernels
from evo.evolution.duplicates import duplicates_training, same_parameters
from evo.genome.feature_maps import map_transform
from evo.operators.preserving import remove_ineffective


def columns_of(genome):
    """Return the taps into each node: {(source, tap): weight}."""
    columns = [{} for _ in range(genome.n_nodes)]
    for entry, target in enumerate(genome.targets.tolist()):
        place = int(genome.indices[entry]), int(genome.taps[entry])
        columns[target][place] = genome.values[entry]
    return columns


def with_columns(genome, columns, **changes):
    """Return a genome with other entries."""
    entries = [(*place, column[place]) for column in columns for place in sorted(column)]
    return replace(
        genome,
        indptr=np.cumsum([0, *map(len, columns)], dtype=np.int64),
        indices=np.array([source for source, _, _ in entries], np.int32),
        taps=np.array([tap for _, tap, _ in entries], np.uint16),
        values=np.array([weight for _, _, weight in entries], genome.values.dtype),
        **changes,
    )


def relabelled(genome, rng):
    """Give nodes new ids that keep the order of inputs and outputs, and places that leave delays as they are."""
    is_input = genome.roles == Role.INPUT
    before = [set() for _ in range(genome.n_nodes)]
    for source, target in zip(genome.indices.tolist(), genome.targets.tolist(), strict=True):
        binds = genome.ticks > 1 or not is_input[source]
        if source != target and binds and not is_input[target]:
            before[max(source, target)].add(min(source, target))
    order = []
    while len(order) < genome.n_nodes:
        ready = [k for k in range(genome.n_nodes) if k not in order and before[k] <= set(order)]
        order.append(int(rng.choice(ready)))
    place = {node: k for k, node in enumerate(order)}
    columns = columns_of(genome)
    moved = [
        {(place[source], tap): weight for (source, tap), weight in columns[node].items()}
        for node in order
    ]
    ids = genome.ids * 5 + 40
    hidden = np.flatnonzero(genome.roles == Role.HIDDEN)
    ids[hidden] = rng.permutation(1000)[: len(hidden)] * 5 + 1
    threshold = genome.threshold
    return with_columns(
        genome,
        moved,
        bias=np.where(is_input, rng.normal(size=genome.n_nodes), genome.bias)[order],
        ids=ids[order],
        roles=genome.roles[order],
        activations=genome.activations[order],
        map_sizes=genome.map_sizes[order],
        threshold=threshold[order] if isinstance(threshold, np.ndarray) else threshold,
    )


def output(genome, seed=0):
    samples = np.random.default_rng(seed).normal(size=(3, genome.n_features))
    return Phenotype(genome, "squared_error").output(samples)


def as_networkx(genome):
    """Write down the labelled graph that a genome computes, tap by tap."""
    graph, halved = nx.DiGraph(), False

    def add(node):
        name = ("hidden",)
        for role, positions in (("input", genome.inputs), ("output", genome.outputs)):
            if node in positions:
                name = (role, positions.tolist().index(node))
        how = () if name[0] == "input" else (genome.activations[node], genome.bias[node])
        graph.add_node(node, label=(*name, *how, genome.map_sizes[node]))

    for node in genome.outputs.tolist():
        add(node)
    for entry in np.flatnonzero(genome.effective_mask()).tolist():
        source, target = int(genome.indices[entry]), int(genome.targets[entry])
        way = map_transform(
            int(genome.map_sizes[source]), int(genome.map_sizes[target]), genome.kernel
        )
        row, column = divmod(int(genome.taps[entry]), way.window)
        read = way.downsamplings, way.map_size, row - way.margin, column - way.margin
        halved = halved or way.downsamplings > 0
        if not graph.has_edge(source, target):
            add(source)
            add(target)
            at_once = source < target or (genome.ticks == 1 and genome.roles[source] == Role.INPUT)
            graph.add_edge(source, target, label={"at once": at_once})
        graph.edges[source, target]["label"][read] = genome.values[entry]
    graph.graph.update(
        dtype=str(genome.values.dtype),
        ticks=genome.ticks,
        inputs=genome.map_sizes[genome.inputs].tolist(),
        outputs=len(genome.outputs),
        how=genome.downsampling if halved else "",
    )
    return graph


def isomorphic(one, other):
    def same(left, right):
        return left["label"] == right["label"]

    return one.graph == other.graph and nx.is_isomorphic(one, other, same, same)


def chain(*, map_sizes=(6, 6, 1), kernel=3, taps=((0, 4), (1, 8)), values=(1.0, 2.0, 3.0, 4.0)):
    """Return a map between an input and an output, with two taps to each."""
    return Genome(
        indptr=np.array([0, 0, 2, 4]),
        indices=np.array([0, 0, 1, 1], np.int32),
        values=np.array(values),
        bias=np.array([0, 0.5, -0.5]),
        ids=np.arange(3),
        roles=np.array([Role.INPUT, Role.HIDDEN, Role.OUTPUT], np.uint8),
        activations=np.array([0, 2, 0], np.uint8),
        map_sizes=np.array(map_sizes, np.int32),
        taps=np.array(np.ravel(taps), np.uint16),
        kernel=kernel,
    )


# -- what does not count -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ticks", [1, 2, 3])
def test_names_and_free_places_do_not_count(any_map_genome, ticks):
    moved = 0
    for seed in range(15):
        rng = np.random.default_rng([seed, ticks])
        genome = any_map_genome(rng, ticks=ticks, density=0.25)
        other = relabelled(genome, rng)
        assert canonical_hash(other) == canonical_hash(genome)
        assert same_network(genome, other)
        assert np.array_equal(output_hashes(genome), output_hashes(other))
        np.testing.assert_allclose(output(other), output(genome), rtol=1e-12, atol=1e-12)
        moved += not other.equals(genome)
    assert moved == 15


@pytest.mark.parametrize("ticks", [1, 3])
def test_dormant_and_useless_entries_do_not_count(any_map_genome, ticks):
    fewer_nodes = 0
    for seed in range(15):
        genome = any_map_genome(np.random.default_rng([seed, ticks]), ticks=ticks, density=0.2)
        lean = remove_ineffective(genome)
        assert lean.n_stored == genome.effective_mask().sum() < genome.n_stored
        assert lean.effective_mask().all()
        for other in (lean, replace(lean, threshold=None)):
            assert canonical_hash(other) == canonical_hash(genome)
            assert same_network(other, genome)
            assert np.array_equal(output(other), output(genome))
        fewer_nodes += lean.n_nodes < genome.n_nodes
    assert fewer_nodes > 3


def test_a_wider_kernel_with_the_same_taps_does_not_count():
    narrow = chain()
    wide = chain(kernel=5, taps=((6, 12), (1, 8)))
    assert np.array_equal(output(narrow), output(wide))
    assert canonical_hash(narrow) == canonical_hash(wide)
    assert same_network(narrow, wide)
    assert np.array_equal(output_hashes(narrow), output_hashes(wide))


def test_maps_without_effect_make_no_other_network():
    matrix = [[0, 0.5, 2.0], [0, 0, 1.0], [0, 0, 0]]
    scalar = Genome.from_matrix(np.array(matrix), n_inputs=1, n_outputs=1)
    idle = Genome(  # a map behind the input, to which nobody listens
        indptr=np.array([0, 0, 1, 2, 4]),
        indices=np.array([0, 0, 0, 2], np.int32),
        values=np.array([7.0, 0.5, 2.0, 1.0]),
        bias=np.zeros(4),
        ids=np.arange(4),
        roles=np.array([Role.INPUT, Role.HIDDEN, Role.HIDDEN, Role.OUTPUT], np.uint8),
        activations=np.array([0, 2, 2, 0], np.uint8),
        map_sizes=np.array([1, 3, 1, 1], np.int32),
        taps=np.zeros(4, np.uint16),
    )
    assert canonical_hash(idle) == canonical_hash(scalar)
    assert same_network(idle, scalar)
    assert np.array_equal(output_hashes(idle), output_hashes(scalar))
    lean = remove_ineffective(idle)
    assert not lean.has_maps
    assert np.array_equal(lean.to_dense(), scalar.to_dense())


# -- what counts -------------------------------------------------------------------------------------------------------


def test_everything_in_the_formula_counts():
    changed = [
        chain(),
        chain(values=(1.0, 2.0, 3.0, np.nextafter(4.0, 5.0))),
        chain(values=(2.0, 1.0, 3.0, 4.0)),
        chain(taps=((0, 5), (1, 8))),
        chain(taps=((1, 4), (1, 8))),
        chain(taps=((0, 4), (1, 7))),
        chain(map_sizes=(5, 6, 1)),
        chain(map_sizes=(6, 7, 1)),
        chain(kernel=5, taps=((0, 4), (1, 8))),
        replace(chain(), downsampling="mean"),
        replace(chain(), ticks=2),
        replace(chain(), bias=np.array([0, 0.75, -0.5])),
        replace(chain(), activations=np.array([0, 1, 0], np.uint8)),
    ]
    assert len({canonical_hash(one) for one in changed}) == len(changed)
    assert not any(same_network(one, other) for one, other in combinations(changed, 2))
    terms = {output_hashes(one).tobytes() for one in changed}
    assert len(terms) == len(changed) - 1  # here a second tick computes the same again


def test_how_maps_are_halved_counts_only_where_one_is():
    genome = chain(map_sizes=(3, 3, 1), taps=((0, 4), (1, 8)))
    other = replace(genome, downsampling="mean")
    assert canonical_hash(genome) == canonical_hash(other)
    assert same_network(genome, other)
    assert np.array_equal(output_hashes(genome), output_hashes(other))


def test_the_map_size_of_an_input_without_edges_moves_the_features_of_the_next():
    pair = [
        Genome(
            indptr=np.array([0, 0, 0, 2]),
            indices=np.array([1, 1], np.int32),
            values=np.array([1.0, 2.0]),
            bias=np.zeros(3),
            ids=np.arange(3),
            roles=np.array([0, 0, 2], np.uint8),
            activations=np.zeros(3, np.uint8),
            map_sizes=np.array([map_size, 3, 1], np.int32),
            taps=np.array([0, 4], np.uint16),
        )
        for map_size in (2, 3)
    ]
    assert canonical_hash(pair[0]) != canonical_hash(pair[1])
    assert not same_network(*pair)
    assert not np.array_equal(*map(output_hashes, pair))


def test_kernels_are_compared_tap_by_tap_whatever_their_hashes(monkeypatch):
    pair = chain(), chain(taps=((0, 5), (1, 8)))
    monkeypatch.setattr(Kernels, "hashes", lambda self: np.zeros(len(self.pointers) - 1, np.uint64))
    assert not same_network(*pair)
    assert canonical_hash(pair[0]) != canonical_hash(pair[1])
    assert same_network(pair[0], chain())


def test_pairs_of_small_networks_agree_with_networkx():
    same = different = 0
    for seed in range(trials(10, 40)):
        rng = np.random.default_rng(seed)
        genomes = [few_valued(rng) for _ in range(5)]
        genomes += [relabelled(genome, rng) for genome in genomes[:2]]
        hashes = [canonical_hash(genome) for genome in genomes]
        graphs = [as_networkx(genome) for genome in genomes]
        for i, j in combinations(range(len(genomes)), 2):
            expected = isomorphic(graphs[i], graphs[j])
            assert same_network(genomes[i], genomes[j]) == expected
            assert (hashes[i] == hashes[j]) == expected
            same, different = same + expected, different + (not expected)
    assert same > trials(20, 80)
    assert different > trials(75, 300)


def few_valued(rng):
    """Draw a genome of an input, two hidden nodes that are maps or neurons, and an output, with hardly any labels."""
    map_sizes = np.array([2, *rng.choice([1, 2], 2), 1], np.int32)
    genome = Genome(
        indptr=np.zeros(5, np.int64),
        indices=np.empty(0, np.int32),
        values=np.empty(0),
        bias=np.zeros(4),
        ids=np.arange(4),
        roles=np.array([0, 1, 1, 2], np.uint8),
        activations=np.array([0, 2, 2, 0], np.uint8),
        map_sizes=map_sizes,
        taps=np.empty(0, np.uint16),
        kernel=int(rng.choice([1, 3])),
    )
    columns = [{} for _ in range(4)]
    for source, target in ((0, 1), (0, 2), (1, 3), (2, 3), (1, 2)):
        way = map_transform(int(map_sizes[source]), int(map_sizes[target]), genome.kernel)
        if rng.random() < (0.8 if target != 2 or source == 0 else 0.2):
            columns[target][source, int(rng.integers(min(2, way.window**2)))] = 1.0
    return with_columns(genome, columns)


# -- pairs of parameters -----------------------------------------------------------------------------------------------


def test_a_match_pairs_every_tap_with_its_equal(any_map_genome, trainable_places):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        genome = any_map_genome(rng, ticks=2)
        other = relabelled(genome, rng)
        here, there = same_parameters(genome, other)
        assert np.array_equal(np.sort(here), trainable_places(genome))
        assert np.array_equal(np.sort(there), trainable_places(other))
        numbers = [np.concatenate([one.values, one.bias]) for one in (genome, other)]
        assert np.array_equal(numbers[0][here], numbers[1][there])
        taps = here[here < genome.n_stored], there[there < genome.n_stored]
        assert np.array_equal(genome.taps[taps[0]], other.taps[taps[1]])
        matched = match_nodes(genome, other)
        assert np.array_equal(
            genome.map_sizes[matched >= 0], other.map_sizes[matched[matched >= 0]]
        )


def test_training_the_same_network_of_maps_is_a_repetition(any_map_genome):
    rng = np.random.default_rng(1)
    genome = any_map_genome(rng)
    other = relabelled(genome, rng)
    moments = rng.normal(size=(2, genome.n_stored + genome.n_nodes))
    moved = rng.normal(size=moments.shape)
    here, there = same_parameters(genome, other)
    moved[:, there] = moments[:, here]
    assert duplicates_training(Phenotype(other), moved, genome, moments)
    moved[1, there[0]] += 1e-9
    assert not duplicates_training(Phenotype(other), moved, genome, moments)
    assert not duplicates_training(Phenotype(replace(other, threshold=0.31)), None, genome, None)
