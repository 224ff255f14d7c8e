"""One seed's baselines: networks that do not evolve, trained by the same trainer, recipe and batches."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnn import Network
from cnn.training.fitting import EpochRecord
from cnn.training.recipe import Recipe
from cnn.training.recipe_genes import GENES
from evo.evolution.job import Task
from evo.phenotype.phenotype import Phenotype
from evo.storage.in_flight import UnfinishedPopulation, UnfinishedTraining
from evo.storage.predictor import BaselinePredictor, Predictor, load_network
from evo.storage.rows import training_rows
from evo.storage.tables import PLAYED, Row
from experiments.arms import BaselineSettings, Evolved, NoNetworkError, Sized, build_arm
from experiments.arms.population import Population
from experiments.arms.settings import OF_WINNER, SEARCHED
from experiments.arms.training import TrainedArm, train_epochs, train_steps
from experiments.progress.events import BaselineTrained, EpochDone
from experiments.studies.seed_run import Cost, SeedRun, TrainedModel

COSTS = ("steps", "training_macs", "cpu_seconds", "train_seconds")
"""Columns of `candidates` and `baseline` that add up."""


@dataclass(frozen=True)
class Candidate:
    """One candidate of a searched arm: the number of its starting weights, its recipe, and the values of further keys.

    The further keys are those of ``baseline.search.training``.
    """

    restart: int
    recipe: Recipe
    further: Mapping[str, Any]


class Baselines:
    """One seed's baselines.

    Parameters
    ----------
    seed_run : SeedRun
    epochs_before : int
        Expected number of epochs of the baselines before these.

    Attributes
    ----------
    models : list of TrainedModel
        The arms that did not diverge, for the evaluation on the test part.
    reasons : list of str
        Why the others diverged.
    """

    def __init__(self, seed_run: SeedRun, epochs_before: int) -> None:
        self.seed_run = seed_run
        self.n_epochs = epochs_before
        self.models: list[TrainedModel] = []
        self.reasons: list[str] = []

    def train(self, evolved: Evolved | None = None, steps: int = 0) -> None:
        """Train every arm, then commit its network and its rows. An arm that is committed already is loaded.

        Parameters
        ----------
        evolved : Evolved, optional
            The search beside which they are trained, if there is one.
        steps : int
            Gradient steps of each network; not used if the settings give epochs.
        """
        settings = self.seed_run.experiment.baseline
        for kind in settings.arms:
            arm = self.seed_run.experiment.label(kind)
            self.n_epochs += settings.epochs or 0
            row = self.seed_run.committed("baseline", arm=arm)
            if row is not None:
                self._keep(arm, row, self._loaded(arm, row), self._earlier_candidates(arm))
                continue
            try:
                if kind == "cnn_pbt":
                    self._train_population(kind, arm, evolved, steps)
                elif kind in SEARCHED:
                    self._search(kind, arm, evolved, steps)
                else:
                    self._train(kind, arm, evolved, steps)
            except NoNetworkError as error:
                self._leave_out(arm, str(error))

    def _leave_out(self, arm: str, reason: str, cost: Mapping[str, Any] | None = None) -> None:
        """Commit that an arm has failed, with the columns of `baseline` about what it has cost, and keep the reason."""
        row = _row_without_network(self.seed_run.key | {"arm": arm}, reason) | dict(cost or {})
        self.seed_run.store.commit({"baseline": [row]})
        self._keep(arm, row, None)
        self._report(row)

    def _report(self, row: Mapping[str, Any]) -> None:
        """Tell that the row of an arm is committed; a callback may stop the run then."""
        seed_run = self.seed_run
        event = BaselineTrained(
            seed_run.store.name,
            seed_run.seed,
            row["arm"],
            row["status"],
            row["reason"],
            row["steps"],
            row["validation_loss"],
            row["validation_accuracy"],
            {name: row.get(f"validation_{name}") for name in seed_run.task.metrics},
            seed_run.metric,
        )
        seed_run.reporter.trained(event, self.n_epochs)
        seed_run.callbacks.trained(event)

    def _reached(self, arm: str, record: EpochRecord, epochs: int, rate: float) -> None:
        """Tell that an epoch of an arm is over."""
        event = EpochDone(self.seed_run.store.name, self.seed_run.seed, arm, record, epochs, rate)
        self.seed_run.reporter.epoch(event)
        self.seed_run.callbacks.epoch(event)

    def _train(self, kind: str, arm: str, evolved: Evolved | None, steps: int) -> None:
        """Train the network of one arm."""
        seed_run, settings = self.seed_run, self.seed_run.experiment.baseline
        task = seed_run.samples
        network = build_arm(kind, seed_run.data, settings, evolved, task)
        recipe = _recipe(kind, settings, task)
        unfinished = UnfinishedTraining(seed_run.store.path, f"seed-{seed_run.seed}-{arm}")
        if settings.epochs is None:
            trained = train_steps(arm, network, recipe, task, steps, unfinished)
        else:
            epochs = settings.epochs
            trained = train_epochs(
                arm, network, recipe, task, epochs, unfinished,
                patience=settings.patience,
                reached=lambda record, rate: self._reached(arm, record, epochs, rate),
            )  # fmt: skip
        self._finish(trained, self._row(trained), unfinished)

    def _finish(
        self, trained: TrainedArm, row: Row, unfinished: UnfinishedTraining | None = None
    ) -> None:
        """Commit the network, the row and the curve of an arm, and keep it for the test."""
        row = self.seed_run.key | row
        self._save(trained.arm, trained.network, trained.status)
        self.seed_run.store.commit({"baseline": [row], "training": self._curve(trained)})
        if unfinished is not None:
            unfinished.remove()
        self._keep(trained.arm, row, trained.network)
        self._report(row)

    # -- candidates ----------------------------------------------------------------------------------------------------

    def _search(self, kind: str, arm: str, evolved: Evolved | None, steps: int) -> None:
        """Train candidates for the training compute of a search; keep the one with the lowest validation loss."""
        seed_run, settings = self.seed_run, self.seed_run.experiment.baseline
        rows: list[Mapping[str, Any]] = []
        best: Mapping[str, Any] | None = None
        for number, candidate in enumerate(self._candidates(kind, evolved, steps)):
            row = seed_run.committed("candidates", arm=arm, candidate=number)
            if row is None:
                name = f"seed-{seed_run.seed}-{arm}-{number}"
                unfinished = UnfinishedTraining(seed_run.store.path, name)
                network = build_arm(
                    kind, seed_run.data, settings, evolved, seed_run.samples, candidate.restart
                )
                trained = train_steps(
                    arm, network, candidate.recipe, seed_run.samples, steps, unfinished
                )
                row = self._candidate_row(trained, number, candidate)
                if _is_better(row, best):
                    self._save(arm, trained.network, trained.status)
                curve = self._curve(trained, number)
                seed_run.store.commit({"candidates": [row], "training": curve})
                unfinished.remove()
            best = row if _is_better(row, best) else best
            rows.append(row)
        chosen = rows[0] if best is None else best
        baseline = self._chosen_row(kind, evolved, chosen)
        seed_run.store.commit({"baseline": [baseline]})
        self._keep(arm, baseline, self._loaded(arm, chosen), rows)
        self._report(baseline)

    def _train_population(self, kind: str, arm: str, evolved: Evolved | None, steps: int) -> None:
        """Train a population for the training compute of a search; keep the network with the lowest validation loss.

        Each network has a row of ``candidates`` for each rung.
        """
        seed_run, settings = self.seed_run, self.seed_run.experiment.baseline
        task = seed_run.samples
        size = self._number_of_candidates(kind, evolved, steps)
        if size < 2:
            raise NoNetworkError(
                "the training compute of the search pays for one network, and a population needs two"
            )
        networks = [build_arm(kind, seed_run.data, settings, evolved, task, k) for k in range(size)]
        genes = settings.pbt.genes(task.evolution.recipe_genes)
        recipe = _recipe(kind, settings, task)
        population = Population(arm, networks, recipe, settings.pbt, genes, task, steps)
        unfinished = UnfinishedPopulation(seed_run.store.path, f"seed-{seed_run.seed}-{arm}")
        rows: list[Row] = []
        curves: list[Row] = []
        before = unfinished.load()
        if before is not None:
            population.restore(before)
            rows, curves = before.more["rows"], before.more["curves"]
        while not population.is_over:
            for number, trained in population.advance():
                member = population.members[number]
                further = {
                    GENES[name].setting: value
                    for name, value in member.genes.items()
                    if name not in OF_CANDIDATES
                }
                candidate = Candidate(member.restart, population.recipe_of(member), further)
                curves += self._curve(trained, len(rows))
                rows.append(self._candidate_row(trained, len(rows), candidate))
            unfinished.keep(population.state({"rows": rows, "curves": curves}))
        best = population.best or 0
        chosen, member = rows[best - size], population.members[best]
        baseline = self._chosen_row(
            kind,
            evolved,
            chosen
            | {
                "steps": member.steps,
                "training_macs": member.steps * self._batch_size * networks[best].macs,
                "cpu_seconds": member.cpu_seconds,
                "train_seconds": member.seconds,
            },
        )
        self._save(arm, networks[best], baseline["status"])
        seed_run.store.commit({"candidates": rows, "training": curves, "baseline": [baseline]})
        unfinished.remove()
        self._keep(arm, baseline, networks[best], rows)
        self._report(baseline)

    def _chosen_row(self, kind: str, evolved: Evolved | None, chosen: Mapping[str, Any]) -> Row:
        """Return the row of ``baseline`` of the chosen candidate, whose costs are those behind its weights."""
        seed_run = self.seed_run
        sized = build_arm(
            kind, seed_run.data, seed_run.experiment.baseline, evolved, seed_run.samples
        )
        baseline = {name: one for name, one in chosen.items() if name not in OF_CANDIDATES}
        return baseline | {
            "parameters": sized.parameter_count,
            "macs": sized.macs,
            "kept_steps": chosen["steps"],
            "samples": chosen["steps"] * self._batch_size,
        }

    def _number_of_candidates(self, kind: str, evolved: Evolved | None, steps: int) -> int:
        """Return as many candidates as the training compute of the search pays for, and one at least."""
        seed_run, settings = self.seed_run, self.seed_run.experiment.baseline
        if evolved is None or evolved.training_macs is None:
            raise NoNetworkError("the training compute of the search is not known")
        network = build_arm(kind, seed_run.data, settings, evolved, seed_run.samples)
        return max(1, evolved.training_macs // (network.macs * self._batch_size * steps))

    def _candidates(self, kind: str, evolved: Evolved | None, steps: int) -> Iterator[Candidate]:
        """Yield the candidates of a search."""
        seed_run, settings = self.seed_run, self.seed_run.experiment.baseline
        number = self._number_of_candidates(kind, evolved, steps)
        recipes = settings.search.recipes(_recipe(kind, settings, seed_run.samples))
        for k in range(number):
            yield Candidate(k // len(recipes), *recipes[k % len(recipes)])

    def _earlier_candidates(self, arm: str) -> list[Mapping[str, Any]]:
        """Return the rows of all candidates of an arm that is committed."""
        table = self.seed_run.earlier["candidates"]
        own = table[(table["seed"] == self.seed_run.seed) & (table["arm"] == arm)]
        return [{str(name): one for name, one in row.items()} for row in own.to_dict("records")]

    # -- rows and networks ---------------------------------------------------------------------------------------------

    def _loaded(self, arm: str, row: Mapping[str, Any]) -> Sized | None:
        """Return the network of an arm that was trained; None if it diverged."""
        if row["status"] != "ok":
            return None
        return _computed(load_network(self.seed_run.network_path(f"-{arm}")))

    def _keep(
        self,
        arm: str,
        row: Mapping[str, Any],
        network: Sized | None,
        candidates: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Keep an arm for the evaluation on the test part, or the reason why there is no network."""
        if row["status"] != "ok" or network is None:
            self.reasons.append(row["reason"])
            return
        own, total = _cost([row]), _cost(candidates or [row])
        self.models.append(TrainedModel(arm, network, own, total))

    def _save(self, arm: str, network: Sized, status: str) -> None:
        """Save the network of an arm that did not diverge as a predictor."""
        seed_run = self.seed_run
        if status != "ok":
            return
        path = seed_run.stage_network(f"-{arm}")
        if isinstance(network, Phenotype):
            Predictor(network.to_genome(), loss=seed_run.task.loss, **seed_run.raw_inputs).save(
                path
            )
        elif isinstance(network, Network):
            BaselinePredictor(network, **seed_run.raw_inputs).save(path)

    @property
    def _batch_size(self) -> int:
        return self.seed_run.task.samples_per_step

    def _row(self, trained: TrainedArm) -> Row:
        """Return the row of ``baseline`` of a network, without the key of the run."""
        return self._measured(trained) | {
            "parameters": trained.network.parameter_count,
            "macs": trained.network.macs,
            "kept_steps": trained.kept_steps,
            "samples": trained.steps * self._batch_size if self._batch_size else None,
            "candidate": None,
        }

    def _candidate_row(self, trained: TrainedArm, number: int, candidate: Candidate) -> Row:
        """Return the row of ``candidates``."""
        recipe = candidate.recipe
        return (
            self.seed_run.key
            | self._measured(trained)
            | {
                "candidate": number,
                "restart": candidate.restart,
                "learning_rate": recipe.learning_rate,
                "weight_decay": recipe.weight_decay,
                "training": json.dumps(candidate.further) if candidate.further else "",
            }
        )

    def _measured(self, trained: TrainedArm) -> Row:
        """Return what both tables have: how training ended, its cost, and the measures on the validation part."""
        validation = trained.validation
        return {
            "arm": trained.arm,
            "status": trained.status,
            "reason": trained.reason,
            "steps": trained.steps,
            "train_loss": trained.train_loss,
            "validation_loss": validation and validation.loss,
            "validation_accuracy": validation and validation.accuracy,
            **{f"validation_{name}": value for name, value in trained.metrics.items()},
            "training_macs": trained.training_macs,
            "cpu_seconds": trained.cpu_seconds,
            "train_seconds": trained.seconds,
        }

    def _curve(self, trained: TrainedArm, candidate: int | None = None) -> list[Row]:
        """Return the rows of ``training``."""
        measured = {step: (one.loss, one.accuracy) for step, one in trained.measured.items()}
        who = {"arm": trained.arm, "generation": None, "individual": candidate}
        return training_rows(trained.curve, measured, self.seed_run.key | who)


