"""The PyTorch side of the CNN bench, in its best fair form - and, as a script, that side alone.

Networks come as a plain description (`peer_layers` writes it), weights as one flat vector in our order. As a script it
imports PyTorch and nothing of ours, so that its memory is PyTorch's.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

Floats = npt.NDArray[np.float32]
LayerTuple = Sequence[Any]
"""A layer's kind and its numbers, such as ("convolution", 1, 6, (5, 5), 2)."""

OptimizerForm = Literal["fused", "foreach", "loop"]
OPTIMIZER_FORMS: dict[OptimizerForm, dict[str, bool]] = {
    "fused": {"fused": True},
    "foreach": {"foreach": True},
    "loop": {"foreach": False, "fused": False},
}
"""PyTorch's three implementations of SGD."""


@dataclass(frozen=True)
class Form:
    """One of the ways to write the same computation in PyTorch.

    Attributes
    ----------
    channels_last
        Memory format of images and convolutions.
    optimizer
        A key of `OPTIMIZER_FORMS`.
    reordered
        Whether max pooling stands before the activation, which gives the same numbers with a quarter of the work, as
        the activations are monotone. Nobody's network is written so; PyTorch does not find it itself.
    compiled
        Whether ``torch.compile`` takes forward pass, loss and backward pass.
    """

    channels_last: bool = False
    optimizer: OptimizerForm = "fused"
    reordered: bool = False
    compiled: bool = False

    @property
    def memory(self) -> str:
        """PyTorch's name of the memory format."""
        return "channels_last" if self.channels_last else "contiguous"


def module_from(layers: Sequence[LayerTuple], *, reordered: bool = False) -> nn.Sequential:
    """Build a module from a description.

    Raises
    ------
    ValueError
        If a kind is unknown.
    """
    layers = list(layers)
    if reordered:
        for i in range(len(layers) - 1):
            if layers[i][0] in {"tanh", "relu", "sigmoid"} and layers[i + 1][0] == "max_pooling":
                layers[i], layers[i + 1] = layers[i + 1], layers[i]
    return nn.Sequential(*(_module(*layer) for layer in layers))


def _module(kind: str, *numbers: Any) -> nn.Module:
    if kind == "convolution":
        maps_in, maps_out, kernel, stride, padding = numbers
        return nn.Conv2d(maps_in, maps_out, tuple(kernel), stride=stride, padding=padding)
    if kind == "linear":
        return nn.Linear(*numbers)
    if kind == "max_pooling":
        return nn.MaxPool2d(2)
    plain = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid, "flatten": nn.Flatten}
    if kind not in plain:
        raise ValueError(f"kind must be one that the peer has, not {kind!r}")
    made: nn.Module = plain[kind]()
    return made


