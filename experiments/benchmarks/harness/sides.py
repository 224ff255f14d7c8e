"""A case of the graph bench - genome, data, recipe - with our side, and what peers must offer."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

import cnn
from evo.genome.genome import Genome
from evo.phenotype.phenotype import Dormant, Phenotype
from experiments.benchmarks.harness import workload
from experiments.benchmarks.harness.errors import BenchmarkError
from experiments.benchmarks.harness.rows import Row, TableRow, Turns, speed_row
from experiments.benchmarks.harness.timing import Side, Spread, interleave, repeats_for, seconds_of

STEPS = 20
"""Training steps after which losses are compared, and bits."""

TOLERANCE = 1e-4
"""Largest relative difference of the losses then."""

WARM_UP = 2
"""Steps before each turn, outside the clock."""

FIRST_TRIAL = 4
"""Steps by which the length of a turn is chosen."""

Steps = NDArray[np.intp]
"""The samples of each step, shape (steps, batch)."""


class Peer(Protocol):
    """The same network elsewhere, with the samples of its case."""

    def restore(self) -> None:
        """Go back to the starting weights, without momentum."""

    def train(self, order: Steps) -> None:
        """Make whole training steps."""

    def loss(self, batch: NDArray[np.intp]) -> float:
        """Return the mean loss over some samples."""


@dataclass(frozen=True, eq=False)
class Case:
    """What all sides train.

    Attributes
    ----------
    part, what
        Which rows of the tables it is.
    genome, samples, recipe
        Network, data, and how to learn; every side takes the same batches.
    dormant
        What our side does with entries that the threshold does not let through.
    network
        Our side.
    """

    part: str
    what: str
    genome: Genome
    samples: cnn.Samples
    recipe: cnn.Recipe
    dormant: Dormant = "frozen"
    network: Phenotype = field(init=False)
    start: NDArray[Any] = field(init=False)

    def __post_init__(self) -> None:
        """Compile our side."""
        object.__setattr__(self, "network", Phenotype(self.genome, dormant=self.dormant))
        object.__setattr__(self, "start", self.network.parameters.copy())

    @property
    def key(self) -> Row:
        """The columns that name the case."""
        return {"part": self.part, "what": self.what}

    def order(self, steps: int) -> Steps:
        """Return the samples of the first steps, as our trainer draws them."""
        n, batch = len(self.samples), self.recipe.batch_size
        return cnn.batch_indices(n, batch, 0, steps, workload.order_seed())

    def restore(self) -> None:
        """Go back to the starting weights."""
        self.network.parameters[...] = self.start

    def train(self, steps: int) -> None:
        """Train our side."""
        workload.train_by(self.recipe, self.network, self.samples, steps)

    def side(self, steps: int) -> Side:
        """Return our side, with so many steps a turn."""

        def prepare() -> None:
            self.train(WARM_UP)
            self.restore()

        return Side("ours", prepare, lambda: self.train(steps))

    def peer_side(self, name: str, peer: Peer, steps: int) -> Side:
        """Return the side of a peer, with so many steps a turn."""
        order = self.order(steps)

        def prepare() -> None:
            peer.train(order[:WARM_UP])
            peer.restore()

        return Side(name, prepare, lambda: peer.train(order))


def noise_samples(n: int, n_features: int, n_classes: int) -> cnn.Samples:
    """Draw features in [0, 1) and classes: speed does not depend on what is learned."""
    rng = np.random.default_rng(5)
    inputs = rng.random((n, n_features), dtype=np.float32)
    return cnn.Samples(inputs, rng.permutation(n) % n_classes)


def agreement_row(case: Case, name: str, peer: Peer) -> TableRow:
    """Train both sides from one start, and compare their losses on the first batch; put all back.

    Raises
    ------
    BenchmarkError
        If these differ by more than `TOLERANCE`.
    """
    order = case.order(STEPS)
    batch = order[0]
    case.restore()
    peer.restore()
    before = peer.loss(batch)
    case.train(STEPS)
    peer.train(order)
    ours = case.network.loss(case.samples.inputs[batch], case.samples.targets[batch])
    theirs = peer.loss(batch)
    case.restore()
    peer.restore()
    apart = abs(ours - theirs) / abs(theirs)
    if not apart <= TOLERANCE:
        raise BenchmarkError(
            f"{case.part}, {case.what}: after {STEPS} steps the loss must be that of {name} to "
            f"{TOLERANCE:g}; ours is {ours:.6g}, theirs {theirs:.6g}"
        )
    row = {"peer": name, "steps": STEPS, "loss_before": before, "loss_ours": ours}
    return "agreement", case.key | row | {"loss_peer": theirs, "relative_difference": apart}


def rates(
    makers: Mapping[str, Callable[[int], Side]], seconds: float, rounds: int
) -> dict[str, list[float]]:
    """Let sides take turns of about equal length.

    Parameters
    ----------
    makers
        By name, ``make(steps)`` returns the side with so many steps a turn.
    seconds
        About how long a turn lasts.
    rounds
        Turns of each side.

    Returns
    -------
    dict
        Steps/s of each turn, by name.
    """
    sides, steps = [], {}
    for name, make in makers.items():
        trial = make(FIRST_TRIAL)
        trial.prepare()
        steps[name] = repeats_for(seconds_of(trial.run) / FIRST_TRIAL, seconds)
        sides.append(make(steps[name]))
    measured = interleave(sides, rounds)
    return {name: [steps[name] / s for s in turns] for name, turns in measured.items()}


def fastest(case: Case, forms: Mapping[str, Peer], turns: Turns) -> str:
    """Return the name of the fastest form of a peer."""
    if len(forms) == 1:
        return next(iter(forms))
    makers = {name: partial(case.peer_side, name, peer) for name, peer in forms.items()}
    found = rates(makers, turns.seconds / 4, turns.trials)
    return max(forms, key=lambda name: Spread.of(found[name]).median)


def compare(
    case: Case, peers: Mapping[str, Mapping[str, Peer]], targets: Mapping[str, float], turns: Turns
) -> Iterator[TableRow]:
    """Check that peers agree with ours, take the fastest form of each, and time all in turns.

    Parameters
    ----------
    case
        With our side.
    peers
        Forms by name, of each peer by name.
    targets
        By which factor ours is to be faster, by peer; not every peer needs one.
    turns
        How long.
    """
    chosen: dict[str, tuple[str, Peer]] = {}
    for name, forms in peers.items():
        for form, peer in forms.items():
            yield agreement_row(case, f"{name}, {form}", peer)
        form = fastest(case, forms, turns)
        chosen[name] = form, forms[form]
    makers: dict[str, Callable[[int], Side]] = {"ours": case.side}
    for name, (_, peer) in chosen.items():
        makers[name] = partial(case.peer_side, name, peer)
    found = rates(makers, turns.seconds, turns.rounds)
    for name, (form, _) in chosen.items():
        row = speed_row(
            "steps/s", name, found["ours"], found[name], form=form, target=targets.get(name)
        )
        yield "speed", case.key | row


def digest(case: Case) -> str:
    """Train from the starting weights, and return the beginning of the SHA-256 of the parameters."""
    case.restore()
    case.train(STEPS)
    found = hashlib.sha256(case.network.parameters.tobytes()).hexdigest()[:16]
    case.restore()
    return found


def bits_row(part: str, what: str, first: str, second: str) -> Row:
    """Return the row of a case that was trained twice.

    Raises
    ------
    BenchmarkError
        If the digests differ.
    """
    if first != second:
        raise BenchmarkError(
            f"{part}, {what}: training twice must give the same bits; it gave {first} and {second}"
        )
    row = {"part": part, "what": what, "first": first, "second": second}
    return row | {"identical": first == second}
