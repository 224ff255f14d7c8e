"""Genomes: their properties, and the parts that are refused."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from evo import Genome, Role


def chain(**changes):
    return Genome.from_matrix(
        [[0, 0.5, 0], [0, 0, -2.0], [0, 0, 0]], n_inputs=1, n_outputs=1, **changes
    )


def test_dense_and_sparse_matrices_make_the_same_genome():
    matrix = np.array([[0, 0.5, 0], [0, 0, -2.0], [0, 0, 0]])
    sparse_one = Genome.from_matrix(sparse.coo_array(matrix), n_inputs=1, n_outputs=1)
    assert sparse_one.equals(Genome.from_matrix(matrix, n_inputs=1, n_outputs=1))
    assert np.array_equal(sparse_one.to_dense(), matrix)


def test_stored_zeros_of_a_sparse_matrix_stay_stored():
    matrix = sparse.csc_array((np.array([0.0]), ([0], [1])), shape=(2, 2))
    genome = Genome.from_matrix(matrix, n_inputs=1, n_outputs=1)
    assert genome.n_stored == 1
    assert genome.active_mask().tolist() == [True]


def test_a_genome_is_read_only_and_shares_its_matrix():
    genome = chain()
    with pytest.raises(ValueError, match="read-only"):
        genome.values[0] = 1
    assert genome.weights.data is genome.values or np.shares_memory(
        genome.weights.data, genome.values
    )


def test_the_dtype_of_the_matrix_is_kept_and_integers_become_float32():
    assert chain().values.dtype == np.float64
    assert Genome.from_matrix([[0, 1], [0, 0]], n_inputs=1, n_outputs=1).values.dtype == np.float32


def test_inputs_and_outputs_follow_ids_not_positions():
    genome = replace(
        Genome.from_matrix(np.zeros((4, 4)), n_inputs=2, n_outputs=2), ids=np.array([9, 3, 5, 1])
    )
    assert genome.inputs.tolist() == [1, 0]
    assert genome.outputs.tolist() == [3, 2]


def test_the_threshold_selects_active_entries_by_magnitude_or_by_sign():
    assert chain(threshold=1.0).active_mask().tolist() == [False, True]
    assert chain(threshold=0.1, threshold_mode="signed").active_mask().tolist() == [True, False]
    assert chain(threshold=None).active_mask().all()


def test_an_entry_that_equals_the_threshold_is_dormant():
    assert chain(threshold=0.5).active_mask().tolist() == [False, True]
    assert chain(threshold=-2.0, threshold_mode="signed").active_mask().tolist() == [True, False]
    assert chain(threshold=np.array([0, 0.4, 2.0])).active_mask().tolist() == [True, False]


def test_an_edge_is_effective_only_on_a_path_to_an_output():
    matrix = np.zeros((4, 4))
    matrix[0, 1] = matrix[0, 2] = matrix[0, 3] = (
        1  # nodes 1 and 2 are hidden; only 1 has an out-edge
    )
    matrix[1, 3] = 1
    genome = Genome.from_matrix(matrix, n_inputs=1, n_outputs=1)
    effective = np.zeros((4, 4), bool)
    columns = np.repeat(np.arange(4), np.diff(genome.indptr))
    effective[genome.indices, columns] = genome.effective_mask()
    assert not effective[0, 2]
    assert effective.sum() == 3


def test_the_fingerprint_changes_with_anything_stored():
    genome = chain()
    others = [
        chain(ticks=2),
        chain(threshold=0.1),
        chain(activation="relu"),
        chain(bias=[0, 0, 1.0]),
        genome.with_values(genome.values * 2, genome.bias),
    ]
    assert len({one.fingerprint() for one in [genome, *others]}) == 6
    assert genome.equals(chain())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bias": np.zeros(2)}, r"bias must have shape \(3,\); got \(2,\)"),
        ({"values": np.array([1.0, np.nan])}, "values must be finite"),
        ({"values": np.array([1, 2])}, "values must be float32 or float64; got int64"),
        ({"ids": np.array([0, 0, 1])}, "ids must be distinct; got an id twice"),
        ({"roles": np.zeros(3, np.uint8)}, "roles must hold at least one output"),
        ({"roles": np.array([0, 7, 2], np.uint8)}, "roles must be among"),
        ({"activations": np.array([0, 99, 0], np.uint8)}, "activations must be codes below"),
        (
            {"indices": np.array([0, 3], np.int32)},
            r"indices must be 2 node indices in \[0, 3\); got 2 from 0 to 3",
        ),
        ({"indptr": np.array([0, 2, 1, 2])}, "indptr must rise from 0 to 2"),
        ({"threshold": np.inf}, "threshold must be finite"),
        ({"threshold": 1j}, "threshold must be real numbers, or None; got 1j"),
        ({"threshold": np.full(3, 2j)}, "threshold must be real numbers"),
        ({"threshold": True}, "threshold must be real numbers"),
        ({"threshold": "a"}, "threshold must be real numbers"),
        ({"threshold": np.zeros(2)}, "threshold must be one number or have shape"),
        ({"threshold_mode": "other"}, "threshold_mode must be magnitude or signed; got 'other'"),
        ({"ticks": 0}, "ticks must be at least 1; got 0"),
        ({"ticks": 1.5}, "ticks must be an integer; got 1.5"),
    ],
)
def test_parts_that_do_not_fit_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(chain(), **changes)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.zeros((2, 3)), "square"),
        (np.zeros(3), "2-dimensional"),
        (np.zeros((1, 1)), "n_outputs"),
        (np.zeros((2, 2), complex), "must be real; got complex128"),
    ],
)
def test_a_matrix_that_is_no_network_is_refused(matrix, message):
    with pytest.raises(ValueError, match=message):
        Genome.from_matrix(matrix, n_inputs=1, n_outputs=1)


def test_other_weights_give_an_equal_genome_and_are_checked():
    genome = chain(threshold=1.0, ticks=2)
    values, bias = np.array([3.0, 4.0]), np.array([0, 0, 1.0])
    other = genome.with_values(values, bias)
    assert other.equals(replace(genome, values=values, bias=bias))
    assert not other.values.flags.writeable
    assert not other.bias.flags.writeable
    for wrong, message in (
        ((values[:1], bias), r"values must have shape \(2,\); got \(1,\)"),
        ((values, bias[:2]), r"bias must have shape \(3,\); got \(2,\)"),
        ((values, bias.astype(np.float32)), "bias must be float64 like values; got float32"),
        ((values.astype(int), bias), "values must be float32 or float64; got int64"),
        ((values, bias + np.inf), "bias must be finite; got inf"),
    ):
        with pytest.raises(ValueError, match=message):
            genome.with_values(*wrong)


def test_entries_of_a_column_must_rise():
    genome = Genome.from_matrix(np.triu(np.ones((3, 3)), 1), n_inputs=1, n_outputs=1)
    with pytest.raises(ValueError, match="indices must rise within each column"):
        replace(genome, indices=genome.indices[[0, 2, 1]])
    assert genome.roles.tolist() == [Role.INPUT, Role.HIDDEN, Role.OUTPUT]
