"""Data sets of sequences of unequal length, with a target for each sequence or for each step."""

import re

import numpy as np
import pandas as pd
import pytest

from evo.errors import DataError, SettingsError
from evo.preparation import Origin, Preparation
from experiments.datasets import Dataset
from experiments.settings.experiment import DatasetSettings

RNG = np.random.default_rng(0)
LENGTHS = [3, 5, 1, 4, 2, 5, 3, 2, 4, 1, 3, 5]
X = [RNG.normal(size=(n, 2)) * [1, 100] + [0, 7] for n in LENGTHS]
LABELS = ["even" if n % 2 == 0 else "odd" for n in LENGTHS]
TOTALS = [one.sum() for one in X]


def split(dataset, **options):
    return dataset.split(seed=3, validation=0.25, test=0.25, **options)


def test_steps_are_scaled_by_those_of_the_training_part_and_the_rest_is_padding():
    dataset = Dataset.from_sequences(X, LABELS)
    parts = split(dataset)
    of_training = np.concatenate([X[i] for i in parts.rows["train"]])
    for part in ("train", "validation", "test"):
        samples = getattr(parts, part)
        assert samples.inputs.shape == (len(samples), 5, 2)
        for k, i in enumerate(parts.rows[part]):
            expected = (X[i] - of_training.mean(axis=0)) / of_training.std(axis=0)
            np.testing.assert_allclose(samples.inputs[k, : LENGTHS[i]], expected, atol=1e-5)
            assert not samples.inputs[k, LENGTHS[i] :].any()


def test_a_sequence_is_read_after_its_own_last_step():
    samples = split(Dataset.from_sequences(X, TOTALS))
    for part in ("train", "validation", "test"):
        rows, own = samples.rows[part], getattr(samples, part)
        assert own.readings.tolist() == [
            [*range(len(rows))],
            [LENGTHS[i] - 1 for i in rows],
        ]
        np.testing.assert_allclose(own.truth[:, 0], np.array(TOTALS)[rows])


def test_with_extra_ticks_outputs_are_read_later():
    dataset = Dataset.from_sequences(X, TOTALS, extra_ticks=2)
    assert dataset.input_shape == (7, 2)
    train = split(dataset).train
    rows = split(dataset).rows["train"]
    assert train.inputs.shape[1:] == (7, 2)
    assert train.readings[1].tolist() == [LENGTHS[i] + 1 for i in rows]


def test_sequences_of_one_length_need_no_readings():
    X = RNG.normal(size=(20, 4, 3))
    for given in (X, list(X), X.tolist()):
        dataset = Dataset.from_sequences(given, X[:, 0, 0])
        assert split(dataset).train.readings is None
        assert not dataset.has_unequal_sequences
    assert Dataset.from_sequences(X, X[:, 0, 0], extra_ticks=1).input_shape == (5, 3)


def test_steps_have_targets_of_their_own():
    y = [np.cumsum(one[:, 0]) for one in X]
    marks = [np.arange(n) % 2 == 0 for n in LENGTHS]
    dataset = Dataset.from_sequences(X, y, per_step=True, with_target=marks)
    parts = split(dataset)
    rows, train = parts.rows["train"], parts.train
    assert len(train) == len(rows)
    expected = [(k, t) for k, i in enumerate(rows) for t in range(0, LENGTHS[i], 2)]
    assert [*zip(*train.readings.tolist(), strict=True)] == expected
    values = [y[i][t] for i in rows for t in range(0, LENGTHS[i], 2)]
    np.testing.assert_allclose(train.truth[:, 0], values)
    np.testing.assert_allclose(
        train.targets[:, 0], (values - np.mean(values)) / np.std(values), atol=1e-5
    )


def test_raw_gives_sequences_with_the_targets_of_their_steps():
    y = [[f"{t}" for t in range(n)] for n in LENGTHS]
    parts = split(Dataset.from_sequences(X, y, per_step=True))
    sequences, labels = parts.raw("test")
    rows = parts.rows["test"]
    assert sequences.lengths.tolist() == [LENGTHS[i] for i in rows]
    assert labels.tolist() == [label for i in rows for label in y[i]]
    for k, i in enumerate(rows):
        np.testing.assert_array_equal(sequences[[k]].steps, X[i])


def test_own_parts_may_have_the_longest_sequence():
    longest = RNG.normal(size=(9, 2))
    dataset = Dataset.from_sequences(X, LABELS, test=([longest], ["odd"]))
    assert dataset.input_shape == (9, 2)
    assert dataset.split(seed=0, validation=0.3).test.readings is None
    assert dataset.has_unequal_sequences


def test_a_preparation_of_sequences_is_stored_and_reads_new_ones():
    fitted = split(Dataset.from_sequences(X, LABELS, extra_ticks=1)).preparation
    arrays, description = fitted.to_arrays()
    again = Preparation.from_arrays(arrays, description)
    new = [np.ones((2, 2)), np.ones((5, 2))]
    for one in (fitted, again):
        prepared = one.transform(new)
        assert prepared.readings.tolist() == [[0, 1], [2, 5]]
        assert prepared.inputs.shape == (2, 6, 2)
    np.testing.assert_array_equal(fitted.transform(new).inputs, again.transform(new).inputs)


