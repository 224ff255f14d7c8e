"""The network of a genome as a module of PyTorch. Only :func:`evo.to_torch` imports this file, for it needs PyTorch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cnn.readings import check_readings
from evo.exchange.blocks import Product, blocks_of
from evo.genome.activations import LEAK
from evo.genome.feature_maps import MapTransform
from evo.genome.genome import Genome


class GenomeModule(nn.Module):  # type: ignore[misc]  # PyTorch is in an extra
    """The network of a genome, with trainable weights and biases and a fixed topology.

    Parameters
    ----------
    genome : Genome

    Attributes
    ----------
    weights : Parameter, shape (n_edges,)
        Weights of the effective edges, in the order of the genome's stored entries.
    bias : Parameter, shape (n_computed,)
        Biases of the computed nodes, in the order of nodes. Weights and biases, one after the other, are the
        ``parameters`` of :class:`evo.Phenotype`.
    """

    def __init__(self, genome: Genome) -> None:
        super().__init__()
        self.genome = genome
        self._blocks = blocks_of(genome)
        computed = [block.nodes for block in self._blocks if block.features is None]
        self._nodes = np.sort(np.concatenate(computed))
        self._entries = np.flatnonzero(genome.effective_mask())
        self.weights = nn.Parameter(_tensor(genome.values[self._entries]))
        self.bias = nn.Parameter(_tensor(genome.bias[self._nodes]))
        place = np.full(genome.n_nodes, -1)
        count, self._of_outputs = 0, []
        for k, block in enumerate(self._blocks):
            self._keep(f"features_{k}", block.features)
            self._keep(f"nodes_{k}", np.searchsorted(self._nodes, block.nodes))
            for number, product in enumerate(block.products):
                self._keep_product(f"{k}_{number}", product)
            if np.isin(block.nodes, genome.outputs).any():
                place[block.nodes] = count + np.arange(len(block.nodes))
                count += len(block.nodes)
                self._of_outputs.append(k)
        self._keep("outputs", place[genome.outputs])

    def to_genome(self) -> Genome:
        """Return the genome with the present weights and biases."""
        values, bias = self.genome.values.copy(), self.genome.bias.copy()
        values[self._entries] = self.weights.detach().cpu().numpy()
        bias[self._nodes] = self.bias.detach().cpu().numpy()
        return self.genome.with_values(values, bias)

    def forward(self, inputs: Tensor, readings: Tensor | None = None) -> Tensor:
        """Return the scores, shape (samples, outputs); with readings, shape (n_readings, outputs).

        Parameters
        ----------
        inputs : Tensor, shape (samples, ...)
            The features of a sample, or those of each tick, one tick after another.
        readings : Tensor of int, shape (2, n_readings), optional
            Samples and ticks at which outputs are read, each sample once or more, in ascending order. By default they
            are read after the last tick. What a sample has after its last reading changes no output and no gradient.

        Raises
        ------
        ValueError
            If a sample has another number of features, or at the first rule that readings break.
        """
        genome, flat = self.genome, inputs.flatten(1)
        n, ticks = genome.n_features, genome.ticks
        if flat.shape[1] not in {n, n * ticks}:
            sequence = f" or, as a sequence, {n * ticks}" if ticks > 1 else ""
            raise ValueError(
                f"inputs must have {n}{sequence} features a sample; got {flat.shape[1]}"
            )
        last_ticks = None if readings is None else _last_ticks(readings, flat, ticks)
        n_ticks = ticks if last_ticks is None else int(last_ticks.max()) + 1
        steps = flat.split(n, dim=1) if n else (flat,)
        weights = {
            (k, number): self._weights(f"{k}_{number}", product)
            for k, block in enumerate(self._blocks)
            for number, product in enumerate(block.products)
        }
        before, scores = self._inputs(steps[0]), []
        for tick in range(n_ticks):
            now = self._inputs(steps[tick % len(steps)])
            goes_on = None if last_ticks is None else tick <= last_ticks
            for k, block in enumerate(self._blocks):
                if block.features is None and tick + block.delay < ticks:
                    net_input = self._net_input(k, tick, now, before, weights, len(flat))
                    if (
                        goes_on is not None
                    ):  # a sample that is over must not overflow: 0 · inf is NaN
                        column = goes_on.reshape(-1, *(1,) * (net_input.ndim - 1))
                        net_input = net_input.where(column, 0.0)
                    now[k] = ACTIVATIONS[block.activation](net_input)
            before = now
            if tick == ticks - 1 or readings is not None:
                of_outputs = torch.cat([now[k] for k in self._of_outputs], dim=1)
                scores.append(of_outputs[:, self.outputs])
        return scores[-1] if readings is None else torch.stack(scores)[readings[1], readings[0]]

    # -- the topology as tensors that move with the module -------------------------------------------------------------

    def _keep(self, name: str, array: NDArray[Any] | None) -> None:
        """Keep an array of indices as a buffer that is not part of the state."""
        tensor = None if array is None else _tensor(array.astype(np.int64))
        self.register_buffer(name, tensor, persistent=False)

    def _keep_product(self, name: str, product: Product) -> None:
        """Keep the indices of a product: those of its features, and the places of weights in its array."""
        self._keep(f"used_{name}", product.used)
        self._keep(f"entries_{name}", np.searchsorted(self._entries, product.entries))
        places = np.stack(product.places) if product.is_sparse else _flat(product)
        self._keep(f"places_{name}", places)

    def _weights(self, name: str, product: Product) -> Tensor:
        """Return the weights of a product: an array with zeros, or a vector if it is sparse."""
        weights = self.weights[getattr(self, f"entries_{name}")]
        if product.is_sparse:
            return weights
        zeros = weights.new_zeros(int(np.prod(product.shape)))
        array = zeros.index_put((getattr(self, f"places_{name}"),), weights)
        return array.reshape(product.shape)

    def _inputs(self, features: Tensor) -> dict[int, Tensor]:
        """Return the values of the blocks of inputs at a tick."""
        values = {}
        for k, block in enumerate(self._blocks):
            if block.features is not None:
                chosen, size = features[:, getattr(self, f"features_{k}")], block.map_size
                values[k] = (
                    chosen if size == 1 else chosen.reshape(-1, len(block.nodes), size, size)
                )
        return values

    def _net_input(
        self,
        k: int,
        tick: int,
        now: dict[int, Tensor],
        before: dict[int, Tensor],
        weights: dict[tuple[int, int], Tensor],
        n_samples: int,
    ) -> Tensor:
        """Return the net input of a block: its bias and its products."""
        block = self._blocks[k]
        size = block.map_size
        shape = (1, -1) if size == 1 else (1, -1, 1, 1)
        total = self.bias[getattr(self, f"nodes_{k}")].reshape(shape)
        for number, product in enumerate(block.products):
            if product in block.products_at(tick):
                multiply = self._matrix_product if size == 1 else self._convolution
                values = before if product.delayed else now
                total = total + multiply(f"{k}_{number}", product, values, weights[k, number])
        rest = (size, size) if size > 1 else ()
        return total.expand(n_samples, len(block.nodes), *rest)

    def _matrix_product(
        self, name: str, product: Product, values: dict[int, Tensor], weights: Tensor
    ) -> Tensor:
        parts = [self._view(values[k], transform).flatten(1) for k, transform in product.parts]
        features = torch.cat(parts, dim=1)
        used = getattr(self, f"used_{name}")
        features = features if used is None else features[:, used]
        if not product.is_sparse:
            return nn.functional.linear(features, weights)
        targets, read = getattr(self, f"places_{name}")
        zeros = features.new_zeros(len(features), product.shape[0])
        return zeros.index_add(1, targets, features[:, read] * weights)

    def _convolution(
        self, name: str, product: Product, values: dict[int, Tensor], weights: Tensor
    ) -> Tensor:
        ((k, transform),) = product.parts
        maps, used = self._view(values[k], transform), getattr(self, f"used_{name}")
        maps = maps if used is None else maps[:, used]
        return nn.functional.conv2d(maps, weights, padding=transform.margin)

    def _view(self, values: Tensor, transform: MapTransform) -> Tensor:
        """Return maps as an edge reads them: halved or upsampled; a neuron is a map of one pixel."""
        maps = values if values.ndim == 4 else values[:, :, None, None]
        size = maps.shape[2]
        if transform.downsamplings:
            functions = nn.functional
            pool = (
                functions.max_pool2d if self.genome.downsampling == "max" else functions.avg_pool2d
            )
            return pool(maps, 2**transform.downsamplings)
        if size < transform.map_size:
            pixels = (
                torch.arange(transform.map_size, device=maps.device) * size // transform.map_size
            )
            return maps[:, :, pixels][:, :, :, pixels]
        return maps


def _last_ticks(readings: Tensor, inputs: Tensor, n_ticks: int) -> Tensor:
    """Return the tick of the last reading of each sample, or raise ValueError if readings break a rule."""
    check_readings(readings.cpu().numpy(), len(inputs), n_ticks)
    samples, ticks = readings.to(inputs.device, torch.int64)
    return samples.new_zeros(len(inputs)).scatter_reduce(0, samples, ticks, "amax")


def _tensor(array: NDArray[Any]) -> Tensor:
    """Return a copy of an array as a tensor."""
    return torch.from_numpy(np.array(array))


def _flat(product: Product) -> NDArray[np.intp]:
    """Return the index of each edge of a product in its array of weights, flattened."""
    return np.ravel_multi_index(product.places, product.shape)


def _sign(n: Tensor) -> Tensor:
    """Return the sign, with the slope of n clipped at −1 and 1."""
    clipped = n.clamp(-1, 1)
    return torch.where(n < 0, -1.0, 1.0).to(n) + (clipped - clipped.detach())


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda n: n,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": lambda n: nn.functional.leaky_relu(n, LEAK),
    "gelu": nn.functional.gelu,
    "sine": torch.sin,
    "gaussian": lambda n: torch.exp(-n * n),
    "sign": _sign,
}
"""The built-in activations as functions of tensors."""