class Peer:
    """A PyTorch network that trains and predicts on the bench's data.

    Parameters
    ----------
    layers
        Description of the network.
    start
        Starting weights, flat and in our order; ``None`` leaves PyTorch's own.
    images, classes
        The samples: (n, maps, rows, columns) float32, and (n,) int64.
    learning_rate, momentum
        Of SGD.
    form
        How it is written.
    """

    def __init__(
        self,
        layers: Sequence[LayerTuple],
        start: Floats | None,
        images: Floats,
        classes: npt.NDArray[np.int64],
        *,
        learning_rate: float,
        momentum: float,
        form: Form,
    ) -> None:
        memory = torch.channels_last if form.channels_last else torch.contiguous_format
        self.form = form
        self.module = module_from(layers, reordered=form.reordered).to(memory_format=memory)
        self.images = torch.tensor(images).to(memory_format=memory)
        self.classes = torch.tensor(classes)
        if start is not None:
            self._load(start)
        self.trained: list[Any] = list(self.module.parameters())
        self._start = [p.detach().clone() for p in self.trained]
        self._recipe = {"lr": learning_rate, "momentum": momentum}
        self.optimizer = self._optimizer()
        self._loss, self._probabilities = self._loss_of, self._probabilities_of
        if form.compiled:
            self._loss = torch.compile(self._loss_of, dynamic=False)
            self._probabilities = torch.compile(self._probabilities_of, dynamic=False)

    def _optimizer(self) -> Any:
        """Return the optimiser of what is trained."""
        return torch.optim.SGD(self.trained, **self._recipe, **OPTIMIZER_FORMS[self.form.optimizer])

    def _loss_of(self, inputs: Any, targets: Any) -> Any:
        return nn.functional.cross_entropy(self.module(inputs), targets)

    def _probabilities_of(self, inputs: Any) -> Any:
        return self.module(inputs).softmax(1)

    def _load(self, start: Floats) -> None:
        """Copy our weights."""
        with torch.no_grad():
            for parameter, values in zip(
                self.module.parameters(), self._like_parameters(start), strict=True
            ):
                parameter.copy_(values)

    def _like_parameters(self, flat: Floats) -> list[Any]:
        """Cut a vector in our order: our kernels convolve, PyTorch's correlate, so they are turned by 180°."""
        tensors, end = [], 0
        for parameter in self.module.parameters():
            first, end = end, end + parameter.numel()
            values = torch.tensor(flat[first:end]).reshape(parameter.shape)
            tensors.append(values.flip(2, 3) if values.ndim == 4 else values)
        return tensors

    def restore(self) -> None:
        """Go back to the starting weights, without momentum."""
        with torch.no_grad():
            for parameter, start in zip(self.trained, self._start, strict=True):
                parameter.copy_(start)
        self.optimizer.state.clear()

    def order(self, batches: npt.NDArray[np.intp]) -> list[Any]:
        """Turn batches of indices into what `train` takes."""
        return list(torch.tensor(batches).unbind(0))

    def train(self, order: Sequence[Any]) -> None:
        """Make one step for each batch: gather it, take its gradient, update."""
        images, classes, optimizer = self.images, self.classes, self.optimizer
        for chosen in order:
            optimizer.zero_grad(set_to_none=True)
            self._loss(images.index_select(0, chosen), classes.index_select(0, chosen)).backward()
            optimizer.step()

    def slices(self, batch: int, count: int) -> list[Any]:
        """Return `count` consecutive batches for `infer`, from the start again where samples end."""
        whole = [part for part in self.images.split(batch) if len(part) == batch]
        return [whole[i % len(whole)] for i in range(count)]

    def infer(self, batches: Sequence[Any]) -> None:
        """Compute the probabilities of every batch."""
        with torch.inference_mode():
            for inputs in batches:
                self._probabilities(inputs)

    def loss_and_gradient(self, batch: npt.NDArray[np.intp]) -> tuple[float, Floats]:
        """Return the mean loss of the samples of these indices, and its gradient in our order."""
        chosen = torch.tensor(batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self._loss(self.images[chosen], self.classes[chosen])
        loss.backward()
        return float(loss.detach()), _flat([p.grad for p in self.module.parameters()])

    def probabilities(self, batch: npt.NDArray[np.intp]) -> Floats:
        """Return the probabilities of the samples of these indices, shape (n, classes)."""
        with torch.inference_mode():
            result: Floats = self._probabilities(self.images[torch.tensor(batch)]).numpy()
        return result

    def parameters(self) -> Floats:
        """Return the weights, flat and in our order."""
        return _flat([p.detach() for p in self.trained])


class MaskedPeer(Peer):
    """A sparse network as PyTorch trains one: dense, with a mask that puts zeros back after each update.

    That is less work than to multiply by the mask in the forward pass, and gives the same numbers where weights are.

    Parameters
    ----------
    start
        As of `Peer`, 0 where the mask has no weight.
    places
        Which numbers of `start` are weights and biases.
    """

    def __init__(
        self,
        layers: Sequence[LayerTuple],
        start: Floats,
        places: npt.NDArray[np.intp],
        images: Floats,
        classes: npt.NDArray[np.int64],
        **settings: Any,
    ) -> None:
        super().__init__(layers, start, images, classes, **settings)
        flat = np.zeros_like(start)
        flat[places] = 1
        self._masked = [
            (p.detach(), torch.empty_like(p, requires_grad=False).copy_(mask))
            for p, mask in zip(self.trained, self._like_parameters(flat), strict=True)
            if not mask.all()
        ]

    def train(self, order: Sequence[Any]) -> None:
        """See `Peer`."""
        images, classes, optimizer = self.images, self.classes, self.optimizer
        for chosen in order:
            optimizer.zero_grad(set_to_none=True)
            self._loss(images.index_select(0, chosen), classes.index_select(0, chosen)).backward()
            optimizer.step()
            for weights, mask in self._masked:
                weights.mul_(mask)


class StraightThroughPeer(Peer):
    """A network of which only weights above a threshold are let through, while all learn by the gradient there.

    The module's parameters are what is let through; the optimiser has the weights behind them, and takes the module's
    gradients as theirs: no work for autograd.

    Parameters
    ----------
    limits
        The threshold of each of the module's parameters; None where all is let through.
    """

    def __init__(
        self,
        layers: Sequence[LayerTuple],
        start: Floats,
        limits: Sequence[float | None],
        images: Floats,
        classes: npt.NDArray[np.int64],
        **settings: Any,
    ) -> None:
        super().__init__(layers, start, images, classes, **settings)
        self.trained, self._limited = [], []
        for parameter, limit in zip(self.module.parameters(), limits, strict=True):
            behind = parameter
            if limit is not None:
                behind = parameter.detach().clone()
                self._limited.append((parameter, behind, limit))
            self.trained.append(behind)
        self.optimizer = self._optimizer()

    def _let_through(self) -> None:
        """Write what passes the threshold into the module."""
        for parameter, behind, limit in self._limited:
            parameter.detach().copy_(nn.functional.hardshrink(behind, limit))

    def _pass_gradients(self) -> None:
        """Give the weights the gradients of what they let through."""
        for parameter, behind, _ in self._limited:
            behind.grad, parameter.grad = parameter.grad, None

    def train(self, order: Sequence[Any]) -> None:
        """See `Peer`."""
        images, classes, optimizer = self.images, self.classes, self.optimizer
        for chosen in order:
            optimizer.zero_grad(set_to_none=True)
            self._let_through()
            self._loss(images.index_select(0, chosen), classes.index_select(0, chosen)).backward()
            self._pass_gradients()
            optimizer.step()

    def loss_and_gradient(self, batch: npt.NDArray[np.intp]) -> tuple[float, Floats]:
        """See `Peer`."""
        self._let_through()
        found = super().loss_and_gradient(batch)
        self._pass_gradients()
        return found


def _flat(tensors: Sequence[Any]) -> Floats:
    turned = (t.flip(2, 3) if t.ndim == 4 else t for t in tensors)
    return np.concatenate([t.contiguous().numpy().ravel() for t in turned])


def set_threads(threads: int) -> None:
    """Let PyTorch compute on so many threads."""
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)


