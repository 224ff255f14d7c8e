"""What an editor freezes is a valid genome, though it is not checked again; and it is the state of this moment."""

import pickle
from copy import deepcopy
from dataclasses import fields, replace

import numpy as np
import pytest
from effort import trials
from hypothesis import given, settings
from hypothesis import strategies as st

from evo import OPERATORS, FounderSettings, Genome, GenomeEditor, create_founders
from evo.operators.operation import OperatorSettings, ProposalContext
from evo.operators.registry import apply_operation

CODES = sorted(OPERATORS.built_in)


def genome_of(seed, random_map_genome):
    """Return a genome with or without maps, with each kind of threshold."""
    rng = np.random.default_rng(seed)
    n, ticks = int(rng.integers(8, 12)), int(rng.integers(1, 4))
    threshold = (None, 0.3, rng.uniform(0, 0.8, n))[rng.integers(3)]
    mode = ("magnitude", "signed")[rng.integers(2)]
    if rng.integers(2):
        parts = {"threshold": threshold, "threshold_mode": mode}
        return random_map_genome(rng, n=n, ticks=ticks, **parts)
    matrix = rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.4)
    genome = Genome.from_matrix(matrix, n_inputs=3, n_outputs=2, ticks=ticks, threshold=threshold)
    return replace(genome, roles=rng.permutation(genome.roles), threshold_mode=mode)


def checked(genome):
    """Return the same genome, made with all checks."""
    return Genome(**{part.name: getattr(genome, part.name) for part in fields(genome)})


@settings(max_examples=trials(20, 60), deadline=None)
@given(seed=st.integers(0, 2**32), codes=st.lists(st.sampled_from(CODES), min_size=1, max_size=6))
def test_whatever_operators_do_the_result_passes_the_checks(random_map_genome, seed, codes):
    genome, rng = genome_of(seed, random_map_genome), np.random.default_rng(seed)
    editor = GenomeEditor(genome)
    context = ProposalContext(rng, OperatorSettings(max_density=1.0))
    for code in codes:
        parameters = OPERATORS[code].propose(editor, context)
        if parameters is not None:
            apply_operation(editor, code, parameters)
        child = editor.freeze()
        assert checked(child).equals(child)
        assert [child.inputs.tolist(), child.outputs.tolist()] == [
            checked(child).inputs.tolist(),
            checked(child).outputs.tolist(),
        ]
        for part in fields(child):
            value = getattr(child, part.name)
            assert not (isinstance(value, np.ndarray) and value.flags.writeable)


def small():
    return create_founders(FounderSettings(hidden=5, density=0.6), 3, 2, n_founders=1, seed=0)[0]


CHANGES = {
    "swap_columns": lambda editor: editor.swap_columns(4, 5),
    "swap_rows": lambda editor: editor.swap_rows(4, 5),
    "reorder": lambda editor: editor.reorder([*range(3), 4, 3, *range(5, 10)]),
    "move": lambda editor: editor.move(3, 6),
    "add_column": lambda editor: editor.add_column(5, 6, 0.5),
    "add_row": lambda editor: editor.add_row(3, 4, 0.5),
    "assign": lambda editor: editor.assign([0], [9], [2.5]),
    "set_bias": lambda editor: editor.set_bias([5], [2.5]),
    "insert": lambda editor: editor.insert(
        np.array([1, *[0] * 9]), np.array([9], np.int32), np.array([2.5], np.float32)
    ),
    "remove_entries": lambda editor: editor.remove_entries(*first_entry(editor.parent)),
    "set_threshold": lambda editor: editor.set_threshold(0.1),
    "drop_dormant": lambda editor: (editor.set_threshold(0.3), editor.drop_dormant()),
    "add_node": lambda editor: editor.add_node(4, activation=2),
    "remove_node": lambda editor: editor.remove_node(4),
    "change_activation": lambda editor: editor.change_activation([4, 5], 3),
    "change_map_size": lambda editor: editor.change_map_size(4, 1),
}


def first_entry(genome):
    return [int(genome.indices[0])], [int(genome.targets[0])]


def test_every_change_is_listed_here():
    reading = {
        "column",
        "copy",
        "carry",
        "freeze",
        "holds",
        "in_degree",
        "join",
        "keeping_threshold",
    }
    reading |= {"map_size", "out_degree", "positions", "quantile_threshold", "role", "row", "split"}
    reading |= {"activation", "active_degree", "remember_trial", "take_trial"}
    methods = {
        name
        for name, member in vars(GenomeEditor).items()
        if callable(member) and not name.startswith("_")
    }
    assert methods == reading | CHANGES.keys()


@pytest.mark.parametrize("name", CHANGES)
def test_an_editor_freezes_its_present_state(name):
    genome = small()
    editor = GenomeEditor(genome)
    assert editor.freeze() is genome
    CHANGES[name](editor)
    child = editor.freeze()
    assert child.equals(genome) == (name == "change_map_size")  # to the size that it has
    assert editor.freeze() is child
    before = child.fingerprint()
    editor.set_bias([6], [7.5])
    again = editor.freeze()
    assert float(again.bias[6]) == 7.5
    assert child.fingerprint() == before != again.fingerprint()


