"""Splits: stratified, disjoint, complete, reproducible; normalised by the training part."""

from fractions import Fraction
from itertools import chain

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cnn.training.samples import Samples
from evo.errors import DataError, SettingsError
from experiments.datasets import Dataset, Normalization, load_dataset, normalization_for
from experiments.datasets.parts.partition import apportion
from experiments.settings.experiment import DatasetSettings

PARTS = ("train", "validation", "test")
X4 = np.zeros((4, 1))
METHODS = ("standard", "unit", "symmetric", "none")

percent = st.integers(1, 60).map(lambda p: p / 100)
seeds = st.integers(0, 2**63)


def numbered(targets, **options):
    """Return a data set whose samples carry their own number."""
    return Dataset.from_arrays(np.arange(len(targets))[:, np.newaxis], targets, **options)


def members(dataset, **options):
    """Return the sample numbers of the three parts of a split."""
    split = dataset.split(normalization="none", **options)
    return [getattr(split, part).inputs[:, 0].astype(int).tolist() for part in PARTS]


@st.composite
def labelled(draw):
    """Draw class labels in which every class is large enough for any share of a percent or more."""
    sizes = draw(st.lists(st.integers(100, 160), min_size=2, max_size=5))
    order = np.random.default_rng(draw(seeds)).permutation(sum(sizes))
    return np.repeat(np.arange(len(sizes)), sizes)[order]


@given(labels=labelled(), seed=seeds, validation=percent, test=percent)
def test_the_parts_are_disjoint_complete_and_stratified_within_one_sample(
    labels, seed, validation, test
):
    assume(validation + test < 0.995)
    parts = members(numbered(labels), seed=seed, validation=validation, test=test)
    assert sorted(chain(*parts)) == list(range(len(labels)))
    for part, share in zip(parts, (1 - validation - test, validation, test), strict=True):
        assert part == sorted(part)
        for label in np.unique(labels):
            exact = share * np.sum(labels == label)
            assert abs(np.sum(labels[part] == label) - exact) < 1 + 1e-9
        assert abs(len(part) - share * len(labels)) < 1 + 1e-9


@given(labels=labelled(), seed=seeds)
def test_the_same_seed_gives_the_same_split_and_another_seed_another(labels, seed):
    dataset = numbered(labels)
    assert members(dataset, seed=seed) == members(numbered(labels), seed=seed)
    assert members(dataset, seed=seed) != members(dataset, seed=seed + 1)


def test_an_integer_and_its_seed_sequence_are_one_seed_which_is_not_used_up():
    dataset = numbered([0, 1] * 50)
    sequence = np.random.SeedSequence(7)
    first = members(dataset, seed=sequence)
    assert first == members(dataset, seed=sequence) == members(dataset, seed=7)
    keyed = np.random.SeedSequence(7, spawn_key=(0, 0, 0))
    assert members(dataset, seed=keyed) != first


def test_the_global_generator_is_neither_read_nor_moved():
    dataset = numbered([0, 1] * 50)
    np.random.seed(0)  # noqa: NPY002
    first, state = members(dataset, seed=1), np.random.get_state()[1].tolist()  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    assert members(dataset, seed=1) == first
    np.random.seed(0)  # noqa: NPY002
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002


def test_which_samples_of_a_class_go_where_is_a_fair_draw():
    dataset = numbered([0] * 10 + [1] * 10)
    tested = np.zeros(20)
    for seed in range(400):
        tested[members(dataset, seed=seed)[2]] += 1
    assert tested.sum() == 400 * 4
    # Each sample is tested Binomial(400, 1/5) times: 80, standard deviation 8.
    assert np.abs(tested - 80).max() < 5 * 8


@given(n=st.integers(10, 500), seed=seeds)
def test_a_regression_is_split_at_its_shares(n, seed):
    parts = members(numbered(np.linspace(0, 1, n)), seed=seed)
    assert sorted(chain(*parts)) == list(range(n))
    for part, share in zip(parts, (0.65, 0.15, 0.2), strict=True):
        assert abs(len(part) - share * n) < 1 + 1e-9


