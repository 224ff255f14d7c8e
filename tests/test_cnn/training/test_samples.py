import numpy as np
import pytest

from cnn.training.samples import Samples


@pytest.mark.parametrize(
    ("inputs", "targets", "message"),
    [
        (np.zeros((3, 2)), np.zeros(4, int), "3 inputs and 4 targets"),
        (np.zeros((0, 2)), np.zeros(0, int), "at least one"),
        (np.zeros(3), np.zeros(3, int), "inputs must be floats"),
        (np.zeros((3, 2), int), np.zeros(3, int), "inputs must be floats"),
        (np.zeros((3, 2)), np.zeros(3), "targets must be integers"),
        (np.zeros((3, 2)), np.zeros((3, 1), int), "targets must be integers"),
    ],
)
def test_samples_refuse_what_breaks_their_rules(inputs, targets, message):
    with pytest.raises(ValueError, match=message):
        Samples(inputs, targets)


def test_samples_know_their_number_and_kind():
    assert len(Samples(np.zeros((3, 2)), np.zeros(3, int))) == 3
    assert Samples(np.zeros((3, 2)), np.zeros(3, int)).has_classes
    assert not Samples(np.zeros((3, 2)), np.zeros((3, 1))).has_classes


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_number_that_is_not_finite_is_named(bad, dtype):
    inputs, targets = np.zeros((3, 2, 2), dtype), np.zeros((3, 2), dtype)
    inputs[1, 0, 1] = inputs[2] = bad
    with pytest.raises(ValueError, match=rf"inputs must be finite; got inputs\[1, 0, 1\] = {bad}"):
        Samples(inputs, targets)
    targets[2, 1] = bad
    with pytest.raises(ValueError, match=rf"targets must be finite; got targets\[2, 1\] = {bad}"):
        Samples(np.zeros((3, 2)), targets)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_finite_numbers_whose_sum_is_not_are_fine(dtype):
    largest = np.finfo(dtype).max
    samples = Samples(np.array([[largest, largest], [-largest, -largest]]), np.zeros(2, int))
    assert samples.inputs.dtype == dtype


def test_lists_become_arrays_and_arrays_stay():
    samples = Samples([[0.5, 1.5], [2.0, 3.0]], [0, 1])
    assert samples.has_classes
    np.testing.assert_array_equal(samples.inputs, [[0.5, 1.5], [2.0, 3.0]])
    inputs = np.zeros((2, 2), np.float32)
    assert Samples(inputs, [0, 1]).inputs is inputs


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([["a", "b"]], "inputs must be real numbers; got dtype <U1"),
        ([[1.0], [1.0, 2.0]], "inputs must be an array of real numbers: "),
        (np.zeros((1, 2), complex), "inputs must be floats of shape .*; got complex128"),
    ],
)
def test_what_is_no_number_is_refused(inputs, message):
    with pytest.raises(ValueError, match=message):
        Samples(inputs, np.zeros(1, int))
