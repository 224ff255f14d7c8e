"""The registry: one contract for every data set, and the options of each."""

import inspect
from typing import get_type_hints

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from evo.errors import DataError, SettingsError
from evo.preparation import Sequences
from experiments.datasets import DATASETS, Dataset, load_dataset, spirals, xor


@pytest.fixture
def options(tmp_path, openml_home):
    """Return, by name, the options that a data set needs here."""
    header = bytes([0, 0, 8])
    labels = bytes(range(5)) * 8
    for part in ("train", "t10k"):
        images = header + bytes([3, 0, 0, 0, 40, 0, 0, 0, 2, 0, 0, 0, 3]) + bytes(range(240))
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(images)
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(
            header + bytes([1, 0, 0, 0, 40]) + labels
        )
    table = tmp_path / "table.csv"
    table.write_text("a,b,y\n" + "".join(f"{i},{i * i},{i % 2}\n" for i in range(40)))
    pd.read_csv(table).to_parquet(tmp_path / "table.parquet")
    np.savez(tmp_path / "arrays.npz", X=np.eye(40), y=np.arange(40) % 2)
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(10):
            Image.new("L", (4, 3), i).save(tmp_path / "pets" / name / f"{i}.png")
    return {
        "csv": {"path": str(table), "target": "y"},
        "idx": {"data_dir": str(tmp_path)},
        "images": {"path": str(tmp_path / "pets")},
        "npz": {"path": str(tmp_path / "arrays.npz")},
        "openml": {"source": 61, "data_home": str(openml_home)},
        "parquet": {"path": str(tmp_path / "table.parquet"), "target": "y"},
    }


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_keeps_the_contract(name, options):
    dataset = load_dataset(name, **options.get(name, {}))
    assert isinstance(dataset, Dataset)
    assert dataset.name
    numbers, shape = dataset.inputs, (len(dataset), *dataset.input_shape)
    if isinstance(numbers, Sequences):
        numbers, shape = numbers.steps, (numbers.lengths.sum(), dataset.input_shape[1])
    assert numbers.shape == shape
    assert numbers.dtype.kind in "uif"
    assert np.isfinite(numbers).all()
    assert not numbers.flags.writeable
    assert dataset.n_features == np.prod(shape[1:])
    if dataset.task == "classification":
        assert dataset.targets.dtype == np.int64
        assert set(dataset.targets.tolist()) == set(range(dataset.n_outputs))
    else:
        assert dataset.targets.dtype == np.float64
        assert dataset.targets.shape == (len(dataset), dataset.n_outputs)
    assert dataset.data_hash == load_dataset(name, **options.get(name, {})).data_hash
    split = dataset.split(seed=0)
    in_parts = len(split.train) + len(split.validation) + len(split.test)
    if dataset.spans is not None:  # windows that straddle two parts
        in_parts += 2 * int(np.diff(dataset.spans[0])[0])
    assert in_parts == len(dataset) + (0 if dataset.test is None else len(dataset.test[0]))


def test_data_from_files_have_the_name_that_the_user_gives(options):
    for name, given in options.items():
        own = load_dataset(name, **given, name="wells")
        assert own.name == "wells"
        assert own.data_hash == load_dataset(name, **given).data_hash


@pytest.mark.parametrize("name", DATASETS)
def test_every_option_has_a_type_hint_and_every_loader_a_docstring(name):
    loader = DATASETS[name]
    assert inspect.getdoc(loader)
    parameters = inspect.signature(loader).parameters
    assert set(parameters) == set(get_type_hints(loader)) - {"return"}
    kinds = {p.kind for p in parameters.values()}
    assert kinds <= {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}


def test_digits_are_eight_by_eight_images_of_ten_classes():
    digits = load_dataset("digits")
    assert digits.inputs.shape == (1797, 8, 8)
    assert (digits.inputs.min(), digits.inputs.max()) == (0, 16)
    assert digits.classes == tuple(range(10))


def test_diabetes_is_a_regression_in_its_own_units():
    diabetes = load_dataset("diabetes")
    assert (diabetes.inputs.shape, diabetes.targets.shape) == ((442, 10), (442, 1))
    assert (diabetes.inputs[:, 0].min(), diabetes.inputs[:, 0].max()) == (19, 79)  # years
    assert (diabetes.targets.min(), diabetes.targets.max()) == (25, 346)


def test_xor_without_noise_is_the_truth_table():
    dataset = xor(n_samples=4, noise=0)
    assert dataset.inputs.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert dataset.targets.tolist() == [0, 1, 1, 0]


def test_xor_is_noise_around_four_equally_frequent_corners():
    dataset = xor(n_samples=4000, noise=0.1)
    corners = np.rint(dataset.inputs)
    np.testing.assert_array_equal(dataset.targets, corners[:, 0] != corners[:, 1])
    assert np.unique(corners, axis=0, return_counts=True)[1].tolist() == [1000] * 4
    # The standard error of a standard deviation from 8000 numbers is 0.1 / sqrt(16000) = 0.0008.
    assert abs(np.std(dataset.inputs - corners) - 0.1) < 5 * 0.0008


