"""A file from outside may hold anything; what comes of it is a network or one line, never another error."""

import io
import json
import zipfile

import numpy as np
import pytest

from evo import (
    FounderSettings,
    Predictor,
    ResultsError,
    create_founders,
    load_genomes,
    load_network,
)
from evo.canonical.canonical import canonical_hash
from evo.files import read_arrays, write_arrays, write_atomically
from evo.genome.codec import genome_to_arrays
from evo.storage.run_store import RunStore


@pytest.fixture
def genome():
    return create_founders(FounderSettings(hidden=5, density=0.5), 3, 2, n_founders=1, seed=0)[0]


@pytest.fixture
def parts(tmp_path, genome):
    Predictor(genome, loss="cross_entropy").save(tmp_path / "good.npz")
    return read_arrays(tmp_path / "good.npz")


def refusal(load, path):
    with pytest.raises(ResultsError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", ["indptr", "indices", "ids", "roles", "activations", "values"])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda a: a.astype(np.complex128), id="complex"),
        pytest.param(lambda a: a.astype("U5"), id="text"),
        pytest.param(lambda a: a.astype(bool), id="bool"),
        pytest.param(lambda a: np.full(a.shape, np.nan, np.float16), id="half precision nan"),
        pytest.param(lambda a: a.reshape(1, -1), id="a row"),
        pytest.param(lambda a: a.reshape(-1, 1), id="a column"),
        pytest.param(lambda a: a[:-1], id="too short"),
        pytest.param(lambda a: np.array(1), id="a scalar"),
        pytest.param(lambda a: np.zeros(a.shape, [("a", "f4")]), id="records"),
    ],
)
def test_an_array_of_another_type_or_shape_is_refused(tmp_path, parts, name, change):
    arrays, description = parts
    path = tmp_path / "net.npz"
    write_arrays(path, arrays | {name: change(arrays[name])}, description)
    refusal(load_network, path)


MAPS_DAMAGED = {
    "taps beyond the window": ({"taps": lambda taps: taps + 900}, "taps must be below "),
    "taps of another type": ({"taps": lambda taps: taps.astype(np.int32)}, "taps must be uint16"),
    "too few taps": ({"taps": lambda taps: taps[:-1]}, "taps must be uint16 of shape"),
    "no taps": ({"taps": None}, "1/taps"),
    "taps that are a number": ({"taps": lambda taps: np.array(3, np.uint16)}, "taps must be uint16"),
    "taps in another order": ({"taps": lambda taps: taps[::-1]}, "taps must be below "),
    "no sides": ({"sides": None}, "1/sides"),
    "sides of another type": ({"sides": lambda map_sizes: map_sizes.astype(float)}, "map_sizes must be int32"),
    "too few sides": ({"sides": lambda map_sizes: map_sizes[1:]}, "map_sizes must have shape"),
    "sides that are a number": ({"sides": lambda map_sizes: np.array(3, np.int32)}, "map_sizes must have shape"),
    "empty sides": ({"sides": lambda map_sizes: map_sizes[:0]}, "taps must be None"),
    "sides below 1": ({"sides": lambda map_sizes: -map_sizes}, "map_sizes must be at least 1; got -"),
    "sides beyond any memory": (
        {"sides": lambda map_sizes: np.where(map_sizes > 1, 2**31 - 1, map_sizes).astype(np.int32)},
        "must leave the matrix less than 2³¹ rows",
    ),
    "too few sources": ({"indices": lambda indices: indices[:-1]}, "indices must be "),
    "sources out of range": ({"indices": lambda indices: indices + 2**30}, "indices must be "),
    "no rising ends": ({"indptr": lambda indptr: indptr[::-1]}, "indptr must rise"),
    "ends beyond any memory": (
        {"indptr": lambda indptr: indptr * np.array(2**62)}, "indptr must rise"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "message"), MAPS_DAMAGED.values(), ids=MAPS_DAMAGED)
