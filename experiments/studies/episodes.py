"""The arms that do not evolve, beside a search that a reward judges."""

import time

from cnn.training.budget import TrainingBudget
from evo.evolution.failures import kind_and_text
from evo.evolution.tasks import EpisodeTask
from evo.phenotype.phenotype import Phenotype
from evo.storage.rows import played_columns, training_rows
from experiments.arms import Evolved, NoNetworkError
from experiments.studies.baselines import Baselines


class EpisodeBaselines(Baselines):
    """One seed's baselines: the winner's founder, trained by the strategy for as many steps as the winner's ancestry.

    Without a strategy it is the founder as it was drawn.
    """

    def _train(self, kind: str, arm: str, evolved: Evolved | None, steps: int) -> None:
        """Train the founder, judge it in the episodes of the last generation, and commit it."""
        seed_run, task = self.seed_run, self.seed_run.task
        if evolved is None or not isinstance(task, EpisodeTask):
            raise TypeError(f"the arm {kind} must be beside a search that a reward judges")
        started = time.thread_time()
        network = Phenotype(evolved.founder, task.loss)
        try:
            unbounded = TrainingBudget()
            phase = task.train_for(steps, network, task.recipe, None, 0, max(steps, 1), unbounded)
            judged = task.judge(network, task.evolution.generations)
        except Exception as error:  # a reward may raise whatever its author chose
            raise NoNetworkError(kind_and_text(error)) from error
        report = phase.report
        row = seed_run.key | {
            "arm": arm,
            "status": report.status,
            "reason": report.reason,
            "parameters": network.parameter_count,
            "macs": network.macs,
            "steps": report.steps,
            "kept_steps": report.steps,
            "train_loss": report.train_loss,
            "validation_loss": None,
            "validation_accuracy": None,
            **{f"validation_{name}": value for name, value in judged.metrics.items()},
            "samples": None,
            "training_macs": report.samples * network.macs,
            **played_columns(
                "played_",
                phase.episodes + (judged.episodes or 0),
                phase.environment_steps + (judged.environment_steps or 0),
            ),
            "candidate": None,
            "cpu_seconds": time.thread_time() - started,
            "train_seconds": report.seconds,
        }
        self._save(arm, network, report.status)
        who = {"arm": arm, "generation": None, "individual": None}
        curve = training_rows(report.curve, {}, seed_run.key | who)
        seed_run.store.commit({"baseline": [row], "training": curve})
        self._keep(arm, row, network)
        self._report(row)
