"""Training by epochs with validation, early stopping and the best parameters restored.

Each epoch is one train phase of `cnn.training.trainer`. The trained parameters are bit for bit those of a single phase
with as many steps. Validation, records and pauses do not change them.
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
from cnn.training.descent import Trainable
from cnn.training.recipe import Recipe
from cnn.training.samples import Samples
from cnn.training.trainer import OptimizerState, check_samples, evaluate, train


@dataclass(frozen=True)
class EpochRecord:
    """Losses and gradient norms of one epoch.

    Attributes
    ----------
    epoch
        Number of the epoch, from 1.
    step
        Steps made in the whole run at the end of the epoch.
    train_loss
        Mean minibatch loss over the epoch.
    validation_loss
        Mean loss over the validation samples after the epoch.
    validation_accuracy
        Fraction of validation samples classified correctly; None if targets are values.
    learning_rate, gradient_norm
        Learning rate and gradient norm (before clipping) of the last step of the epoch.
    layer_gradient_norms
        Gradient norm of each layer at the last step, by name of the layer; empty unless recorded.
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
    """State needed to continue a fit, apart from the network's parameters.

    Attributes
    ----------
    epoch
        Epochs made.
    optimizer
        State of the optimizer.
    best_epoch
        Epoch of the best validation loss; None before the first epoch.
    best_loss
        Validation loss of the best epoch; infinite before the first epoch.
    best_parameters
        Parameters after the best epoch; None in a fit without patience.
    """

    epoch: int
    optimizer: OptimizerState
    best_epoch: int | None
    best_loss: float
    best_parameters: FloatVector | None


@dataclass(frozen=True, eq=False)
class FitReport:
    """Result of one fit.

    Attributes
    ----------
    status
        ``"ok"``, or ``"diverged"`` if training diverged (see `cnn.TrainingReport`) or a validation loss is not finite.
    reason
        Why the fit diverged; empty if it did not diverge.
    epochs
        One record for each epoch completed in this call.
    curve
        Learning curve of this call: the last step of each epoch, and the steps of `record_every`.
    best_epoch
        Epoch of the lowest validation loss, with `min_delta` taken into account; None without a finite loss.
    stopped_early
        Whether the fit stopped for lack of improvement before the last epoch.
    restored
        Whether the parameters of the best epoch were restored.
    seconds
        Wall time.
    state
        State to continue a fit that was paused by `until`.
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
    """Train a network in place for some epochs, with validation after each epoch.

    An epoch is ⌈n / batch size⌉ steps on n samples. If the last batch is not full, it is filled with samples of the
    next epoch's order.

    Parameters
    ----------
    network
        A trainable network. Its `parameters` are changed in place.
    samples
        Training samples.
    validation
        Validation samples. They decide when to stop and which parameters are best. `cnn.train` needs none.
    recipe
        Training settings. The schedule spans all `epochs`, even if the fit stops early.
    epochs
        Epochs of the whole run, at least 1.
    order_seed
        Seed of the sample order. An integer s means SeedSequence(s).
    patience
        Stop after this many consecutive epochs (at least 1) without a better validation loss. At the end of the fit
        the parameters of the best epoch are restored. None makes all epochs and keeps the last parameters.
    min_delta
        A validation loss is better if it is lower than the best loss by more than `min_delta`.
    record_every, record_layers
        As in `cnn.train`.
    on_epoch
        Called with the record of each completed epoch.
    until
        Pause after this epoch and restore nothing. Another call with the same arguments and the report's `state`
        continues, with the same bits as an unpaused fit.
    state
        State of the paused fit. The state is copied, not changed.

    Returns
    -------
    FitReport
        Divergence is a status, not an exception. The epoch that diverges has no record.

    Raises
    ------
    TypeError
        If a count is not an integer, `samples` or `validation` is not a `Samples`, or `order_seed` is not a seed.
    ValueError
        If a count is out of range, samples, validation and network do not fit each other, or `cnn.train` refuses an
        argument. Nothing is trained in these cases.

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
    done, last = _check_epochs(epochs, patience, until, state)
    order_seed = seed_sequence("order_seed", order_seed)
    check_samples(network, samples, "samples")
    check_samples(network, validation, "validation")
    _check_alike(samples, validation)
    if not 0 <= min_delta < np.inf:
        raise ValueError(f"min_delta must be a finite number, at least 0; got {min_delta}")

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
    """The best epoch so far, with a copy of its parameters if `keep` is set."""

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
        """Store an epoch as the best one if its loss is better."""
        if loss < self.loss - self.min_delta:
            self.epoch, self.loss = epoch, loss
            if self.parameters is not None:
                self.parameters[...] = self.network.parameters

    def restore(self) -> bool:
        """Restore the stored parameters, and return whether there were any."""
        if self.parameters is None or self.epoch is None:
            return False
        self.network.parameters[...] = self.parameters
        return True


def _check_epochs(
    epochs: int, patience: int | None, until: int | None, state: FitState | None
) -> tuple[int, int]:
    """Check the counts of epochs; return the epochs made before this call and the last epoch of this call."""
    at_least(1, epochs=epochs)
    if patience is not None:
        at_least(1, patience=patience)
    if until is not None:
        at_least(0, until=until)
    last = epochs if until is None else until
    done = 0 if state is None else state.epoch
    if not done < last <= epochs:
        raise ValueError(
            f"until must be above the {done} epochs made and at most {epochs}; got {last}"
        )
    if patience is not None and state is not None and state.best_parameters is None:
        raise ValueError("state must hold best_parameters to continue with patience; got None")
    return done, last


def _check_alike(samples: Samples, validation: Samples) -> None:
    """Raise ValueError unless both have the same input size and the same kind of targets."""
    theirs, ours = (
        (math.prod(one.inputs.shape[1:]), one.has_classes, one.targets.shape[1:])
        for one in (validation, samples)
    )
    if theirs != ours:
        raise ValueError(
            f"validation must have inputs {samples.inputs.shape[1:]} and targets {samples.targets.dtype} "
            f"of shape {samples.targets.shape}, as samples do; got {validation.inputs.shape[1:]} and "
            f"{validation.targets.dtype} of shape {validation.targets.shape}"
        )


def _measure(
    network: Trainable, validation: Samples, epoch: int, curve: LearningCurve, *, first_step: int
) -> EpochRecord:
    """Evaluate the validation samples and return the record of an epoch."""
    evaluation = evaluate(network, validation)
    lengths = np.diff(curve.step, prepend=first_step)
    return EpochRecord(
        epoch=epoch,
        step=int(curve.step[-1]),
        train_loss=float(np.average(curve.loss, weights=lengths)),
        validation_loss=evaluation.loss,
        validation_accuracy=evaluation.accuracy,
        learning_rate=float(curve.learning_rate[-1]),
        gradient_norm=float(curve.gradient_norm[-1]),
        layer_gradient_norms=dict(
            zip(curve.layers, curve.layer_gradient_norms[-1].tolist(), strict=True)
        ),
    )
