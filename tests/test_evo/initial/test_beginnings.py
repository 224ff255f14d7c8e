"""Beginnings of the seed document: its example matrix, its growing numbers as weights, its threshold on weights."""

import numpy as np
import pytest

import graphops
from evo import (
    OPERATORS,
    FounderSettings,
    Genome,
    GenomeEditor,
    Phenotype,
    PolicySettings,
    create_founders,
    from_matrix,
    replay,
)
from evo.errors import SettingsError
from evo.evolution.statistics import describe
from evo.operators.operation import OperatorSettings, ProposalContext
from evo.operators.registry import apply_operation
from evo.policies.policies import POLICIES
from graphops import EXAMPLE_MATRIX


def founders(n_founders=1, n_inputs=4, n_outputs=3, seed=2, map_size=None, **settings):
    return create_founders(
        FounderSettings(**settings),
        n_inputs,
        n_outputs,
        n_founders=n_founders,
        seed=seed,
        map_size=map_size,
    )


# -- the example (S19) -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_inputs", "n_outputs"), [(2, 1), (7, 3)])
def test_the_example_stands_between_inputs_and_outputs_and_keeps_its_weights(n_inputs, n_outputs):
    (genome,) = founders(graph="example", ticks=3, n_inputs=n_inputs, n_outputs=n_outputs)
    dense = genome.to_dense()
    core = slice(n_inputs, n_inputs + 5)
    np.testing.assert_array_equal(dense[core, core], EXAMPLE_MATRIX)
    assert (dense[:n_inputs, n_inputs : n_inputs + 2] != 0).all()
    assert (dense[n_inputs + 3, n_inputs + 5 :] != 0).all()
    assert genome.n_stored == 6 + 2 * n_inputs + n_outputs
    assert genome.inputs.tolist() == [*range(n_inputs)]
    assert genome.outputs.tolist() == [*range(n_inputs + 5, n_inputs + 5 + n_outputs)]


def test_the_cycle_of_the_example_lives():
    (genome,) = founders(graph="example", ticks=3)
    assert describe(genome, Phenotype(genome)).n_cyclic == 2
    assert genome.effective_mask().all()


def test_weights_around_the_example_differ_from_founder_to_founder():
    one, two = founders(2, graph="example", ticks=2)
    differs = one.to_dense() != two.to_dense()
    assert differs.sum() == 2 * 4 + 3
    assert founders(1, graph="example", ticks=2)[0].equals(one)


@pytest.mark.parametrize("weights", ["random", "growth"])
def test_the_weights_of_the_example_may_be_drawn_too(weights):
    given, drawn = (
        founders(graph="example", ticks=2)[0],
        founders(graph="example", ticks=2, weights=weights)[0],
    )
    assert np.array_equal(given.indices, drawn.indices)
    core = (given.indices >= 4) & (given.targets < 9)
    assert (given.values[core] == 1).all()
    assert (drawn.values[core] != 1).any()
    squares = np.add.reduceat(drawn.values**2, drawn.indptr[4:-1])
    assert (weights == "growth") == np.allclose(squares, 1)


# -- growing weights (S18) ---------------------------------------------------------------------------------------------

GRAPHS = {
    "feedforward": {},
    "layered": {"graph": "layered", "hidden": [8, 5]},
    "recurrent": {"graph": "recurrent", "ticks": 2},
    "rectifiers": {"activation": "relu"},
    "maps": {"graph": "maps", "layers": [[4, 3], [1, 5]], "kernel": 3, "map_size": 8},
}


@pytest.mark.parametrize("settings", GRAPHS.values(), ids=GRAPHS)
def test_growing_weights_keep_the_graph_and_have_the_sizes_of_the_growth_parameter(settings):
    (usual,), (grown,) = founders(**settings), founders(**settings, weights="growth")
    assert np.array_equal(usual.indptr, grown.indptr)
    assert np.array_equal(usual.indices, grown.indices)
    squares = 2 if settings.get("activation") == "relu" else 1
    for column in np.split(grown.values, grown.indptr[1:-1]):
        sizes = np.exp([graphops.growth_parameter(1, n).log_abs for n in range(len(column))])
        expected = np.sqrt(squares) * sizes / np.linalg.norm(sizes)
        np.testing.assert_allclose(np.abs(column), expected, rtol=1e-5)
    assert (grown.values < 0).any()
    assert (grown.values > 0).any()


def test_random_weights_are_the_default_of_drawn_graphs():
    assert founders(weights="random")[0].equals(founders()[0])


# -- the threshold (S20) -----------------------------------------------------------------------------------------------


def test_only_weights_greater_than_a_count_where_the_threshold_is_signed():
    (genome,) = founders(threshold=0.0, threshold_mode="signed")
    assert (genome.threshold, genome.threshold_mode) == (0.0, "signed")
    np.testing.assert_array_equal(genome.active_mask(), genome.values > 0)
    (usual,) = founders(threshold=0.1)
    np.testing.assert_array_equal(usual.active_mask(), np.abs(usual.values) > np.float32(0.1))
    assert np.array_equal(usual.values, founders()[0].values)


def test_a_signed_fraction_keeps_the_largest_weights():
    (genome,) = founders(hidden=20, active_fraction=0.3, threshold_mode="signed")
    active = genome.active_mask()
    assert active.sum() == pytest.approx(0.3 * genome.n_stored, abs=1)
    assert genome.values[active].min() > genome.values[~active].max()


