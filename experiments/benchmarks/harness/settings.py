"""Options of a bench as the command line takes them, and what they come to for its measurements."""

from dataclasses import dataclass
from pathlib import Path

from evo.errors import SettingsError


@dataclass(frozen=True)
class BenchOptions:
    """What the command line offers; None leaves the choice to the bench, which depends on `quick`.

    Attributes
    ----------
    batches
        Batch sizes.
    threads
        Thread counts, each measured in a process of its own.
    repeats
        Turns of each side.
    networks
        Names that the bench knows.
    quick
        Few and short turns: a test that everything works, not a measurement.
    data_dir
        Folder with the four files of the MNIST family, instead of synthetic images.
    """

    batches: tuple[int, ...] | None = None
    threads: tuple[int, ...] | None = None
    repeats: int | None = None
    networks: tuple[str, ...] | None = None
    quick: bool = False
    data_dir: Path | None = None


def check_repeats_only(name: str, options: BenchOptions) -> None:
    """Check the options of a bench that has no other than `repeats` and `quick`.

    Raises
    ------
    SettingsError
        At any other, or where there is to be no repeat.
    """
    for other in ("batches", "threads", "networks", "data_dir"):
        if getattr(options, other) is not None:
            raise SettingsError(f"{other.removesuffix('es')}: is no option of bench {name}")
    if options.repeats is not None and options.repeats < 1:
        raise SettingsError(f"repeats: must be at least 1; got {options.repeats}")


@dataclass(frozen=True)
class SpeedSettings:
    """What one process measures of the CNN bench.

    Attributes
    ----------
    networks, batches
        Each network at each batch size.
    threads
        Threads of both sides.
    rounds
        Turns of each side.
    turn_seconds
        About how long a turn of eager PyTorch takes; the others do the same work.
    trials
        Short turns by which PyTorch's fastest form is chosen.
    passes
        Passes through the layers, of which rates per layer are medians.
    compiled
        Whether ``torch.compile`` takes part.
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
    """What one process measures of the bench of maps.

    Attributes
    ----------
    network
        A name in `experiments.benchmarks.maps.networks.NETWORKS`.
    batches
        Batch sizes.
    rounds
        Turns of each side; None for the usual.
    quick
        As in `BenchOptions`.
    """

    network: str
    batches: tuple[int, ...]
    rounds: int | None
    quick: bool
