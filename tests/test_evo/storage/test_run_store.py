"""Files: complete or not at all, and never trusted."""

import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from evo import (
    FounderSettings,
    Genome,
    Predictor,
    ResultsError,
    create_founders,
    load_genomes,
    load_network,
)
from evo.files import write_arrays, write_atomically, write_staged
from evo.genome.codec import genome_from_arrays, genome_to_arrays
from evo.preparation import Preparation
from evo.storage.run_reader import load_tables
from evo.storage.run_store import RunStore
from evo.storage.table_folder import write_tables
from evo.storage.tables import TABLES, schema, to_arrow


@pytest.fixture
def genome():
    return create_founders(FounderSettings(hidden=5, density=0.5), 3, 2, n_founders=1, seed=0)[0]


@pytest.fixture
def store(tmp_path):
    return RunStore.create(tmp_path / "run", config="{}\n", environment={"python": "3"})


def test_a_failing_writer_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, lambda file: file.write(b"old"))

    def half(file):
        file.write(b"ne")
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_atomically(path, half)
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_staged_file_whose_writer_fails_is_not_there(tmp_path):
    def half(file):
        file.write(b"ne")
        raise OSError(28, "No space left on device")

    with pytest.raises(ResultsError, match=r"file: cannot be written \(No space left on device\)"):
        write_staged(tmp_path / "file", half)
    assert not any(tmp_path.iterdir())
    write_staged(tmp_path / "file", lambda file: file.write(b"new"))
    assert (tmp_path / "file").read_bytes() == b"new"


@pytest.mark.parametrize("write", [write_atomically, write_staged])
def test_a_folder_that_is_not_there_is_one_clear_error(tmp_path, write):
    with pytest.raises(ResultsError, match="cannot be written"):
        write(tmp_path / "nowhere" / "file", lambda file: None)


def test_a_folder_of_tables_is_there_with_all_of_them(tmp_path):
    table = pd.DataFrame({"side": ["ours", "peer"], "rate": [2.0, None]})
    write_tables(tmp_path / "deep" / "bench", {"speed": table}, {"cores": 2})
    folder = tmp_path / "deep" / "bench"
    assert [path.name for path in folder.parent.iterdir()] == ["bench"]
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "speed.parquet"), table)
    pd.testing.assert_frame_equal(pd.read_csv(folder / "speed.csv"), table)
    assert (folder / "environment.json").read_text("utf-8") == '{\n  "cores": 2\n}\n'
    with pytest.raises(ResultsError, match="bench must not exist yet"):
        write_tables(folder, {}, {})


def test_a_folder_of_tables_that_fails_half_way_is_not_there(tmp_path):
    good, bad = pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1, "x"]})
    with pytest.raises(ValueError, match="Could not convert"):
        write_tables(tmp_path / "bench", {"good": good, "bad": bad}, {})
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("mine", "utf-8")
    with pytest.raises(ResultsError, match="bench: cannot be written"):
        write_tables(tmp_path / "file" / "bench", {"good": good}, {})


def test_every_table_can_be_read_from_the_first_moment(store):
    for table in TABLES:
        frame = pd.read_parquet(store.path / table)
        assert list(frame.columns) == schema(table).names
        assert frame.empty
    assert set(load_tables([store.path])) == set(TABLES)


def test_rows_come_back_in_the_order_of_their_keys(store):
    empty = dict.fromkeys(schema("generations").names)
    for generations in ([4, 3], [1, 2]):
        rows = [empty | {"run": "r", "seed": 0, "generation": number} for number in generations]
        store.commit({"generations": rows})
    assert load_tables([store.path])["generations"]["generation"].tolist() == [1, 2, 3, 4]


def test_a_run_folder_is_never_overwritten(store):
    with pytest.raises(ResultsError, match="must not exist yet"):
        RunStore.create(store.path, config="{}", environment={})


def test_rows_must_have_exactly_the_declared_columns():
    with pytest.raises(ValueError, match="table generations: columns"):
        to_arrow("generations", [{"run": "r"}])
    assert to_arrow("generations", []).schema == schema("generations")


