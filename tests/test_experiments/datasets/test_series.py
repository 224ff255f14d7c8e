"""Time series as windows, and parts that follow one another in time."""

import re

import numpy as np
import pandas as pd
import pytest

from evo.errors import DataError, SettingsError
from experiments.datasets import Dataset
from experiments.settings.experiment import DatasetSettings

TIMES = np.arange(60.0)
FRAME = pd.DataFrame({"load": TIMES**2, "wind": -TIMES})


@pytest.mark.parametrize(("window", "horizon", "stride"), [(4, 1, 1), (3, 5, 1), (5, 2, 3)])
def test_a_window_has_the_value_that_lies_the_horizon_after_its_end(window, horizon, stride):
    dataset = Dataset.from_series(TIMES, window=window, horizon=horizon, stride=stride)
    starts = [*range(0, 60 - window - horizon + 1, stride)]
    assert len(dataset) == len(starts)
    for i, start in enumerate(starts):
        sequence, value = dataset.raw("train", np.array([i]))
        assert sequence.steps.ravel().tolist() == [*range(start, start + window)]
        assert value.tolist() == [start + window - 1 + horizon]


@pytest.mark.parametrize(("window", "horizon", "stride"), [(4, 1, 1), (3, 5, 1), (5, 2, 3)])
@pytest.mark.parametrize("fractions", [(0.15, 0.2), (0.3, 0.3), (0.2, 0)])
def test_parts_follow_one_another_and_share_no_time(window, horizon, stride, fractions):
    dataset = Dataset.from_series(TIMES, window=window, horizon=horizon, stride=stride)
    validation, test = fractions
    split = dataset.split(seed=0, validation=validation, test=test)
    seen = {}
    for part in ("train", "validation", "test") if test else ("train", "validation"):
        sequences, values = split.raw(part)
        seen[part] = {*sequences.steps.ravel().tolist(), *values.tolist()}
    for earlier, later in zip([*seen], [*seen][1:], strict=False):
        assert max(seen[earlier]) < min(seen[later])
    assert (split.test is None) == (test == 0)
    bounds = 60 * (1 - validation - test), 60 * (1 - test)
    assert max(seen["train"]) < bounds[0] <= min(seen["validation"])
    assert max(seen["validation"]) < bounds[1]


def test_all_that_fits_into_a_part_is_in_it():
    split = Dataset.from_series(TIMES, window=3, horizon=2).split(
        seed=0, validation=0.25, test=0.25
    )
    assert [len(rows) for rows in split.rows.values()] == [30 - 4, 15 - 4, 15 - 4]


def test_every_seed_has_the_same_parts():
    dataset = Dataset.from_series(TIMES, window=3)
    first, second = (dataset.split(seed=seed).rows for seed in (0, 1))
    for part in first:
        np.testing.assert_array_equal(first[part], second[part])


def test_scaling_knows_the_training_part_alone():
    values = np.where(TIMES < 30, np.sin(TIMES), 1000.0)
    series = Dataset.from_series(values, window=3)
    scaled = series.split(seed=0, validation=0.25, test=0.25)
    assert abs(scaled.normalization.offset[0]) < 1
    assert abs(scaled.target_scaling.offset[0]) < 1
    assert scaled.test.inputs.min() > 500


def test_columns_are_chosen_by_name_and_the_past_of_the_target_is_read_too():
    dataset = Dataset.from_series(FRAME, "load", window=2, horizon=3)
    assert dataset.feature_names == ("load", "wind")
    assert dataset.target_names == ("load",)
    assert dataset.targets[:, 0].tolist() == (TIMES[4:] ** 2).tolist()
    only = Dataset.from_series(FRAME, ["load", "wind"], window=2, features=["wind"])
    assert only.input_shape == (2, 1)
    assert only.targets[0].tolist() == [4, -2]
    assert Dataset.from_series(FRAME.to_numpy(), 1, window=2).targets[0].tolist() == [-2]


def test_the_parts_are_part_of_the_hash():
    one = Dataset.from_series(TIMES, window=3)
    other = Dataset.from_sequences([TIMES[s : s + 3] for s in range(57)], TIMES[3:], name="series")
    assert one.data_hash != other.data_hash