def test_no_line_separates_xor_but_the_product_of_its_coordinates_does():
    from sklearn.linear_model import LogisticRegression

    split = xor().split(seed=0)
    train, test = split.train, split.test
    line = LogisticRegression().fit(train.inputs, train.targets)
    assert line.score(test.inputs, test.targets) < 0.8
    assert np.mean((test.inputs.prod(axis=1) < 0) == test.targets) == 1


def test_spirals_lie_on_their_two_arms():
    dataset = spirals(n_samples=1000, noise=0, turns=2)
    x, y = dataset.inputs.astype(np.float64).T
    radius = np.hypot(x, y)
    assert 0 < radius.min() < 0.1
    assert 0.99 < radius.max() <= 1 + 1e-6
    angle = 2 * np.pi * 2 * radius + np.pi * dataset.targets
    np.testing.assert_allclose(x, radius * np.cos(angle), atol=1e-5)
    np.testing.assert_allclose(y, radius * np.sin(angle), atol=1e-5)
    assert np.bincount(dataset.targets).tolist() == [500, 500]
    # Half of the disc lies within sqrt(1/2): Binomial(1000, 1/2), standard deviation 16.
    assert abs(np.sum(radius < np.sqrt(0.5)) - 500) < 5 * 16


def test_neighbours_solve_the_spirals_and_a_line_does_not():
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    split = spirals(n_samples=800).split(seed=0)
    train, test = split.train, split.test
    assert LogisticRegression().fit(train.inputs, train.targets).score(*_pair(test)) < 0.75
    neighbours = KNeighborsClassifier(1).fit(train.inputs, train.targets)
    assert neighbours.score(*_pair(test)) > 0.98


def _pair(samples):
    return samples.inputs, samples.targets


@pytest.mark.parametrize("name", ["xor", "spirals", "parity"])
def test_generated_data_follow_their_seed(name):
    first = load_dataset(name, seed=1)
    assert first.data_hash == load_dataset(name, seed=1).data_hash
    assert first.data_hash != load_dataset(name, seed=2).data_hash


def test_generated_data_are_the_same_everywhere():
    np.testing.assert_allclose(xor(n_samples=4).inputs[0], [0.0125730221, -0.0132104863], rtol=1e-6)


def test_options_may_be_spelled_as_text():
    assert len(load_dataset("xor", n_samples="12", noise="0.2")) == 12


def test_a_task_given_as_option_is_heeded(options):
    dataset = load_dataset("csv", **options["csv"], task="regression")
    assert dataset.task == "regression"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "digit",
            {},
            "unknown data set 'digit'; did you mean 'digits'? "
            "known: adding-problem, csv, delayed-xor, diabetes, digits, idx, images, mackey-glass, npz, openml, "
            "parity, parquet, sequential-digits, spirals, xor",
        ),
        (
            "imagenet",
            {},
            "unknown data set 'imagenet'; did you mean 'images'? "
            "known: adding-problem, csv, delayed-xor, diabetes, digits, idx, images, mackey-glass, npz, openml, "
            "parity, parquet, sequential-digits, spirals, xor",
        ),
        (
            "xor",
            {"noises": 1},
            "data set 'xor': unknown option 'noises'; did you mean 'noise'? "
            "known: n_samples, noise, seed",
        ),
        ("digits", {"seed": 1}, "data set 'digits': unknown option 'seed'; there are none"),
        (
            "idx",
            {},
            "data set 'idx': option 'data_dir' is missing: it is dataset.options.data_dir in settings, "
            "--data-dir on the command line",
        ),
        (
            "csv",
            {"path": "a.csv"},
            "data set 'csv': option 'target' is missing: it is dataset.options.target in settings",
        ),
        (
            "xor",
            {"n_samples": "many"},
            "data set 'xor': option 'n_samples': input should be a valid integer, "
            "unable to parse string as an integer; got 'many'",
        ),
        (
            "csv",
            {"path": "a.csv", "target": "y", "task": "ranking"},
            "data set 'csv': option 'task': input should be 'classification' or "
            "'regression'; got 'ranking'",
        ),
        (
            "csv",
            {"path": "a.csv", "target": "y", "separator": ";;"},
            "data set 'csv': separator must be one character, no quotation mark or line end; got ';;'",
        ),
        (
            "images",
            {"path": ".", "size": [8]},
            "data set 'images': option 'size': input should be a valid integer; got [8]",
        ),
        (
            "openml",
            {"source": "iris"},
            "data set 'openml': version must be given with a name, so that the data stay the same; got None",
        ),
        ("xor", {"n_samples": 3}, "data set 'xor': n_samples must be at least 4; got 3"),
        ("xor", {"noise": -1}, "data set 'xor': noise must not be negative; got -1.0"),
        ("xor", {"noise": "nan"}, "data set 'xor': noise must not be negative; got nan"),
        ("xor", {"seed": -1}, "data set 'xor': seed must not be negative; got -1"),
        ("spirals", {"turns": 0}, "data set 'spirals': turns must be positive; got 0.0"),
    ],
)
def test_a_wrong_name_or_option_is_refused_in_one_line(name, options, message):
    with pytest.raises(SettingsError) as caught:
        load_dataset(name, **options)
    assert str(caught.value) == message


def test_the_truth_table_alone_cannot_be_split():
    with pytest.raises(DataError, match="class 0 must have enough samples"):
        xor(n_samples=4).split(seed=0)
