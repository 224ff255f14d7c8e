"""An edit session on a matrix of kernels does to blocks what the algebra says: against W written out with NumPy."""

from dataclasses import replace

import numpy as np
import pytest

from evo import Genome, GenomeEditor, Role
from evo.genome.feature_maps import map_transform

N_SESSIONS, N_OPERATIONS = 30, 10
LETTERS = ("B", "D", "C", "F", "H", "move", "N", "forget", "drop")


def block(genome_or_draft, node):
    """Return the rows of a node in W."""
    per_node = genome_or_draft.rows_per_node
    return slice(node * per_node, (node + 1) * per_node)


def reordered(matrix, order, per_node):
    n = len(order)
    blocks = matrix.reshape(n, per_node, n)[order][:, :, order]
    return blocks.reshape(n * per_node, n)


def alike(editor, rng):
    """Return two nodes of one side, or None."""
    map_sizes = editor.map_sizes
    pairs = [
        (a, b)
        for a in range(len(map_sizes))
        for b in range(len(map_sizes))
        if a != b and map_sizes[a] == map_sizes[b]
    ]
    return pairs[rng.integers(len(pairs))] if pairs else None


def a_place(editor, rng):
    source, target = rng.integers(editor.n_nodes, size=2)
    window = map_transform(
        int(editor.map_sizes[source]), int(editor.map_sizes[target]), editor.kernel
    ).window
    return source * editor.rows_per_node + rng.integers(window**2), target


def step(letter, editor, matrix, rng):
    """Do the same to an editor and to its matrix; return the latter. Entries that are no edge are NaN."""
    per_node, pair = editor.rows_per_node, alike(editor, rng)
    matrix = matrix.copy()
    if letter in ("B", "C", "D", "F") and pair is None:
        return matrix
    if letter in ("B", "C"):
        a, b = pair
        if letter == "B":
            editor.swap_columns(a, b)
            matrix[:, [a, b]] = matrix[:, [b, a]]
        else:
            editor.add_column(a, b, 0.3, 1.5)
            matrix[:, b] = added(matrix[:, a], matrix[:, b], 0.3, 1.5)
    elif letter in ("D", "F"):
        a, b = (block(editor, node) for node in pair)
        if letter == "D":
            editor.swap_rows(*pair)
            matrix[a], matrix[b] = matrix[b].copy(), matrix[a].copy()
        else:
            editor.add_row(*pair, -0.4, 0.7)
            matrix[b] = added(matrix[a], matrix[b], -0.4, 0.7)
    elif letter == "H":
        order = rng.permutation(editor.n_nodes)
        editor.reorder(order)
        matrix = reordered(matrix, order, per_node)
    elif letter == "move":
        node, place = (int(p) for p in rng.choice(editor.n_nodes, 2, replace=False))
        editor.move(node, place)
        order = np.insert(np.delete(np.arange(editor.n_nodes), node), place, node)
        matrix = reordered(matrix, order, per_node)
    elif letter == "N":
        rows, targets = zip(*{a_place(editor, rng) for _ in range(6)}, strict=True)
        values = rng.normal(size=len(rows))
        editor.assign(rows, targets, values)
        matrix[rows, targets] = values
    elif letter == "forget":
        places = {a_place(editor, rng) for _ in range(6)}
        rows, targets = (np.array(part) for part in zip(*places, strict=True))
        editor.remove_entries(rows, targets)
        matrix[rows, targets] = np.nan
    elif editor.threshold is not None:
        editor.drop_dormant()
        matrix[~(np.abs(matrix) > editor.threshold)] = np.nan
    return matrix


def added(source, target, factor, scale):
    """Return scale · (target + factor · source) wherever either is stored."""
    either = np.where(np.isnan(target), 0, target) + np.where(np.isnan(source), 0, factor * source)
    return np.where(np.isnan(source) & np.isnan(target), np.nan, either * scale)


def written_out(genome):
    """Return W with NaN where nothing is stored, for zeros may be stored."""
    matrix = np.full((genome.n_nodes * genome.rows_per_node, genome.n_nodes), np.nan)
    matrix[genome.rows, genome.targets] = genome.values
    return matrix


def check(editor, matrix, rng):
    n, per_node = editor.n_nodes, editor.rows_per_node
    stored = ~np.isnan(matrix)
    np.testing.assert_array_equal(editor.weights.toarray(), np.where(stored, matrix, 0))
    assert editor.n_stored == stored.sum()
    through = stored if editor.threshold is None else np.abs(matrix) > editor.threshold
    assert editor.n_active == through.sum()
    np.testing.assert_array_equal(editor.active_degree(), through.sum(axis=0))
    np.testing.assert_array_equal(editor.in_degree(np.arange(n)), stored.sum(axis=0))
    outgoing = stored.reshape(n, per_node, n).sum(axis=(1, 2))
    np.testing.assert_array_equal(editor.out_degree(np.arange(n)), outgoing)
    a = int(rng.integers(n))
    rows, values = editor.column(a)
    np.testing.assert_array_equal(rows, np.flatnonzero(stored[:, a]))
    np.testing.assert_array_equal(values, matrix[rows, a])
    spoken, values = editor.row(a)
    mine = matrix[block(editor, a)].T.ravel()
    np.testing.assert_array_equal(spoken, np.flatnonzero(~np.isnan(mine)))
    np.testing.assert_array_equal(values, mine[spoken])
    rows, targets = np.divmod(np.arange(stored.size), n)
    np.testing.assert_array_equal(editor.holds(rows, targets), stored.ravel())


