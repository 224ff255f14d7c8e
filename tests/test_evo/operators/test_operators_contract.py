"""The contract that every operator of the registry keeps, whichever it is: on founders, any matrix, and any of maps."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest
from effort import first_now, later, trials

from cnn.training.samples import Samples
from cnn.training.trainer import train
from evo import (
    OPERATORS,
    FounderSettings,
    Genome,
    GenomeEditor,
    Phenotype,
    Role,
    create_founders,
    replay,
)
from evo.genome.activations import activation_code
from evo.operators.operation import Operation, OperatorSettings, ProposalContext
from evo.operators.registry import apply_operation
from evo.recombination import Mate
from graphops import slogdet

CODES = list(OPERATORS)
OF_MAPS = "MPGK"
"""Operators that change nothing where all nodes are neurons."""

RECOMBINING = "VY"
FACTOR = {"B": lambda p: -1.0, "D": lambda p: -1.0, "H": lambda p: 1.0} | dict.fromkeys(
    "CF", lambda p: p["scale"]
)
"""By what an operator multiplies the determinant, where the algebra says it."""


def founder(rng, ticks):
    settings = FounderSettings(hidden=8, density=0.4, ticks=ticks)
    return create_founders(settings, 4, 2, n_founders=1, seed=int(rng.integers(1 << 30)))[0]


def any_matrix(rng, ticks):
    """Return a genome with cycles, self-loops, dormant entries, stored zeros and any order of roles, in float32."""
    n = int(rng.integers(8, 13))
    matrix = rng.normal(size=(n, n)) * (rng.random((n, n)) < rng.uniform(0.1, 0.5))
    genome = Genome.from_matrix(
        matrix.astype(np.float32), n_inputs=4, n_outputs=2, ticks=ticks, bias=rng.normal(size=n)
    )
    values = genome.values * (rng.random(genome.n_stored) < 0.9)
    thresholds = (None, 0.3, rng.uniform(0, 0.5, n).astype(np.float32))
    return replace(
        genome,
        values=values.astype(np.float32),
        roles=rng.permutation(genome.roles),
        ids=rng.permutation(n) + 5,
        activations=np.full(n, activation_code("tanh"), np.uint8),
        threshold=thresholds[rng.integers(3)],
        threshold_mode=("magnitude", "signed")[rng.integers(2)],
    )


def any_maps(map_genome, rng, ticks):
    """Return a genome with maps of several sides, several inputs, and otherwise as above."""
    n = int(rng.integers(9, 13))
    thresholds = (None, 0.4, rng.uniform(0, 0.8, n).astype(np.float32))
    genome = map_genome(
        rng,
        n=n,
        n_inputs=int(rng.integers(1, 4)),
        ticks=ticks,
        threshold=thresholds[rng.integers(3)],
        threshold_mode=("magnitude", "signed")[rng.integers(2)],
        downsampling=("max", "mean")[rng.integers(2)],
    )
    values = genome.values * (rng.random(genome.n_stored) < 0.9)
    return genome.with_values(values.astype(np.float32), genome.bias.astype(np.float32))


@pytest.fixture
def make(request, random_map_genome):
    if request.param is any_maps:
        return partial(any_maps, random_map_genome)
    return request.param


def mates_for(code, parent):
    """Return two relatives by number, for an operator that recombines: mutants of a genome, with other weights."""
    found = {}
    for number in (3, 8) if code in RECOMBINING else ():
        rng = np.random.default_rng(number)
        editor = GenomeEditor(parent)
        context = ProposalContext(rng, OperatorSettings())
        for letter in "NINSRH":
            parameters = OPERATORS[letter].propose(editor, context)
            if parameters is not None:
                apply_operation(editor, letter, parameters)
        mutant = editor.freeze()
        values = mutant.values + rng.normal(size=mutant.n_stored).astype(parent.values.dtype)
        found[number] = mutant.with_values(values, mutant.bias)
    return found


def propose(code, genome, rng, mates=None, **settings):
    mates = mates_for(code, genome) if mates is None else mates
    editor = GenomeEditor(genome, mates=mates)
    relatives = tuple(Mate(number, mate, is_fitter=number > 3) for number, mate in mates.items())
    context = ProposalContext(rng, OperatorSettings(**settings), mates=relatives)
    return editor, OPERATORS[code].propose(editor, context)


class Application(NamedTuple):
    """One application of an operator, and the network that it was applied to."""

    seed: int
    parent: Genome
    mates: dict
    parameters: dict
    operation: Operation
    editor: GenomeEditor
    child: Genome


class Drawn(NamedTuple):
    """What one operator proposes on random networks of one kind."""

    code: str
    make: Callable
    ticks: int
    applications: list[Application]


def apply_everywhere(code, make, ticks):
    """Draw proposals, each twice from one state of the generator, and carry them out."""
    found = []
    for seed in range(trials(10, 30)):
        rng = np.random.default_rng([seed, ticks])
        parent = make(rng, ticks)
        before = parent.fingerprint()
        mates = mates_for(code, parent)
        state = rng.bit_generator.state
        editor, parameters = propose(code, parent, rng, mates)
        rng.bit_generator.state = state
        assert propose(code, parent, rng, mates)[1] == parameters
        if parameters is None:
            continue
        operation = apply_operation(editor, code, parameters)
        child = editor.freeze()
        found.append(Application(seed, parent, mates, parameters, operation, editor, child))
        assert parent.fingerprint() == before
    return found


KINDS = [(founder, 1), (any_matrix, 2), (any_maps, 2)]
OTHER_KINDS = [(founder, 2), (founder, 3), (any_matrix, 1), (any_matrix, 3), (any_maps, 1)]
"""The makers of networks with a number of ticks; `make test-all` has the other ones too."""

KINDS_AND_OTHERS = [
    *KINDS,
    *(pytest.param(*kind, marks=pytest.mark.slow) for kind in OTHER_KINDS),
]


@pytest.fixture(
    scope="module",
    params=[
        *((code, *kind) for kind in KINDS for code in CODES),
        *later((code, *kind) for kind in OTHER_KINDS for code in CODES),
    ],
    ids=lambda drawn: f"{drawn[0]}-{drawn[1].__name__}-{drawn[2]}",
)
def drawn(request, random_map_genome):
    """Return what an operator proposes on one kind of network: drawn once, for all tests below."""
    code, kind, ticks = request.param
    make = partial(any_maps, random_map_genome) if kind is any_maps else kind
    return Drawn(code, kind, ticks, apply_everywhere(code, make, ticks))


everywhere = pytest.mark.parametrize("make", [founder, any_matrix, any_maps], indirect=True)
everywhere_at_all_ticks = pytest.mark.parametrize(
    ("make", "ticks"), KINDS_AND_OTHERS, indirect=["make"]
)


def test_it_finds_something_to_change(drawn):
    code, make, ticks, applications = drawn
    settled = code == "H" and make is founder and ticks > 1  # no cycle, so whatever the order
    if settled or (code in OF_MAPS and make in (founder, any_matrix)):
        assert len(applications) == 0
    elif code not in "JGP":  # these need networks that fit: see test_changes_of_levels.py
        # Not every network has an idle node, or two strangers, or a node that acts.
        assert len(applications) > (0 if OPERATORS[code].preserves else trials(2, 5))


def test_the_same_generator_gives_the_same_child_and_the_record_replays_it(drawn):
    for _, parent, mates, parameters, _, _, child in drawn.applications:
        assert json.loads(json.dumps(parameters)) == parameters
        again = GenomeEditor(parent, mates=mates)
        apply_operation(again, drawn.code, parameters)
        assert again.freeze().equals(child)
        record = [(drawn.code, json.loads(json.dumps(parameters)))]
        assert replay(record, parent, mates).equals(child)


@everywhere_at_all_ticks
@pytest.mark.parametrize("code", CODES)
def test_it_is_a_function_from_genome_to_child_and_record(code, make, ticks):
    for seed in range(trials(4, 10)):
        parent = make(np.random.default_rng([seed, ticks]), ticks)
        mates = {number: one for number, one in mates_for(code, parent).items() if number <= 3}
        child, operation = OPERATORS[code](parent, rng=np.random.default_rng(seed), mates=mates)
        editor, parameters = propose(code, parent, np.random.default_rng(seed), mates)
        if parameters is None:
            assert (child, operation) == (parent, None)
        else:
            assert operation == apply_operation(editor, code, parameters)
            record = [(operation.operator, operation.parameters)]
            assert replay(record, parent, mates).equals(child)


def test_what_it_reports_is_true(drawn):
    for _, parent, _, parameters, operation, _, child in drawn.applications:
        assert (operation.operator, operation.parameters) == (drawn.code, parameters)
        assert (operation.n_stored_before, operation.n_stored_after) == (
            parent.n_stored,
            child.n_stored,
        )
        assert operation.n_active_before == parent.active_mask().sum()
        assert operation.n_active_after == child.active_mask().sum()


def test_features_and_scores_stay_where_they_are(drawn):
    for _, parent, _, parameters, _, _, child in drawn.applications:
        assert np.array_equal(child.ids[child.inputs], parent.ids[parent.inputs])
        assert np.array_equal(child.ids[child.outputs], parent.ids[parent.outputs])
        assert child.values.dtype == parent.values.dtype
        assert (child.ticks, child.threshold_mode) == (parent.ticks, parent.threshold_mode)
        assert (child.kernel, child.downsampling) == (parent.kernel, parent.downsampling)
        map_sizes = dict(zip(child.ids.tolist(), child.map_sizes.tolist(), strict=True))
        for node, map_size in zip(parent.ids.tolist(), parent.map_sizes.tolist(), strict=True):
            changed = (
                drawn.code in "MP"
                and node
                in parent.ids[parameters["nodes"] if drawn.code == "P" else [parameters["node"]]]
            )
            assert map_sizes.get(node, map_size) == (
                parameters["map_size"] if changed else map_size
            )
        if drawn.make is founder:  # where nothing listened at an input, nothing does
            listening = np.repeat(child.roles, np.diff(child.indptr))
            assert (listening != Role.INPUT).all()


def test_its_child_runs_and_trains(drawn, task):
    some = task(learning_rate=0.01)
    for child in [one.child for one in drawn.applications if one.seed < 9]:
        network = Phenotype(child)
        if child.has_maps:
            inputs = np.random.default_rng(0).normal(size=(20, child.n_features))
            some = replace(some, train=Samples(inputs, some.train.targets[:20]))
        output = network.output(some.train.inputs)
        np.testing.assert_allclose(output.sum(axis=1), 1, rtol=1e-4)
        before = network.parameters.copy()
        report = train(
            network, some.train, some.recipe,
            first_step=0, steps=3, total_steps=3, order_seed=some.order_seed,
        )  # fmt: skip
        assert report.status == "ok"
        assert not np.array_equal(network.parameters, before)


def test_momentum_stays_with_weights_that_it_left_alone(drawn):
    for _, parent, _, _, _, editor, child in drawn.applications:
        # Memory that names each entry by its weight and each bias by its value.
        carried = editor.carry(np.concatenate([parent.values, parent.bias])[None])[0]
        now = np.concatenate([child.values, child.bias])
        assert carried.shape == now.shape
        assert np.array_equal(carried[carried != 0], now[carried != 0])


@pytest.mark.parametrize("max_density", first_now([0.25, 0.1, 1.0]))
@everywhere
@pytest.mark.parametrize("code", CODES)
def test_it_stays_within_its_bounds(code, make, max_density):
    bounds = {"max_density": max_density, "max_factor": 0.2}
    for seed in range(trials(8, 30)):
        rng = np.random.default_rng(seed)
        parent = make(rng, 2)
        editor, parameters = propose(code, parent, rng, **bounds)
        if parameters is None:
            continue
        apply_operation(editor, code, parameters)
        assert editor.n_stored <= max(parent.n_stored, int(max_density * editor.n_places))
        assert 0 < abs(parameters.get("factor", 0.2)) <= 0.2
        assert np.isfinite(parameters.get("scale", 1.0))


def full_rank(rng, n=9):
    matrix = rng.normal(size=(n, n)) + 0.1 * np.eye(n)
    return Genome.from_matrix(matrix, n_inputs=2, n_outputs=2, ticks=2)


@pytest.mark.parametrize("code", CODES)
def test_the_determinant_is_what_the_algebra_or_else_a_recomputation_says(code):
    rng = np.random.default_rng(1)
    n_proposed = 0
    for seed in range(trials(20, 40)):
        parent = full_rank(rng)
        if code not in FACTOR:  # leave room to grow
            matrix = parent.to_dense()
            matrix[rng.random(matrix.shape) < 0.3] = 0
            parent = Genome.from_matrix(matrix, n_inputs=2, n_outputs=2, ticks=2)
        editor, parameters = propose(code, parent, np.random.default_rng(seed), max_density=1.0)
        if parameters is None:
            continue
        n_proposed += 1
        apply_operation(editor, code, parameters)
        before, after = slogdet(parent.weights), slogdet(editor.freeze().weights)
        if code in FACTOR:
            factor = FACTOR[code](parameters)
            assert after.sign == before.sign * np.sign(factor)
            assert after.log_abs == pytest.approx(before.log_abs + np.log(abs(factor)), abs=1e-8)
        dense = np.linalg.slogdet(editor.freeze().to_dense())
        if after.sign == 0:  # singular: to NumPy perhaps but for rounding
            assert dense.logabsdet < -25
            continue
        assert after.sign == dense.sign
        assert after.log_abs == pytest.approx(dense.logabsdet, abs=1e-8)
    assert OPERATORS[code].preserves or n_proposed > trials(10, 20) or code in OF_MAPS


@pytest.mark.parametrize("code", ["C", "F"])
def test_an_addition_without_renormalisation_leaves_the_determinant(code):
    rng = np.random.default_rng(2)
    for seed in range(20):
        parent = full_rank(rng)
        editor, parameters = propose(code, parent, np.random.default_rng(seed), max_density=1.0)
        apply_operation(editor, code, parameters | {"scale": 1.0})
        before, after = slogdet(parent.weights), slogdet(editor.freeze().weights)
        assert after.sign == before.sign
        assert after.log_abs == pytest.approx(before.log_abs, abs=1e-8)


@everywhere_at_all_ticks
def test_a_long_record_of_all_operators_replays_bit_for_bit(make, ticks):
    for seed in range(trials(2, 5)):
        rng = np.random.default_rng([seed, ticks])
        parent = make(rng, ticks)
        mates = mates_for("V", parent)
        editor, record = GenomeEditor(parent, mates=mates), []
        relatives = tuple(Mate(number, mate, is_fitter=True) for number, mate in mates.items())
        context = ProposalContext(rng, OperatorSettings(), mates=relatives)
        for code in rng.choice(CODES, 30):
            parameters = OPERATORS[code].propose(editor, context)
            if parameters is not None:
                apply_operation(editor, str(code), parameters)
                record.append((str(code), parameters))
        assert len(record) > 10
        assert replay(json.loads(json.dumps(record)), parent, mates).equals(editor.freeze())
