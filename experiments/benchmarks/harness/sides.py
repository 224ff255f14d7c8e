"""A case of the benchmarks of graphs and maps (genome, data, recipe) with our side, and the protocol of peers."""

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
"""Training steps after which losses and bits are compared."""

TOLERANCE = 1e-4
"""Largest relative difference of the losses after `STEPS` steps."""

WARM_UP = 2
"""Untimed steps before each turn."""

FIRST_TRIAL = 4
"""Steps of the trial that decides how many steps fill a turn."""

Steps = NDArray[np.intp]
"""The samples of each step, shape (steps, batch)."""


class Peer(Protocol):
    """The network and samples of a case in another program."""

    def restore(self) -> None:
        """Go back to the starting weights, without momentum."""

    def train(self, order: Steps) -> None:
        """Make whole training steps."""

    def loss(self, batch: NDArray[np.intp]) -> float:
        """Return the mean loss over some samples."""


@dataclass(frozen=True, eq=False)
class Case:
    """The network, data and recipe that all sides train.

    Attributes
    ----------
    part, what
        Name of the case in tables.
    genome, samples, recipe
        Network, data and recipe; every side takes the same batches.
    dormant
        Treatment of dormant entries on our side, as in `evo.Phenotype`.
    network
        Our side.
    start
        Its starting weights.
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
        """Return our side; a turn has `steps` steps."""

        def prepare() -> None:
            self.train(WARM_UP)
            self.restore()

        return Side("ours", prepare, lambda: self.train(steps))

    def peer_side(self, name: str, peer: Peer, steps: int) -> Side:
        """Return the side of a peer; a turn has `steps` steps."""
        order = self.order(steps)

        def prepare() -> None:
            peer.train(order[:WARM_UP])
            peer.restore()

        return Side(name, prepare, lambda: peer.train(order))


def noise_samples(n: int, n_features: int, n_classes: int) -> cnn.Samples:
    """Draw features in [0, 1) and classes; speed does not depend on the data."""
    rng = np.random.default_rng(5)
    inputs = rng.random((n, n_features), dtype=np.float32)
    return cnn.Samples(inputs, rng.permutation(n) % n_classes)


def agreement_row(case: Case, name: str, peer: Peer) -> TableRow:
    """Train both sides from the same weights, compare their losses on the first batch, and restore both.

    Raises
    ------
    BenchmarkError
        If the losses differ by more than `TOLERANCE`.
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
            f"{case.part}, {case.what}: loss after {STEPS} steps must be that of {name}, {theirs:.6g}, to "
            f"{TOLERANCE:g}; got {ours:.6g}"
        )
    row = {"peer": name, "steps": STEPS, "loss_before": before, "loss_ours": ours}
    return "agreement", case.key | row | {"loss_peer": theirs, "relative_difference": apart}


def rates(
    makers: Mapping[str, Callable[[int], Side]], seconds: float, rounds: int
) -> dict[str, list[float]]:
    """Let sides take turns of about the same length.

    Parameters
    ----------
    makers
        By name, ``make(steps)`` returns the side with `steps` steps a turn.
    seconds
        Approximate length of a turn.
    rounds
        Number of turns of each side.

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
    """Check that peers compute the same, choose the fastest form of each, and time all sides in turns.

    Parameters
    ----------
    case
        The case with our side.
    peers
        Forms of each peer, by names of peer and form.
    targets
        Factor by which ours must be faster, by peer; a peer may have none.
    turns
        Number and length of turns.
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
            f"{part}, {what}: bits of two trainings must be the same; got {first} and {second}"
        )
    row = {"part": part, "what": what, "first": first, "second": second}
    return row | {"identical": first == second}
