"""What a preparation learns from a training part, and that it is all that a prediction needs."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from evo.errors import DataError
from evo.preparation import Normalization, Origin, Preparation, Schema

TRAIN = Origin("train")


def fitted(X, method="standard", *, train=slice(None), **options):
    """Return the preparation of some rows, fitted on a part of them."""
    schema, rows = Schema.infer(X, origin=TRAIN, **options)
    part = rows.iloc[train] if isinstance(rows, pd.DataFrame) else rows[train]
    return Preparation.fit(schema, part, method, TRAIN)


def stored_and_read(preparation):
    arrays, description = preparation.to_arrays()
    return Preparation.from_arrays(arrays, json.loads(json.dumps(description)))


def table(n=60, seed=0):
    """Return a table with gaps in every column."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "height": rng.normal(170, 10, n),
            "colour": rng.choice(["red", "green", "blue"], n),
            "weight": rng.gamma(2, 30, n),
            "city": rng.choice(["Rome", "Oslo"], n),
        }
    )
    return frame.mask(rng.random(frame.shape) < 0.15)


def test_gaps_categories_and_scaling_agree_with_scikit_learn():
    frame, new = table(), table(seed=1)
    numbers, texts = ["height", "weight"], ["colour", "city"]
    absent = MissingIndicator(features="all")
    theirs = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
            ("gaps", absent, list(frame.columns)),
            (
                "categories",
                OneHotEncoder(
                    categories=[["blue", "green", "red"], ["Oslo", "Rome"]], handle_unknown="ignore"
                ),
                texts,
            ),
        ]
    ).fit(frame)
    ours = fitted(frame)
    assert ours.input_names == (
        "height",
        "weight",
        *(f"{name} is missing" for name in frame.columns),
        *("colour = blue", "colour = green", "colour = red", "city = Oslo", "city = Rome"),
    )
    for rows in (frame, new):
        np.testing.assert_allclose(
            ours.transform(rows).inputs, theirs.transform(rows).astype(float), atol=1e-5
        )


def test_what_is_stored_prepares_the_same_bits():
    ours = fitted(table())
    again = stored_and_read(ours)
    new = table(seed=1)
    np.testing.assert_array_equal(again.transform(new).inputs, ours.transform(new).inputs)
    assert again.sample_shape == ours.sample_shape == (11,)


def test_only_the_training_part_is_learnt_from():
    frame = table()
    frame.loc[40:, "height"] *= 1000
    frame.loc[40:, "colour"] = "violet"
    ours = fitted(frame, train=slice(40))
    arrays, description = ours.to_arrays()
    others, other_description = fitted(frame.iloc[:40]).to_arrays()
    assert description == other_description | {"schema": description["schema"]}
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, others[name])
    prepared = ours.transform(frame.iloc[40:])
    assert prepared.unseen == {"colour": 20}
    one_hot = [name.startswith("colour =") for name in ours.input_names]
    assert (prepared.inputs[:, one_hot] == 0).all()


def test_a_gap_outside_the_training_part_is_filled_but_has_no_input_of_its_own():
    X = np.array([[1.0, 5], [3, 5], [8, 7], [np.nan, 9]])
    ours = fitted(X, "none", train=slice(3))
    assert ours.indicated == ()
    assert ours.transform(X).inputs.tolist() == [[1, 5], [3, 5], [8, 7], [3, 9]]


def test_a_column_without_a_value_in_the_training_part_is_named():
    with pytest.raises(DataError) as caught:
        fitted(pd.DataFrame({"a": [1.0, 2, 3], "b": [None, None, 4.0]}), train=slice(2))
    assert str(caught.value) == "train: column 'b' must have a value in the training part; got none"


def test_dates_are_seconds_whatever_they_are_spelled_like():
    dates = ["2020-01-01", "2020-01-01T12:00:00.5", "2020-01-02 00:00+02:00"]
    ours = fitted(pd.DataFrame({"d": dates}), "none")
    expected = [[1577836800], [1577836800 + 43200.5], [1577836800 + 86400 - 7200]]
    for spelled in (dates, [pd.Timestamp(one) for one in dates]):
        found = ours.transform(pd.DataFrame({"d": spelled}), dtype=np.float64).inputs
        assert found.tolist() == expected