def test_inputs_stay_with_their_targets():
    labels = np.random.default_rng(0).integers(0, 3, 200)
    split = numbered(labels).split(seed=0, normalization="none")
    for part in PARTS:
        samples = getattr(split, part)
        assert isinstance(samples, Samples)
        np.testing.assert_array_equal(samples.targets, labels[samples.inputs[:, 0].astype(int)])


def test_the_parts_are_typed_contiguous_and_read_only():
    split = load_dataset("digits").split(seed=0)
    for part in PARTS:
        samples = getattr(split, part)
        assert (samples.inputs.dtype, samples.targets.dtype) == (np.float32, np.int64)
        assert samples.inputs.flags.c_contiguous
        assert not samples.inputs.flags.writeable
        assert not samples.targets.flags.writeable


def test_default_shares_of_the_digits_are_what_they_say():
    split = load_dataset("digits").split(seed=0)
    assert [len(getattr(split, part)) for part in PARTS] == [1168, 270, 359]


def test_small_classes_reach_every_part_if_rounding_can_bring_them_there():
    parts = members(numbered([0] * 3 + [1] * 97), seed=0)
    assert [sum(i < 3 for i in part) for part in parts] == [1, 1, 1]


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (
            ["rare"] * 2 + ["usual"] * 50,
            {},
            "arrays: class 'rare' must have enough samples for the validation part, a fraction of "
            "0.15; got 2",
        ),
        (
            [5] * 4 + [7] * 100,
            {"validation": 0.1, "test": 0.1},
            "arrays: class 5 must have enough samples for the test part, a fraction of 0.1; got 4",
        ),
        (
            [0.5, 1.5],
            {},
            "arrays: the data set must have enough samples for the validation part, a fraction of "
            "0.15; got 2",
        ),
    ],
)
def test_what_is_too_small_to_reach_every_part_is_named(labels, options, message):
    with pytest.raises(DataError) as caught:
        numbered(labels).split(seed=0, **options)
    assert str(caught.value) == message


def test_without_a_test_part_all_samples_train_or_validate():
    dataset = numbered([0] * 40 + [1] * 60)
    split = dataset.split(seed=0, test=0)
    assert split.test is None
    assert [len(split.rows[part]) for part in PARTS] == [85, 15, 0]
    assert sorted(np.concatenate([split.rows[part] for part in PARTS])) == [*range(100)]
    assert [len(part) for part in split.raw("test")] == [0, 0]


@pytest.mark.parametrize("test", [0, 0.2])
def test_rare_classes_may_stay_in_the_training_part(test):
    dataset = numbered([0] * 40 + [1] * 50 + [2, 3])
    for seed in range(5):
        rows = dataset.split(seed=seed, test=test, rare_classes="train").rows
        assert {90, 91} <= {*rows["train"]}
        for part in ("validation", "test") if test else ("validation",):
            shares = np.bincount(dataset.targets[rows[part]], minlength=4) / [40, 50, 1, 1]
            share = 0.15 if part == "validation" else 0.2
            np.testing.assert_allclose(shares, [share, share, 0, 0], atol=1 / 40)


def test_where_classes_are_large_enough_nothing_changes_if_rare_ones_may_stay():
    dataset = numbered([0] * 40 + [1] * 60)
    usual, other = (dataset.split(seed=3, rare_classes=one).rows for one in ("refuse", "train"))
    for part in PARTS:
        np.testing.assert_array_equal(usual[part], other[part])


def test_a_part_without_any_sample_is_refused_also_if_rare_classes_may_stay():
    with pytest.raises(DataError, match="must have enough samples for the validation part"):
        numbered([0, 1, 2, 3]).split(seed=0, test=0, rare_classes="train")


def test_a_label_that_no_sample_has_is_named():
    targets = np.array([0, 2] * 50)
    dataset = Dataset("gap", np.zeros((100, 1), np.float32), targets, ("a", "b", "c"))
    with pytest.raises(DataError, match=r"gap: class 'b' must have enough samples .*; got 0"):
        dataset.split(seed=0)


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"validation": 0}, "shares must lie between 0 and 1; got validation 0, test 0.2"),
        ({"test": -0.1}, "shares must lie between 0 and 1; got validation 0.15, test -0.1"),
        ({"test": float("nan")}, "shares must lie between 0 and 1; got validation 0.15, test nan"),
        (
            {"validation": 0.8},
            "shares must leave some for training; got validation 0.8, test 0.2",
        ),
    ],
)
def test_shares_out_of_range_are_wrong_arguments(shares, message):
    with pytest.raises(ValueError, match="shares must") as caught:
        numbered([0, 1] * 50).split(seed=0, **shares)
    assert str(caught.value) == message


