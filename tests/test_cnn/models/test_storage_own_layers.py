"""What `load_model` would refuse is not saved, and a class of one's own comes back."""

import dataclasses

import numpy as np
import pytest

from cnn import (
    LAYERS,
    ConvolutionLayer,
    HiddenLayer,
    Network,
    PoolingLayer,
    RasterizationLayer,
    SoftmaxLayer,
    load_model,
    load_weights,
    save_model,
    save_weights,
    small_cnn,
)
from cnn.layers.layer import Layer


@pytest.fixture
def network(rng):
    return small_cnn((6, 6), 3, rng=rng, maps=2, hidden=4)


class Passing(Layer):
    """A layer that passes on what it gets."""

    def configure(self, input_shape):
        self.input_shape = self.output_shape = input_shape

    def output(self, x):
        return x

    def input_gradient(self, delta):
        return delta


@dataclasses.dataclass(eq=False)
class Seeded(Passing):
    """A layer with a large number that is no size."""

    seed: int = 20_260_101


@dataclasses.dataclass(eq=False)
class NamedLayer(Passing):
    """A layer with a setting of the name that its class is saved under."""

    layer: int = 1


@dataclasses.dataclass(eq=False)
class Derived(Passing):
    """A layer with a field that is no argument."""

    twice: int = dataclasses.field(default=2, init=False)


@dataclasses.dataclass(eq=False)
class Unclear(Passing):
    """A layer whose hints no one can resolve."""

    factor: "Nowhere" = 2  # noqa: F821


def with_layer(layer):
    layers = [HiddenLayer(2), layer, SoftmaxLayer(2)]
    return Network(layers, (3,), rng=np.random.default_rng(0))


def test_a_large_setting_that_is_no_size_is_saved_and_loaded(rng, monkeypatch, tmp_path):
    monkeypatch.setitem(LAYERS, "seeded", Seeded)
    network = with_layer(Seeded())
    save_model(network, tmp_path / "net.npz")
    again = load_model(tmp_path / "net.npz")
    assert again.layers[1].seed == 20_260_101
    inputs = rng.random((3, 3), np.float32)
    np.testing.assert_array_equal(again.output(inputs), network.output(inputs))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (NamedLayer, r"layer 2 \(own\): a setting must not be named 'layer'"),
        (Derived, "cannot be saved as a model: .*twice"),
        (Unclear, "cannot be saved as a model: name 'Nowhere' is not defined"),
    ],
)
def test_a_layer_that_would_not_come_back_is_not_saved(kind, message, monkeypatch, tmp_path):
    monkeypatch.setitem(LAYERS, "own", kind)
    with pytest.raises(ValueError, match=message):
        save_model(with_layer(kind()), tmp_path / "net.npz")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("layers", "shape", "message"),
    [
        ([PoolingLayer(), RasterizationLayer()], (1, 2, 2050), "sides must be at most 2048"),
        (
            [ConvolutionLayer(1, 1, padding=(0, 1100)), RasterizationLayer()],
            (1, 1, 1),
            "sides and padding must be at most 2048",
        ),
    ],
)
def test_a_network_beyond_the_limits_is_not_saved_as_a_model(layers, shape, message, rng, tmp_path):
    network = Network(layers, shape, "squared_error", rng=rng)
    with pytest.raises(ValueError, match=f"cannot be saved as a model: .*{message}"):
        save_model(network, tmp_path / "net.npz")
    assert list(tmp_path.iterdir()) == []
    save_weights(network, tmp_path / "net.npz")
    load_weights(network, tmp_path / "net.npz")


def test_settings_that_became_others_are_not_saved(network, tmp_path):
    network.layers[3].n_nodes = 5
    with pytest.raises(ValueError, match=r"cannot be saved as a model: .* layers .*need"):
        save_model(network, tmp_path / "net.npz")


@pytest.mark.parametrize("save", [save_weights, save_model])
def test_an_error_of_the_system_names_the_file_that_was_asked_for(save, network, tmp_path):
    path = tmp_path / "nowhere" / "net.npz"
    with pytest.raises(FileNotFoundError) as caught:
        save(network, path)
    assert caught.value.filename == str(path)
    assert ".tmp" not in str(caught.value)
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        save(network, tmp_path / "folder")
    assert str(tmp_path / "folder") in str(caught.value)
    assert ".tmp" not in str(caught.value)
    assert [one.name for one in tmp_path.iterdir()] == ["folder"]


def test_a_diverged_model_is_saved_and_loaded_as_it_is(network, tmp_path):
    network.parameters[:3] = np.nan, np.inf, -np.inf
    save_model(network, tmp_path / "net.npz")
    again = load_model(tmp_path / "net.npz")
    assert again.parameters.tobytes() == network.parameters.tobytes()
