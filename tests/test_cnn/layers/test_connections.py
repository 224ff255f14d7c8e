import numpy as np
import pytest

from cnn import ConvolutionLayer, Network, RasterizationLayer, SoftmaxLayer, load_model, save_model
from cnn.layers.connections import connected_pairs

TABLE = [[0, 2], [1]]
MATRIX = [[True, False, True], [False, True, False]]


@pytest.mark.parametrize(
    "connections",
    [
        TABLE,
        ((2, 0), {1}),
        [np.array([0, 2]), range(1, 2)],
        [[np.int8(0), 2], [np.uint64(1)]],
        MATRIX,
        np.array(MATRIX),
    ],
)
def test_a_table_and_a_matrix_of_bools_name_the_same_pairs(connections):
    np.testing.assert_array_equal(connected_pairs(connections, 2, 3), [[0, 0], [0, 2], [1, 1]])


def test_no_table_connects_all_to_all():
    assert connected_pairs(None, 2, 2).tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


@pytest.mark.parametrize(
    "connections",
    [
        [[1, 0, 1], [0, 1, 0]],  # a matrix of 0 and 1, or a table that names a map twice?
        np.array([[1, 0, 1], [0, 1, 0]]),
        np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]),
        [[0.0, 2.0], [1.0]],
        [[0, True], [1]],
        [[True, False], [False, True]],
        np.array(MATRIX).T,
        [[True, False, False], [False, False, False]],
        [["0"], ["1"]],
        ["02", "1"],
        [[[0]], [[1]]],
        [0, 1],
        3,
        [[0], [3]],
        [[0], [-1]],
        [[0], []],
        [[0]],
        [[0], [1], [2]],
        [[0], [10**40]],
    ],
)
def test_everything_else_is_refused_with_the_form_that_is_expected(connections):
    with pytest.raises(ValueError, match=r"connections must name, for each of 2 output maps, .*"
                                         r"0 … 2, as integers and each once; or be a matrix of "
                                         r"bools of shape \(2, 3\); got"):  # fmt: skip
        connected_pairs(connections, 2, 3)


def test_a_matrix_of_bools_is_used_and_saved_as_what_it_is(rng, tmp_path):
    networks = [
        Network(
            [ConvolutionLayer(2, 2, connections=one), RasterizationLayer(), SoftmaxLayer(2)],
            (3, 4, 4),
            rng=np.random.default_rng(0),
        )
        for one in (TABLE, np.array(MATRIX))
    ]
    save_model(networks[1], tmp_path / "net.npz")
    inputs = rng.random((2, 3, 4, 4), np.float32)
    expected = networks[0].output(inputs)
    for network in (networks[1], load_model(tmp_path / "net.npz")):
        np.testing.assert_array_equal(network.output(inputs), expected)