@given(
    sizes=st.lists(st.integers(0, 200), max_size=8),
    weights=st.lists(st.integers(1, 50), min_size=1, max_size=5),
)
def test_apportioning_rounds_each_share_down_or_up_and_loses_nothing(sizes, weights):
    shares = [Fraction(weight, sum(weights)) for weight in weights]
    counts = apportion(sizes, shares)
    assert counts.sum(axis=1).tolist() == sizes
    for size, row in zip(sizes, counts.tolist(), strict=True):
        assert all(abs(count - size * share) < 1 for count, share in zip(row, shares, strict=True))


values = st.floats(-1e6, 1e6, width=32)
tables = (
    st.integers(1, 4)
    .flatmap(
        lambda width: st.lists(
            st.lists(values, min_size=width, max_size=width), min_size=2, max_size=30
        )
    )
    .map(lambda rows: np.array(rows, dtype=np.float32))
)


def spans(X):
    """Tell features that vary from those that are constant."""
    return X.min(axis=0) != X.max(axis=0)


@given(tables)
def test_unit_maps_each_feature_of_the_training_part_onto_0_to_1(X):
    Z = Normalization.fit(X, "unit").apply(X)
    np.testing.assert_array_equal(Z.min(axis=0), 0)
    np.testing.assert_array_equal(Z.max(axis=0), spans(X))


@given(tables)
def test_symmetric_maps_each_feature_of_the_training_part_onto_minus_1_to_1(X):
    Z = Normalization.fit(X, "symmetric").apply(X)
    np.testing.assert_array_equal(Z.min(axis=0), -1.0 * spans(X))
    np.testing.assert_array_equal(Z.max(axis=0), spans(X))


@given(tables)
def test_standard_gives_each_feature_mean_0_and_deviation_1(X):
    Z = Normalization.fit(X, "standard").apply(X).astype(np.float64)
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(Z.std(axis=0), spans(X), atol=1e-6)


@given(tables)
def test_none_changes_nothing(X):
    np.testing.assert_array_equal(Normalization.fit(X, "none").apply(X), X)


def test_standard_agrees_with_scikit_learn():
    from sklearn.preprocessing import StandardScaler

    X = load_dataset("diabetes").inputs
    expected = StandardScaler().fit_transform(X.astype(np.float64))
    np.testing.assert_allclose(Normalization.fit(X, "standard").apply(X), expected, atol=1e-6)


def test_a_large_mean_does_not_swallow_a_small_deviation():
    X = (16384 + np.random.default_rng(0).normal(0, 0.1, (5000, 1))).astype(np.float32)
    Z = Normalization.fit(X, "standard").apply(X).astype(np.float64)
    assert abs(Z.mean()) < 1e-6
    assert abs(Z.std() - 1) < 1e-6


@pytest.mark.parametrize("shape", [(8, 8), (6, 5, 3)])
@pytest.mark.parametrize("method", METHODS)
def test_images_share_one_offset_and_one_scale(shape, method):
    X = np.random.default_rng(0).integers(0, 200, (50, *shape)).astype(np.float32)
    X[:, 0, 0] = 3  # a dark corner stays what it is, relative to the rest
    fitted = Normalization.fit(X, method)
    Z = fitted.apply(X)
    assert fitted.offset.shape == fitted.scale.shape == ()
    expected = {
        "none": X,
        "unit": X / 199,
        "symmetric": X / 99.5 - 1,
        "standard": (X - X.mean(dtype=np.float64)) / X.std(dtype=np.float64),
    }
    np.testing.assert_allclose(Z, expected[method], atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["digits", "diabetes", "xor"])