def some_genome(rng, make, seed):
    thresholds = [None, 0.5, rng.uniform(0, 1, 9)]
    return make(rng, threshold=thresholds[seed % 3], ticks=1 + seed % 2)


def test_a_session_equals_the_algebra_of_blocks(random_map_genome):
    for seed in range(N_SESSIONS):
        rng = np.random.default_rng(seed)
        genome = some_genome(rng, random_map_genome, seed)
        before = genome.fingerprint()
        editor, matrix = GenomeEditor(genome), written_out(genome)
        for letter in rng.choice(LETTERS, N_OPERATIONS):
            matrix = step(letter, editor, matrix, rng)
            check(editor, matrix, rng)
        child = editor.freeze()
        np.testing.assert_array_equal(written_out(child), matrix)
        assert sorted(zip(child.ids, child.map_sizes, strict=True)) == sorted(
            zip(genome.ids, genome.map_sizes, strict=True)
        )
        assert (child.kernel, child.downsampling) == (genome.kernel, genome.downsampling)
        assert genome.fingerprint() == before


def test_momentum_follows_a_tap(random_map_genome):
    for seed in range(N_SESSIONS):
        rng = np.random.default_rng(seed)
        genome = random_map_genome(rng)
        genome = genome.with_values(np.arange(1.0, genome.n_stored + 1), 1e4 + genome.bias)
        moments = np.concatenate([genome.values, genome.bias])[np.newaxis]
        editor = GenomeEditor(genome)
        for letter in rng.choice(["B", "D", "H", "move", "N", "forget"], 8):
            step(letter, editor, written_out(editor.freeze()), rng)
        child = editor.freeze()
        carried = editor.carry(moments)[0]
        # Nothing but N changed weights, and N draws no whole numbers: what is carried is what is kept.
        old = np.isin(child.values, genome.values)
        np.testing.assert_array_equal(carried[: child.n_stored], np.where(old, child.values, 0.0))
        np.testing.assert_array_equal(carried[child.n_stored :], child.bias)


def test_what_is_not_edited_is_shared(random_map_genome):
    genome = random_map_genome(np.random.default_rng(0))
    child = GenomeEditor(genome).freeze()
    assert child.equals(genome)
    assert all(
        np.shares_memory(getattr(child, name), getattr(genome, name))
        for name in ("indptr", "indices", "values", "taps")
    )


def test_nodes_come_and_go_with_all_their_taps(random_map_genome):
    for seed in range(N_SESSIONS):
        rng = np.random.default_rng(seed)
        genome = some_genome(rng, random_map_genome, seed)
        editor, matrix, per_node = GenomeEditor(genome), written_out(genome), genome.rows_per_node
        for _ in range(6):
            n, hidden = editor.n_nodes, editor.positions(Role.HIDDEN)
            if rng.random() < 0.5 or len(hidden) < 2:
                place, map_size = int(rng.integers(n + 1)), int(rng.choice(genome.map_sizes))
                editor.add_node(place, activation=2, bias=0.5, threshold=0.1, map_size=map_size)
                assert editor.map_sizes[place] == map_size
                matrix = np.insert(matrix, [place * per_node] * per_node, np.nan, axis=0)
                matrix = np.insert(matrix, place, np.nan, axis=1)
            else:
                place = int(rng.choice(hidden))
                editor.remove_node(place)
                rows = np.arange(per_node) + place * per_node
                matrix = np.delete(np.delete(matrix, rows, axis=0), place, axis=1)
            matrix = step("N", editor, matrix, rng)
            check(editor, matrix, rng)
        child = editor.freeze()
        assert child.n_stored == (~np.isnan(matrix)).sum()


def test_a_network_whose_maps_are_gone_is_a_scalar_one():
    genome = Genome.from_matrix([[0, 1, 0], [0, 0, 2], [0, 0, 0]], n_inputs=1, n_outputs=1)
    map_sizes, taps = np.array([1, 3, 1], np.int32), np.array([0, 4], np.uint16)
    for leave in (
        lambda editor: editor.remove_node(1),
        lambda editor: editor.change_map_size(1, 1),
    ):
        editor = GenomeEditor(replace(genome, map_sizes=map_sizes, taps=taps, kernel=3))
        leave(editor)
        child = editor.freeze()
        assert not child.has_maps
        assert child.map_sizes.tolist() == [1] * child.n_nodes
    assert child.to_dense().tolist() == genome.to_dense().tolist()  # the middle tap stays


def kernel_of(genome, source, target):
    """Return a kernel, as a square of numbers with NaN where no tap is."""
    window = map_transform(
        int(genome.map_sizes[source]), int(genome.map_sizes[target]), genome.kernel
    ).window
    kernel = np.full(window**2, np.nan)
    chosen = (genome.indices == source) & (genome.targets == target)
    kernel[genome.taps[chosen]] = genome.values[chosen]
    return kernel.reshape(window, window)


