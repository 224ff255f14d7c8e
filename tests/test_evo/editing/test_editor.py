"""An edit session gives, bit for bit, what the pure functions of graphops give one after another."""

import numpy as np
import pytest
from effort import trials

import graphops
from evo import OPERATORS, Genome, GenomeEditor
from evo.editing.columns import Columns

N_SESSIONS, N_OPERATIONS = 60, 14
LETTERS = ("B", "D", "C", "F", "H", "move", "N", "drop")


def random_genome(rng, dtype, threshold):
    n = int(rng.integers(4, 12))
    matrix = (rng.standard_normal((n, n)) * (rng.random((n, n)) < 0.5)).astype(dtype)
    thresholds = {
        "none": None,
        "one": 0.3,
        "each": 0.3 * np.abs(rng.standard_normal(n)).astype(dtype),
    }
    return Genome.from_matrix(
        matrix,
        n_inputs=1,
        n_outputs=1,
        bias=rng.standard_normal(n),
        threshold=thresholds[threshold],
    )


def step(letter, editor, matrix, rng):
    """Do the same to an editor and, by pure functions, to a matrix; return the latter."""
    n, real = editor.n_nodes, matrix.dtype.type
    a, b = (int(p) for p in rng.choice(n, 2, replace=False))
    if letter == "B":
        editor.swap_columns(a, b)
        return graphops.swap_columns(matrix, a, b)
    if letter == "D":
        editor.swap_rows(a, b)
        return graphops.swap_rows(matrix, a, b)
    if letter == "C":
        editor.add_column(a, b, 0.3, 1.5)
        matrix = graphops.add_column(matrix, a, b, 0.3)
        matrix.data[slice(*matrix.indptr[b : b + 2])] *= real(1.5)
        return matrix
    if letter == "F":
        editor.add_row(a, b, -0.4, 0.7)
        matrix = graphops.add_row(matrix, a, b, -0.4)
        matrix.data[matrix.indices == b] *= real(0.7)
        return matrix
    if letter == "H":
        order = rng.permutation(n)
        editor.reorder(order)
        return graphops.reorder(matrix, order)
    if letter == "move":
        editor.move(a, b)
        return graphops.reorder(matrix, np.insert(np.delete(np.arange(n), a), b, a))
    if letter == "N":
        places = rng.choice(n * n, int(rng.integers(1, 6)), replace=False)
        values = rng.standard_normal(len(places))
        editor.assign(places // n, places % n, values)
        return graphops.assign(matrix, places // n, places % n, values)
    editor.drop_dormant()
    return matrix if editor.threshold is None else graphops.threshold(matrix, editor.threshold)


def check(editor, matrix, rng):
    n = editor.n_nodes
    written = editor.weights
    np.testing.assert_array_equal(written.indptr, matrix.indptr)
    np.testing.assert_array_equal(written.indices, matrix.indices)
    assert written.data.tobytes() == matrix.data.tobytes()
    assert editor.n_stored == len(matrix.data)
    live = (
        graphops.threshold_mask(matrix, editor.threshold) if editor.threshold is not None else None
    )
    assert editor.n_active == (len(matrix.data) if live is None else live.sum())
    np.testing.assert_array_equal(editor.in_degree(np.arange(n)), np.diff(matrix.indptr))
    outgoing = np.bincount(matrix.indices, minlength=n)
    np.testing.assert_array_equal(editor.out_degree(np.arange(n)), outgoing)
    a = int(rng.integers(n))
    dense, stored = matrix.toarray(), np.zeros((n, n), bool)
    stored[matrix.indices, np.repeat(np.arange(n), np.diff(matrix.indptr))] = True
    for line, present, values in (
        (editor.column(a), stored[:, a], dense[:, a]),
        (editor.row(a), stored[a], dense[a]),
    ):
        np.testing.assert_array_equal(line[0], np.flatnonzero(present))
        np.testing.assert_array_equal(line[1], values[present])
    sources, targets = np.divmod(np.arange(n * n), n)
    np.testing.assert_array_equal(editor.holds(sources, targets), stored.ravel())
    share = float(rng.random())
    assert editor.quantile_threshold(share) == graphops.quantile_threshold(matrix, share)


@pytest.mark.parametrize("few", [0, 10**6])
@pytest.mark.parametrize("threshold", ["none", "one", "each"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_session_equals_pure_functions_bit_for_bit(dtype, threshold, few, monkeypatch):
    monkeypatch.setattr("evo.editing.ranking.FEW", few)  # select by radix, or by partition
    rng = np.random.default_rng(0)
    for _ in range(trials(5, N_SESSIONS)):  # for each of twelve ways
        genome = random_genome(rng, dtype, threshold)
        before = genome.fingerprint()
        editor, matrix = GenomeEditor(genome), genome.weights.copy()
        for letter in rng.choice(LETTERS, N_OPERATIONS):
            matrix = step(letter, editor, matrix, rng)
            check(editor, matrix, rng)
        assert genome.fingerprint() == before


def test_momentum_follows_an_entry_exactly_as_long_as_nothing_but_its_place_changes():
    rng = np.random.default_rng(1)
    for _ in range(N_SESSIONS):
        genome = random_genome(rng, np.float64, "none")
        genome = genome.with_values(np.arange(1.0, genome.n_stored + 1), 100.0 + genome.bias)
        moments = np.concatenate([genome.values, genome.bias])[np.newaxis]
        editor = GenomeEditor(genome)
        for letter in rng.choice(["B", "D", "H", "move", "N"], 8):
            step(letter, editor, editor.weights, rng)
        child = editor.freeze()
        carried = editor.carry(moments)[0]
        # Nothing but N changed weights, and N draws no whole numbers: what is carried is what is kept.
        of_edges = carried[: child.n_stored]
        old = np.isin(child.values, genome.values)
        np.testing.assert_array_equal(of_edges, np.where(old, child.values, 0.0))
        np.testing.assert_array_equal(carried[child.n_stored :], child.bias)


def test_a_draft_without_origins_carries_nothing():
    editor = GenomeEditor(
        random_genome(np.random.default_rng(0), np.float32, "none"), origins=False
    )
    with pytest.raises(ValueError, match="origins must be True for carry"):
        editor.carry(np.zeros((1, 1)))


def test_nodes_come_and_go():
    rng = np.random.default_rng(2)
    for _ in range(N_SESSIONS):
        genome = random_genome(rng, np.float64, "each")
        editor, matrix = GenomeEditor(genome), genome.to_dense()
        for _ in range(6):
            n = editor.n_nodes
            if rng.random() < 0.6:
                place = int(rng.integers(1, n))
                editor.add_node(place, activation=2, bias=0.5, threshold=0.1)
                matrix = np.insert(np.insert(matrix, place, 0, axis=0), place, 0, axis=1)
                editor.assign([0, place], [place, n], [1.5, -2.0])
                matrix[0, place], matrix[place, n] = 1.5, -2.0
                assert editor.bias[place] == 0.5
                assert editor.threshold[place] == 0.1
            elif n > 3:
                place = int(rng.integers(1, n - 1))
                editor.remove_node(place)
                matrix = np.delete(np.delete(matrix, place, axis=0), place, axis=1)
            editor.swap_rows(0, 1)
            matrix[[0, 1]] = matrix[[1, 0]]
            np.testing.assert_array_equal(editor.weights.toarray(), matrix)
            outgoing = np.count_nonzero(matrix, axis=1)
            np.testing.assert_array_equal(editor.out_degree(np.arange(len(matrix))), outgoing)
            assert editor.n_active == editor.freeze().active_mask().sum()
        ids = editor.freeze().ids
        assert len(set(ids.tolist())) == len(ids)


def test_only_hidden_nodes_are_removed():
    editor = GenomeEditor(random_genome(np.random.default_rng(0), np.float32, "none"))
    with pytest.raises(ValueError, match="node must be hidden; got node 0, which is input"):
        editor.remove_node(0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda d: d.swap_columns(0, 99), IndexError, "b must"),
        (lambda d: d.swap_rows(1, 1), ValueError, "a and b must differ"),
        (lambda d: d.reorder([0, 0, 1, 2]), ValueError, "order"),
        (lambda d: d.add_column(0, 1, float("nan")), ValueError, "factor must be finite"),
        (lambda d: d.add_row(0, 1, 1e39), ValueError, "factor must be finite in float32"),
        (lambda d: d.assign([0], [1, 2], [1.0]), ValueError, "one length; got 1, 2 and 1"),
        (lambda d: d.assign([0, 0], [1, 1], [1, 2]), ValueError, r"\(0, 1\) repeatedly"),
        (lambda d: d.assign([0], [1], [np.inf]), ValueError, "values must be finite"),
        (lambda d: d.assign([-1], [1], [1.0]), IndexError, "sources"),
        (lambda d: d.set_threshold(np.zeros(3)), ValueError, r"have shape \(4,\); got \(3,\)"),
    ],
)
def test_the_broken_rule_is_named_and_nothing_changes(call, error, message):
    genome = Genome.from_matrix(np.ones((4, 4), np.float32), n_inputs=1, n_outputs=1)
    editor = GenomeEditor(genome)
    with pytest.raises(error, match=message):
        call(editor)
    assert editor.freeze().equals(genome)


def test_an_addition_that_leaves_the_finite_changes_nothing():
    genome = Genome.from_matrix(np.full((3, 3), 3e38, np.float32), n_inputs=1, n_outputs=1)
    editor = GenomeEditor(genome)
    for add in (editor.add_column, editor.add_row):
        with pytest.raises(ValueError, match="factor must keep entries finite in float32"):
            add(0, 1, 1.0)
    assert editor.freeze().equals(genome)
    assert editor.out_degree(np.arange(3)).tolist() == [3, 3, 3]


def test_long_columns_far_from_sorted_are_sorted_too():
    rng = np.random.default_rng(3)
    genome = Genome.from_matrix(rng.standard_normal((300, 300)), n_inputs=1, n_outputs=1)
    editor, order = GenomeEditor(genome), rng.permutation(300)
    editor.reorder(order)
    np.testing.assert_array_equal(editor.weights.toarray(), genome.to_dense()[np.ix_(order, order)])
    moments = genome.values[np.newaxis].astype(float)
    carried = editor.carry(np.concatenate([moments, np.zeros((1, 300))], axis=1))
    np.testing.assert_array_equal(carried[0, :-300], editor.freeze().values)


def test_an_addition_writes_the_column_that_it_changes():
    rng = np.random.default_rng(4)
    n = 10_000
    rows = np.sort(rng.integers(0, n - 20, (n, 20)), axis=1) + np.arange(20)
    columns = Columns(np.arange(n + 1) * 20, rows.ravel().astype(np.int32), rng.random(20 * n))
    columns.merge(3, 4, 0.5, 1.0)
    assert columns._used <= 40
    assert np.count_nonzero(columns._edited) == 1


def nine_nodes():
    rng = np.random.default_rng(3)
    return Genome.from_matrix(
        rng.normal(size=(9, 9)), n_inputs=1, n_outputs=1, bias=rng.normal(size=9)
    )


def test_assigning_from_the_constant_node_sets_biases_and_their_momentum_ends():
    genome = nine_nodes()
    n = genome.n_nodes
    editor = GenomeEditor(genome)
    editor.swap_columns(4, 7)
    parameters = {"sources": [n, 2, n], "targets": [4, 5, 1], "values": [0.25, -1.0, 3.0]}
    OPERATORS["N"].apply(editor, parameters)
    expected = genome.bias.copy()
    expected[[4, 7]] = expected[[7, 4]]
    expected[[4, 1]] = 0.25, 3.0
    child = editor.freeze()
    np.testing.assert_array_equal(child.bias, expected)
    assert child.to_dense()[2, 5] == -1.0
    carried = editor.carry(np.ones((1, genome.n_stored + n)))[0, child.n_stored :]
    assert np.flatnonzero(carried == 0).tolist() == [1, 4]


def test_a_bias_that_is_not_finite_or_of_no_node_is_refused():
    editor = GenomeEditor(nine_nodes())
    with pytest.raises(ValueError, match="values must be finite in float64; got inf"):
        editor.set_bias([1], [np.inf])
    with pytest.raises(IndexError, match="nodes"):
        editor.set_bias([9], [1.0])