def test_a_damaged_genome_of_maps_is_refused(tmp_path, any_map_genome, change, message):
    arrays, description = genome_to_arrays(any_map_genome(np.random.default_rng(3)), "1/")
    for name, damaged in change.items():
        whole = arrays.pop(f"1/{name}")
        if damaged is not None:
            arrays[f"1/{name}"] = damaged(whole)
    path = tmp_path / "some.npz"
    write_arrays(path, arrays, {"1": description})
    assert message in refusal(load_genomes, path)


@pytest.mark.parametrize(
    "change",
    [
        {"kernel": 2},
        {"kernel": 3.0},
        {"kernel": True},
        {"kernel": "3"},
        {"kernel": None},
        {"kernel": 10**30 + 1},
        {"downsampling": "min"},
        {"downsampling": []},
    ],
    ids=str,
)
def test_a_damaged_description_of_maps_is_refused(tmp_path, any_map_genome, change):
    arrays, description = genome_to_arrays(any_map_genome(np.random.default_rng(3)), "1/")
    path = tmp_path / "some.npz"
    write_arrays(path, arrays, {"1": description})
    assert load_genomes(path)[1].has_maps
    write_arrays(path, arrays, {"1": description | change})
    refusal(load_genomes, path)
    lacking = {name: value for name, value in description.items() if name not in change}
    write_arrays(path, arrays, {"1": lacking})
    refusal(load_genomes, path)


PACKED_WRONG = {
    "no table": (lambda table: None, "each joined array once"),
    "a list": (lambda table: [1], "each joined array once"),
    "a dtype too few": (lambda table: dict(list(table.items())[1:]), "each joined array once"),
    "a dtype too many": (lambda table: table | {"<f2": []}, "each joined array once"),
    "places that are a number": (lambda table: table | {"<f4": 3}, "int"),
    "a place that is a number": (lambda table: table | {"<f4": [3]}, "with lengths; got 3"),
    "a place without a name": (lambda table: table | {"<f4": [[]]}, "with lengths; got []"),
    "a name that is a list": (lambda table: table | {"<f4": [[[]]]}, "with lengths; got [[]]"),
    "a length below zero": (lambda table: table | {"<f4": [["a", -1]]}, "got ['a', -1]"),
    "a length that is no whole number": (lambda table: table | {"<f4": [["a", 1.0]]}, "1.0]"),
    "a length that is text": (lambda table: table | {"<f4": [["a", "1"]]}, "'1']"),
    "a truth value": (lambda table: table | {"<f4": [["a", True]]}, "True]"),
    "more than there is": (lambda table: table | {"<f4": [["a", 10**30]]}, "a must lie within"),
    "less than there is": (lambda table: table | {"<f4": [["a", 1]]}, "are left"),
    "too many dimensions": (
        lambda table: table | {"<f4": [*table["<f4"], ["a", 0, *[1] * 99]]}, "dimension"
    ),
    "a name twice": (lambda table: table | {"<f4": [*table["<f4"], ["1/ids", 0]]}, "distinct"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "message"), PACKED_WRONG.values(), ids=PACKED_WRONG)
def test_joined_arrays_that_do_not_belong_to_their_names_are_refused(
    tmp_path, genome, change, message
):
    arrays, description = genome_to_arrays(genome, "1/")
    path = tmp_path / "some.npz"
    write_arrays(path, arrays, {"1": description}, packed=True)
    assert canonical_hash(load_genomes(path)[1]) == canonical_hash(genome)
    with np.load(path, allow_pickle=False) as loaded:
        joined = {name: loaded[name] for name in loaded.files}
    described = json.loads(joined.pop("description").tobytes())
    packed = described["packed"]
    write_arrays(path, joined, described | {"packed": change(packed)})
    assert message in refusal(load_genomes, path)
    write_arrays(path, joined, {"packed": packed})
    assert "must have packed and description" in refusal(load_genomes, path)


@pytest.mark.parametrize("name", ["indptr", "indices"])
def test_positions_that_are_no_integers_are_refused(tmp_path, parts, name):
    arrays, description = parts
    path = tmp_path / "net.npz"
    write_arrays(path, arrays | {name: arrays[name].astype(float)}, description)
    assert f"{name} must be int" in refusal(load_network, path)