def test_standardising_happens_in_float64_before_rounding():
    seconds = 1.7e9 + np.arange(400) / 10
    ours = fitted(seconds[:, np.newaxis])
    expected = StandardScaler().fit_transform(seconds[:, np.newaxis])
    np.testing.assert_allclose(ours.transform(seconds[:, np.newaxis]).inputs, expected, atol=1e-6)
    assert len(np.unique(ours.transform(seconds[:, np.newaxis]).inputs)) == 400


@pytest.mark.parametrize("dtype", ["f4", "f2", "Float32"])
def test_numbers_rounded_by_a_shorter_type_than_in_training_are_refused(dtype):
    X = np.column_stack([np.arange(400.0), 1.7e4 + np.arange(400) / 1e6])
    ours = fitted(X)
    short = pd.DataFrame(X).astype(dtype) if dtype == "Float32" else X.astype(dtype)
    for preparation in (ours, stored_and_read(ours)):
        with pytest.raises(DataError, match=r"^X\[:, 1\] must be float64, as in the training data"):
            preparation.transform(short)
        preparation.transform(X)
    once = X.astype(np.float32)
    fitted(once).transform(once)  # nothing was told apart that float32 does not


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (1.7e9 + np.arange(40) / 10, "got 40 different ones that become 1"),
        (np.r_[np.arange(39.0) * 1e-12, 1e9], "got 40 different ones that become 2"),
    ],
)
def test_a_column_that_collapses_in_float32_is_named(column, message):
    frame = pd.DataFrame({"fine": np.arange(40.0), "time": column})
    method = "none" if "become 1" in message else "standard"
    with pytest.raises(DataError) as caught:
        fitted(frame, method)
    assert str(caught.value) == (
        "train: column 'time' must have values that float32 tells apart after normalization "
        f"{method!r}; {message}"
    )


def test_images_that_collapse_are_named_too():
    X = 1e9 + np.arange(64).reshape(4, 4, 4)
    with pytest.raises(DataError, match=r"^train must have values that float32 tells apart"):
        fitted(X, "none")


def test_a_value_too_far_from_the_training_part_is_named():
    ours = fitted(pd.DataFrame({"a": [0, 1e-30], "b": [1.0, 2.0]}), "unit")
    with pytest.raises(DataError) as caught:
        ours.transform(pd.DataFrame({"a": [0, 1e30], "b": [1.0, 2.0]}))
    assert str(caught.value) == (
        "X: column 'a', data row 2 must fit into float32 after normalization 'unit'; got 1e+30, too far from "
        "the training part"
    )


def test_names_of_people_are_no_categories():
    frame = pd.DataFrame({"name": [f"person {i}" for i in range(1001)]})
    with pytest.raises(DataError) as caught:
        fitted(frame, categories=["name"])
    assert str(caught.value) == (
        "train: column 'name' must have at most 1000 categories; got 1001 in 1001 rows"
    )


def test_whole_numbers_as_categories_are_the_same_as_floats_and_as_text():
    codes = pd.DataFrame({"zone": pd.Series([3, 10, 3, 2], dtype="category")})
    ours = fitted(codes)
    assert ours.categories == (("10", "2", "3"),)
    for spelled in ([3, 10, 3, 2], [3.0, 10.0, 3.0, 2.0], ["3", " 10", "3", "2"]):
        found = ours.transform(pd.DataFrame({"zone": spelled})).inputs
        assert found.tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize("method", ["standard", "unit", "symmetric", "none"])
def test_channels_come_first_whatever_the_rows_say(method):
    X = np.random.default_rng(0).integers(0, 256, (5, 8, 9, 3), dtype=np.uint8)
    last = fitted(X, method, channels="last")
    first = fitted(np.moveaxis(X, -1, 1), method, channels="first")
    assert last.sample_shape == first.sample_shape == (3, 8, 9)
    expected = first.transform(np.moveaxis(X, -1, 1)).inputs
    found = last.transform(X).inputs
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(last.transform(X.reshape(5, -1)).inputs, expected)
    with pytest.raises(DataError, match=r"samples of shape \(8, 9, 3\); got \(3, 8, 9\)"):
        last.transform(np.moveaxis(X, -1, 1))


