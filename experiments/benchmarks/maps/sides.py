"""The peers of the benchmark of maps, `cnn` and PyTorch, and the check that they compute the same."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

import cnn
from experiments.benchmarks.harness.agreement import STEPS, relative
from experiments.benchmarks.harness.errors import BenchmarkError
from experiments.benchmarks.harness.rows import TableRow
from experiments.benchmarks.harness.sides import Case, Steps
from experiments.benchmarks.harness.workload import IMAGE_SHAPE, recipe, train_by
from experiments.benchmarks.maps.networks import (
    NETWORKS,
    dense_network,
    genome_of,
    limits_of,
    places_in,
)
from experiments.benchmarks.peers.layers import peer_layers
from experiments.benchmarks.peers.torch_layers import Form, MaskedPeer, Peer, StraightThroughPeer

TOLERANCES = {
    "loss_difference": 1e-5,
    "gradient_difference": 1e-5,
    "parameter_difference": 1e-2,
}
"""Largest differences, by column of the table.

Losses and gradients are compared on a few batches, parameters after some steps, relative to their change. If two pixels
of a pooling block are equal but for the last bits, rounding decides which of them gets the gradient. Such jumps of
about 1e-3 occur in one of fifty batches, so the median of the gradients' differences is compared.
"""

BATCHES = 3
"""Number of these batches."""


class Rival(Protocol):
    """The same network in another program; its parameters and gradients are in our order."""

    def restore(self) -> None:
        """Go back to the starting weights, without momentum."""

    def train(self, order: Steps) -> None:
        """Make whole training steps."""

    def loss(self, batch: NDArray[np.intp]) -> float:
        """Return the mean loss over some samples."""

    def loss_and_gradient(self, batch: NDArray[np.intp]) -> tuple[float, NDArray[Any]]:
        """Return the mean loss over some samples, and its gradient."""

    def parameters(self) -> NDArray[Any]:
        """Return the present parameters."""


class CnnSide:
    """The network of `cnn`; its trainer is the same as ours."""

    def __init__(self, case: Case, network: cnn.Network) -> None:
        self.case, self.network = case, network
        self.places = places_in(network, case.network)
        self.restore()

    def restore(self) -> None:
        """See `Rival`."""
        self.network.parameters[self.places] = self.case.start

    def train(self, order: Steps) -> None:
        """See `Rival`; the trainer draws the same batches itself."""
        train_by(self.case.recipe, self.network, self.case.samples, len(order))

    def loss(self, batch: NDArray[np.intp]) -> float:
        """See `Rival`."""
        samples = self.case.samples
        return self.network.loss(samples.inputs[batch], samples.targets[batch])

    def loss_and_gradient(self, batch: NDArray[np.intp]) -> tuple[float, NDArray[Any]]:
        """See `Rival`."""
        samples = self.case.samples
        loss, gradient = self.network.loss_and_gradients(
            samples.inputs[batch], samples.targets[batch]
        )
        return loss, gradient[self.places]

    def parameters(self) -> NDArray[Any]:
        """See `Rival`."""
        return self.network.parameters[self.places]


class TorchSide:
    """A network of PyTorch: dense, masked or straight-through."""

    def __init__(self, peer: Peer, places: NDArray[np.intp]) -> None:
        self.peer, self.places = peer, places

    def restore(self) -> None:
        """See `Rival`."""
        self.peer.restore()

    def train(self, order: Steps) -> None:
        """See `Rival`."""
        self.peer.train(self.peer.order(order))

    def loss(self, batch: NDArray[np.intp]) -> float:
        """See `Rival`."""
        return self.peer.loss_and_gradient(batch)[0]

    def loss_and_gradient(self, batch: NDArray[np.intp]) -> tuple[float, NDArray[Any]]:
        """See `Rival`."""
        loss, gradient = self.peer.loss_and_gradient(batch)
        return loss, gradient[self.places]

    def parameters(self) -> NDArray[Any]:
        """See `Rival`."""
        return self.peer.parameters()[self.places]


def maps_case(name: str, batch: int, samples: cnn.Samples) -> Case:
    """Return our side of a network at a batch size."""
    return Case(
        name,
        f"batch {batch}",
        genome_of(name),
        samples,
        recipe(batch),
        dormant=NETWORKS[name].dormant,
    )


def torch_side(case: Case, form: Form) -> TorchSide:
    """Return PyTorch's side of a case, in one form."""
    spec = NETWORKS[case.part]
    dense = dense_network(spec.factor)
    places = places_in(dense, case.network)
    start = np.zeros_like(dense.parameters)
    start[places] = case.start
    layers = peer_layers(dense)
    images = case.samples.inputs.reshape(-1, 1, *IMAGE_SHAPE)
    settings: dict[str, Any] = {
        "learning_rate": case.recipe.learning_rate,
        "momentum": case.recipe.momentum,
        "form": form,
    }
    classes = case.samples.targets
    if spec.dormant == "straight_through":
        limits = limits_of(case.genome, spec.factor)
        return TorchSide(
            StraightThroughPeer(layers, start, limits, images, classes, **settings), places
        )
    if len(places) < len(start):
        return TorchSide(MaskedPeer(layers, start, places, images, classes, **settings), places)
    return TorchSide(Peer(layers, start, images, classes, **settings), places)


def agreement_row(case: Case, name: str, rival: Rival) -> TableRow:
    """Compare both sides on the first batches and after some steps, and restore both.

    Raises
    ------
    BenchmarkError
        If a difference is above its tolerance.
    """
    order = case.order(STEPS)
    case.restore()
    rival.restore()
    losses, gradients = [], []
    for batch in order[:BATCHES]:
        ours, gradient = case.network.loss_and_gradients(
            case.samples.inputs[batch], case.samples.targets[batch]
        )
        theirs, expected = rival.loss_and_gradient(batch)
        losses.append(abs(ours - theirs))
        gradients.append(relative(gradient, expected, expected))
    case.train(STEPS)
    rival.train(order)
    trained = rival.parameters()
    differences = {
        "loss_difference": max(losses),
        "gradient_difference": float(np.median(gradients)),
        "parameter_difference": relative(case.network.parameters, trained, trained - case.start),
    }
    case.restore()
    rival.restore()
    for column, value in differences.items():
        if not value <= TOLERANCES[column]:
            raise BenchmarkError(
                f"{case.part}, {case.what}: {column.replace('_', ' ')} to {name} must be at most "
                f"{TOLERANCES[column]:g}; got {value:.2g}"
            )
    return "agreement", case.key | {"peer": name, "steps": STEPS} | differences


def named(form: Form) -> str:
    """Return the name of a form."""
    kind = "compiled" if form.compiled else "eager"
    return f"{kind}, {form.memory}, {form.optimizer}"
