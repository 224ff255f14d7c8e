"""Values to regress on: scaled for the networks by the training part, kept as they were given for everything else."""

import numpy as np
import pandas as pd
import pytest

from cnn.training.samples import Samples
from evo.errors import DataError
from evo.preparation import ScaledSamples
from experiments import Dataset

RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 2))
Y = X @ [2.0, -1.0] + 0.1


def parts(split):
    return {"train": split.train, "validation": split.validation, "test": split.test}


def test_the_training_part_alone_decides_on_the_scaling():
    y = np.column_stack([1e-7 * Y, 3e5 + 8e4 * X[:, 0]])
    dataset = Dataset.from_arrays(X, y)
    split = dataset.split(seed=0)
    training = y[split.rows["train"]]
    np.testing.assert_array_equal(split.target_scaling.offset, training.mean(axis=0))
    np.testing.assert_allclose(split.target_scaling.scale, training.std(axis=0), rtol=1e-15)
    others = y.copy()
    others[np.concatenate([split.rows["validation"], split.rows["test"]])] *= 1000
    again = Dataset.from_arrays(X, others).split(seed=0)
    np.testing.assert_array_equal(again.train.targets, split.train.targets)


@pytest.mark.parametrize("method", ["standard", "none"])
def test_every_part_has_scaled_targets_and_the_values_as_they_were_given(method):
    y = np.pi * 100 + Y
    split = Dataset.from_arrays(X, y).split(seed=0, target_scaling=method)
    mean, deviation = y[split.rows["train"]].mean(), y[split.rows["train"]].std()
    for part, samples in parts(split).items():
        given = y[split.rows[part]][:, np.newaxis]
        wanted = (given - mean) / deviation if method == "standard" else given
        assert type(samples) is ScaledSamples
        assert samples.targets.dtype == np.float32
        np.testing.assert_allclose(samples.targets, wanted, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(samples.truth, given)
        np.testing.assert_allclose(samples.in_units(samples.targets), given, rtol=1e-6)
        assert not samples.truth.flags.writeable
        assert not samples.targets.flags.writeable


def test_rows_of_a_part_have_their_values_in_the_shape_of_predictions():
    one = Dataset.from_arrays(X, Y).split(seed=0)
    values = one.raw("test")[1]
    assert (values.dtype, values.shape) == (np.float64, (20,))
    np.testing.assert_array_equal(values, Y[one.rows["test"]])
    several = Dataset.from_arrays(X, np.column_stack([Y, Y])).split(seed=0)
    assert several.raw("test")[1].shape == (20, 2)


def test_classes_are_not_scaled():
    split = Dataset.from_arrays(X, Y > 0).split(seed=0, target_scaling="standard")
    assert split.target_scaling is None
    assert all(type(samples) is Samples for samples in parts(split).values())


@pytest.mark.parametrize("y", [1.7e9 + np.arange(100), X[:, 0] * 1e-50, X[:, 0] * 1e100])
def test_values_that_float32_cannot_hold_are_told_apart_after_scaling(y):
    split = Dataset.from_arrays(X, y, task="regression").split(seed=0)
    assert len(np.unique(split.train.targets)) == len(split.train)
    with pytest.raises(DataError, match=r"^arrays: targets(\[\d+, 0\])? must (fit|have values)"):
        Dataset.from_arrays(X, y, task="regression").split(seed=0, target_scaling="none")


def constant(k):
    y = np.column_stack([Y, X[:, 0]])
    y[:, k] = 2.5
    return y


def with_an_outlier():
    y = Y.copy()
    y[0] = 1e20
    return y


@pytest.mark.parametrize(
    ("y", "names", "message"),
    [
        (np.full(100, 2.5), None, "arrays: targets must vary in the training part; got 2.5 in all 65 rows"),
        (constant(1), None, "arrays: targets[:, 1] must vary in the training part; got 2.5 in all 65 rows"),
        (constant(1), ["a", "b"], "arrays: column 'b' must vary in the training part; got 2.5 in all 65 rows"),
        (1e200 * Y, ["a"], "arrays: column 'a' must have values that float32 tells apart after "
            "target_scaling 'standard'; got 65 different ones that become 1"),
        (1e-200 * Y, ["a"], "arrays: column 'a' must have values that float32 tells apart after "
            "target_scaling 'standard'; got 65 different ones that become 1"),
    ],
)  # fmt: skip
def test_values_from_which_nothing_can_be_learnt_are_refused_by_column(y, names, message):
    dataset = Dataset.from_arrays(X, y, target_names=names)
    with pytest.raises(DataError) as caught:
        dataset.split(seed=0)
    assert str(caught.value) == message


def test_a_large_outlier_hides_the_other_values_and_is_refused():
    dataset = Dataset.from_arrays(X, with_an_outlier())
    seed = next(
        seed
        for seed in range(9)
        if 0 in dataset.split(seed=seed, target_scaling="none").rows["train"]
    )
    with pytest.raises(
        DataError, match=r"^arrays: targets must have values that float32 tells apart"
    ):
        dataset.split(seed=seed)


@pytest.mark.parametrize(
    ("names", "where"), [(None, r"targets\[1, 0\]"), (["a"], r"column 'a', data row 2")]
)
def test_a_value_too_far_from_the_training_part_is_named(names, where):
    test = X[:2], [0.5, 1e60]
    dataset = Dataset.from_arrays(X, Y, test=test, target_names=names)
    with pytest.raises(
        DataError, match=rf"^arrays: test: {where} must fit into float32 after target_"
    ):
        dataset.split(seed=0)


def test_an_unknown_scaling_is_a_wrong_argument():
    with pytest.raises(
        ValueError, match="target_scaling must be one of standard, none; got 'unit'"
    ):
        Dataset.from_arrays(X, Y).split(seed=0, target_scaling="unit")


def test_columns_of_tables_give_values_their_names(tmp_path):
    table = pd.DataFrame({"x": X[:, 0], "price": Y, "kind": np.where(Y > 0, "a", "b")})
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    for make, source in (
        (Dataset.from_frame, table),
        (Dataset.from_csv, tmp_path / "t.csv"),
        (Dataset.from_parquet, tmp_path / "t.parquet"),
    ):
        assert make(source, "price", drop=("kind",)).target_names == ("price",)
        assert make(source, ["price", "x"], drop=()).output_names == ("price", "x")
        assert make(source, ["price", "x"], drop=()).value_names == ("price", "x")
        classes = make(source, "kind")
        assert (classes.target_names, classes.output_names) == (None, ("a", "b"))
        assert (classes.value_names, make(source, "price", drop=("kind",)).value_names) == ((), ())
    assert Dataset.from_frame(table[["x"]], table["price"]).target_names is None
    assert Dataset.from_arrays(X, Y).target_names is None
    assert Dataset.from_arrays(X, np.stack([Y, -Y], 1)).value_names == ("0", "1")
    assert Dataset.from_arrays(X, Y, target_names=["y"]).target_names == ("y",)


@pytest.mark.parametrize(
    ("y", "names", "rule"),
    [
        (Y, ["a", "b"], r"must be 1 different texts, one per value; got \('a', 'b'\)"),
        (np.column_stack([Y, Y]), ["a", "a"], r"must be 2 different texts, one per value; got \('a', 'a'\)"),
        (Y, [3], r"must be 1 different texts, one per value; got \(3,\)"),
        (Y > 0, ["a"], r"must be None in classification; got \('a',\)"),
    ],
)  # fmt: skip
def test_names_that_do_not_fit_the_values_are_refused(y, names, rule):
    with pytest.raises(DataError, match=f"^arrays: target_names {rule}$"):
        Dataset.from_arrays(X, y, target_names=names)
