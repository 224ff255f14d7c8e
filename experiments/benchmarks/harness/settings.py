"""Options of a benchmark on the command line, and the settings of its processes that follow from them."""

from dataclasses import dataclass
from pathlib import Path

from evo.errors import SettingsError


@dataclass(frozen=True)
class BenchOptions:
    """Options of the command line; None leaves the choice to the benchmark.

    Attributes
    ----------
    batches
        Batch sizes.
    threads
        Thread counts; each is measured in a process of its own.
    repeats
        Number of turns of each side.
    networks
        Names of networks of the benchmark.
    quick
        Whether turns are few and short: a test that everything works, not a measurement.
    data_dir
        Folder with the four files of the MNIST family; by default images are synthetic.
    """

    batches: tuple[int, ...] | None = None
    threads: tuple[int, ...] | None = None
    repeats: int | None = None
    networks: tuple[str, ...] | None = None
    quick: bool = False
    data_dir: Path | None = None


def check_repeats_only(name: str, options: BenchOptions) -> None:
    """Check the options of a benchmark that has only `repeats` and `quick`.

    Raises
    ------
    SettingsError
        If another option is given, or if `repeats` is below 1.
    """
    for other in ("batches", "threads", "networks", "data_dir"):
        if getattr(options, other) is not None:
            option = other.removesuffix("es")
            raise SettingsError(f"{option}: must not be given to bench {name}")
    if options.repeats is not None and options.repeats < 1:
        raise SettingsError(f"repeats: must be at least 1; got {options.repeats}")


@dataclass(frozen=True)
class SpeedSettings:
    """Settings of one process of the CNN benchmark.

    Attributes
    ----------
    networks, batches
        Each network at each batch size.
    threads
        Threads of each side.
    rounds
        Number of turns of each side.
    turn_seconds
        Approximate length of a turn of eager PyTorch; the other sides do the same work.
    trials
        Number of short turns that choose the fastest form of PyTorch.
    passes
        Number of passes through the layers; rates per layer are medians over them.
    compiled
        Whether ``torch.compile`` is measured too.
    data_dir
        As in `BenchOptions`.
    """

    networks: tuple[str, ...]
    batches: tuple[int, ...]
    threads: int
    rounds: int
    turn_seconds: float
    trials: int
    passes: int
    compiled: bool
    data_dir: str | None


@dataclass(frozen=True)
class MapsSettings:
    """Settings of one process of the benchmark of maps.

    Attributes
    ----------
    network
        A name in `experiments.benchmarks.maps.networks.NETWORKS`.
    batches
        Batch sizes.
    rounds
        Number of turns of each side; None for the usual number.
    quick
        As in `BenchOptions`.
    """

    network: str
    batches: tuple[int, ...]
    rounds: int | None
    quick: bool