def forget_compiled() -> None:
    """Drop what ``torch.compile`` holds of networks measured before."""
    torch._dynamo.reset()


def _status() -> str:
    """Return Linux's account of this process; nothing on other systems."""
    path = Path("/proc/self/status")
    return path.read_text("ascii", "replace") if path.exists() else ""


def _peer_alone(task: Mapping[str, Any], rng: np.random.Generator) -> Peer:
    """Return what a task trains on noise: dense, or masked or straight-through where a share of weights is given."""
    layers, n = task["layers"], task["samples"]
    images = rng.random((n, *task["image_shape"]), dtype=np.float32)
    classes = rng.integers(0, task["classes"], n)
    settings: dict[str, Any] = {
        "learning_rate": 0.01,
        "momentum": 0.9,
        "form": Form(channels_last=True),
    }
    if task.get("share") is None:
        return Peer(layers, None, images, classes, **settings)
    parameters = [p.detach() for p in module_from(layers).parameters()]
    if task["straight_through"]:
        limits = [
            float(p.abs().quantile(1 - task["share"])) if p.ndim > 1 else None for p in parameters
        ]
        return StraightThroughPeer(layers, _flat(parameters), limits, images, classes, **settings)
    start = _flat(parameters)
    start[rng.random(len(start)) > task["share"]] = 0
    return MaskedPeer(layers, start, np.flatnonzero(start), images, classes, **settings)


def main(arguments: Sequence[str]) -> None:
    """Train PyTorch's side by itself on noise: the argument is a JSON object that says what."""
    imported = _status()
    task = json.loads(arguments[0])
    set_threads(1)
    rng = np.random.default_rng(0)
    peer = _peer_alone(task, rng)
    peer.train(peer.order(rng.integers(0, task["samples"], (task["steps"], task["batch"]))))
    sys.stdout.write(json.dumps({"imported": imported, "trained": _status()}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
