"""SET and RigL on layered networks: each layer rewires its own places, and little is recorded."""

import itertools
import json

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from evo import FounderSettings, Genome, GenomeEditor, Phenotype, create_founders, replay
from evo.operators.operation import OperatorSettings, ProposalContext
from evo.operators.registry import apply_operation
from evo.policies.rewiring import rigl_step, set_step

N_INPUTS, N_OUTPUTS = 4, 2


def founder(hidden=(9, 7, 5), seed=0, density=0.4, epsilon=None):
    share = {"density": density} if epsilon is None else {"epsilon": epsilon}
    founders = FounderSettings(graph="layered", hidden=list(hidden), **share)
    genome = create_founders(founders, N_INPUTS, N_OUTPUTS, n_founders=1, seed=seed)[0]
    return genome, founders.layer_sizes(N_INPUTS, N_OUTPUTS)


def made_up(genome, sources, targets):
    """Return gradients that are all different, and none of them 0."""
    return ((sources * 7919 + targets * 104729) % 9973 + 1).astype(np.float32)


def rewire(method, genome, layers, share=0.3, seed=0, gradients_at=made_up):
    editor = GenomeEditor(genome)
    context = ProposalContext(
        np.random.default_rng(seed), OperatorSettings(), gradients_at, layers=layers
    )
    return editor, method(editor, context, share)


def edges(genome):
    target = np.repeat(np.arange(genome.n_nodes), np.diff(genome.indptr))
    places = zip(genome.indices.tolist(), target.tolist(), strict=True)
    return dict(zip(places, genome.values, strict=True))


def by_layer(genome, layers):
    """Return the edges into each layer but the inputs'; fail if one comes from any but the layer before."""
    layer = np.repeat(np.arange(len(layers)), layers)
    found = [{} for _ in layers[1:]]
    for (i, j), weight in edges(genome).items():
        assert layer[j] == layer[i] + 1
        found[layer[i]][i, j] = weight
    return found


methods = st.sampled_from([set_step, rigl_step])
shapes = st.lists(st.integers(1, 8), min_size=1, max_size=3)


@given(methods, shapes, st.floats(0.05, 1), st.floats(0, 1), st.integers(0, 99))
def test_each_layer_keeps_its_strongest_and_its_number_of_edges(
    method, hidden, density, share, seed
):
    genome, layers = founder(hidden, seed, density=density)
    editor, operations = rewire(method, genome, layers, share, seed)
    child = editor.freeze()
    for before, after in zip(by_layer(genome, layers), by_layer(child, layers), strict=True):
        assert len(after) == len(before)
        n_dropped = round(share * len(before))
        kept = sorted(before, key=lambda place: abs(before[place]))[n_dropped:]
        assert [after[place] for place in kept] == [before[place] for place in kept]
        assert all(after[place] != before.get(place) for place in set(after) - set(kept))
    record = json.loads(json.dumps([(one.operator, one.parameters) for one in operations]))
    assert replay(record, genome).equals(child)


@given(methods, shapes, st.integers(0, 99))
def test_momentum_follows_what_is_kept_and_starts_at_zero_elsewhere(method, hidden, seed):
    genome, layers = founder(hidden, seed)
    editor, _ = rewire(method, genome, layers, seed=seed)
    n, n_nodes = genome.n_stored, genome.n_nodes
    moments = np.random.default_rng(seed).normal(size=(2, n + n_nodes)).astype(np.float32)
    carried = editor.carry(moments)
    remembered = dict(zip(edges(genome), moments.T[:n], strict=True))
    before, child = edges(genome), editor.freeze()
    assert carried.dtype == moments.dtype
    for (place, weight), slots in zip(edges(child).items(), carried.T[:n], strict=True):
        kept = before.get(place) == weight
        np.testing.assert_array_equal(slots, remembered[place] if kept else 0)
    np.testing.assert_array_equal(carried[:, n:], moments[:, n:])


def test_rigl_grows_where_the_gradient_of_the_layer_is_largest():
    genome, layers = founder()
    child = rewire(rigl_step, genome, layers)[0].freeze()
    layer = np.repeat(np.arange(len(layers)), layers)
    for k, (before, after) in enumerate(
        zip(by_layer(genome, layers), by_layer(child, layers), strict=True)
    ):
        n_dropped = round(0.3 * len(before))
        kept = sorted(before, key=lambda place: abs(before[place]))[n_dropped:]
        free = [
            (int(i), int(j))
            for i, j in itertools.product(
                np.flatnonzero(layer == k), np.flatnonzero(layer == k + 1)
            )
            if (i, j) not in kept
        ]
        best = sorted(free, key=lambda place: -made_up(None, *np.array(place)))[:n_dropped]
        assert set(after) - set(kept) == set(best)
        assert not any(after[place] for place in best)


