"""Training by epochs: validate after each, stop when it no longer pays, keep the best.

The trainer of `cnn.training.trainer` in phases of one epoch, so a fit has the bits of one training phase of
the same length: how it is cut, validated or recorded changes nothing.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cnn.arrays import FloatVector
from cnn.checks import at_least, seed_sequence
from cnn.training.curve import LearningCurve, join_curves
from cnn.training.recipe import Recipe
from cnn.training.samples import Samples
from cnn.training.trainer import OptimizerState, Trainable, check_samples, evaluate, train


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch came to.

    Attributes
    ----------
    epoch
        From 1.
    step
        Steps of the whole run done at its end.
    train_loss
        Mean minibatch loss over the epoch.
    validation_loss
        Mean loss over the validation samples after it.
    validation_accuracy
        Share of validation samples decided rightly; None where targets are not classes.
    learning_rate, gradient_norm
        Of its last step, the norm before clipping.
    layer_gradient_norms
        Of its last step, by name of the layer; empty unless asked for.
    """

    epoch: int
    step: int
    train_loss: float
    validation_loss: float
    validation_accuracy: float | None
    learning_rate: float
    gradient_norm: float
    layer_gradient_norms: dict[str, float]


@dataclass(frozen=True, eq=False)
class FitState:
    """What a fit must remember to go on, beside the network's parameters.

    Attributes
    ----------
    epoch
        Epochs made.
    optimizer
        The optimiser's memory.
    best_epoch
        The epoch whose validation loss nothing later improved upon; None before there was one.
    best_loss
        Its validation loss; infinite before there was one.
    best_parameters
        The parameters after it; None where the fit has no patience, and keeps none.
    """

    epoch: int
    optimizer: OptimizerState
    best_epoch: int | None
    best_loss: float
    best_parameters: FloatVector | None


@dataclass(frozen=True, eq=False)
class FitReport:
    """What one fit did.

    Attributes
    ----------
    status
        ``"ok"``, or ``"diverged"`` where training did, see `cnn.TrainingReport`, or where a
        validation loss is not finite.
    reason
        Why it diverged; empty where it did not.
    epochs
        A record of each epoch that this call completed.
    curve
        The steps that this call recorded: each epoch's last, and more if asked for.
    best_epoch
        The epoch of the least validation loss, as `min_delta` counts; None where none had a finite
        one.
    stopped_early
        Whether patience ran out before the epochs did.
    restored
        Whether the parameters are those of the best epoch, not of the last.
    seconds
        Wall time.
    state
        To go on with, after a fit that ended by `until`.
    """

    status: Literal["ok", "diverged"]
    reason: str
    epochs: tuple[EpochRecord, ...]
    curve: LearningCurve
    best_epoch: int | None
    stopped_early: bool
    restored: bool
    seconds: float
    state: FitState


