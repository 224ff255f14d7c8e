"""PyTorch's side of the benchmarks of CNNs and maps; as a script, PyTorch's side by itself.

Networks are given as a plain description from `peer_layers`, weights as one flat vector in our order. This module
imports nothing of ours, so that the memory of the script is PyTorch's.
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
"""Kind and numbers of a layer, such as ("convolution", 1, 6, (5, 5), 1, 2)."""

OptimizerForm = Literal["fused", "foreach", "loop"]
OPTIMIZER_FORMS: dict[OptimizerForm, dict[str, bool]] = {
    "fused": {"fused": True},
    "foreach": {"foreach": True},
    "loop": {"foreach": False, "fused": False},
}
"""PyTorch's three implementations of SGD."""


@dataclass(frozen=True)
class Form:
    """One way to write the same computation in PyTorch.

    Attributes
    ----------
    channels_last
        Memory format of images and convolutions.
    optimizer
        A key of `OPTIMIZER_FORMS`.
    reordered
        Whether max pooling comes before the activation. Activations are monotone, so the numbers are the same, with a
        quarter of the work. Users do not write networks so, and PyTorch does not reorder them itself.
    compiled
        Whether ``torch.compile`` compiles forward pass, loss and backward pass.
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
        raise ValueError(f"kind must be one that the peer has; got {kind!r}")
    made: nn.Module = plain[kind]()
    return made


class Peer:
    """A PyTorch network that trains and predicts on the data of a benchmark.

    Parameters
    ----------
    layers
        Description of the network.
    start
        Starting weights as one vector in our order; None keeps PyTorch's.
    images, classes
        Samples: float32 of shape (n, maps, rows, columns), int64 of shape (n,).
    learning_rate, momentum
        Parameters of SGD.
    form
        Form of the computation.
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
        """Return the optimizer of the trained tensors."""
        return torch.optim.SGD(self.trained, **self._recipe, **OPTIMIZER_FORMS[self.form.optimizer])

    def _loss_of(self, inputs: Any, targets: Any) -> Any:
        return nn.functional.cross_entropy(self.module(inputs), targets)

    def _probabilities_of(self, inputs: Any) -> Any:
        return self.module(inputs).softmax(1)

    def _load(self, start: Floats) -> None:
        """Copy our weights into the module."""
        with torch.no_grad():
            for parameter, values in zip(
                self.module.parameters(), self._like_parameters(start), strict=True
            ):
                parameter.copy_(values)

    def _like_parameters(self, flat: Floats) -> list[Any]:
        """Cut a vector in our order into tensors; PyTorch correlates, so kernels are rotated by 180°."""
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
        """Return batches of indices as `train` takes them."""
        return list(torch.tensor(batches).unbind(0))

    def train(self, order: Sequence[Any]) -> None:
        """Make one step with each batch of indices."""
        for chosen in order:
            self._backward(chosen)
            self._update()

    def _backward(self, chosen: Any) -> Any:
        """Compute the loss over some samples and the gradients of the trained tensors; return the loss."""
        self.optimizer.zero_grad(set_to_none=True)
        images, classes = self.images.index_select(0, chosen), self.classes.index_select(0, chosen)
        loss = self._loss(images, classes)
        loss.backward()
        return loss

    def _update(self) -> None:
        """Let the optimizer make its step."""
        self.optimizer.step()

    def slices(self, batch: int, count: int) -> list[Any]:
        """Return `count` consecutive batches for `infer`; after the last sample they start again."""
        whole = [part for part in self.images.split(batch) if len(part) == batch]
        return [whole[i % len(whole)] for i in range(count)]

    def infer(self, batches: Sequence[Any]) -> None:
        """Compute the probabilities of every batch."""
        with torch.inference_mode():
            for inputs in batches:
                self._probabilities(inputs)

    def loss_and_gradient(self, batch: npt.NDArray[np.intp]) -> tuple[float, Floats]:
        """Return the mean loss over some samples, and its gradient in our order."""
        loss = self._backward(torch.tensor(batch))
        return float(loss.detach()), _flat([p.grad for p in self.trained])

    def probabilities(self, batch: npt.NDArray[np.intp]) -> Floats:
        """Return the probabilities of some samples, shape (n, classes)."""
        with torch.inference_mode():
            result: Floats = self._probabilities(self.images[torch.tensor(batch)]).numpy()
        return result

    def parameters(self) -> Floats:
        """Return the weights as one vector in our order."""
        return _flat([p.detach() for p in self.trained])


class MaskedPeer(Peer):
    """A sparse network as dense tensors; a mask sets weights without an edge to zero after each update.

    This is less work than multiplying by the mask in the forward pass, with the same numbers.

    Parameters
    ----------
    start
        As in `Peer`; 0 where the mask has no weight.
    places
        Indices in `start` of weights and biases.
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

    def _update(self) -> None:
        super()._update()
        for weights, mask in self._masked:
            weights.mul_(mask)


class StraightThroughPeer(Peer):
    """A network in which only weights above a threshold are active, while all weights learn (straight-through).

    The module's parameters are the active weights. The optimizer has all weights and takes the gradients of the
    module's parameters as theirs, without work for autograd.

    Parameters
    ----------
    limits
        Threshold of each parameter of the module; None if all its weights are active.
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

    def _write_active(self) -> None:
        """Write the active weights into the module."""
        for parameter, behind, limit in self._limited:
            parameter.detach().copy_(nn.functional.hardshrink(behind, limit))

    def _pass_gradients(self) -> None:
        """Give all weights the gradients of the module's parameters."""
        for parameter, behind, _ in self._limited:
            behind.grad, parameter.grad = parameter.grad, None

    def _backward(self, chosen: Any) -> Any:
        self._write_active()
        loss = super()._backward(chosen)
        self._pass_gradients()
        return loss


def _flat(tensors: Sequence[Any]) -> Floats:
    turned = (t.flip(2, 3) if t.ndim == 4 else t for t in tensors)
    return np.concatenate([t.contiguous().numpy().ravel() for t in turned])


def set_threads(threads: int) -> None:
    """Set the number of PyTorch's threads."""
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)


def forget_compiled() -> None:
    """Delete the networks that ``torch.compile`` has cached."""
    torch._dynamo.reset()


def _status() -> str:
    """Return the text of ``/proc/self/status``; empty on systems without it."""
    path = Path("/proc/self/status")
    return path.read_text("ascii", "replace") if path.exists() else ""


def _peer_alone(task: Mapping[str, Any], rng: np.random.Generator) -> Peer:
    """Return the network of a task: dense, or masked or straight-through if a fraction of weights is given."""
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
    """Train PyTorch's side by itself on noise; the argument is a JSON object that describes the task."""
    imported = _status()
    task = json.loads(arguments[0])
    set_threads(1)
    rng = np.random.default_rng(0)
    peer = _peer_alone(task, rng)
    peer.train(peer.order(rng.integers(0, task["samples"], (task["steps"], task["batch"]))))
    sys.stdout.write(json.dumps({"imported": imported, "trained": _status()}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