def about_the_centre(kernel, window):
    """Return a kernel cut or widened to a window, the middle on the middle."""
    new, d = np.full((window, window), np.nan), window // 2 - len(kernel) // 2
    for (i, j), tap in np.ndenumerate(kernel):
        if 0 <= i + d < window and 0 <= j + d < window:
            new[i + d, j + d] = tap
    return new


def test_a_kernel_stays_about_its_centre_when_a_side_changes(random_map_genome):
    n_changed = n_lost = 0
    for seed in range(N_SESSIONS):
        rng = np.random.default_rng(seed)
        genome = some_genome(rng, random_map_genome, seed)
        editor = GenomeEditor(genome)
        editor.n_active  # noqa: B018 - counted now, so that it is kept right
        node = int(rng.choice(editor.positions(Role.HIDDEN)))
        map_size = int(rng.choice(np.setdiff1d(genome.map_sizes, genome.map_sizes[node])))
        editor.change_map_size(node, map_size)
        child = editor.freeze()
        assert child.map_sizes.tolist() == [
            map_size if p == node else old for p, old in enumerate(genome.map_sizes)
        ]
        assert editor.n_active == child.active_mask().sum()
        n_lost += genome.n_stored - child.n_stored
        moments = np.concatenate([genome.values, genome.bias])[np.newaxis]
        carried = editor.carry(moments)[0, : child.n_stored]
        for source in range(9):
            for target in range(9):
                before, after = (kernel_of(one, source, target) for one in (genome, child))
                np.testing.assert_array_equal(after, about_the_centre(before, len(after)))
                taps = (child.indices == source) & (child.targets == target)
                same = len(before) == len(after)
                n_changed += not same
                kept = child.values[taps] if same else 0.0
                np.testing.assert_array_equal(carried[taps], kept)
    assert n_changed > N_SESSIONS
    assert n_lost > 0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda d: d.swap_columns(0, 1),
            ValueError,
            "a and b must be nodes of one map size; got 4 and 3",
        ),
        (
            lambda d: d.swap_rows(1, 2),
            ValueError,
            "a and b must be nodes of one map size; got 3 and 1",
        ),
        (
            lambda d: d.add_column(0, 1, 1.0),
            ValueError,
            "source and target must be nodes of one map size",
        ),
        (
            lambda d: d.add_row(0, 2, 1.0),
            ValueError,
            "source and target must be nodes of one map size",
        ),
        (
            lambda d: d.assign([4], [1], [1.0]),
            ValueError,
            "taps must be below 4 from node 0 to node 1; got 4",
        ),
        (lambda d: d.assign([27], [1], [1.0]), IndexError, "rows"),
        (
            lambda d: d.assign([1, 1], [1, 1], [1, 2]),
            ValueError,
            r"rows and targets must name a place once; got \(1, 1\)",
        ),
        (
            lambda d: d.insert(np.array([0, 1, 0]), np.array([5]), np.ones(1)),
            ValueError,
            "taps must be below 4 from node 0 to node 1; got 5",
        ),
        (
            lambda d: d.add_node(1, activation=2, map_size=5),
            ValueError,
            "map_size must be from 1 to 4, the largest; got 5",
        ),
        (
            lambda d: d.change_map_size(1, 0),
            ValueError,
            "map_size must be from 1 to 4, the largest; got 0",
        ),
        (
            lambda d: d.change_map_size(0, 3),
            ValueError,
            "node must be hidden; got node 0, which is input",
        ),
    ],
)
def test_the_broken_rule_is_named_and_nothing_changes(call, error, message):
    genome = Genome.from_matrix([[0, 1, 0], [0, 0, 2], [0, 0, 0]], n_inputs=1, n_outputs=1)
    map_sizes, taps = np.array([4, 3, 1], np.int32), np.array([3, 8], np.uint16)
    genome = replace(genome, map_sizes=map_sizes, taps=taps, kernel=3)
    editor = GenomeEditor(genome)
    with pytest.raises(error, match=message):
        call(editor)
    assert editor.freeze().equals(genome)


def test_an_addition_that_leaves_the_finite_changes_no_tap():
    genome = Genome.from_matrix([[0, 1, 1], [0, 0, 2], [0, 0, 0]], n_inputs=2, n_outputs=1)
    map_sizes, taps = np.array([3, 3, 1], np.int32), np.array([3, 3, 8], np.uint16)
    genome = replace(
        genome,
        map_sizes=map_sizes,
        taps=taps,
        values=np.array([1, 1e300, 1e308]),
        bias=np.zeros(3),
        kernel=3,
    )
    editor = GenomeEditor(genome)
    assert editor.out_degree(np.arange(3)).tolist() == [2, 1, 0]
    with pytest.raises(ValueError, match="factor must keep entries finite in float64"):
        editor.add_row(0, 1, 1e300)
    assert editor.freeze().equals(genome)
    assert editor.out_degree(np.arange(3)).tolist() == [2, 1, 0]