def test_the_normalisation_is_fitted_on_the_training_part_only(name, method):
    dataset = load_dataset(name)
    raw = dataset.split(seed=3, normalization="none")
    split = dataset.split(seed=3, normalization=method)
    fitted = Normalization.fit(raw.train.inputs, method)
    np.testing.assert_array_equal(split.normalization.offset, fitted.offset)
    np.testing.assert_array_equal(split.normalization.scale, fitted.scale)
    for part in PARTS:
        ours, theirs = getattr(split, part), getattr(raw, part)
        np.testing.assert_array_equal(ours.inputs, fitted.apply(theirs.inputs))
        np.testing.assert_array_equal(ours.targets, theirs.targets)


def test_changing_what_is_not_trained_on_does_not_change_the_training_part():
    labels = [0, 1] * 50
    dataset = numbered(labels)
    train, validation, _ = members(dataset, seed=0)
    X = np.arange(100.0)[:, np.newaxis]
    X[validation] *= 1000
    changed = Dataset.from_arrays(X, labels)
    np.testing.assert_array_equal(
        changed.split(seed=0).train.inputs, dataset.split(seed=0).train.inputs
    )
    assert len(train) == 65


def test_an_unknown_normalisation_is_a_wrong_argument():
    with pytest.raises(ValueError, match="one of standard, unit, symmetric, none; got 'max'"):
        numbered([0, 1] * 50).split(seed=0, normalization="max")


def test_the_activation_chooses_the_normalisation():
    chosen = {name: normalization_for(name) for name in ("sigmoid", "tanh", "relu", "identity")}
    assert chosen == {
        "sigmoid": "unit",
        "tanh": "symmetric",
        "relu": "standard",
        "identity": "standard",
    }


@st.composite
def grouped(draw):
    """Draw labels and groups; each class is in many groups."""
    n_classes = draw(st.integers(2, 3))
    sizes = draw(st.lists(st.integers(1, 8), min_size=30, max_size=50))
    labels = [draw(st.integers(0, n_classes - 1)) for _ in sizes[n_classes:]]
    of_groups = np.repeat([*range(n_classes), *labels], sizes)
    return of_groups, np.repeat(np.arange(len(sizes)), sizes)


@given(grouped(), seeds)
def test_no_group_is_on_both_sides_and_parts_keep_about_their_shares(case, seed):
    labels, groups = case
    names = np.array([f"patient {g}" for g in groups])
    dataset = numbered(labels, groups=names)
    try:
        parts = members(dataset, seed=seed)
    except DataError as error:
        assert "must have enough groups" in str(error)  # noqa: PT017
        return
    assert sorted(chain(*parts)) == list(range(len(labels)))
    for part, other in ((0, 1), (0, 2), (1, 2)):
        assert not {*names[parts[part]]} & {*names[parts[other]]}
    largest = np.bincount(groups).max()
    for part, share in zip(parts, (0.65, 0.15, 0.2), strict=True):
        assert abs(len(part) - share * len(labels)) <= 2 * largest
    assert parts == members(dataset, seed=seed)
    assert set(np.unique(labels)) == set(labels[parts[0]])


def test_classes_are_spread_over_parts_of_groups_as_evenly_as_scikit_learn_does():
    from sklearn.model_selection import StratifiedGroupKFold

    rng = np.random.default_rng(0)
    groups = rng.integers(0, 60, 600)
    labels = (groups % 3 == 0).astype(int)
    dataset = numbered(labels, groups=groups)
    split = dataset.split(seed=0, fold=(0, 5))
    theirs = next(StratifiedGroupKFold(5).split(labels, labels, groups))[1]
    ours = split.rows["test"]
    assert (
        abs(labels[ours].mean() - labels.mean())
        <= abs(labels[theirs].mean() - labels.mean()) + 0.02
    )
    assert abs(len(ours) - 120) <= abs(len(theirs) - 120) + 12