@pytest.mark.parametrize("name", CHANGES)
def test_a_copy_of_an_editor_changes_by_itself(name):
    editor = GenomeEditor(small())
    editor.assign([0, 1], [9, 8], [1.5, -1.5])
    before, moments = editor.freeze(), np.ones((1, editor.parent.n_stored + 10), np.float32)
    carried = editor.carry(moments)
    twin = editor.copy()
    if name == "insert":
        with pytest.raises(ValueError, match="insert must come before"):
            CHANGES[name](twin)
    else:
        CHANGES[name](twin)
    twin.set_bias([6], [7.5])
    assert not twin.freeze().equals(before)
    assert editor.freeze() is before
    np.testing.assert_array_equal(editor.carry(moments), carried)
    editor.assign([2], [9], [4.5])
    other = GenomeEditor(before, origins=False)
    other.assign([2], [9], [4.5])
    assert editor.freeze().equals(other.freeze())


def test_a_tried_proposal_is_taken_over_only_as_it_was_tried():
    genome = small()
    for seed in range(20):
        for code in CODES:
            editor = GenomeEditor(genome)
            context = ProposalContext(np.random.default_rng(seed), OperatorSettings())
            parameters = OPERATORS[code].propose(editor, context)
            if parameters is None:
                continue
            plain = GenomeEditor(genome)
            expected = apply_operation(plain, code, deepcopy(parameters))
            assert apply_operation(editor, code, parameters) == expected
            assert editor.freeze().equals(plain.freeze())
            moments = np.arange(float(genome.n_stored + genome.n_nodes))[None]
            np.testing.assert_array_equal(editor.carry(moments), plain.carry(moments))


def test_a_proposal_that_was_changed_is_applied_as_it_is_now():
    genome = small()
    editor = GenomeEditor(genome)
    context = ProposalContext(np.random.default_rng(0), OperatorSettings())
    parameters = OPERATORS["C"].propose(editor, context)
    assert editor.copy().take_trial(OPERATORS["C"].apply, parameters) is False
    assert editor.take_trial(OPERATORS["F"].apply, parameters) is False
    parameters["factor"] = 0.125
    plain = GenomeEditor(genome)
    apply_operation(plain, "C", dict(parameters))
    apply_operation(editor, "C", parameters)
    assert editor.freeze().equals(plain.freeze())


def test_a_proposal_is_not_taken_over_once_the_editor_has_changed():
    genome = small()
    editor, plain = GenomeEditor(genome), GenomeEditor(genome)
    context = ProposalContext(np.random.default_rng(0), OperatorSettings())
    parameters = OPERATORS["B"].propose(editor, context)
    for one in (editor, plain):
        one.set_bias([5], [2.5])
    apply_operation(plain, "B", dict(parameters))
    apply_operation(editor, "B", parameters)
    assert editor.freeze().equals(plain.freeze())
    assert 2.5 in editor.freeze().bias


def test_what_an_editor_takes_as_given_is_checked_when_it_freezes():
    editor = GenomeEditor(small())
    editor.set_bias([5, 6], [3e38, 3e38])
    with np.errstate(over="ignore"):
        editor.add_column(5, 6, 1.0)
    with pytest.raises(ValueError, match="bias must be finite; got inf"):
        editor.freeze()
    editor = GenomeEditor(small())
    editor.set_threshold(float("nan"))
    with pytest.raises(ValueError, match="threshold must be finite, or None; got nan"):
        editor.freeze()
    editor = GenomeEditor(small())
    editor.add_node(4, activation=250)
    with pytest.raises(ValueError, match="activations must be codes below"):
        editor.freeze()


@pytest.mark.parametrize(
    ("rows", "values", "message"),
    [
        ([9], [np.nan], "values must be finite; got nan"),
        ([9, 9], [1.0, 1.0], "rows to insert must ascend within each column"),
        ([9, 8], [1.0, 1.0], "rows to insert must ascend within each column"),
        ([10], [1.0], "rows to insert must ascend within each column"),
        ([-1], [1.0], "rows to insert must ascend within each column"),
    ],
)
def test_entries_that_cannot_be_inserted_are_refused(rows, values, message):
    genome = small()
    counts = np.array([len(rows), *[0] * 9])
    arrays = np.array(rows, np.int32), np.array(values, np.float32)
    with pytest.raises(ValueError, match=message):
        GenomeEditor(genome).insert(counts, *arrays)
    ((row,), (target,)) = first_entry(genome)
    counts = np.bincount([target], minlength=10)
    with pytest.raises(ValueError, match="none may be stored"):
        GenomeEditor(genome).insert(counts, np.array([row], np.int32), np.ones(1, np.float32))


def test_remembered_inputs_and_outputs_belong_to_one_genome():
    genome = small()
    inputs, outputs = genome.inputs, genome.outputs
    assert genome.inputs is inputs
    assert not inputs.flags.writeable
    assert not outputs.flags.writeable
    assert genome.with_values(2 * genome.values, genome.bias).outputs is outputs
    for copied in (pickle.loads(pickle.dumps(genome)), deepcopy(genome)):
        assert vars(copied).keys() == {part.name for part in fields(Genome)}
        assert copied.equals(genome)
    turned = replace(genome, roles=genome.roles[::-1].copy())
    assert turned.outputs.tolist() == [0, 1, 2][: len(turned.outputs)] != outputs.tolist()
    editor = GenomeEditor(genome)
    editor.move(3, 6)
    editor.add_node(0, activation=2)
    assert editor.freeze().inputs.tolist() == [1, 2, 3]
