"""One cell of the CNN benchmark (a network, a batch size, a thread count) and its sides."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cnn
from cnn.compile.compilation import single_threaded_blas
from experiments.benchmarks.harness import workload
from experiments.benchmarks.harness.timing import Side
from experiments.benchmarks.peers.layers import peer_layers
from experiments.benchmarks.peers.torch_layers import Form, Peer

Phase = Literal["training", "inference"]
PHASES: tuple[Phase, ...] = ("training", "inference")

WARM_UP = 2
"""Untimed steps or batches before each turn: they warm caches and threads."""


@dataclass(frozen=True, eq=False)
class Cell:
    """Our network, its samples and its starting weights, from which peers are made.

    Attributes
    ----------
    name, batch, threads
        Name of the network, batch size and thread count.
    samples
        Samples of all sides.
    network
        Our network on one thread.
    trainable
        Our network on `threads` threads; `network` itself if `threads` is 1.
    start
        The starting weights of all sides.
    """

    name: str
    batch: int
    threads: int
    samples: cnn.Samples
    network: cnn.Network
    trainable: cnn.Trainable
    start: Any

    @classmethod
    def build(cls, name: str, batch: int, threads: int, samples: cnn.Samples) -> "Cell":
        """Build our side."""
        network = workload.build(name, samples)
        trainable: cnn.Trainable = network
        if threads > 1:
            trainable = cnn.DataParallel(network, threads=threads)
        return cls(name, batch, threads, samples, network, trainable, network.parameters.copy())

    def close(self) -> None:
        """End the threads of our side."""
        if isinstance(self.trainable, cnn.DataParallel):
            self.trainable.close()

    @property
    def key(self) -> dict[str, Any]:
        """The columns that name the cell."""
        return {"network": self.name, "batch": self.batch, "threads": self.threads}

    def peer(self, form: Form) -> Peer:
        """Build a peer that has our starting weights."""
        inputs, recipe = self.samples.inputs, workload.recipe(self.batch)
        shape = inputs.shape if inputs.ndim == 4 else (len(inputs), 1, *inputs.shape[1:])
        return Peer(
            peer_layers(self.network),
            self.start,
            inputs.reshape(shape),
            self.samples.targets,
            learning_rate=recipe.learning_rate,
            momentum=recipe.momentum,
            form=form,
        )

    def order(self, steps: int) -> Any:
        """Return the indices of the first steps' batches, as our trainer draws them."""
        return cnn.batch_indices(len(self.samples), self.batch, 0, steps, workload.order_seed())

    def restore(self) -> None:
        """Go back to the starting weights."""
        self.trainable.parameters[...] = self.start

    def train(self, steps: int) -> None:
        """Train our side."""
        workload.train(self.trainable, self.samples, self.batch, steps)

    def slices(self, count: int) -> list[Any]:
        """Return consecutive batches, as `Peer.slices` does."""
        whole = len(self.samples) // self.batch
        starts = (self.batch * (i % whole) for i in range(count))
        return [self.samples.inputs[start : start + self.batch] for start in starts]

    def infer(self, batches: Sequence[Any]) -> None:
        """Predict with our side; BLAS has one thread, as in training."""
        with single_threaded_blas():
            for inputs in batches:
                self.trainable.output(inputs)


def our_side(cell: Cell, phase: Phase, count: int) -> Side:
    """Return our side of a cell; a turn has `count` steps or batches."""
    batches = cell.slices(count)
    work: dict[Phase, Callable[[int], None]] = {
        "training": cell.train,
        "inference": lambda n: cell.infer(batches[:n]),
    }

    def prepare() -> None:
        work[phase](WARM_UP)
        cell.restore()

    return Side("ours", prepare, lambda: work[phase](count))


def peer_side(name: str, peer: Peer, cell: Cell, phase: Phase, count: int) -> Side:
    """Return the side of a peer, with the same steps or batches as `our_side`."""
    order, batches = peer.order(cell.order(count)), peer.slices(cell.batch, count)
    work: dict[Phase, Callable[[int], None]] = {
        "training": lambda n: peer.train(order[:n]),
        "inference": lambda n: peer.infer(batches[:n]),
    }

    def prepare() -> None:
        work[phase](WARM_UP)
        peer.restore()

    return Side(name, prepare, lambda: work[phase](count))