@pytest.mark.parametrize("groups", [None, np.arange(120) // 4])
@pytest.mark.parametrize("k", [2, 5])
def test_the_folds_of_a_seed_test_every_sample_once(groups, k):
    dataset = numbered([0, 1, 1] * 40, groups=groups)
    tested = []
    for i in range(k):
        train, validation, test = members(dataset, seed=3, fold=(i, k), validation=0.2)
        assert sorted([*train, *validation, *test]) == list(range(120))
        if groups is None:
            assert abs(len(validation) - 0.2 * 120) < 1
            assert abs(len(test) - 120 / k) < 1
        tested += test
    assert sorted(tested) == list(range(120))


def test_a_run_takes_its_fold_from_its_seed_and_k_seeds_share_the_folds():
    settings = DatasetSettings(folds=4)
    dataset = numbered([0, 1] * 40)
    rows = [settings.split(dataset, seed).rows["test"].tolist() for seed in range(8)]
    assert sorted(chain(*rows[:4])) == sorted(chain(*rows[4:])) == list(range(80))
    assert rows[0] != rows[4]


def test_folds_beside_an_own_test_part_are_a_wrong_setting():
    dataset = numbered([0, 1] * 20, test=(X4, [0, 1, 0, 1]))
    with pytest.raises(
        SettingsError, match=r"^dataset: fold must not be given with an own test part"
    ):
        DatasetSettings(folds=4).split(dataset, 0)


def test_without_stratification_classes_are_left_to_chance():
    dataset = numbered([0] * 4 + [1] * 96)
    counts = [sum(i < 4 for i in members(dataset, seed=s, stratify=False)[2]) for s in range(20)]
    assert {0, 1} <= set(counts)
    assert {sum(i < 4 for i in members(dataset, seed=s)[2]) for s in range(20)} == {1}


@pytest.mark.parametrize("many", [True, False])
def test_many_whole_numbers_of_which_one_is_rare_may_be_values(many):
    y = np.arange(60) // (2 if many else 29)
    with pytest.raises(DataError, match=r"class . must have enough samples ") as caught:
        Dataset.from_arrays(np.arange(60.0)[:, np.newaxis], y).split(seed=0)
    hint = "; if the 30 whole numbers are values and no labels, give task='regression'"
    assert str(caught.value).endswith(hint) == many
    text = np.array([f"class {label}" for label in y])
    with pytest.raises(DataError) as caught:
        Dataset.from_arrays(np.arange(60.0)[:, np.newaxis], text).split(seed=0)
    assert "regression" not in str(caught.value)


def test_own_parts_are_the_parts_of_every_split():
    X, y = np.arange(40.0)[:, np.newaxis], ["a", "b"] * 19 + ["c", "c"]
    own = {
        "validation": (X[:6] + 100, y[:6]),
        "test": (pd.DataFrame(X[:4] + 200), ["b", "a", "c", "b"]),
    }
    dataset = Dataset.from_arrays(X, y, **own)
    assert dataset.classes == ("a", "b", "c")
    train, validation, test = members(dataset, seed=0)
    assert (train, validation, test) == ([*range(40)], [*range(100, 106)], [*range(200, 204)])
    split = dataset.split(seed=0)
    assert split.raw("test")[1].tolist() == ["b", "a", "c", "b"]
    assert split.raw("validation")[0].ravel().tolist() == validation
    with_test_alone = Dataset.from_arrays(X, y, test=own["test"])
    assert [len(part) for part in members(with_test_alone, seed=0)] == [33, 7, 4]
    with_validation_alone = Dataset.from_arrays(X, y, validation=own["validation"])
    assert [len(part) for part in members(with_validation_alone, seed=0)] == [31, 6, 9]


def test_a_value_missing_in_an_own_part_alone_is_filled():
    X, y = np.arange(40.0)[:, np.newaxis], ["a", "b"] * 20
    dataset = Dataset.from_arrays(X, y, test=([[None], [7]], ["a", "b"]))
    split = dataset.split(seed=0, normalization="none")
    assert split.test.inputs.ravel().tolist() == [np.median(split.train.inputs), 7]


def test_raw_rows_and_labels_of_a_part_are_those_of_the_data_set():
    frame = pd.DataFrame({"a": np.arange(60.0), "b": ["x", "y", "z"] * 20, "c": [1, 2] * 30})
    split = Dataset.from_frame(frame, "c").split(seed=0)
    for part in PARTS:
        X, y = split.raw(part)
        pd.testing.assert_frame_equal(X, frame.loc[split.rows[part], ["a", "b"]])
        assert y.tolist() == frame["c"].iloc[split.rows[part]].tolist()


@pytest.mark.parametrize(
    ("options", "split", "error", "message"),
    [
        ({}, {"fold": (5, 5)}, ValueError, "fold must be (i, k) with k of at least 2 and i from"),
        ({}, {"fold": (0, 1)}, ValueError, "fold must be (i, k) with k of at least 2 and i from"),
        ({}, {"fold": (0, 5), "validation": 0.9}, ValueError, "shares must"),
        (
            {"groups": [1, 2, 3, 4] * 10},
            {"fold": (0, 5)},
            DataError,
            "arrays: folds must be at most the 4 groups; got 5",
        ),
        (
            {"test": (X4, [0, 1, 0, 1])},
            {"fold": (0, 5)},
            ValueError,
            "fold must not be given with an own test part",
        ),
        (
            {"groups": [1, 2] * 20},
            {},
            DataError,
            "arrays: class 0 must have enough groups (2 in all) for the ",
        ),
        ({"groups": [1, 2]}, {}, DataError, "arrays: groups must be 40 integers, one per sample"),
        ({"groups": [None] * 40}, {}, DataError, "arrays: groups[0] must be a label or a number; got a"),
        ({"validation": (X4, [0, 1])}, {}, DataError, "arrays: validation targets must be one per"),
        (
            {"test": (X4, [0, 7, 8, 1])},
            {},
            DataError,
            "arrays: test targets must be classes of the training data, (0, 1); got 7, and 2 of 4 labels that are none",
        ),
        (
            {"validation": (X4, [5] * 4)},
            {},
            DataError,
            "arrays: validation targets must be classes of the training data, (0, 1); got 5, and 4 of 4 labels",
        ),
        ({"test": (X4, ["a"] * 4)}, {}, DataError, "arrays: labels of all parts must be text, or all"),
        ({"test": (X4[:, :0], [0] * 4)}, {}, DataError, "arrays: test inputs must have 1 features"),
    ],
)  # fmt: skip
def test_parts_that_cannot_be_are_refused(options, split, error, message):
    with pytest.raises(error) as caught:
        numbered([0, 1] * 20, **options).split(seed=0, **split)
    assert str(caught.value).startswith(message)


@given(labels=labelled(), seed=seeds, validation=percent, n=st.integers(2, 30))
def test_few_labels_of_each_class_are_drawn_from_the_parts_of_the_same_split(
    labels, seed, validation, n
):
    options = {"seed": seed, "validation": validation, "test": 0.1, "rare_classes": "train"}
    whole = numbered(labels).split(**options).rows
    assume(min(np.bincount(labels[whole["train"]]).min(), whole["validation"].size) >= 30)
    try:
        few = numbered(labels).split(**options, labels_per_class=n).rows
    except (
        DataError
    ):  # the validation part is small, and has fewer of a class than its share rounded up
        assume(False)
    assert few["test"].tolist() == whole["test"].tolist()
    together = np.concatenate([few["train"], few["validation"]])
    assert np.bincount(labels[together]).tolist() == [n] * (labels.max() + 1)
    for part in ("train", "validation"):
        assert set(few[part]) <= set(whole[part])
        assert set(labels[few[part]]) == set(labels)
        share = len(whole[part]) / (len(whole["train"]) + len(whole["validation"]))
        assert np.all(np.abs(np.bincount(labels[few[part]]) - share * n) < 1)


def test_few_labels_are_refused_where_there_are_none_or_too_few():
    with pytest.raises(DataError, match=r"class 1 at most the 1 samples of the train part; got 9"):
        numbered([0] * 30 + [1, 1]).split(seed=0, test=0, labels_per_class=10)
    with pytest.raises(ValueError, match="must be at least 2; got 1"):
        numbered([0, 1] * 10).split(seed=0, labels_per_class=1)
    with pytest.raises(ValueError, match="data with values to regress on; got 5"):
        numbered(np.linspace(0, 1, 30)).split(seed=0, labels_per_class=5)
    with pytest.raises(SettingsError, match="labels_per_class"):
        DatasetSettings(labels_per_class=5).split(numbered(np.linspace(0, 1, 30)), 0)


def test_an_own_validation_part_keeps_all_samples_if_labels_are_few():
    own = (np.zeros((6, 1)), np.array([0, 1] * 3))
    rows = numbered([0, 1] * 20, validation=own).split(seed=1, labels_per_class=4).rows
    assert {part: len(rows[part]) for part in ("train", "validation")} == {
        "train": 8,
        "validation": 6,
    }
