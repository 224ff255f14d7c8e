"""An individual rebuilt from its founder, through the stored operations and the training of each ancestor.

    founder → train → operations, train → … → operations, train: the individual

Where an operation recombined an ancestor with mates, the mates are rebuilt before it, with their own ancestors.
Each step is the work of a worker (:func:`evo.evolution.individual.evaluate_individual`), except that the operations are
read instead of chosen. So what is checked is what a run does.
"""

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd

from cnn.compile.compilation import single_threaded_blas
from evo.errors import ChangedError, ResultsError
from evo.evolution.individual import (
    Individual,
    evaluate_individual,
    failed_individual,
    reuse_result,
)
from evo.evolution.job import Job, Task
from evo.genome.genome import Genome
from evo.operators.operation import Operation
from evo.operators.records import with_current_names
from evo.recombination import mates_of
from evo.storage.individuals import StoredIndividuals
from evo.storage.journal import read_journal
from experiments.analysis.beginnings import LineageWarning, older_run, without_ancestors
from experiments.analysis.results import Results, load_results
from experiments.datasets import Dataset
from experiments.studies.arguments import check_types
from experiments.studies.execution import task_of
from experiments.studies.runner import begun_run
from experiments.studies.search import start_path

Row = Mapping[str, Any]


def replay_lineage(
    results: Results,
    individual: int,
    *,
    seed: int | None = None,
    dataset: Dataset | None = None,
    fitness: Callable[..., float] | None = None,
) -> list[Individual]:
    """Rebuild an individual from its founder, and compare each ancestor's genome with the stored hash.

    Parameters
    ----------
    results : Results
        Of one run.
    individual : int
        Its number, as in ``results.individuals``.
    seed : int, optional
        Seed of the search; it may be left out if the run has one.
    dataset, fitness : optional
        What was passed to :func:`experiments.run` has to be passed again.

    Returns
    -------
    list of Individual
        The lineage, rebuilt: from the founder to the individual, without mates. Each has the genome after its training.
        If the run continues another one, the ancestors in that run are rebuilt too; mates of that run are those stored.

    Raises
    ------
    ResultsError
        If one of the lineage is not the same again: one line that names the first one, and what of code, versions and
        processor has changed since the run. Also if there is no such individual, if `seed` is needed, or if a budget in
        seconds ended the training of one of the lineage, for it cannot be repeated.
    SettingsError
        If data, fitness or own parts are not those of the run.
    ValueError
        If the results are those of several runs.

    Warns
    -----
    LineageWarning
        If the run continues another one whose folder is not found. The lineage then begins with an individual that is
        stored in the run.

    Notes
    -----
    An individual without a fitness has its parent's genome; its error is not repeated.
    """
    check_types(dataset=dataset, fitness=fitness)
    search = _StoredSearch.of(results, seed)
    line, first = search.line(individual)
    rows = search.ancestry(individual)
    begun = begun_run(search.path, dataset, fitness, seed=search.seed)
    if begun.changed_use is not None:
        raise ChangedError(f"{search.path}: cannot be replayed: {begun.changed_use}")
    task = _without_clock(task_of(begun.plan, begun.plan.splits[0], search.seed))
    lineage: list[Individual] = []
    founders, starts = begun.plan.founders[search.seed], begun.plan.starts
    if first is not None:
        lineage += search.older_lineage(search.first_individual(starts, first), dataset, fitness)
    found: dict[int, Individual] = {}
    with single_threaded_blas():
        for row in rows:
            parents = [
                found[number] if number in found else search.first_individual(starts, number)
                for number in row["parents"]
            ]
            one = search.rebuilt(task, _job(task, row, founders, parents), row)
            difference = _difference(one, row, search.recorded(row))
            if difference is not None:
                changes = "".join(f"; {change}" for change in begun.changed_code)
                raise ResultsError(f"{search.name(row)}: {difference}{changes}")
            found[row["individual"]] = one
    return [*lineage, *(found[number] for number in line)]


def _without_clock(task: Task) -> Task:
    """Return a task whose train phases take as many steps as they may, however long that takes."""
    budget = task.evolution.budget.model_copy(update={"seconds": None})
    return replace(task, evolution=task.evolution.model_copy(update={"budget": budget}))