@pytest.mark.parametrize(
    ("series", "target", "options", "message"),
    [
        (np.where(TIMES == 7, np.nan, TIMES), None, {}, "toy: time 7, column '0' must be finite; got nan"),
        (FRAME.mask(FRAME == 64), "load", {}, "toy: time 8, column 'load' must be finite"),
        (FRAME, None, {}, "toy: target must be one or several of the columns load, wind; got None"),
        (FRAME, "price", {}, "toy: target must be one or several of the columns load, wind; got 'price'"),
        (FRAME, "load", {"features": ["x"]}, "toy: features must be one or several of the columns"),
        (FRAME.assign(kind="a"), "load", {}, "toy: column 'kind' must hold numbers"),
        (TIMES[:4], None, {"window": 4}, "toy: the series must have at least window + horizon = 5 times; got 4"),
        (np.zeros((2, 2, 2)), 0, {}, "toy: the series must have shape (times,) or (times, columns); got (2, 2, 2)"),
        (
            FRAME.set_axis(pd.to_datetime(-TIMES, unit="D")),
            "load",
            {},
            "toy: the index of the series must be in ascending order of time",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named_by_time_and_column(series, target, options, message):
    with pytest.raises(DataError, match=re.escape(message)):
        Dataset.from_series(series, target, **{"window": 3, "name": "toy"} | options)


@pytest.mark.parametrize("name", ["window", "horizon", "stride"])
def test_counts_must_be_at_least_1(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1; got 0"):
        Dataset.from_series(TIMES, **{"window": 3} | {name: 0})


def test_a_part_without_a_window_is_refused():
    dataset = Dataset.from_series(TIMES, window=20)
    message = "series: the validation part must hold a window with its target, 21 times; got 9 of 60 times"
    with pytest.raises(DataError, match=message):
        dataset.split(seed=0)


def test_a_series_has_no_folds():
    with pytest.raises(SettingsError, match="dataset: fold must not be given for a series"):
        DatasetSettings(folds=3).split(Dataset.from_series(TIMES, window=3), 0)


DAYS = pd.date_range("2024-01-01", periods=60, freq="D")
MONTHS = pd.date_range("2020-01-31", periods=60, freq="ME")
OFFICE = pd.date_range("2024-01-01", periods=60, freq="B")


@pytest.mark.parametrize(
    "index",
    [DAYS, MONTHS, OFFICE, DAYS.tz_localize("Europe/Berlin"), DAYS.to_period("D"), TIMES * 10],
    ids=["days", "months", "business days", "with zone", "periods", "numbers"],
)
def test_a_missing_time_is_named_and_windows_over_it_can_be_left_out(index):
    frame = FRAME.set_axis(pd.Index(index), axis=0)
    if not isinstance(frame.index, pd.DatetimeIndex | pd.PeriodIndex):
        frame.index = frame.index.astype(np.int64)
    whole = Dataset.from_series(frame, "load", window=3, horizon=2)
    assert len(whole) == 56
    lost = frame.drop(index=frame.index[[20, 21]])
    place = re.escape(f"got {frame.index[22]} after {frame.index[19]}. Fill the gap; or gaps = ")
    with pytest.raises(DataError, match=f"^series: time 20 must follow .*{place}"):
        Dataset.from_series(lost, "load", window=3, horizon=2)
    split = Dataset.from_series(lost, "load", window=3, horizon=2, gaps="split")
    # of the 54 spans of 5 times that 58 rows have, 4 hold both the time before and that after the gap
    assert len(split) == 50
    ends = {*split.spans[:, 1].tolist()}
    assert ends == {*range(4, 20), *range(24, 58)}
    assert len(Dataset.from_series(lost, "load", window=3, horizon=2, gaps="ignore")) == 54


def test_missing_values_are_named_and_windows_over_them_can_be_left_out():
    frame = FRAME.mask(FRAME == -30.0)
    with pytest.raises(DataError, match=r"'wind' must be finite; got nan; gaps = \"split\" leaves"):
        Dataset.from_series(frame, "load", window=3)
    split = Dataset.from_series(frame, "load", window=3, gaps="split")
    assert len(split) == 57 - 4
    assert not ((split.spans[:, 0] <= 30) & (split.spans[:, 1] >= 30)).any()
    unread = Dataset.from_series(frame, "load", window=3, features=["load"], gaps="split")
    assert len(unread) == 57
    with pytest.raises(DataError, match="time 7, column '0' must be finite; got inf"):
        Dataset.from_series(np.where(TIMES == 7, np.inf, TIMES), window=3, gaps="split")


def test_series_without_a_span_and_unknown_ways_are_refused():
    holes = np.where(TIMES % 3 == 0, np.nan, TIMES)
    with pytest.raises(DataError, match="window \\+ horizon = 4 times without a gap; got none"):
        Dataset.from_series(holes, window=3, gaps="split")
    with pytest.raises(ValueError, match="gaps must be one of refuse, split, ignore; got 'spilt'"):
        Dataset.from_series(TIMES, window=3, gaps="spilt")


def test_moments_that_are_nearly_equally_far_apart_have_no_gap():
    jitter = np.random.default_rng(0).uniform(-0.2, 0.2, 60)
    frame = FRAME.set_axis(pd.to_datetime(TIMES + jitter, unit="s"), axis=0)
    assert len(Dataset.from_series(frame, "load", window=3)) == 57


def test_a_frame_that_is_not_in_a_list_is_told_what_to_do():
    with pytest.raises(
        DataError, match=r"must be a list of frames, one for each sequence; got one DataFrame\. Put"
    ):
        Dataset.from_sequences(FRAME, TIMES)
