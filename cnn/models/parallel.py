"""Data parallelism: each thread processes a part of every batch, and the gradients are averaged."""

import itertools
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from cnn.arrays import FloatArray, FloatVector, Shape, Targets, aligned_zeros
from cnn.checks import at_least, real_array
from cnn.dropout import Dropout
from cnn.models.network import Network
from cnn.training.samples import Samples


class DataParallel:
    """A network whose batches are divided among several threads.

    It is trainable by `cnn.training.trainer.train`, which changes the parameters of the network. The parts of a batch
    and the order of summation are fixed, so a number of threads always gives the same bits. Another number of threads
    gives other last bits. Compiled loops and BLAS release the interpreter lock, so the threads run in parallel.

    Parameters
    ----------
    network
        The network to train. All threads share its `parameters`.
    threads
        Number of threads, at least 1; useful up to the number of cores.

    Raises
    ------
    ValueError
        If `threads` is below 1.

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
        self.gradient = aligned_zeros(network.parameters.shape, network.parameters.dtype)
        self._twins = (network, *(network.twin() for _ in range(threads - 1)))
        # The calling thread processes the first part.
        self._pool = ThreadPoolExecutor(max(1, threads - 1), "cnn-share")

    def __enter__(self) -> "DataParallel":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the threads."""
        self.close()

    def close(self) -> None:
        """End the threads. The network stays usable."""
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

    @property
    def output_shape(self) -> Shape:
        """As of the network."""
        return self.network.output_shape

    def summary(self) -> str:
        """See `Network.summary`."""
        return self.network.summary()

    def check_samples(self, samples: Samples, name: str = "samples") -> None:
        """See `Network.check_samples`."""
        self.network.check_samples(samples, name)

    def loss_and_gradients(
        self,
        inputs: FloatArray,
        targets: Targets,
        weights: FloatVector | None = None,
        label_smoothing: float = 0.0,
        dropout: Dropout | None = None,
    ) -> tuple[float, FloatVector]:
        """See `Network.loss_and_gradients`."""
        options: dict[str, Any] = {"label_smoothing": label_smoothing, "dropout": dropout}
        results = self._on_shares("loss_and_gradients", inputs, targets, weights, **options)
        total = sum(n for n, _ in results)
        shares = [n / total for n, _ in results]
        loss = sum(share * value for share, (_, (value, _)) in zip(shares, results, strict=True))
        np.multiply(results[0][1][1], shares[0], out=self.gradient)
        for share, (_, (_, theirs)) in zip(shares[1:], results[1:], strict=True):
            np.multiply(theirs, share, out=theirs)  # each twin's own: in place
            self.gradient += theirs
        return float(loss), self.gradient

    def loss(
        self, inputs: FloatArray, targets: Targets, weights: FloatVector | None = None
    ) -> float:
        """See `Network.loss`."""
        shares = self._on_shares("loss", inputs, targets, weights)
        return float(sum(value * n for n, value in shares) / sum(n for n, _ in shares))

    def output(self, inputs: FloatArray) -> FloatArray:
        """See `Network.output`."""
        return np.concatenate([value for _, value in self._on_shares("output", inputs)])

    def predict(self, inputs: FloatArray) -> npt.NDArray[np.intp] | FloatArray:
        """See `Network.predict`."""
        return np.concatenate([value for _, value in self._on_shares("predict", inputs)])

    def _on_shares(
        self, method: str, *parts: npt.ArrayLike | None, **options: Any
    ) -> list[tuple[int, Any]]:
        """Call a method of each twin on its part of the batch; return the parts' lengths and results.

        Invalid arguments are passed to the network as a whole, which raises the error.
        """
        whole = partial(getattr(self.network, method), **options)
        given = [part for part in parts if part is not None]
        arrays = [
            real_array(name, array)
            for name, array in zip(("inputs", "targets", "weights"), given, strict=False)
        ]
        n = len(arrays[0]) if arrays[0].ndim else 0
        if not n or any(array.shape[:1] != (n,) for array in arrays):
            whole(*given)
        count = min(self.threads, n)
        bounds = [n * share // count for share in range(count + 1)]
        calls = [
            (tuple(array[begin:end] for array in arrays), _of_share(options, begin, end))
            for begin, end in itertools.pairwise(bounds)
        ]
        others = [
            self._pool.submit(getattr(twin, method), *share, **of_share)
            for twin, (share, of_share) in zip(self._twins[1:], calls[1:], strict=False)
        ]
        share, of_share = calls[0]
        try:
            own = getattr(self.network, method)(*share, **of_share)
            results = [own, *(other.result() for other in others)]
        except ValueError:
            wait(others)
            whole(*given)  # names the index in the whole batch
            raise
        return [(len(call[0][0]), result) for call, result in zip(calls, results, strict=True)]


def _of_share(options: dict[str, Any], begin: int, end: int) -> dict[str, Any]:
    """Return the options of a part of the batch, with the dropout of its samples."""
    dropout = options.get("dropout")
    if dropout is None:
        return options
    return options | {"dropout": dropout._replace(keys=dropout.keys[begin:end])}
