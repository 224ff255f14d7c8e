"""From a file as it lies around to a network that reads such files."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from experiments import Dataset, Experiment, load_dataset, load_network, run

N = 80
RNG = np.random.default_rng(0)


def experiment(*arms):
    sizes = {"hidden": 6} if {"cnn", "mlp"} & {*arms} else {}
    sizes |= {"maps": 2} if "cnn" in arms else {}
    return Experiment(
        seeds=1,
        evolution={"population": 2, "generations": 1, "steps_per_generation": 20},
        founders={"hidden": 6, "density": 0.5},
        baseline={"arms": arms} | sizes,
    )


def scores_are_those_of_the_tables(results, dataset):
    X, y = experiment().dataset.split(dataset, 0).raw("test")
    for row in results.comparison.itertuples():
        assert results.network(row.arm, row.seed).score(X, y) == row.test_accuracy
    return X, y


@pytest.fixture
def messy(tmp_path):
    """Return a file with semicolons, decimal commas, gaps and dates, and its frame."""
    size = RNG.normal(size=N).round(3)
    frame = pd.DataFrame(
        {
            "size": np.where(np.arange(N) % 9, size, np.nan),
            "land": np.where(
                np.arange(N) % 5, np.array(["NA", "EU", "AS"])[np.arange(N) % 3], None
            ),
            "bought": pd.Timestamp("2026-01-31") + pd.to_timedelta(np.arange(N), unit="D"),
            "member": pd.array(np.where(np.arange(N) % 7, size > 0, None), dtype="boolean"),
            "kind": np.where(size > 0, "None", "007"),
        }
    )
    path = tmp_path / "messy.csv"
    frame.to_csv(
        path, sep=";", decimal=",", encoding="utf-16", date_format="%d.%m.%Y", quoting=2, na_rep=""
    )
    return path, frame


def test_a_network_reads_files_of_the_form_that_it_was_trained_from(messy, tmp_path):
    path, frame = messy
    options = {"separator": ";", "decimal": ",", "dates": {"bought": "%d.%m.%Y"}}
    dataset = load_dataset("csv", path=str(path), target="kind", **options)
    assert dataset.schema.kinds == ("number", "category", "date", "boolean")
    assert dataset.classes == ("007", "None")
    results = run(
        experiment("mlp"), dataset=dataset, workers=0, results=tmp_path / "runs", figures=False
    )
    X, _ = scores_are_those_of_the_tables(results, dataset)
    names = ["size", "land", "bought", "member"]
    assert results.best().feature_names_in_.tolist() == names
    assert results.best().preparation.input_names[-3:] == ("land = AS", "land = EU", "land = NA")
    for arm in ("evolved", "mlp"):
        network = load_network(results.network(arm, 0).save(tmp_path / "net"))
        assert network.classes_.tolist() == ["007", "None"]
        expected = network.predict_proba(dataset.inputs)
        np.testing.assert_array_equal(network.predict_proba(path), expected)
        read = network.preparation.transform
        np.testing.assert_array_equal(read(path).inputs[X.index], read(X).inputs)
        # Text NA is a missing value in a frame, but no missing value in the quotes of a file.
        other = frame["land"] != "NA"
        np.testing.assert_array_equal(read(frame[other]).inputs, read(path).inputs[other])


def test_colour_images_that_are_not_square_are_learnt_from_a_folder(tmp_path):
    for i in range(N):
        pixels = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)
        pixels[..., i % 2] //= 4
        path = tmp_path / "flags" / ("greenish", "reddish")[1 - i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    dataset = Dataset.from_image_folder(tmp_path / "flags")
    assert dataset.input_shape == (3, 6, 9)
    results = run(
        experiment("cnn", "mlp", "static"),
        dataset=dataset,
        workers=0,
        results=tmp_path / "runs",
        figures=False,
    )
    scores_are_those_of_the_tables(results, dataset)


@pytest.mark.slow
def test_letters_1_to_26_in_oblong_images_are_learnt_though_the_test_part_lacks_one(tmp_path):
    for part, n, n_labels in (("train", 104, 26), ("t10k", 50, 25)):
        images = RNG.integers(0, 256, (n, 6, 9), dtype=np.uint8)
        labels = np.arange(n, dtype=np.uint8) % n_labels + 1
        for what, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            (tmp_path / f"{part}-{what}-ubyte").write_bytes(header + array.tobytes())
    dataset = load_dataset("idx", data_dir=str(tmp_path))
    assert dataset.classes == tuple(range(1, 27))
    results = run(
        experiment("cnn", "static"), dataset=dataset, workers=0, results=tmp_path / "runs"
    )
    _, y = scores_are_those_of_the_tables(results, dataset)
    assert 26 not in y