OF_CANDIDATES = ("restart", "learning_rate", "weight_decay", "training")
"""The columns of `candidates` that `baseline` has not."""


def _row_without_network(key: Row, reason: str) -> Row:
    """Return the row of ``baseline`` of an arm that does not exist for this winner."""
    empty = dict.fromkeys(
        (
            *("parameters", "macs", "kept_steps", "samples", "candidate", "train_loss"),
            *("validation_loss", "validation_accuracy", *COSTS),
        )
    )
    return key | empty | {"status": "failed", "reason": reason}


def _is_better(row: Mapping[str, Any], best: Mapping[str, Any] | None) -> bool:
    """Return whether a candidate did not diverge and has the lowest validation loss so far."""
    if row["status"] != "ok":
        return False
    return best is None or row["validation_loss"] < best["validation_loss"]


def _cost(rows: Sequence[Mapping[str, Any]]) -> Cost:
    """Return the sum of the costs of trained networks."""
    sums = {name: sum(row[name] for row in rows) for name in COSTS}
    plays = any("played_episodes" in row for row in rows)
    return Cost(
        int(sums["steps"]),
        int(sums["training_macs"]),
        float(sums["cpu_seconds"]),
        float(sums["train_seconds"]),
        len(rows),
        *(int(sum(row[f"played_{name}"] for row in rows)) if plays else None for name in PLAYED),
    )


def _computed(loaded: Predictor | BaselinePredictor) -> Sized:
    """Return the network of a predictor."""
    if isinstance(loaded, BaselinePredictor):
        return loaded.network
    return Phenotype(loaded.genome, loaded.loss)


def _recipe(arm: str, settings: BaselineSettings, task: Task) -> Recipe:
    """Return the recipe of the run, with the learning rate of the fixed networks if it is given."""
    if settings.learning_rate is None or arm in OF_WINNER:
        return task.recipe
    return task.recipe.model_copy(update={"learning_rate": settings.learning_rate})