def test_gradients_are_measured_once_on_the_network_before_the_drop():
    genome, layers = founder()
    measured = []

    def gradients_at(before, sources, targets):
        measured.append(before)
        return made_up(before, sources, targets)

    rewire(rigl_step, genome, layers, gradients_at=gradients_at)
    assert [one.equals(genome) for one in measured] == [True]


def test_in_a_layer_too_large_to_look_at_every_place_rigl_looks_at_some(monkeypatch):
    monkeypatch.setattr("evo.operators.free_places.LARGEST_LISTED", 30)
    looked_at = []

    def gradients_at(before, sources, targets):
        looked_at.append(targets)
        return made_up(before, sources, targets)

    genome, layers = founder((40,), density=0.05)
    child = rewire(rigl_step, genome, layers, gradients_at=gradients_at)[0].freeze()
    assert [len(each) for each in by_layer(child, layers)] == [40, 4]  # an edge a target
    (targets,) = looked_at
    assert (targets < 44).sum() == 10 * round(0.3 * 40)


@pytest.mark.parametrize("hidden", [(9,), (9, 7)])
def test_a_full_layer_drops_edges_and_grows_them_anew(hidden):
    genome, layers = founder(hidden, epsilon=1000)
    assert genome.n_stored == sum(m * n for m, n in itertools.pairwise(layers))
    child = rewire(set_step, genome, layers)[0].freeze()
    assert set(edges(child)) == set(edges(genome))
    same = np.mean([edges(child)[place] == weight for place, weight in edges(genome).items()])
    assert same == pytest.approx(0.7, abs=0.02)


def test_every_free_place_of_a_layer_is_drawn_equally_often():
    genome, layers = founder((5,), density=0.5)
    editor = GenomeEditor(genome)
    counts, n_draws = np.zeros((11, 11)), 2000
    for seed in range(n_draws):
        editor = GenomeEditor(genome)
        apply_operation(
            editor, "N", {"layers": [*layers], "counts": [3, 0], "scale": 1, "seed": seed}
        )
        counts += editor.weights.toarray() != 0
    held = genome.to_dense() != 0
    free = ~held
    free[:, :4] = free[4:] = free[:, 9:] = False
    share = 3 / free.sum()
    assert (counts[held] == n_draws).all()
    assert counts[~held & ~free].sum() == 0
    deviation = np.sqrt(n_draws * share * (1 - share))
    assert np.abs(counts[free] - n_draws * share).max() < 4 * deviation


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_new_weights_have_the_variance_of_the_in_degree_as_it_will_be(dtype):
    genome, layers = founder((300,), density=0.3)
    genome = genome.with_values(genome.values.astype(dtype), genome.bias.astype(dtype))
    child = rewire(set_step, genome, layers, share=0.9)[0].freeze()
    assert child.values.dtype == dtype
    target = np.repeat(np.arange(child.n_nodes), np.diff(child.indptr))
    new = ~np.isin(child.values, genome.values)
    scaled = (child.values * np.sqrt(np.diff(child.indptr)[target]))[new]
    assert np.std(scaled) == pytest.approx(1, abs=0.1)
    assert np.mean(scaled) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("layered", [True, False])
def test_new_weights_may_be_smaller_or_start_at_zero(layered):
    genome, layers = founder((60, 60))
    context = [
        ProposalContext(
            np.random.default_rng(0), OperatorSettings(), layers=layers if layered else ()
        )
        for _ in range(3)
    ]
    children = []
    for scale, one in zip((1.0, 0.5, 0.0), context, strict=True):
        editor = GenomeEditor(genome)
        set_step(editor, one, 0.3, scale=scale)
        children.append(editor.freeze())
    new = children[2].values == 0
    assert new.sum() == pytest.approx(0.3 * genome.n_stored, abs=1)
    np.testing.assert_allclose(children[1].values[new], 0.5 * children[0].values[new], rtol=1e-6)
    np.testing.assert_array_equal(children[1].values[~new], children[0].values[~new])


def test_a_step_of_set_is_recorded_in_a_few_numbers_however_large_the_network():
    genome, layers = founder((500, 500), density=0.1)
    _, operations = rewire(set_step, genome, layers)
    assert operations[-1].n_stored_after == genome.n_stored
    assert sum(len(json.dumps(one.parameters)) for one in operations) < 400


def test_a_step_of_rigl_is_recorded_in_a_few_bytes_per_edge():
    genome, layers = founder((500, 500), density=0.1)
    editor, operations = rewire(rigl_step, genome, layers)
    grown = operations[-1]
    assert grown.n_stored_after - grown.n_stored_before == round(0.3 * genome.n_stored)
    n_bytes = len(json.dumps(grown.parameters))
    assert n_bytes < 3 * (grown.n_stored_after - grown.n_stored_before)
    record = json.loads(json.dumps([(one.operator, one.parameters) for one in operations]))
    assert replay(record, genome).equals(editor.freeze())


