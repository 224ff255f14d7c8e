"""What is scored is what is reported: raw rows of a test part give the test metric of the tables, bit for bit."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from effort import later
from sklearn.metrics import r2_score

from cnn.training.samples import Samples
from cnn.training.trainer import evaluate
from experiments import Dataset, Experiment, load_dataset, load_network, run
from experiments.progress import Reporter

N = 90
RNG = np.random.default_rng(0)
NUMBERS = RNG.normal(size=(N, 4))
LABELS = np.where(NUMBERS[:, 0] + NUMBERS[:, 1] > 0, "same", "different")
VALUES = NUMBERS @ [1.0, -2.0, 0.5, 0.1]


def with_a_large_offset():
    """Return a column of seconds since 1970, which float32 tells apart in steps of 128."""
    X = NUMBERS.copy()
    X[:, 3] = 1.7e9 + np.arange(N) / 10
    return Dataset.from_arrays(X, LABELS)


def mixed_frame():
    """Return a frame of numbers with gaps, categories with gaps, truth values and dates."""
    frame = pd.DataFrame(NUMBERS[:, :2], columns=["a", "b"])
    frame.loc[::7, "a"] = np.nan
    frame["colour"] = np.where(
        np.arange(N) % 11 == 0, None, np.array(["red", "blue", "7"])[np.arange(N) % 3]
    )
    frame["member"] = NUMBERS[:, 2] > 0
    frame["since"] = pd.Timestamp("2020-01-31") + pd.to_timedelta(np.arange(N) * 7.25, unit="h")
    return frame.assign(kind=LABELS, value=VALUES)


def mixed(target):
    other = {"kind": "value", "value": "kind"}[target]
    return Dataset.from_frame(mixed_frame().drop(columns=other), target, categories=["colour"])


def images(channels):
    X = RNG.integers(0, 256, (N, 3, 6, 6), dtype=np.uint8)
    X[::2, :, :3] //= 4
    X = np.moveaxis(X, 1, -1) if channels == "last" else X
    return Dataset.from_arrays(X, np.arange(N) % 2 + 1, channels=channels)


SEQUENCE = {"graph": "recurrent", "ticks": 3, "sequence": True}

DATASETS = {
    "digits": lambda: load_dataset("digits"),
    "diabetes": lambda: load_dataset("diabetes"),
    "xor": lambda: load_dataset("xor"),
    "float64 table": lambda: Dataset.from_arrays(NUMBERS, LABELS),
    "large offset": with_a_large_offset,
    "integers": lambda: Dataset.from_arrays((100 * NUMBERS).astype(np.int16), LABELS),
    "two values": lambda: Dataset.from_arrays(NUMBERS, np.column_stack([VALUES, VALUES**2])),
    "tiny values": lambda: Dataset.from_arrays(NUMBERS, 1e-7 * VALUES),
    "values of unlike units": lambda: Dataset.from_arrays(
        NUMBERS, np.column_stack([1.7e9 + VALUES, 1e-50 * VALUES, 3e5 - 8e4 * VALUES]), target_names=["t", "c", "p"]
    ),
    "gaps": lambda: Dataset.from_arrays(np.where(NUMBERS > 1.5, np.nan, NUMBERS), VALUES),
    "own parts": lambda: Dataset.from_arrays(
        NUMBERS[:50], LABELS[:50], validation=(NUMBERS[50:70], LABELS[50:70]), test=(NUMBERS[70:], LABELS[70:])
    ),
    "mixed, classes": lambda: mixed("kind"),
    "mixed, values": lambda: mixed("value"),
    "sequences": lambda: load_dataset("parity", n_samples=N),
    "images": lambda: images("first"),
    "images, channels last": lambda: images("last"),
}  # fmt: skip


def experiment(dataset, **changes):
    arms = ["mlp", "static"]
    arms += ["cnn"] if len(dataset.input_shape) > 1 else []
    return Experiment(
        seed=1,
        seeds=1,
        evolution={"population": 2, "generations": 1, "steps_per_generation": 20},
        founders={"hidden": 6, "density": 0.5} | (SEQUENCE if dataset.name == "parity" else {}),
        training={"learning_rate": 0.02},
        baseline={"arms": arms, "hidden": 6} | ({"maps": 2} if "cnn" in arms else {}),
        evaluation={"metrics": [] if dataset.classes else ["r2"]},
        **changes,
    )


COMMON = [
    "digits",
    "large offset",
    "values of unlike units",
    "mixed, classes",
    "sequences",
    "images, channels last",
]
"""The data sets of a commit: each way of preparing samples and values is among them."""


@pytest.fixture(
    scope="module", params=[*COMMON, *later(name for name in DATASETS if name not in COMMON)]
)
def trained(request, tmp_path_factory):
    """Return a data set, the split of its run, and the results."""
    dataset = DATASETS[request.param]()
    settings = experiment(dataset)
    results = run(
        settings,
        dataset=dataset,
        workers=0,
        results=tmp_path_factory.mktemp("run"),
        run_name="r",
        figures=False,
    )
    return dataset, settings.dataset.split(dataset, 1), results


def test_every_arm_scores_raw_rows_as_the_tables_say_also_from_a_file(trained, tmp_path):
    dataset, split, results = trained
    X, y = split.raw("test")
    for row in results.comparison.itertuples():
        network = results.network(row.arm, row.seed)
        assert type(network.save(tmp_path / "net")) is type(tmp_path)
        for one in (network, load_network(tmp_path / "net")):
            score = one.score(X, y)
            if dataset.task == "classification":
                assert score == row.test_accuracy
            else:
                values = split.test.in_units(one.network.output(split.test.inputs))
                assert score == r2_score(split.test.truth, values)
                assert score == row.test_r2
            prepared = one.preparation.transform(X).inputs
            np.testing.assert_array_equal(prepared, split.test.inputs)
            again = evaluate(one.network, Samples(prepared, split.test.targets))
            assert again.loss == row.test_loss
            outputs = one.predict_proba(X) if dataset.classes else one.predict(X)
            together = one.network.output(split.test.inputs[:256])
            if not dataset.classes:
                together = split.test.in_units(together)
            np.testing.assert_array_equal(outputs[:256], together.reshape(outputs[:256].shape))


def containers(X, dataset, path):
    """Yield the same rows in other containers."""
    if isinstance(X, pd.DataFrame):
        yield "other order, with a further column", X[X.columns[::-1]].assign(unused="u")
        yield "objects", X.astype(object)
        yield "positions", X.to_numpy(dtype=object)
        yield "lists", X.to_numpy(dtype=object).tolist()
        yield "categories", X.assign(colour=X["colour"].astype("category"))
        yield "dicts", X.to_dict("records")
        yield "series", [row for _, row in X.iterrows()]
    else:
        yield "lists", X.tolist()
        yield "by columns", np.asfortranarray(X)
        yield "big-endian", X.astype(X.dtype.newbyteorder(">"))
        yield "float64", X.astype(np.float64)
        yield "objects", X.astype(object) if X.ndim == 2 else X.tolist()
        yield "masked", np.ma.masked_invalid(X) if X.dtype.kind == "f" else np.ma.masked_array(X)
        yield "flat", X.reshape(len(X), -1)
        yield "every second of twice as many", np.repeat(X, 2, axis=0)[::2]
        yield "frame of numbered columns", pd.DataFrame(X.reshape(len(X), -1))
        if dataset.feature_names is None:
            yield (
                "numbered columns in another order",
                pd.DataFrame(X.reshape(len(X), -1)).iloc[:, ::-1],
            )
        if X.ndim == 2:
            yield "sparse", scipy.sparse.csr_array(np.nan_to_num(X)) if np.isfinite(X).all() else X
            yield "nullable", pd.DataFrame(X).convert_dtypes()
    if not isinstance(X, np.ndarray) or X.ndim == 2:
        pd.DataFrame(X, columns=dataset.feature_names).to_csv(path, index=False)
        yield "CSV", path
        yield "CSV as text", str(path)


def test_the_same_rows_in_any_container_give_the_same_answers(trained, tmp_path):
    dataset, split, results = trained
    X, y = split.raw("test")
    for arm in results.comparison["arm"]:
        network = results.network(arm, 1)
        expected = network.predict(X)
        score = network.score(X, y)
        for name, rows in containers(X, dataset, tmp_path / "rows.csv"):
            found = network.predict(rows)
            np.testing.assert_array_equal(found, expected, err_msg=name)
            assert network.score(rows, y) == score, name


def test_the_same_truth_in_any_container_gives_the_same_score(trained):
    dataset, split, results = trained
    X, y = split.raw("test")
    network = results.network("mlp", 1)
    score = network.score(X, y)
    truths = [y.tolist(), y.astype(object), pd.DataFrame(y), y.reshape(len(y), -1)]
    if y.ndim == 1 or y.shape[1] == 1:
        truths += [y.ravel(), y.reshape(-1, 1), pd.Series(y.ravel(), index=np.arange(len(y))[::-1])]
        truths += [pd.DataFrame({"target": y.ravel()}), pd.Series(y.ravel()).convert_dtypes()]
    if dataset.classes:
        truths += [pd.Series(y, dtype="category"), pd.Categorical(y)]
        truths += [y.astype(float)] if y.dtype.kind == "i" else [y.astype(np.dtypes.StringDType())]
    for truth in truths:
        assert network.score(X, truth) == score


def test_categories_that_the_training_part_lacks_are_told_during_the_run(tmp_path):
    class Listening(Reporter):
        notes = []  # noqa: RUF012

        def note(self, text):
            self.notes.append(text)

    frame = mixed_frame()[["a", "kind"]].assign(name=[f"n{i}" for i in range(N)])
    settings = Experiment(
        seeds=1, evolve=False, baseline={"arms": ["mlp"], "epochs": 1, "hidden": 2}
    )
    dataset = Dataset.from_frame(frame, "kind", categories=["name"])
    run(settings, dataset=dataset, results=tmp_path, reporter=Listening(), figures=False)
    split = settings.dataset.split(dataset, 0)
    assert split.unseen["test"] == {"name": len(split.test)}
    assert (
        f"Seed 0: {len(split.test)} values of column 'name' in the test part are categories that the "
        "training part does not have; they count as none"
    ) in Listening.notes


def test_an_epoch_arm_without_evolution_is_scored_alike(tmp_path):
    dataset = mixed("kind")
    settings = Experiment(
        seeds=1, evolve=False, baseline={"arms": ["mlp"], "epochs": 3, "hidden": 4}
    )
    results = run(settings, dataset=dataset, results=tmp_path, figures=False)
    X, y = settings.dataset.split(dataset, 0).raw("test")
    assert results.network("mlp", 0).score(X, y) == results.comparison["test_accuracy"].item()
    assert results.runs["n_features"].item() == 5
    assert (
        results.runs["n_inputs"].item() == 4 + 2 + 3
    )  # numbers, two columns with gaps, three colours
