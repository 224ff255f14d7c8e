import dataclasses
import io
import json
import os
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from cnn import (
    LAYERS,
    LECUN_C3,
    ConvolutionLayer,
    HiddenLayer,
    Network,
    PoolingLayer,
    RasterizationLayer,
    SoftmaxLayer,
    lenet1,
    lenet5,
    load_model,
    load_weights,
    save_model,
    save_weights,
    small_cnn,
)
from cnn.files import read_arrays, write_arrays
from cnn.layers.layer import Layer

FORMAT = "evomatrix-layers-1"


def settings(network):
    return [
        (
            type(layer),
            {field.name: getattr(layer, field.name) for field in dataclasses.fields(layer)},
        )
        for layer in network.layers
    ]


@pytest.fixture
def network(rng):
    return small_cnn((6, 6), 3, rng=rng, maps=2, hidden=4)


def write(path, members):
    """Write an archive of arrays, descriptions or bytes, by name."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            data = content
            if isinstance(content, dict | list):
                data = np.frombuffer(json.dumps(content).encode(), np.uint8)
            if isinstance(data, np.ndarray):
                buffer = io.BytesIO()
                np.save(buffer, data)
                data = buffer.getvalue()
            archive.writestr(f"{name}.npy", data)


@pytest.fixture
def parts(tmp_path, network):
    """Return description and parameters of a good file."""
    save_model(network, tmp_path / "good.npz")
    with np.load(tmp_path / "good.npz", allow_pickle=False) as loaded:
        return json.loads(loaded["description"].tobytes()), loaded["parameters"]


def refusal(path, load=load_model):
    with pytest.raises(ValueError, match=r".") as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert len(message) < 500 + len(str(path))
    return message


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "make",
    [
        lambda **options: small_cnn((8, 7), 3, pooling="gaussian", **options),
        lambda **options: lenet1(loss="softmax_squared_error", **options),
        lambda **options: lenet5((3, 28, 32), 4, connections=LECUN_C3, **options),
        lambda **options: small_cnn((1, 6, 6), 2, loss="squared_error", **options),
        lambda **options: Network(
            [
                ConvolutionLayer(2, (3, 2), "relu", "shared", [[0, 1], {2}], (1, 2), 1),
                PoolingLayer("max", "drop", "copy"),
                RasterizationLayer(),
                SoftmaxLayer(2),
            ],
            (3, 7, 6),
            **options,
        ),
        lambda **options: Network([HiddenLayer(5), SoftmaxLayer(2)], (4,), **options),
    ],
)
def test_a_model_comes_back_bit_for_bit(make, dtype, rng, tmp_path):
    network = make(rng=rng, dtype=dtype)
    save_model(network, tmp_path / "net.npz")
    again = load_model(tmp_path / "net.npz")
    assert again.parameters.tobytes() == network.parameters.tobytes()
    assert again.parameters.dtype == network.parameters.dtype == dtype
    assert again.input_shape == network.input_shape
    assert again.loss_function is network.loss_function
    assert again.summary() == network.summary()
    inputs = rng.random((3, *network.input_shape)).astype(dtype)
    assert again.output(inputs).tobytes() == network.output(inputs).tobytes()


def test_settings_come_back_as_they_were(rng, tmp_path):
    table = ((0, 2), (1,))
    layers = [
        ConvolutionLayer(2, (3, 2), "relu", "shared", table, (2, 1), (0, 2)),
        PoolingLayer("mean", "drop"),
        RasterizationLayer(),
        HiddenLayer(3, "sigmoid"),
        SoftmaxLayer(2),
    ]
    network = Network(layers, (3, 7, 6), rng=rng)
    save_model(network, tmp_path / "net.npz")
    again = load_model(tmp_path / "net.npz")
    assert settings(again) == settings(network)
    assert {type(layer) for layer in layers} == set(LAYERS.values())


def test_settings_of_numpys_types_come_back_as_numbers(rng, tmp_path):
    table = np.array([[0, 1], [1, 2]])
    layers = [ConvolutionLayer(np.int64(2), 3, connections=table), RasterizationLayer()]
    network = Network([*layers, SoftmaxLayer(2)], (np.int64(3), 5, 5), rng=rng)
    save_model(network, tmp_path / "net.npz")
    again = load_model(tmp_path / "net.npz")
    assert again.layers[0].connections == ((0, 1), (1, 2))
    assert again.parameters.tobytes() == network.parameters.tobytes()


def test_a_loaded_model_is_independent_and_trainable(network, rng, tmp_path):
    save_model(network, tmp_path / "net.npz")
    again = load_model(tmp_path / "net.npz")
    inputs, targets = rng.random((4, 6, 6), np.float32), np.array([0, 1, 2, 0])
    _, gradient = again.loss_and_gradients(inputs, targets)
    _, expected = network.loss_and_gradients(inputs, targets)
    assert gradient.tobytes() == expected.tobytes()
    again.parameters[:] = 0
    assert network.parameters.any()


@pytest.mark.parametrize("save", [save_weights, save_model])
def test_weights_are_read_from_either_kind_of_file(save, network, tmp_path):
    save(network, tmp_path / "net.npz")
    other = small_cnn((6, 6), 3, rng=np.random.default_rng(9), maps=2, hidden=4, activation="relu")
    load_weights(other, tmp_path / "net.npz")
    assert other.parameters.tobytes() == network.parameters.tobytes()
    assert other.layers[-1].bias.base is not None  # still views of the one vector


def test_parameters_that_are_no_numbers_keep_their_bits(network, tmp_path):
    network.parameters[:4] = np.nan, -np.inf, -0.0, 1e-42
    save_weights(network, tmp_path / "net.npz")
    bits = network.parameters.tobytes()
    network.parameters[:] = 1
    load_weights(network, tmp_path / "net.npz")
    assert network.parameters.tobytes() == bits


class Doubling(Layer):
    """A layer that is not registered."""

    def configure(self, input_shape):
        self.input_shape = self.output_shape = input_shape

    def output(self, x):
        return 2 * x

    def input_gradient(self, delta):
        return 2 * delta


def test_a_layer_that_is_not_registered_is_not_saved_but_its_networks_weights_are(rng, tmp_path):
    network = Network([HiddenLayer(2), Doubling(), SoftmaxLayer(2)], (3,), rng=rng)
    with pytest.raises(ValueError, match=r"layer 2 must be a dataclass in cnn.LAYERS; got Doubl"):
        save_model(network, tmp_path / "net.npz")
    assert list(tmp_path.iterdir()) == []
    save_weights(network, tmp_path / "net.npz")
    bits = network.parameters.tobytes()
    network.parameters[:] = 0
    load_weights(network, tmp_path / "net.npz")
    assert network.parameters.tobytes() == bits


def test_a_setting_that_json_cannot_hold_is_refused(network, tmp_path):
    network.layers[0].connections = iter([])
    with pytest.raises(ValueError, match=r"layer 1 \(convolution\): settings must be numbers"):
        save_model(network, tmp_path / "net.npz")


def test_a_network_without_parameters_is_saved_too(rng, tmp_path):
    network = Network([PoolingLayer(), RasterizationLayer()], (4, 4), "squared_error", rng=rng)
    save_model(network, tmp_path / "net.npz")
    assert load_model(tmp_path / "net.npz").parameter_count == 0


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"hidden": 5}, "'4 HiddenLayer' with 45 parameters; got '4 HiddenLayer' with 36 param"),
        (
            {"pooling": "trainable"},
            "'2 PoolingLayer' with 4 parameters; got '4 HiddenLayer' with 36",
        ),
        ({"dtype": np.float64}, "must be float64 as the network's; got float32"),
    ],
)
def test_weights_of_another_network_are_refused(other, message, network, rng, tmp_path):
    path = tmp_path / "net.npz"
    save_weights(network, path)
    different = small_cnn((6, 6), 3, rng=rng, **({"maps": 2, "hidden": 4} | other))
    before = different.parameters.copy()
    with pytest.raises(ValueError, match=message):
        load_weights(different, path)
    np.testing.assert_array_equal(different.parameters, before)


def test_weights_of_more_layers_are_refused(rng, tmp_path):
    one = Network([HiddenLayer(2), HiddenLayer(1)], (2,), "squared_error", rng=rng)
    two = Network([HiddenLayer(2)], (2,), "squared_error", rng=rng)
    save_weights(one, tmp_path / "net.npz")
    with pytest.raises(ValueError, match="no further layer; got '2 HiddenLayer' with 3 parameters"):
        load_weights(two, tmp_path / "net.npz")


def test_a_file_of_weights_alone_is_no_model(network, tmp_path):
    save_weights(network, tmp_path / "net.npz")
    message = refusal(tmp_path / "net.npz")
    assert message.endswith("must have input_shape; this file holds weights only, for "
                            "cnn.load_weights")  # fmt: skip


@pytest.mark.parametrize("load", [load_model, lambda path: load_weights(None, path)])
def test_a_missing_file_or_a_folder_is_an_error_of_the_system(load, tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nowhere.npz")
    with pytest.raises(IsADirectoryError):
        load(tmp_path)


def test_an_interrupted_save_leaves_the_old_file_and_nothing_else(network, tmp_path, monkeypatch):
    path = tmp_path / "net.npz"
    save_model(network, path)
    bits = network.parameters.tobytes()
    network.parameters[:] = 0

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_model(network, path)
    assert list(tmp_path.iterdir()) == [path]
    assert load_model(path).parameters.tobytes() == bits


# -- files from outside ----------------------------------------------------------------------------


def changed(description, place, value):
    """Return a copy of a description with another value at a place."""
    copy = json.loads(json.dumps(description))
    *way, last = place
    target = copy
    for key in way:
        target = target[key]
    target[last] = value
    return copy


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (["format"], "evomatrix-network-1", f"format must be '{FORMAT}'; got 'evomatrix-network-"),
        (["format"], None, f"format must be '{FORMAT}'; got None"),
        (["groups"], None, "groups: Input should be a valid array; got None"),
        (["groups", 0, 1], -5, "groups: Input should be greater than 0"),
        (["groups", 0, 1], 21, "parameters must be the 72 of its groups; got 71"),
        (["groups", 0, 0], "1 HiddenLayer", r"groups must be \[\['1 ConvolutionLayer', 20\]"),
        (["input_shape"], [6, "6"], r"input_shape: Input should be a valid integer; got \[6, '6"),
        (["input_shape"], [], r"input_shape: must hold 1 to 67108864 numbers; got shape \(\)"),
        (["input_shape"], [6, -6], "input_shape: must hold"),
        (["input_shape"], [2, 2], r"layer 1 \(ConvolutionLayer\): kernel_size must fit .*; got 3×3"),
        (["input_shape"], [36], r"layer 1 \(ConvolutionLayer\): .* must be images"),
        (["input_shape"], [10**9, 10**9], "input_shape: must hold 1 to 67108864 numbers"),
        (["input_shape"], [1, 2, 10**7], "input_shape: sides must be at most 2048"),
        (["input_shape"], [8, 8], r"layer 4 .*need at most the 71 parameters there are; got 96"),
        (["loss"], "hinge", "loss must be one of cross_entropy, .*; got 'hinge'"),
        (["loss"], 5, "loss: Input should be a valid string; got 5"),
        (["loss"], "squared_error", "must have no SoftmaxLayer"),
        (["layers"], {}, "layers: Input should be a valid array"),
        (["layers"], [], "parameters must be the 0 that the layers need; got 71"),
        (["layers", 0], "convolution", "layers: Input should be an object; got"),
        (["layers", 0, "layer"], "attention", "layer 1: layer must be one of convolution, .*'atte"),
        (["layers", 0, "layer"], ["pooling"], r"layer 1: layer must be .*; got \['pooling'\]"),
        (["layers", 0, "colour"], 1, r"layer 1 \(convolution\): settings must be among n_maps, "),
        (["layers", 2, "n_maps"], 1, r"layer 3 \(rasterization\): settings must be among none, "),
        (["layers", 0, "n_maps"], 2.0, r"layer 1 \(convolution\): n_maps: Input should be a valid "),
        (["layers", 0, "n_maps"], True, r"n_maps: Input should be a valid integer; got True"),
        (["layers", 0, "n_maps"], 0, r"layer 1 \(ConvolutionLayer\): n_maps must be at least 1"),
        (["layers", 0, "n_maps"], 3, "layer 4 .* need at most the 71 parameters there are; got 82"),
        (["layers", 0, "n_maps"], 8, r"suit the 71 parameters there are; got 8 3×3 kernels on 1 maps"),
        (["layers", 0, "kernel_size"], [3, 50], "got 2 3×50 kernels on 1 maps"),
        (["layers", 0, "kernel_size"], [-3, 3], "kernel_size must be one or two numbers of at lea"),
        (["layers", 0, "padding"], 10**6, "sides and padding must be at most 2048; got 1000000×1"),
        (["layers", 0, "padding"], [0, -1], r"padding must be one or two numbers of at least 0"),
        (["layers", 0, "stride"], 0, r"stride must be one or two numbers of at least 1; got 0"),
        (["layers", 0, "n_maps"], 10**9, "layer of the 71 parameters there are; got 1000000000"),
        (["layers", 0, "n_maps"], 10**40, "layer of the 71 parameters there are; got 1000000000"),
        (["layers", 0, "kernel_size"], [3], r"kernel_size: Input should be a valid integer"),
        (["layers", 0, "activation"], "swish", "activation must be one of identity"),
        (["layers", 0, "kernels"], "some", r"kernels: Input should be 'per_map' or 'shared'"),
        (["layers", 0, "connections"], "ab", "connections: "),
        (["layers", 0, "connections"], [[0], [1]], "connections must name, for each of 2 output"),
        (["layers", 3, "n_nodes"], 10**8, r"layer 4 \(HiddenLayer\): settings must suit"),
        (["layers", 3, "n_nodes"], 10**5, r"layer 4 \(HiddenLayer\): layers up to .*; got 900020"),
    ],
)  # fmt: skip
def test_a_false_claim_is_refused_by_name(place, value, message, parts, tmp_path):
    description, parameters = parts
    path = tmp_path / "net.npz"
    write(path, {"description": description, "parameters": parameters})
    assert load_model(path).parameters.tobytes() == parameters.tobytes()
    write(path, {"description": changed(description, place, value), "parameters": parameters})
    with pytest.raises(ValueError, match=message):
        load_model(path)
    refusal(path)


def test_shared_kernels_cannot_claim_connections_without_bound(tmp_path):
    layers = [
        {"layer": "convolution", "n_maps": 1_500, "kernel_size": 1, "kernels": "shared"},
        {"layer": "convolution", "n_maps": 1_500, "kernel_size": 3, "kernels": "shared"},
    ]
    sizes = [1_500 * 2, 1_500 * 10]
    description = {
        "format": FORMAT,
        "groups": [["1 ConvolutionLayer", sizes[0]], ["2 ConvolutionLayer", sizes[1]]],
        "input_shape": [3, 3],
        "loss": "squared_error",
        "layers": layers,
    }
    path = tmp_path / "net.npz"
    write(path, {"description": description, "parameters": np.zeros(sum(sizes), np.float32)})
    assert "suit the 18000 parameters there are; got 1500 3×3 kernels on 1500 maps" in refusal(path)


def test_a_setting_that_is_missing_is_its_default_or_refused(parts, tmp_path):
    description, parameters = parts
    path = tmp_path / "net.npz"
    del description["layers"][1]["border"]
    write(path, {"description": description, "parameters": parameters})
    assert load_model(path).layers[1].border == "pad"
    del description["layers"][0]["n_maps"]
    write(path, {"description": description, "parameters": parameters})
    assert refusal(path).endswith("layer 1 (convolution): n_maps must be there")


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a[:-1],
        lambda a: np.append(a, a[:1]),
        lambda a: a.reshape(1, -1),
        lambda a: np.array(1.0, np.float32),
        lambda a: a.astype(np.float16),
        lambda a: a.astype(np.int32),
        lambda a: a.astype(np.complex64),
        lambda a: a.astype(">f4"),
        lambda a: a.astype("U5"),
        lambda a: np.zeros(a.shape, [("a", "f4")]),
        lambda a: b"",
        lambda a: b"text",
        lambda a: npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (100000000000000,)}\n"),
        lambda a: npy(b"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}\n", b"12345678"),
        lambda a: npy(b"(" * 8_999 + b"\n"),
        lambda a: npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': ('a',)}\n"),
        lambda a: npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (True,)}\n"),
        lambda a: npy(b" " * 50_000 + b"\n"),
        lambda a: b"\x93NUMPY\x02\x00\x04\x00\x00\x00{}  ",
    ],
)
def test_parameters_that_are_no_vector_of_floats_are_refused(change, parts, tmp_path):
    description, parameters = parts
    path = tmp_path / "net.npz"
    write(path, {"description": description, "parameters": change(parameters)})
    refusal(path)


def npy(header, data=b""):
    """Return a .npy file of version 1.0 with that header."""
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


@pytest.mark.parametrize(
    "description",
    [b"", np.frombuffer(b"{", np.uint8), np.frombuffer(b"\xff\xfe", np.uint8), [], [1],
     np.frombuffer(b"[" * 100_000, np.uint8), np.frombuffer(b"9" * 9_999, np.uint8), {},
     {"format": FORMAT}, {"format": [FORMAT]}, np.zeros(3), np.frombuffer(b"NaN", np.uint8)],
)  # fmt: skip
def test_a_description_of_something_else_is_refused(description, parts, tmp_path):
    path = tmp_path / "net.npz"
    write(path, {"description": description, "parameters": parts[1]})
    refusal(path)


def test_files_of_another_kind_are_refused(parts, tmp_path):
    description, parameters = parts
    path = tmp_path / "net.npz"
    path.write_bytes(b"")
    assert "must be a whole .npz file" in refusal(path)
    path.write_text("weights")
    assert "must be a whole .npz file" in refusal(path)
    np.savez(path, weights=parameters)
    assert refusal(path).endswith("the file must have one array named description")
    write(path, {"description": description})
    assert refusal(path).endswith("the file must have one array named parameters")
    packed = np.frombuffer(json.dumps(description).encode(), np.uint8)
    np.savez_compressed(path, description=packed, parameters=parameters)
    assert "description must be stored uncompressed" in refusal(path)


def test_members_that_share_their_bytes_are_refused(parts, tmp_path):
    path = tmp_path / "net.npz"
    write(path, {"parameters": parts[1]})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("description.npy", npy(b"{}"))
        archive.filelist *= 50  # 50 entries of the directory for each member
    assert "members must be stored within the file's" in refusal(path)


def test_every_truncation_is_refused(network, tmp_path):
    save_model(network, tmp_path / "good.npz")
    data, path = (tmp_path / "good.npz").read_bytes(), tmp_path / "net.npz"
    for length in range(0, len(data), 31):
        path.write_bytes(data[:length])
        refusal(path)


def test_a_flipped_byte_gives_the_same_network_or_is_refused(network, tmp_path):
    save_model(network, tmp_path / "good.npz")
    data, path = (tmp_path / "good.npz").read_bytes(), tmp_path / "net.npz"
    refused = 0
    for position in range(0, len(data), 7):
        path.write_bytes(data[:position] + bytes([data[position] ^ 0x55]) + data[position + 1 :])
        try:
            loaded = load_model(path)
        except ValueError:
            refusal(path)
            refused += 1
        else:
            assert loaded.parameters.tobytes() == network.parameters.tobytes()
    assert refused > 100


@given(
    st.lists(
        arrays(
            st.sampled_from(["?", "u1", "<i8", ">i4", "<f4", "<f8", "<U3"]),
            array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
        ),
        max_size=6,
    ),
    st.dictionaries(st.text(), st.integers()),
)
def test_joined_arrays_come_back_as_they_were(tmp_path_factory, given_arrays, description):
    path = tmp_path_factory.mktemp("packed") / "some.npz"
    named = {f"{number}/a": array for number, array in enumerate(given_arrays)}
    write_arrays(path, named, description, packed=True)
    found, described = read_arrays(path)
    assert described == description
    assert found.keys() == named.keys()
    for name, array in named.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()
        assert found[name].flags.writeable