@given(st.integers(0, 99), st.integers(0, 12))
def test_inserting_many_is_assigning_them_at_once(seed, n_new):
    rng = np.random.default_rng(seed)
    matrix = np.where(rng.random((8, 8)) < 0.4, rng.normal(size=(8, 8)), 0).astype(np.float32)
    genome = Genome.from_matrix(matrix, n_inputs=2, n_outputs=1)
    free = rng.permutation(np.flatnonzero(matrix.T.ravel() == 0))[:n_new]
    targets, sources = np.divmod(np.sort(free), 8)
    values = rng.normal(size=len(free)).astype(np.float32)
    inserted, assigned = GenomeEditor(genome), GenomeEditor(genome)
    inserted.insert(np.bincount(targets, minlength=8), sources.astype(np.int32), values)
    assigned.assign(sources, targets, values)
    assert inserted.freeze().equals(assigned.freeze())
    moments = rng.normal(size=(1, genome.n_stored + 8))
    np.testing.assert_array_equal(inserted.carry(moments), assigned.carry(moments))
    assert inserted.out_degree(np.arange(8)).tolist() == assigned.out_degree(np.arange(8)).tolist()


def test_a_frozen_draft_shares_arrays_that_nobody_can_write():
    genome, layers = founder()
    editor, _ = rewire(set_step, genome, layers)
    child, again = editor.freeze(), editor.freeze()
    assert np.shares_memory(child.values, again.values)
    for array in (child.values, child.indices, child.indptr):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    editor.swap_columns(10, 11)
    assert editor.freeze().fingerprint() != child.fingerprint()
    assert child.equals(again)


@pytest.mark.parametrize(
    ("parameters", "rule"),
    [
        ({"layers": [4, 9, 2]}, "add up to 27 nodes"),
        ({"layers": [27]}, "two or more numbers"),
        ({"layers": [4, 9, 7, 5, 0, 2]}, "of at least 1"),
        ({"layers": [4.0, 9, 7, 5, 2]}, "two or more numbers"),
        ({"layers": [4, 16, 5, 2]}, "must come from the layer before"),
        ({"counts": [1, 1]}, "counts must be 4, one per layer; got 2"),
        ({"counts": [1, 1, 1, 99]}, "counts must be at most the free places"),
        ({"counts": [1, 1, 1, -1]}, "counts must be at least 0"),
        ({"scale": float("nan")}, "scale must be finite"),
        ({"seed": -1}, "seed must be at least 0"),
    ],
    ids=str,
)
def test_a_record_that_does_not_fit_is_refused_and_changes_nothing(parameters, rule):
    genome, layers = founder()
    editor = GenomeEditor(genome)
    whole = {"layers": [*layers], "counts": [1, 1, 1, 1], "scale": 1, "seed": 0} | parameters
    if len(whole["layers"]) == 4:
        whole["counts"] = [1, 1, 1]
    with pytest.raises(ValueError, match=rule):
        apply_operation(editor, "N", whole)
    assert editor.freeze().equals(genome)


@pytest.mark.parametrize("seed", [None, 0.5, [1, 2]])
def test_a_seed_that_is_no_whole_number_is_refused(seed):
    genome, layers = founder()
    record = {"layers": [*layers], "counts": [1, 1, 1, 1], "scale": 1, "seed": seed}
    with pytest.raises(TypeError, match="seed must be an integer"):
        apply_operation(GenomeEditor(genome), "N", record)


def test_layers_are_those_of_the_founder_or_none():
    genome, layers = founder()
    for change in (lambda d: d.move(10, 12), lambda d: d.add_node(8, activation=1)):
        editor = GenomeEditor(genome)
        change(editor)
        with pytest.raises(ValueError, match=r"layered founder|layers must"):
            set_step(
                editor,
                ProposalContext(np.random.default_rng(0), OperatorSettings(), layers=layers),
                0.3,
            )
    editor = GenomeEditor(genome)
    editor.swap_rows(10, 12)
    record = {"layers": [*layers], "counts": [1, 1, 1, 1], "scale": 1, "seed": 0}
    with pytest.raises(ValueError, match="before nodes move or entries change"):
        apply_operation(editor, "N", record)


def test_rigl_on_layers_changes_no_output(task):
    genome, layers = founder(hidden=(6, 5))
    some = task()

    def gradients_at(before, sources, targets):
        return Phenotype(before).gradients_at(
            sources, targets, some.train.inputs, some.train.targets
        )

    editor, operations = rewire(rigl_step, genome, layers, gradients_at=gradients_at)
    pruned = replay([(one.operator, one.parameters) for one in operations[:2]], genome)
    X = some.validation.inputs
    np.testing.assert_allclose(
        Phenotype(editor.freeze()).output(X), Phenotype(pruned).output(X), rtol=1e-5
    )