def test_genomes_survive_the_file(store, genome):
    limited = replace(genome, threshold=0.25, ticks=3, threshold_mode="signed")
    per_target = replace(genome, threshold=np.full(genome.n_nodes, 0.1, np.float32))
    store.stage_genomes("some", {3: genome, 7: limited, 9: per_target})
    store.commit({})
    loaded = load_genomes(store.path / "genomes" / "some.npz")
    assert list(loaded) == [3, 7, 9]
    for number, one in zip((3, 7, 9), (genome, limited, per_target), strict=True):
        assert loaded[number].equals(one)


def test_genomes_of_maps_survive_the_file(store, any_map_genome):
    genomes = {seed: any_map_genome(np.random.default_rng(seed)) for seed in range(5)}
    store.stage_genomes("some", genomes)
    store.commit({})
    loaded = load_genomes(store.path / "genomes" / "some.npz")
    assert {seed: loaded[seed].equals(genome) for seed, genome in genomes.items()} == dict.fromkeys(
        range(5), True
    )
    assert {genome.downsampling for genome in loaded.values()} == {"max", "mean"}


def test_files_of_scalar_genomes_are_what_they_were_before_there_were_maps(genome):
    arrays, description = genome_to_arrays(replace(genome, threshold=0.5), "7/")
    old = {"indptr", "indices", "values", "bias", "ids", "roles", "activations", "limit"}
    assert set(arrays) == {f"7/{name}" for name in old}
    assert set(description) == {"threshold_mode", "ticks"}
    assert genome_from_arrays(arrays, description, "7/").map_sizes.tolist() == [1] * genome.n_nodes


def test_a_saved_network_predicts_the_same(tmp_path, genome):
    network = Predictor(
        genome,
        loss="cross_entropy",
        preparation=Preparation.scaling((3,), offset=[1.0, 2, 3], scale=[2.0, 2, 2]),
        classes=("no", "yes"),
    )
    network.save(tmp_path / "net.npz")
    again = load_network(tmp_path / "net.npz")
    X = np.random.default_rng(0).normal(size=(20, 3))
    assert np.array_equal(again.predict_proba(X), network.predict_proba(X))
    assert set(again.predict(X)) <= {"no", "yes"}
    assert np.allclose(again.predict_proba(X).sum(axis=1), 1, atol=1e-6)
    assert again.score(X, network.predict(X)) == 1.0


def test_regression_on_one_value_predicts_a_vector(genome):
    one = Genome.from_matrix([[0, 2.0], [0, 0]], n_inputs=1, n_outputs=1)
    network = Predictor(
        one, loss="squared_error", preparation=Preparation.scaling((1,), offset=1, scale=2)
    )
    assert network.predict([[3.0], [5.0]]).tolist() == [2.0, 4.0]
    assert network.score([[3.0], [5.0]], [2.0, 4.0]) == 1.0
    with pytest.raises(ValueError, match="needs classes"):
        network.predict_proba([[3.0]])
    assert Predictor(genome, loss="squared_error").predict(np.zeros((4, 3))).shape == (4, 2)


def corrupted(path, genome, how):
    Predictor(genome, loss="cross_entropy").save(path)
    data = path.read_bytes()
    if how == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif how == "flipped":
        place = data.index(b'"format"')  # checked by a sum, unlike some bytes between the arrays
        path.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "compressed":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("description.npy", bytes(100_000))
    elif how == "objects":
        np.savez(path, description=np.array([{}], dtype=object))
    elif how == "format":
        write_arrays(path, {}, {"format": "other"})
    elif how == "loss":
        write_arrays(path, {}, {"format": "evomatrix-network-1", "loss": "none"})
    elif how == "parts":
        write_arrays(path, {}, {"format": "evomatrix-network-1", "loss": "cross_entropy"})
    else:
        path.unlink()


@pytest.mark.parametrize(
    "how",
    [
        "truncated",
        "flipped",
        "empty",
        "compressed",
        "objects",
        "format",
        "loss",
        "parts",
        "missing",
    ],
)
def test_a_file_that_is_no_network_is_one_line_naming_it(tmp_path, genome, how):
    path = tmp_path / "net.npz"
    corrupted(path, genome, how)
    with pytest.raises(ResultsError) as caught:
        load_network(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