numbers = st.lists(
    st.lists(st.floats(-1e6, 1e6) | st.just(np.nan), min_size=3, max_size=3),
    min_size=2,
    max_size=20,
)


@given(numbers, st.sampled_from(["standard", "unit", "symmetric", "none"]))
def test_rows_prepared_one_by_one_are_the_rows_prepared_together(rows, method):
    X = np.array(rows)
    X[0] = [1.0, 2.0, 3.0]  # a value in each column
    try:
        ours = fitted(X, method)
    except DataError as error:
        assert "tells apart" in str(error)  # noqa: PT017
        return
    together = stored_and_read(ours).transform(X).inputs
    for row, expected in zip(X, together, strict=True):
        np.testing.assert_array_equal(ours.transform([row]).inputs[0], expected)
    scaled = Normalization.fit(np.where(np.isnan(X), np.nanmedian(X, axis=0), X), method)
    np.testing.assert_array_equal(
        together[:, :3], scaled.apply(np.where(np.isnan(X), np.nanmedian(X, axis=0), X))
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"categories": []}, "categories must be of 2 columns; got 0"),
        ({"indicated": [7]}, "indicated must be columns with gaps"),
        ({"long": [1]}, "long must be columns of numbers"),
        ({"gaps": [9]}, "gaps must be numbers of features"),
        ({"gaps": [True]}, "gaps must be numbers of features"),
        ({"kinds": ["number"]}, "kinds must be 4 of number"),
        ({"kinds": ["text"] * 4}, "kinds must be 4 of number"),
        ({"names": ["a", "a", "b", "c"]}, "names must be 4 different ones"),
        ({"shape": [4.0]}, "shape must hold integers"),
        ({"precision": ["float8"]}, "precision must be one or 4 of float64"),
        ({"precision": ["float32"] * 2}, "precision must be one or 4 of float64"),
        ({"channels": "last"}, "channels must be first or last, of images"),
        ({"fills": np.zeros(3)}, "fills must be 2 numbers"),
        ({"fills": np.full(2, np.nan)}, "fills must be 2 numbers"),
        ({"offset": np.zeros(3)}, "offset must be one number or 2"),
        ({"scale": np.zeros(2)}, "scale must be finite and not 0"),
        ({"scale": np.array(["a", "b"])}, "scale must be one number or 2"),
    ],
    ids=str,
)
def test_a_damaged_description_is_refused(change, message):
    arrays, description = fitted(table()).to_arrays()
    for name, value in change.items():
        place = next(one for one in (arrays, description, description["schema"]) if name in one)
        place[name] = value
    with pytest.raises(ValueError, match=message):
        Preparation.from_arrays(arrays, description)


@pytest.mark.parametrize("dtype", ["f4", "f2"])
def test_numbers_are_rounded_as_the_training_data_were(dtype):
    exact = np.random.default_rng(0).normal(size=(20, 2)).round(3)
    short = exact.astype(dtype)
    ours = stored_and_read(fitted(short))
    expected = ours.transform(short).inputs
    for rows in (
        exact,
        exact.tolist(),
        exact.astype(str),
        pd.DataFrame(exact),
        exact.astype(">f8"),
    ):
        np.testing.assert_array_equal(ours.transform(rows).inputs, expected)


def test_each_column_of_a_frame_is_rounded_as_it_was():
    exact = pd.DataFrame({"a": [0.1, 0.2, 0.4], "b": [0.1, 0.2, 0.3], "c": ["x", "y", "x"]})
    ours = stored_and_read(fitted(exact.astype({"a": "float32"}), "none"))
    found = ours.transform(exact, dtype=np.float64).inputs[:, :2]
    np.testing.assert_array_equal(found[:, 0], np.float32([0.1, 0.2, 0.4]))
    np.testing.assert_array_equal(found[:, 1], [0.1, 0.2, 0.3])