def test_the_hash_depends_on_where_sequences_end_and_where_targets_stand():
    steps = np.arange(6.0)[:, np.newaxis]
    two, other = [steps[:2], steps[2:]], [steps[:4], steps[4:]]
    y = [0.5, 1.5]
    hashes = {
        Dataset.from_sequences(two, y).data_hash,
        Dataset.from_sequences(other, y).data_hash,
        Dataset.from_sequences(two, y, extra_ticks=1).data_hash,
        Dataset.from_sequences(two, [[0.5, 1.5], [2.5] * 4], per_step=True).data_hash,
        Dataset.from_sequences(
            two,
            [[0.5, 1.5], [2.5] * 4],
            per_step=True,
            with_target=[[True, True], [True] * 3 + [False]],
        ).data_hash,
    }
    assert len(hashes) == 5
    assert Dataset.from_sequences([one.astype("f4") for one in two], y).data_hash in hashes


WITH_NAN = [*X[:4], np.where(np.arange(4).reshape(2, 2) == 3, np.nan, X[4]), *X[5:]]


@pytest.mark.parametrize(
    ("sequences", "targets", "options", "message"),
    [
        (WITH_NAN, LABELS, {}, "toy: sequences[4], step 1, feature 1 must be a finite float32; got nan"),
        ([*X[:3], X[3][:, :1], *X[4:]], LABELS, {}, "toy: sequences[3] must have 2 features a step"),
        ([*X[:2], X[2][:0], *X[3:]], LABELS, {}, "toy: sequences[2] must have shape (steps, features)"),
        ([np.zeros((2, 2, 2))], ["a"], {}, "toy: sequences[0] must have shape (steps, features)"),
        ([["a", "b"]], ["a"], {}, "toy: sequences[0] must hold numbers; got object"),
        ([], [], {}, "toy: sequences must have at least one sequence; got none"),
        ("abc", LABELS, {}, "toy: sequences must be a list of arrays"),
        (X, LABELS[:-1], {}, "toy: targets must be one per sample (12); got 11"),
        (X, LABELS, {"with_target": [[True]] * 12}, "toy: with_target must not be given unless per_step"),
        (X, TOTALS, {"per_step": True}, "toy: targets[0] must have 3 targets, one for each step"),
        (X, TOTALS[:3], {"per_step": True}, "with one array for each of the 12 sequences; got 3"),
        (
            X,
            [one[:, 0] if k else one[:, 0] * [1, np.nan, 1] for k, one in enumerate(X)],
            {"per_step": True},
            "toy: targets[0], step 1 must be finite, or have no target by with_target; got nan",
        ),
        (
            X,
            [one[:, 0] for one in X],
            {"per_step": True, "with_target": [np.arange(n) > 0 for n in LENGTHS]},
            "toy: with_target[2] must be 1 truth values, one for each step, with at least one that is true",
        ),
        (X, LABELS, {"feature_names": ["a"]}, "names of features must be one for each of (2,); got 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named_by_sequence_and_step(sequences, targets, options, message):
    with pytest.raises(DataError, match=re.escape(message)):
        Dataset.from_sequences(sequences, targets, name="toy", **options)


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ([np.ones((6, 2))], "X[0] must have at most 5 steps, as the longest sequence of the data set; got 6"),
        ([np.ones((3, 1))], "X must have 2 features a step; got 1"),
        (np.ones((3, 2)), "X must have shape (sequences, steps, 2), or be a list of sequences; got (3, 2)"),
        ([np.ones((3, 2)), [[1, 2], [3, 1e38]]], "X[1], step 1, feature 1 must fit into float32"),
    ],
)  # fmt: skip
def test_new_sequences_that_do_not_fit_are_named(new, message):
    tiny = [one * 1e-6 for one in X]
    with pytest.raises(DataError, match=re.escape(message)):
        split(Dataset.from_sequences(tiny, LABELS)).preparation.transform(new)


def test_targets_of_steps_leave_classes_to_chance_and_no_few_labels():
    dataset = Dataset.from_sequences(X, [np.arange(n) % 2 for n in LENGTHS], per_step=True)
    assert dataset.task == "classification"
    assert len(split(dataset).train) == 6
    with pytest.raises(
        SettingsError,
        match="labels_per_class must not be given for data with a target for each step",
    ):
        DatasetSettings(labels_per_class=2).split(dataset, 0)


def test_frames_of_sequences_are_matched_by_their_columns():
    rng = np.random.default_rng(0)
    frames = [pd.DataFrame(rng.normal(size=(n, 2)), columns=["a", "b"]) for n in (3, 2, 4)]
    turned = [frames[0], frames[1][["b", "a"]], frames[2]]
    read, other = (
        Dataset.from_sequences(given, [0.0, 1.0, 2.0], name="frames") for given in (frames, turned)
    )
    assert read.feature_names == ("a", "b")
    np.testing.assert_array_equal(read.inputs.steps, other.inputs.steps)
    of_schema = read.schema.sequences([frames[2][["b", "a"]]], Origin("X"))
    np.testing.assert_array_equal(of_schema.steps, frames[2].to_numpy())
    message = r"X\[1\] must have the columns a, b; got a, q"
    with pytest.raises(DataError, match=message):
        read.schema.sequences([frames[0], frames[1].rename(columns={"b": "q"})], Origin("X"))


def test_columns_without_names_give_features_without_names():
    frames = [pd.DataFrame(np.arange(2.0 * n).reshape(n, 2)) for n in (3, 2)]
    assert Dataset.from_sequences(frames, [0.0, 1.0], name="frames").feature_names is None