def fit(
    network: Trainable,
    samples: Samples,
    validation: Samples,
    recipe: Recipe,
    *,
    epochs: int,
    order_seed: np.random.SeedSequence | int,
    patience: int | None = None,
    min_delta: float = 0.0,
    record_every: int | None = None,
    record_layers: bool = False,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    until: int | None = None,
    state: FitState | None = None,
) -> FitReport:
    """Train a network in place for some epochs, and validate it after each.

    An epoch is ⌈n / batch size⌉ steps on n samples; a last batch that they do not fill is filled
    from the next epoch's order.

    Parameters
    ----------
    network
        Anything trainable; its `parameters` are changed in place.
    samples
        What to learn from.
    validation
        What to measure on; nothing is learnt from it but when to stop. Without any there is
        nothing to fit by: `cnn.train` trains without.
    recipe
        How to learn. Its schedule spans all `epochs`, whether or not they are all made.
    epochs
        Epochs of the whole run, at least 1.
    order_seed
        Seed of the sample order; an integer s stands for SeedSequence(s).
    patience
        Stop after that many epochs in a row, at least 1, without a better validation loss; and when
        the fit ends, for this reason or another, restore the best epoch's parameters. None makes
        all epochs and keeps the last parameters.
    min_delta
        A validation loss is better if it is lower than the best by more than this.
    record_every, record_layers
        As in `cnn.train`.
    on_epoch
        Called with each epoch's record as soon as it is there.
    until
        Pause after that epoch of the run, and restore nothing: with the report's `state` another
        call with the same arguments goes on, to the same bits as without a pause.
    state
        State of the paused fit to go on with. It is copied, not changed.

    Returns
    -------
    FitReport
        What happened. Divergence is a status, not an exception; the epoch in which it happens has
        no record.

    Raises
    ------
    TypeError
        Where a count is no integer, samples or validation are no `Samples`, or `order_seed` is no
        seed.
    ValueError
        Where a count is out of range, samples or validation do not suit the network or one another,
        or `cnn.train` refuses what it is given. Nothing is trained then.

    Examples
    --------
    >>> from cnn import HiddenLayer, Network, Recipe, Samples, SoftmaxLayer
    >>> x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    >>> xor = Samples(x, np.array([0, 1, 1, 0]))
    >>> layers = [HiddenLayer(4), SoftmaxLayer(2)]
    >>> network = Network(layers, (2,), rng=np.random.default_rng(0))
    >>> recipe = Recipe(batch_size=4, learning_rate=0.5)
    >>> seed = np.random.SeedSequence(0)
    >>> report = fit(network, xor, xor, recipe, epochs=300, order_seed=seed)
    >>> len(report.epochs), report.epochs[-1].validation_accuracy
    (300, 1.0)
    """
    started = time.perf_counter()
    at_least(1, epochs=epochs)
    if patience is not None:
        at_least(1, patience=patience)
    if until is not None:
        at_least(0, until=until)
    order_seed = seed_sequence("order_seed", order_seed)
    check_samples(network, samples, "samples")
    check_samples(network, validation, "validation")
    _check_alike(samples, validation)
    if not 0 <= min_delta < np.inf:
        raise ValueError(f"min_delta must be a finite number, at least 0, not {min_delta}")
    last = epochs if until is None else until
    done = 0 if state is None else state.epoch
    if not done < last <= epochs:
        raise ValueError(
            f"until must lie after the {done} epochs made and within {epochs}, not at {last}"
        )
    if patience is not None and state is not None and state.best_parameters is None:
        raise ValueError("state must keep best_parameters to go on with patience; it has None")

    steps = -(-len(samples) // recipe.batch_size)
    best = _Best(network, min_delta, keep=patience is not None, state=state)
    optimizer = None if state is None else state.optimizer
    records: list[EpochRecord] = []
    curves: list[LearningCurve] = []
    reason, stopped_early = "", False
    while done < last and not stopped_early:
        report = train(
            network,
            samples,
            recipe,
            first_step=done * steps,
            steps=steps,
            total_steps=epochs * steps,
            order_seed=order_seed,
            state=optimizer,
            record_every=record_every,
            record_layers=record_layers,
        )
        curves.append(report.curve)
        optimizer, reason = report.state, report.reason
        if reason:
            break
        record = _measure(network, validation, done + 1, report.curve, first_step=report.first_step)
        if not math.isfinite(record.validation_loss):
            reason = f"validation loss {record.validation_loss:g} after epoch {done + 1}"
            break
        done += 1
        records.append(record)
        best.update(done, record.validation_loss)
        if on_epoch is not None:
            on_epoch(record)
        stopped_early = patience is not None and done - (best.epoch or 0) >= patience
    paused = not reason and not stopped_early and last < epochs
    return FitReport(
        status="diverged" if reason else "ok",
        reason=reason,
        epochs=tuple(records),
        curve=join_curves(curves),
        best_epoch=best.epoch,
        stopped_early=stopped_early,
        restored=not paused and best.restore(),
        seconds=time.perf_counter() - started,
        state=FitState(done, report.state, best.epoch, best.loss, best.parameters),
    )


class _Best:
    """The best epoch so far, and where asked a copy of its parameters."""

    def __init__(
        self, network: Trainable, min_delta: float, *, keep: bool, state: FitState | None
    ) -> None:
        self.network = network
        self.min_delta = min_delta
        self.epoch = None if state is None else state.best_epoch
        self.loss = np.inf if state is None else state.best_loss
        kept = None if state is None else state.best_parameters
        self.parameters: FloatVector | None = None
        if keep:
            self.parameters = np.array(network.parameters if kept is None else kept)

    def update(self, epoch: int, loss: float) -> None:
        """Take an epoch for the best if its loss is better."""
        if loss < self.loss - self.min_delta:
            self.epoch, self.loss = epoch, loss
            if self.parameters is not None:
                self.parameters[...] = self.network.parameters

    def restore(self) -> bool:
        """Write the copy back, if there is one of an epoch, and say whether."""
        if self.parameters is None or self.epoch is None:
            return False
        self.network.parameters[...] = self.parameters
        return True


def _check_alike(samples: Samples, validation: Samples) -> None:
    """Raise ValueError unless both have inputs of one size and targets of one kind."""
    theirs, ours = (
        (math.prod(one.inputs.shape[1:]), one.has_classes, one.targets.shape[1:])
        for one in (validation, samples)
    )
    if theirs != ours:
        raise ValueError(
            "validation must have the inputs and targets of samples; it has "
            f"{validation.inputs.shape[1:]} and {validation.targets.dtype} of shape "
            f"{validation.targets.shape}, samples have {samples.inputs.shape[1:]} and "
            f"{samples.targets.dtype} of shape {samples.targets.shape}"
        )


def _measure(
    network: Trainable, validation: Samples, epoch: int, curve: LearningCurve, *, first_step: int
) -> EpochRecord:
    """Validate, and put the record of an epoch together."""
    measured = evaluate(network, validation)
    lengths = np.diff(curve.step, prepend=first_step)
    return EpochRecord(
        epoch=epoch,
        step=int(curve.step[-1]),
        train_loss=float(np.average(curve.loss, weights=lengths)),
        validation_loss=measured.loss,
        validation_accuracy=measured.accuracy,
        learning_rate=float(curve.learning_rate[-1]),
        gradient_norm=float(curve.gradient_norm[-1]),
        layer_gradient_norms=dict(
            zip(curve.layers, curve.layer_gradient_norms[-1].tolist(), strict=True)
        ),
    )