@pytest.mark.parametrize(
    "change",
    [
        {"loss": ["cross_entropy"]},
        {"loss": None},
        {"format": {}},
        {"ticks": 0},
        {"ticks": "two"},
        {"ticks": None},
        {"threshold_mode": []},
        {"classes": 5},
        {"classes": ["only one"]},
    ],
    ids=str,
)
def test_a_description_of_something_else_is_refused(tmp_path, parts, change):
    arrays, description = parts
    path = tmp_path / "net.npz"
    write_arrays(path, arrays, description | change)
    refusal(load_network, path)


def as_npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def as_description(text):
    return {"description.npy": as_npy(np.frombuffer(text, np.uint8))}


def header(text):
    return b"\x93NUMPY\x02\x00" + len(text).to_bytes(4, "little") + text


@pytest.mark.parametrize("load", [load_network, load_genomes])
@pytest.mark.parametrize(
    "members",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"description": b"{}"}, id="text where an array should be"),
        pytest.param({"description.npy": b"{}"}, id="text under an array's name"),
        pytest.param(as_description(b"{") | {}, id="half a description"),
        pytest.param(as_description(b"[]"), id="a list for a description"),
        pytest.param(as_description(b"\xff\xfe"), id="no text"),
        pytest.param(as_description(b"[" * 100_000), id="a description nested without end"),
        pytest.param(
            {"description.npy": header(b"(" * 8_999 + b"\n")}, id="a header nested without end"
        ),
        pytest.param({"description.npy": header(b" " * 50_000 + b"\n")}, id="a header too long"),
        pytest.param(
            {
                "description.npy": header(
                    b"{'descr': '<f8', 'fortran_order': False, 'shape': (9" + b"0" * 14 + b",), }\n"
                )
            },
            id="a shape beyond any memory",
        ),
    ],
)
def test_an_archive_of_something_else_is_refused(tmp_path, load, members):
    path = tmp_path / "file.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    refusal(load, path)


@pytest.mark.parametrize("description", [{"one": {}}, {"1": "text"}, {"1": {}}, {"1": None}])
def test_a_genome_file_without_its_genomes_is_refused(tmp_path, genome, description):
    path = tmp_path / "some.npz"
    write_arrays(path, genome_to_arrays(genome, "1/")[0], description)
    refusal(load_genomes, path)


def test_every_truncation_of_a_network_is_refused(tmp_path, parts):
    data = (tmp_path / "good.npz").read_bytes()
    path = tmp_path / "net.npz"
    for length in range(0, len(data) - 1, 97):
        path.write_bytes(data[:length])
        refusal(load_network, path)


def test_a_flipped_byte_gives_the_same_network_or_is_refused(tmp_path, genome):
    good = tmp_path / "good.npz"
    Predictor(genome, loss="cross_entropy").save(good)
    data, path = good.read_bytes(), tmp_path / "net.npz"
    refused = 0
    for position in range(0, len(data), 13):
        path.write_bytes(data[:position] + bytes([data[position] ^ 0x55]) + data[position + 1 :])
        try:
            loaded = load_network(path).genome
        except ResultsError:
            refused += 1
        else:
            assert loaded.equals(genome)
    assert refused > 100


@pytest.mark.parametrize("load", [load_network, load_genomes])
def test_a_folder_or_a_missing_file_is_refused(tmp_path, load):
    refusal(load, tmp_path)
    assert refusal(load, tmp_path / "nowhere.npz") == f"{tmp_path / 'nowhere.npz'}: no such file"


def test_nothing_is_written_below_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    message = refusal(lambda path: write_atomically(path, lambda _: None), tmp_path / "file" / "x")
    assert message.endswith(": cannot be written (Not a directory)")


def test_a_folder_is_not_replaced_by_a_file_and_nothing_stays_behind(tmp_path):
    (tmp_path / "x").mkdir()
    refusal(lambda path: write_atomically(path, lambda _: None), tmp_path / "x")
    assert [one.name for one in tmp_path.iterdir()] == ["x"]


def test_a_run_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError):
        RunStore.create(tmp_path / "file" / "run", config="{}", environment={})
