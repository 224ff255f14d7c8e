"""The rule of feature maps for every pair of sides, and the validity of genomes with maps."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from evo import Genome, Role
from evo.genome.feature_maps import MapTransform, largest_window, map_transform, windows

SIDES, KERNELS = range(1, 33), (1, 3, 5, 7)
EVERY_KERNEL = [pytest.param(kernel, id=f"kernels of {kernel}×{kernel}") for kernel in KERNELS]


def transforms(kernel):
    """Return every pair of sides with the transform between them."""
    return [(s, t, map_transform(s, t, kernel)) for s, t in product(SIDES, SIDES)]


# -- the rule ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", EVERY_KERNEL)
def test_a_way_ends_at_the_side_of_its_target(kernel):
    for source, target, transform in transforms(kernel):
        assert transform.pitch == transform.map_size + 2 * transform.margin
        assert transform.pitch - transform.window + 1 == target
        assert transform.map_size == (
            source >> transform.downsamplings if source >= target else target
        )


@pytest.mark.parametrize("kernel", EVERY_KERNEL)
def test_a_map_is_halved_as_often_as_it_must_and_can_be(kernel):
    for source, target, transform in transforms(kernel):
        # A halving that was made was needed: before it, a valid kernel would have been too wide.
        before = [source >> k for k in range(transform.downsamplings)]
        assert all(map_size - target + 1 > kernel for map_size in before)
        # One that was not made was needless, or would have led below the target.
        assert transform.map_size - target + 1 <= kernel or transform.map_size // 2 < target


@pytest.mark.parametrize("kernel", EVERY_KERNEL)
def test_margins_are_there_where_the_side_stays(kernel):
    for source, target, transform in transforms(kernel):
        if transform.map_size > target:
            assert (transform.margin, transform.window) == (0, transform.map_size - target + 1)
        else:
            assert transform.window == min(kernel, 2 * min(source, target) - 1)
            assert transform.margin == transform.window // 2


@pytest.mark.parametrize("kernel", EVERY_KERNEL)
def test_no_window_is_larger_than_the_bound_for_its_sides(kernel):
    for source, target, transform in transforms(kernel):
        assert transform.window <= largest_window(np.array([source, target]), kernel)
    bounds = [largest_window(np.array([map_size]), kernel) for map_size in SIDES]
    assert bounds == sorted(bounds)
    assert bounds[0] == 1


@pytest.mark.parametrize("kernel", EVERY_KERNEL)
def test_every_tap_reads_a_pixel_for_some_place_of_the_target(kernel):
    for _, target, transform in transforms(kernel):
        inside = np.zeros(transform.pitch, bool)
        inside[transform.margin : transform.margin + transform.map_size] = True
        assert all(inside[tap : tap + target].any() for tap in range(transform.window))


@pytest.mark.parametrize(
    ("source", "target", "kernel", "expected"),
    [
        pytest.param(28, 28, 5, MapTransform(0, 28, 2, 5), id="LeNet-5's first convolution"),
        pytest.param(28, 10, 5, MapTransform(1, 14, 0, 5), id="its second"),
        pytest.param(10, 1, 5, MapTransform(1, 5, 0, 5), id="as wide as the map"),
        pytest.param(1, 1, 5, MapTransform(0, 1, 0, 1), id="between neurons"),
        pytest.param(1, 28, 5, MapTransform(0, 28, 0, 1), id="from a neuron to a map"),
        pytest.param(2, 28, 5, MapTransform(0, 28, 1, 3), id="from a small map up"),
        pytest.param(14, 28, 5, MapTransform(0, 28, 2, 5), id="up"),
        pytest.param(28, 14, 5, MapTransform(1, 14, 2, 5), id="down to the half"),
        pytest.param(28, 24, 5, MapTransform(0, 28, 0, 5), id="without a margin"),
        pytest.param(29, 14, 5, MapTransform(1, 14, 2, 5), id="an odd row is dropped"),
        pytest.param(29, 15, 5, MapTransform(0, 29, 0, 15), id="wider than the kernel at need"),
        pytest.param(28, 1, 1, MapTransform(4, 1, 0, 1), id="by single taps"),
    ],
)
def test_ways_worked_out_by_hand(source, target, kernel, expected):
    assert map_transform(source, target, kernel) == expected


@pytest.mark.parametrize("largest", [4, 32])
def test_windows_of_many_edges_are_those_of_each(largest):
    rng = np.random.default_rng(0)
    sources, targets = rng.integers(1, largest + 1, (2, 100)).astype(np.int32)
    expected = [
        map_transform(int(s), int(t), 5).window for s, t in zip(sources, targets, strict=True)
    ]
    assert windows(sources, targets, 5).tolist() == expected
    assert windows(sources[:0], targets[:0], 5).tolist() == []


# -- genomes of maps ---------------------------------------------------------------------------------------------------


def two_maps(**changes):
    """Return an input of side 4, a map of side 2 with two taps from it, and an output with three taps."""
    parts = {
        "indptr": np.array([0, 0, 2, 5]),
        "indices": np.array([0, 0, 1, 1, 1], np.int32),
        "values": np.array([0.5, -2.0, 1.0, -0.25, 4.0]),
        "bias": np.zeros(3),
        "ids": np.arange(3),
        "roles": np.array([Role.INPUT, Role.HIDDEN, Role.OUTPUT], np.uint8),
        "activations": np.zeros(3, np.uint8),
        "map_sizes": np.array([4, 2, 1], np.int32),
        "taps": np.array([0, 8, 0, 1, 3], np.uint16),
        "kernel": 3,
    }
    return Genome(**(parts | changes))


def test_the_matrix_has_a_row_for_each_tap():
    genome = two_maps()
    assert (genome.rows_per_node, genome.n_features, genome.has_maps) == (9, 16, True)
    dense = genome.to_dense()
    assert dense.shape == (27, 3)
    assert dense[[0, 8], 1].tolist() == [0.5, -2.0]
    assert dense[[9, 10, 12], 2].tolist() == [1.0, -0.25, 4.0]
    assert np.count_nonzero(dense) == 5


def test_the_strength_of_a_kernel_is_the_sum_of_its_magnitudes():
    genome = two_maps()
    assert genome.strengths().toarray().tolist() == [[0, 2.5, 0], [0, 0, 5.25], [0, 0, 0]]
    few = genome.strengths(np.array([True, False, False, True, False]))
    assert few.toarray().tolist() == [[0, 0.5, 0], [0, 0, 0.25], [0, 0, 0]]
    assert genome.strengths(np.zeros(5, bool)).nnz == 0


def test_between_neurons_the_strength_is_the_weight(random_genome, any_map_genome):
    rng = np.random.default_rng(0)
    scalar = random_genome(rng)
    mask = scalar.active_mask()
    assert (scalar.strengths() != scalar.weights).nnz == 0
    assert (scalar.strengths(mask) != scalar.weights_of(mask)).nnz == 0
    for _ in range(10):
        genome = any_map_genome(rng)
        strengths, neurons = genome.strengths().toarray(), genome.map_sizes == 1
        first_rows = genome.to_dense()[:: genome.rows_per_node]
        between = np.ix_(neurons, neurons)
        assert np.array_equal(strengths[between], first_rows[between])


def test_strengths_are_the_sums_over_blocks_of_rows(any_map_genome):
    rng = np.random.default_rng(1)
    for _ in range(10):
        genome = any_map_genome(rng)
        n, mask = genome.n_nodes, rng.random(genome.n_stored) < 0.7
        blocks = np.abs(genome.weights_of(mask).toarray()).reshape(n, -1, n).sum(axis=1)
        strengths = genome.strengths(mask)
        np.testing.assert_allclose(np.abs(strengths.toarray()), blocks, rtol=1e-14)
        assert strengths.has_canonical_format
        pairs = {*zip(genome.indices[mask].tolist(), genome.targets[mask].tolist(), strict=True)}
        assert strengths.nnz == len(pairs)


@pytest.mark.parametrize("ticks", [1, 2, 3])
def test_a_tap_is_effective_if_its_edge_is(any_map_genome, ticks):
    seen = 0
    for seed in range(20):
        genome = any_map_genome(np.random.default_rng([seed, ticks]), ticks=ticks, density=0.2)
        active, columns = genome.active_mask(), genome.targets
        edges = {}
        for entry in np.flatnonzero(active).tolist():
            pair = int(genome.indices[entry]), int(columns[entry])
            edges.setdefault(pair, []).append(entry)
        # Node by node, which ticks an edge's signal may leave at and still reach an output in time.
        effective = np.zeros(genome.n_stored, bool)
        for (source, target), entries in edges.items():
            effective[entries] = acts(genome, edges, source, target)
        assert np.array_equal(genome.effective_mask(), effective)
        seen += 0 < effective.sum() < active.sum()
    assert seen > 10


def acts(genome, edges, source, target):
    """Walk the network unrolled in time: may a signal go from an input over an edge to an output at the last tick?"""
    is_input = genome.roles == Role.INPUT

    def after(node, tick):
        for one, other in edges:
            if one == node and not is_input[other]:
                for later in (
                    range(tick, genome.ticks) if is_input[node] else [tick + (one >= other)]
                ):
                    if later < genome.ticks:
                        yield other, later

    def reached(starts):
        found, open_places = set(starts), list(starts)
        while open_places:
            for place in after(*open_places.pop()):
                if place not in found:
                    found.add(place)
                    open_places.append(place)
        return found

    if is_input[target]:
        return False
    late = source >= target and not is_input[source]
    return any(
        tick + late < genome.ticks
        and any(
            (int(output), genome.ticks - 1) in reached([(target, tick + late)])
            for output in genome.outputs
        )
        for tick in range(genome.ticks)
    )


def test_a_scalar_genome_has_the_fingerprint_that_it_had_before_there_were_maps():
    matrix = [[0, 0.5, 1], [0, 0.25, -1], [0, 0, 0]]
    genome = Genome.from_matrix(
        matrix, n_inputs=1, n_outputs=1, threshold=0.3, ticks=2, bias=[0, 1, 2]
    )
    assert genome.fingerprint() == "c4b596ba9a572295cdc5f34e19f8e1bd"
    assert (genome.has_maps, genome.rows_per_node, genome.map_sizes.tolist()) == (
        False,
        1,
        [1, 1, 1],
    )
    assert replace(genome, kernel=7, downsampling="mean").equals(genome)


def test_the_fingerprint_changes_with_every_part_of_a_map():
    genome = two_maps()
    others = [
        two_maps(taps=np.array([1, 8, 0, 1, 3], np.uint16)),
        two_maps(map_sizes=np.array([5, 2, 1], np.int32)),
        two_maps(kernel=5),
        two_maps(downsampling="mean"),
    ]
    assert len({one.fingerprint() for one in [genome, *others]}) == 5
    assert genome.equals(two_maps())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"map_sizes": np.array([4, 0, 1], np.int32)}, r"^map_sizes must be at least 1; got 0$"),
        (
            {"map_sizes": np.array([4, 2, 2], np.int32)},
            r"^map_sizes must be 1 at outputs, which give one",
        ),
        ({"map_sizes": np.array([4, 2, 1])}, r"^map_sizes must be int32; got int64$"),
        (
            {"map_sizes": np.array([4, 2], np.int32)},
            r"^map_sizes must have shape \(3,\); got \(2,\)$",
        ),
        (
            {"map_sizes": np.ones(3, np.int32)},
            r"^taps must be None if all map sizes are 1; got an array$",
        ),
        ({"taps": None}, r"^taps must be an array if any map size is above 1; got None$"),
        ({"taps": np.zeros(5, np.int64)}, r"^taps must be uint16 of shape \(5,\); got int64 of"),
        ({"taps": np.zeros(4, np.uint16)}, r"^taps must be uint16 of shape \(5,\); got .*\(4,\)$"),
        (
            {"taps": np.array([0, 8, 0, 1, 4], np.uint16)},
            r"^taps must be below 4 from node 1 \(map size 2\) to node 2 \(map size 1\); got 4$",
        ),
        (
            {"taps": np.array([8, 8, 0, 1, 3], np.uint16)},
            r"^indices must rise within each column, and taps within each source and target$",
        ),
        (
            {"kernel": 4},
            r"^kernel must be an odd integer of at least 1, or one per map size; got 4$",
        ),
        (
            {"kernel": -1},
            r"^kernel must be an odd integer of at least 1, or one per map size; got -1$",
        ),
        (
            {"kernel": 3.0},
            r"^kernel must be an odd integer of at least 1, or one per map size; got 3\.0$",
        ),
        (
            {"kernel": "3"},
            r"^kernel must be an odd integer of at least 1, or one per map size; got '3'$",
        ),
        ({"downsampling": "min"}, r"^downsampling must be max or mean; got 'min'$"),
        (
            {"kernel": 99_999},
            r"^map_sizes and kernel must leave the matrix less than 2³¹ rows; got 29999400003$",
        ),
        (
            {"indices": np.array([0, 0, 1, 1, 3], np.int32)},
            r"^indices must be 5 node indices in \[0, 3\); got ",
        ),
        (
            # So large that the number of its row, in 32 bits, would be one of the matrix again.
            {"indices": np.array([0, 0, 1, 1, 477_218_589], np.int32)},
            r"^indices must be 5 node indices in \[0, 3\); got ",
        ),
        ({"indices": np.zeros(4, np.int32)}, r"^indices must be 5 node indices in \[0, 3\); got "),
        (
            {"indptr": np.array([0, 3, 2, 5])},
            r"^indptr must rise from 0 to 5 in 4 steps; got ",
        ),
        (
            {"indptr": np.array([1, 1, 2, 5])},
            r"^indptr must rise from 0 to 5 in 4 steps; got ",
        ),
        ({"indptr": np.array([0, 2, 5])}, r"^indptr must rise from 0 to 5 in 4 steps; got "),
    ],
)
def test_parts_of_maps_that_do_not_fit_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        two_maps(**changes)


def test_a_kernel_is_no_wider_than_its_taps_can_be_numbered():
    with pytest.raises(ValueError, match="at most 255 pixels wide; got 300 from map size 300 to 1"):
        map_transform(300, 1, 301)
    assert map_transform(255, 1, 255).window == 255
