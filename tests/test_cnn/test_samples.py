import numpy as np
import pytest

from cnn.samples import Samples


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
