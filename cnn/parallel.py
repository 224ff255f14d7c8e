"""Data parallelism: each thread works on its share of every batch, and the gradients are averaged."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from cnn.arrays import FloatArray, FloatVector, Targets
from cnn.checks import at_least
from cnn.network import Network


class DataParallel:
    """A network whose batches are cut into equal shares, one for each thread.

    Trainable by `cnn.training.train` like the network itself, whose parameters it trains. The
    shares and the order of their sum are fixed, so the same number of threads gives the same bits;
    another number of threads gives other last bits. Compiled loops and BLAS let go of the
    interpreter, so the threads do run at the same time.

    Parameters
    ----------
    network
        What to train; its `parameters` are shared by all threads.
    threads
        Shares of a batch, at least 1. More than there are cores only costs.

    Raises
    ------
    ValueError
        Where `threads` is below 1.

    Examples
    --------
    >>> from cnn import small_cnn
    >>> network = small_cnn((8, 8), 10, rng=np.random.default_rng(0))
    >>> with DataParallel(network, threads=2) as parallel:
    ...     loss, gradient = parallel.loss_and_gradients(np.ones((6, 8, 8)), np.arange(6))
    >>> gradient.size == network.parameter_count
    True
    """

    def __init__(self, network: Network, threads: int = 2) -> None:
        at_least(1, threads=threads)
        self.network = network
        self.threads = threads
        self.gradient = np.zeros_like(network.parameters)
        self._twins = (network, *(network.twin() for _ in range(threads - 1)))
        # This thread works as well, on the first share.
        self._pool = ThreadPoolExecutor(max(1, threads - 1), "cnn-share")

    def __enter__(self) -> "DataParallel":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the threads."""
        self.close()

    def close(self) -> None:
        """End the threads; the network stays."""
        self._pool.shutdown()

    @property
    def parameters(self) -> FloatVector:
        """The network's own parameters."""
        return self.network.parameters

    @property
    def parameter_count(self) -> int:
        """As of the network."""
        return self.network.parameter_count

    @property
    def macs(self) -> int:
        """As of the network."""
        return self.network.macs

    @property
    def parameter_groups(self) -> tuple[tuple[str, slice], ...]:
        """As of the network."""
        return self.network.parameter_groups

    def loss_and_gradients(self, inputs: FloatArray, targets: Targets) -> tuple[float, FloatVector]:
        """Measure the mean loss over a batch, and its gradient: see `Network.loss_and_gradients`."""
        results = self._on_shares("loss_and_gradients", inputs, targets)
        shares = [n / len(inputs) for n, _ in results]
        loss = sum(share * value for share, (_, (value, _)) in zip(shares, results, strict=True))
        np.multiply(results[0][1][1], shares[0], out=self.gradient)
        for share, (_, (_, theirs)) in zip(shares[1:], results[1:], strict=True):
            np.multiply(theirs, share, out=theirs)  # each twin's own: in place
            self.gradient += theirs
        return float(loss), self.gradient

    def loss(self, inputs: FloatArray, targets: Targets) -> float:
        """Measure the mean loss over a batch: see `Network.loss`."""
        shares = self._on_shares("loss", inputs, targets)
        return float(sum(value * n for n, value in shares) / len(inputs))

    def output(self, inputs: FloatArray) -> FloatArray:
        """Compute the predictions: see `Network.output`."""
        return np.concatenate([value for _, value in self._on_shares("output", inputs)])

    def _on_shares(self, method: str, *arrays: npt.NDArray[Any]) -> list[tuple[int, Any]]:
        """Call a method of each twin on its share; return the shares' lengths and results."""
        n = len(arrays[0])
        count = min(self.threads, n)
        bounds = [n * share // count for share in range(count + 1)]
        shares = [
            tuple(array[begin:end] for array in arrays) for begin, end in itertools.pairwise(bounds)
        ]
        others = [
            self._pool.submit(getattr(twin, method), *share)
            for twin, share in zip(self._twins[1:], shares[1:], strict=False)
        ]
        results = [getattr(self.network, method)(*shares[0]), *(other.result() for other in others)]
        return [(len(share[0]), result) for share, result in zip(shares, results, strict=True)]
