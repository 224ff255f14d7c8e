"""Data sets of openml.org, from scikit-learn's cache; there is no network in tests."""

import pytest
from sklearn.datasets import fetch_openml, load_iris

from evo.errors import DataError
from experiments.datasets import Dataset


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Send all requests to a port on which nobody answers."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")


@pytest.mark.parametrize("source", [{"source": 61}, {"source": "iris", "version": 1}])
def test_a_data_set_is_that_of_scikit_learn(openml_home, source):
    dataset = Dataset.from_openml(**source, data_home=openml_home)
    theirs = fetch_openml(data_id=61, data_home=openml_home, as_frame=True)
    assert dataset.name == "iris-1"
    assert dataset.inputs.tolist() == theirs.data.to_numpy().tolist()
    assert list(dataset.feature_names) == theirs.feature_names
    assert [dataset.classes[index] for index in dataset.targets] == theirs.target.tolist()
    assert dataset.inputs.shape == load_iris().data.shape


def test_another_column_may_be_the_target(openml_home):
    dataset = Dataset.from_openml(
        61, target="petalwidth", drop=["sepalwidth"], data_home=openml_home
    )
    assert dataset.task == "regression"
    assert dataset.feature_names == ("sepallength", "petallength", "class")
    assert dataset.schema.kinds == ("number", "number", "category")


@pytest.mark.parametrize("source", [{"source": 99}, {"source": "nothing", "version": 3}])
def test_without_a_network_what_is_not_in_the_cache_is_one_line(openml_home, source, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)  # scikit-learn waits between its attempts
    with pytest.raises(DataError) as caught:
        Dataset.from_openml(**source, data_home=openml_home)
    message = str(caught.value)
    assert message.startswith(f"openml: {source['source']!r}")
    assert "cannot be fetched from openml.org, and is not in the cache" in message
    assert "\n" not in message


def test_a_target_that_is_not_there_is_named(openml_home):
    with pytest.raises(DataError, match=r"^openml: 61: cannot be used: .*target_column='nope'"):
        Dataset.from_openml(61, target="nope", data_home=openml_home)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("iris",), "version must be given with a name, so that the data stay the same; got None"),
        ((61, 1), "version must not be given with a number, so that the data stay the same; got 1"),
    ],
)
def test_a_version_is_given_with_a_name_and_only_then(arguments, message):
    with pytest.raises(ValueError, match=message):
        Dataset.from_openml(*arguments)
