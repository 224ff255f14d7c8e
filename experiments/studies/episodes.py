"""What a run that a reward judges has beside its search: a trial episode before it, and arms that do not evolve."""

import time
from collections.abc import Sequence

from cnn.training.budget import TrainingBudget
from evo.errors import SettingsError
from evo.evolution.failures import kind_and_text, own_calls, place_of
from evo.evolution.tasks import EpisodeTask
from evo.genome.genome import Genome
from evo.interruption import is_interruption
from evo.origin import place_of as written_at
from evo.phenotype.phenotype import Phenotype
from evo.rewards import EpisodeError, EpisodeSource, Reward, try_episode
from evo.seeding import Purpose, generator
from evo.selection import DESCRIPTORS, named_descriptors
from evo.storage.rows import played_columns
from experiments.arms import Evolved, build_arm
from experiments.arms.training import TrainedArm
from experiments.settings.experiment import Experiment
from experiments.studies.arguments import limits_of
from experiments.studies.baselines import Baselines

MOST_FOUNDERS = 3
"""Founders that try an episode at most: each may act for a long time."""


def measures_read(experiment: Experiment) -> frozenset[str]:
    """Return the measures by which the selection of an experiment tells individuals apart."""
    names = {name for _, name in named_descriptors(experiment.evolution.selection)}
    return frozenset(names - {*DESCRIPTORS})


def check_reward_judges(
    source: EpisodeSource, founders: Sequence[Genome], experiment: Experiment
) -> None:
    """Let untrained founders play a trial episode each, until one of them has played; nothing is charged.

    A reward may fail with some networks: then these individuals fail. One that fails with `MOST_FOUNDERS` founders is
    refused. The episodes have a random stream and a reward of their own, so they change no result. There is no trial
    where an individual may take a limited time or memory: only a worker can keep to a limit.

    Raises
    ------
    SettingsError
        If the reward fails with every founder that tries it: one line that names the reward, its class, and the place
        of the error.
    """
    if limits_of(experiment):
        return
    reward, first = source.settings.make(), None
    read, tried = measures_read(experiment), founders[:MOST_FOUNDERS]
    for k, founder in enumerate(tried):
        network = Phenotype(founder, "squared_error")
        rng = generator(experiment.seed, Purpose.TRIAL_EPISODE, 0, k)
        try:
            try_episode(reward, network, rng, read)
        except BaseException as error:  # a reward may raise whatever its author chose
            if is_interruption(error):
                raise
            first = first or error
        else:
            return
    if first is None:
        raise ValueError("founders must have at least one; got none")
    name, kind = source.settings.name, type(reward).__qualname__
    raise SettingsError(
        f"task: reward {name!r} (class {kind}) fails in a trial episode with each of {len(tried)} founders: "
        f"{kind_and_text(first)} ({_place_of(first, reward)})"
    ) from first


def _place_of(error: BaseException, reward: Reward) -> str:
    """Return where a reward raised an error; where its code begins, if what it returned is wrong."""
    written = written_at(reward.evaluate)
    if own_calls(error) or written is None:
        return place_of(error)
    file, line = written
    return f"{file}:{line} in evaluate"


class EpisodeBaselines(Baselines):
    """One seed's baselines, trained by the strategy for as many steps as the winner's ancestry.

    Without a strategy the only one is the winner's founder as it was drawn.
    """

    def _train(self, kind: str, arm: str, evolved: Evolved | None, steps: int) -> None:
        """Train the network of one arm, and judge it in the episodes of the last generation.

        If the reward raises an error, the arm has failed. It is charged the episodes that it began.
        """
        seed_run, task = self.seed_run, self.seed_run.task
        if not isinstance(task, EpisodeTask):
            raise TypeError(f"the arm {kind} must be beside a search that a reward judges")
        started = time.thread_time()
        network = build_arm(kind, seed_run.dataset, seed_run.experiment.baseline, evolved, task)
        if not isinstance(network, Phenotype):
            raise TypeError(f"the arm {kind} must be a Phenotype; got {type(network).__name__}")
        before = (0, 0)
        try:
            unbounded = TrainingBudget()
            phase = task.train_for(steps, network, task.recipe, None, 0, max(steps, 1), unbounded)
            before = phase.episodes, phase.environment_steps
            judged = task.judge(network, task.evolution.generations)
        except EpisodeError as error:
            begun = error.after(*before)
            played = played_columns("played_", begun.episodes, begun.steps)
            self._leave_out(arm, kind_and_text(error.cause), played)
            return
        report = phase.report
        trained = TrainedArm(
            arm=arm,
            network=network,
            status=report.status,
            reason=report.reason,
            steps=report.steps,
            kept_steps=report.steps,
            train_loss=report.train_loss,
            validation=None,
            metrics=judged.metrics,
            curve=report.curve,
            measured={},
            seconds=report.seconds,
            cpu_seconds=time.thread_time() - started,
            training_macs=report.samples * network.macs,
        )
        played = played_columns(
            "played_",
            phase.episodes + (judged.episodes or 0),
            phase.environment_steps + (judged.environment_steps or 0),
        )
        self._finish(trained, self._row(trained) | played)