@pytest.mark.parametrize("stored_per_edge", [1.5, 4.0])
def test_signed_thresholds_of_maps_keep_the_largest_taps_of_each_layer_at_the_usual_size(
    stored_per_edge,
):
    common = {
        "graph": "maps",
        "layers": [[8, 12], [1, 80]],
        "kernel": 3,
        "map_size": 8,
        "densities": [0.25, 0.25, 0.25],
        "stored_per_edge": stored_per_edge,
    }
    (signed,), (usual,) = founders(**common, threshold_mode="signed"), founders(**common)
    assert signed.active_mask().sum() == usual.active_mask().sum()
    sizes = []
    for genome in (signed, usual):
        active = genome.active_mask() & (genome.targets >= 4 + 12)
        sizes.append(np.sqrt(np.mean(genome.values[active & (genome.targets < 96)] ** 2)))
    assert sizes[0] == pytest.approx(sizes[1], rel=0.05)
    layer = (signed.targets >= 16) & (signed.targets < 96)
    active = signed.active_mask()
    assert signed.values[layer & active].min() > signed.values[layer & ~active].max()


@pytest.mark.parametrize("code", OPERATORS)
def test_every_operator_keeps_the_mode_and_new_edges_are_active(code):
    (genome,) = founders(hidden=8, active_fraction=0.6, threshold_mode="signed", density=0.4)
    applied = 0
    for seed in range(6):
        editor = GenomeEditor(genome)
        context = ProposalContext(np.random.default_rng(seed), OperatorSettings())
        parameters = OPERATORS[code].propose(editor, context)
        if parameters is None:
            continue
        operation = apply_operation(editor, code, parameters)
        child = editor.freeze()
        applied += 1
        assert child.threshold_mode == "signed"
        assert operation.n_active_after == child.active_mask().sum()
        assert replay([operation], genome).equals(child)
        if code == "N":
            new = operation.n_stored_after - operation.n_stored_before
            assert operation.n_active_after - operation.n_active_before == new > 0
    assert applied or code in "EMGKPVY"  # no idle node, no maps, no mates


def test_edges_that_grow_in_layers_are_active_where_the_threshold_is_signed():
    (genome,) = founders(
        graph="layered", hidden=[20], density=0.4, threshold=0.05, threshold_mode="signed"
    )
    editor = GenomeEditor(genome)
    parameters = {"layers": [4, 20, 3], "counts": [12, 9], "scale": 1.0, "seed": 3}
    operation = apply_operation(editor, "N", parameters)
    assert operation.n_stored_after - operation.n_stored_before == 21
    assert operation.n_active_after - operation.n_active_before == 21
    assert replay([operation], genome).equals(editor.freeze())


@pytest.mark.parametrize("name", ["mixed", "set", "rigl", "layerwise"])
def test_policies_work_on_signed_thresholds(name):
    settings = FounderSettings(
        graph="layered", hidden=[20], density=0.4, active_fraction=0.7, threshold_mode="signed"
    )
    (genome,) = create_founders(settings, 6, 3, n_founders=1, seed=0)
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(20, 6)).astype(np.float32), rng.integers(3, size=20)

    def gradients(asked, rows, targets):
        return Phenotype(asked).gradients_at(rows, targets, X, y)

    editor = GenomeEditor(genome)
    context = ProposalContext(
        rng, OperatorSettings(), gradients_at=gradients, layers=settings.layer_sizes(6, 3)
    )
    operations = POLICIES[name](editor, context, PolicySettings(name=name))
    child = editor.freeze()
    assert child.threshold_mode == "signed"
    assert not child.equals(genome)
    assert replay(operations, genome).equals(child)


# -- settings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"graph": "example"}, 'ticks must be at least 2 if graph = "example", a cycle; got 1'),
        (
            {"graph": "example", "ticks": 2, "hidden": 4},
            'hidden must not be given if graph = "example"; got 4',
        ),
        (
            {"graph": "given", "density": 0.5},
            'density must not be given if graph = "given"; got 0.5',
        ),
        ({"files": ["a.npz"]}, 'files must not be given unless graph = "given"; got '),
        (
            {"weights": "growth", "active_fraction": 0.5},
            'active_fraction must not be given if weights = "growth"; got 0.5',
        ),
        (
            {"threshold": 0.1, "active_fraction": 0.5},
            "threshold must not be given together with active_fraction; got 0.1",
        ),
        (
            {"graph": "maps", "layers": [[4, 2]], "threshold": 0.1},
            'threshold must not be given if graph = "maps"; got 0.1',
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, message):
    with pytest.raises(SettingsError) as caught:
        FounderSettings(**settings)
    assert message in str(caught.value)


def test_given_founders_are_not_drawn():
    with pytest.raises(ValueError, match=r'^graph must be one that is drawn; got "given"$'):
        founders(graph="given")


def test_a_matrix_with_roles_anywhere_is_a_genome():
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(6, 6))
    genome = from_matrix(matrix, inputs=[4, 0], outputs=[1], activation="relu", ticks=2)
    assert isinstance(genome, Genome)
    assert (genome.inputs.tolist(), genome.outputs.tolist()) == ([4, 0], [1])
    assert np.array_equal(genome.to_dense(), matrix)
    for bad in (
        {"inputs": [0, 0]},
        {"inputs": [9]},
        {"inputs": [1]},
        {"outputs": []},
        {"inputs": 6},
    ):
        with pytest.raises(ValueError, match=r"^(inputs|outputs)( and outputs)? must be "):
            from_matrix(matrix, **({"inputs": [4, 0], "outputs": [1]} | bad))