@dataclass(frozen=True, eq=False)
class _StoredSearch:
    """What a run has stored of the search with one seed.

    Attributes
    ----------
    path : Path
    seed : int
    rows : mapping
        The rows of ``individuals``, by number.
    operations : DataFrame
        The rows of ``operations``.
    """

    path: Path
    seed: int
    rows: Mapping[int, Row]
    operations: pd.DataFrame

    @classmethod
    def of(cls, results: Results, seed: int | None) -> "_StoredSearch":
        path, individuals, operations = results.path, results.individuals, results.operations
        seeds = individuals["seed"].unique().tolist()
        if seed is None and len(seeds) == 1:
            (seed,) = seeds
        if seed is None or seed not in seeds:
            raise ResultsError(f"{path}: seed must be one of {seeds}; got {seed}")
        own = individuals[individuals["seed"] == seed].to_dict("records")
        rows = {one["individual"]: {str(key): cell for key, cell in one.items()} for one in own}
        return cls(path, int(seed), rows, operations[operations["seed"] == seed])

    def name(self, row: Row) -> str:
        return f"{self.path}: individuals, seed {self.seed}, individual {row['individual']}"

    def line(self, individual: int) -> tuple[list[int], int | None]:
        """Return an individual and its ancestors in this run, without mates, and the parent of the oldest one.

        The oldest one comes first. Its parent is an individual of the older run; a founder has none.
        """
        found: list[int] = []
        number: int | None = individual
        while number is not None and number in self.rows:
            found.append(number)
            number = next(iter(self._parents(self.rows[number])), None)
        return found[::-1], number

    def ancestry(self, individual: int) -> list[Row]:
        """Return the rows of an individual and all that it descends from in this run, mates too, the oldest first."""
        left, found = [individual], set[int]()
        while left:
            number = left.pop()
            if number in self.rows and number not in found:
                found.add(number)
                left += self._parents(self.rows[number])
        rows = [self.rows[number] for number in sorted(found)]
        for row in rows:
            if row["ended_by"] == "seconds":
                raise ResultsError(
                    f"{self.name(row)}: its training was ended by a budget in seconds, so it cannot be repeated"
                )
        return rows

    def _parents(self, child: Row) -> list[int]:
        """Return the numbers of the parents of an individual, after a check that they are smaller than its own."""
        parents = [int(number) for number in child["parents"]]
        for number in parents:
            if number >= child["individual"]:
                raise ResultsError(f"{self.name(child)}: parents must be older; got {number}")
        return parents

    def first_individual(self, starts: Mapping[int, StoredIndividuals], number: int) -> Individual:
        """Return an individual with which the run began, for it continues another one."""
        individuals = starts[self.seed][0] if starts else {}
        if number not in individuals:
            raise ResultsError(
                f"{self.path}: individuals, seed {self.seed}: there is no individual {number}"
            )
        return individuals[number]

    def older_lineage(
        self, one: Individual, dataset: Dataset | None, fitness: Callable[..., float] | None
    ) -> list[Individual]:
        """Rebuild the lineage of an individual with which the run began, in the older run."""
        older, number = older_run(self.path), one.job.individual
        if older is None or older.found is None:
            if older is not None:
                warnings.warn(LineageWarning(without_ancestors(self.path, older)), stacklevel=3)
            return [one]
        own = read_journal(older.found).entries[0].get("own_fitness")
        lineage = replay_lineage(
            load_results(older.found),
            number,
            seed=self.seed,
            dataset=dataset,
            fitness=fitness if own else None,
        )
        if not lineage[-1].genome.equals(one.genome):
            raise ResultsError(
                f"{self.path}: {start_path(self.seed)}: individual {number} must have the genome that it has in "
                f"{older.found}; got another one"
            )
        return lineage

    def recorded(self, row: Row) -> tuple[Operation, ...]:
        """Return the operations that made an individual out of its parent."""
        own = self.operations[self.operations["individual"] == row["individual"]]
        records = own[[part.name for part in fields(Operation)]].to_dict("records")
        return tuple(
            Operation(**{**one, "parameters": with_current_names(json.loads(one["parameters"]))})
            for one in records
        )

    def rebuilt(self, task: Task, job: Job, row: Row) -> Individual:
        """Return the individual of a row; `job` has its parent, rebuilt."""
        if row["status"] != "ok":
            return failed_individual(job, row["reason"])
        one = evaluate_individual(task, job, self.recorded(row))
        if one.status == "duplicate":
            of = self.rows[row["reused_from"]]
            again = replace(job, individual=of["individual"], continued_parent=None)
            return reuse_result(one, self.rebuilt(task, again, of))
        return one


def _job(task: Task, row: Row, founders: Sequence[Genome], parents: Sequence[Individual]) -> Job:
    """Return the job of an individual, without what only the choice of operations needs; a founder has no parents."""
    parent, mates = parents[0] if parents else None, parents[1:]
    inherited = parent.job.genes if parent and parent.fitness is not None else None
    return Job(
        individual=row["individual"],
        generation=row["generation"],
        slot=row["slot"],
        origin=row["origin"],
        parents=tuple(map(int, row["parents"])),
        founder=row["founder"],
        genome=parent.genome if parent else founders[row["slot"]],
        optimizer_state=parent.optimizer_state if parent else None,
        modification="none",
        operator_probabilities=(),
        progress=0.0,
        first_step=parent.ancestry_steps if parent else 0,
        ancestry_seconds=parent.ancestry_seconds if parent else 0.0,
        continued_parent=None if pd.isna(row["reused_from"]) else row["reused_from"],
        ancestry_macs=parent.ancestry_macs if parent else 0,
        ancestry_cpu_seconds=parent.ancestry_cpu_seconds if parent else 0.0,
        genes=task.genes_of(row["individual"], row["generation"], row["origin"], inherited),
        mates=mates_of(parent, mates) if parent else (),
    )


def _difference(one: Individual, row: Row, recorded: tuple[Operation, ...]) -> str | None:
    """Return in words what of a rebuilt individual is not as it was stored; None if it is the same."""
    if row["status"] == "ok":
        if one.status != "ok":
            return f"status was ok, now {one.status} ({one.reason})"
        for position, (before, now) in enumerate(zip(recorded, one.operations, strict=True)):
            if before != now:
                return f"operation {position} was {before}, now {now}"
    for name, value in one.job.genes.items():
        if row[f"gene_{name}"] != value:
            return f"gene_{name} was {row[f'gene_{name}']}, now {value}"
    found = one.genome.fingerprint()
    return None if found == row["genome_hash"] else f"genome_hash {row['genome_hash']}, now {found}"
