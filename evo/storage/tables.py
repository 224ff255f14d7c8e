"""The tables of a run: each column is declared once, with its type, unit, meaning and former name.

``docs/tables.md`` is the output of :func:`data_dictionary`; a test compares it with real tables.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any, get_args, get_type_hints

import pyarrow as pa

from evo.evolution.statistics import GenomeStatistics, Statistic

Row = dict[str, Any]

PLAYED = ("episodes", "steps")
"""What is counted of the episodes of a reward: how many there are, and the environment steps in them."""


@dataclass(frozen=True)
class Column:
    """One column: name, type, unit, meaning, and the name that it had in older run folders.

    A name that ends in ``<metric>``, ``<class>``, ``<output>``, ``<gene>``, ``<count>`` or ``<nothing>`` stands for
    several columns or none, whose names differ from run to run (see :class:`OwnColumns`). The type None is that of the
    labels or values to predict.
    """

    name: str
    type: pa.DataType | None
    unit: str
    description: str
    former_name: str = ""

    @property
    def prefix(self) -> str:
        """The common beginning of several columns' names; empty if this is one column."""
        return self.name.partition("<")[0] if "<" in self.name else ""


@dataclass(frozen=True)
class OwnColumns:
    """The names that the columns of one run have, where runs differ.

    Attributes
    ----------
    metrics : tuple of str
        Metrics that stand in the tables, without those that are columns of every run.
    classes : tuple of str or int, or None
        Labels of the classes; None in regression.
    outputs : tuple of str
        Names of the values to predict, if there are several; otherwise empty.
    genes : tuple of str
        The recipe genes of the individuals.
    per_step : bool
        Whether the data set has a target for each step of its sequences.
    played : tuple of str
        What is counted of the episodes of a reward; empty where samples train and judge.
    """

    metrics: tuple[str, ...] = ()
    classes: tuple[str | int, ...] | None = None
    outputs: tuple[str, ...] = ()
    genes: tuple[str, ...] = ()
    per_step: bool = False
    played: tuple[str, ...] = ()

    @property
    def label_type(self) -> pa.DataType:
        """The type of truth and prediction."""
        if self.classes is None:
            return pa.float64()
        return pa.int64() if all(isinstance(one, int) for one in self.classes) else pa.string()

    def of(self, table: str) -> tuple[Column, ...]:
        """Return the columns of a table in one run."""
        names = {
            "metric": self.metrics,
            "class": self.classes or (),
            "output": self.outputs,
            "gene": self.genes,
            "nothing": ("",) if self.per_step else (),
            "count": self.played,
        }
        columns = []
        for one in TABLES[table]:
            if one.prefix:
                own = names[one.name.removeprefix(one.prefix).strip("<>")]
                columns += [replace(one, name=f"{one.prefix}{name}") for name in own]
            else:
                columns.append(one if one.type is not None else replace(one, type=self.label_type))
        return tuple(columns)


_INT, _FLOAT, _TEXT = pa.int64(), pa.float64(), pa.string()
_TYPES = {(int, 64): _INT, (int, 8): pa.int8(), (float, 64): _FLOAT, (str, 64): _TEXT}


def _statistic_columns() -> tuple[Column, ...]:
    """Return a column for each field of :class:`GenomeStatistics`."""
    columns = []
    for name, hint in get_type_hints(GenomeStatistics, include_extras=True).items():
        kind, declared = get_args(hint)
        assert isinstance(declared, Statistic)
        (number,) = (one for one in get_args(kind) or (kind,) if one is not NoneType)
        of_type = _TYPES[number, declared.bits]
        columns.append(
            Column(name, of_type, declared.unit, declared.description, declared.former_name)
        )
    return tuple(columns)


STATISTICS = _statistic_columns()
"""The columns of :class:`evo.evolution.statistics.GenomeStatistics`."""

# fmt: off
_RUN = (
    Column("run", _TEXT, "", "Name of the run's folder."),
    Column("seed", _INT, "", "Seed of this repetition; data split, founders, batches, mutations follow from it."),
)
_PARAMETERS = Column("parameters", _INT, "", "Number of trainable numbers.")
_MACS = Column("macs", _INT, "per sample", "Multiply-accumulates for one sample, all ticks included.")
_TRAINING_MACS = (
    "Multiply-accumulates of the forward passes of training, dormant entries that learn included,"
)
_REASON = Column("reason", _TEXT, "", "Reason why the status is not ok; otherwise empty.")
_VALIDATION = (
    Column("validation_loss", _FLOAT, "nat or SD²",
        "Mean validation loss; in regression half the squared error of a sample, summed over its values."),
    Column("validation_accuracy", _FLOAT, "fraction", "Validation accuracy; empty in regression."),
    Column("validation_<metric>", _FLOAT, "that of the metric",
        "Each metric of `evaluation.metrics` on the validation part; empty if it is not defined there. Of a reward "
        "the mean of each measure over the validation episodes; return is the fitness."),
)

TABLES: Mapping[str, tuple[Column, ...]] = {
    "runs": (
        *_RUN,
        Column("experiment", _TEXT, "", "Name of the experiment."),
        Column("arm", _TEXT, "",
            "Name of the winner's arm in `comparison`: evolved unless the settings give another, and train-only if no "
            "child succeeded; empty if nothing evolved."),
        Column("dataset", _TEXT, "", "Name of the data set, or of the environment or reward."),
        Column("data_hash", _TEXT, "",
            "SHA-256 of the contents of the data set; of a reward, of its name, options and code."),
        Column("task", _TEXT, "", "Kind of task: classification, regression or reward."),
        Column("n_train", _INT, "samples", "Size of the training part; 0 if a reward judges.", "train_samples"),
        Column("n_validation", _INT, "samples", "Size of the validation part; or validation episodes of an individual.",
            "validation_samples"),
        Column("n_test", _INT, "samples",
            "Size of the test part, or number of test episodes; 0 if there is none, and then no comparison.",
            "test_samples"),
        Column("n_features", _INT, "", "Number of values of one raw sample, of sequences of a step.", "features"),
        Column("n_inputs", _INT, "",
            "Number of values of one prepared sample; a category has several, a gap has one more."),
        Column("n_outputs", _INT, "", "Number of classes, of values to predict, or of outputs that a reward reads.",
            "outputs"),
        Column("n_individuals", _INT, "",
            "Number of individuals evaluated in the search; 0 if nothing evolved. This and the other numbers of the "
            "search include those of the older run that it continues.", "individuals"),
        Column("n_failures", _INT, "", "Number of these individuals without a fitness.", "failures"),
        Column("best_individual", _INT, "",
            "Number of the winner, which has the best fitness of the last population; empty if nothing evolved."),
        Column("continues", _TEXT, "", "Name of the run that this run continues; empty if it began with founders."),
        Column("first_generation", _INT, "", "First generation of this run; 0 unless it continues another one."),
        Column("start_individual", _INT, "",
            "Number of the individual of the older run with which all slots began; empty if they began with a whole "
            "population."),
        Column("search_steps", _INT, "steps", "Gradient steps of the whole search."),
        Column("search_samples", _INT, "samples", "Training samples seen by the whole search."),
        Column("search_macs", _INT, "MACs",
            "Multiply-accumulates of all forward passes of training in the whole search."),
        Column("search_training_macs", _INT, "MACs",
            f"{_TRAINING_MACS} of the whole search. It equals search_macs if no threshold makes entries dormant."),
        Column("search_played_<count>", _INT, "<count>",
            "Of a reward: episodes that all individuals of the search played, and environment steps in them."),
        Column("search_cpu_seconds", _FLOAT, "s", "CPU time of all individuals of the search."),
        Column("search_seconds", _FLOAT, "s",
            "Wall time of the search; with workers the searches of several seeds overlap."),
        Column("stopped_rung", _INT, "",
            "Number of the rung, from 1, at which the study stopped the run by halving; empty if it did not."),
        Column("stopped_reason", _TEXT, "",
            "When and why the study stopped the run; empty if it did not. The run then has no winner and no test "
            "values."),
        Column("saved_steps", _INT, "steps",
            "About how many gradient steps the generations that a stopped search did not reach would have taken: its "
            "steps so far, multiplied by the expected number of individuals left over that of individuals so far. "
            "Empty if the run was not stopped."),
    ),
    "generations": (
        *_RUN,
        Column("generation", _INT, "", "Number of the generation; 0 is that of the founders."),
        Column("n_individuals", _INT, "", "Number of individuals evaluated in this generation.", "individuals"),
        Column("n_failures", _INT, "", "Number of these individuals without a fitness.", "failures"),
        Column("n_surviving_children", _INT, "",
            "Number of modified children that hold a slot after selection.", "children_surviving"),
        Column("best_individual", _INT, "",
            "Number of the individual with the best fitness of the population after selection."),
        Column("best_fitness", _FLOAT, "", "Fitness of the best individual."),
        Column("best_validation_loss", _FLOAT, "nat or SD²", "Mean validation loss of the best individual."),
        Column("best_validation_accuracy", _FLOAT, "fraction",
            "Validation accuracy of the best individual; empty in regression."),
        Column("best_validation_<metric>", _FLOAT, "that of the metric",
            "Each metric of `evaluation.metrics`, or each measure of a reward, of the best individual; empty if it is "
            "not defined."),
        Column("mean_fitness", _FLOAT, "", "Mean fitness of the population after selection."),
        Column("best_n_active", _INT, "entries", "Active entries of the best individual.", "best_edges"),
        Column("best_parameters", _INT, "", "Number of trainable numbers of the best individual."),
        Column("best_macs", _INT, "per sample",
            "Multiply-accumulates of the best individual for one sample, all ticks included."),
        Column("seconds", _FLOAT, "s",
            "Wall time of the generation; with workers the generations of several seeds overlap."),
    ),
    "population": (
        *_RUN,
        Column("generation", _INT, "", "Number of the generation."),
        Column("slot", _INT, "", "Slot of the population, from 0."),
        Column("individual", _INT, "",
            "Number of the individual that holds the slot after selection; it may hold several slots, and come from an "
            "earlier generation."),
    ),
    "individuals": (
        *_RUN,
        Column("generation", _INT, "", "Generation in which the individual was evaluated."),
        Column("individual", _INT, "",
            "Number of the individual within its run and seed. A run that continues another one goes on with its "
            "numbers."),
        Column("slot", _INT, "", "Slot of the population for which the individual competed."),
        Column("arrival", _INT, "",
            "Place in the order in which the individuals of a seed arrived, from 0; empty unless `evolution.mode` is "
            "asynchronous, for otherwise the order has no effect."),
        Column("origin", _TEXT, "",
            "Origin: founder; continued (a parent trained further); child (modified, then trained)."),
        Column("parents", pa.list_(_INT), "",
            "Numbers of the parents; empty for a founder. The first one is the parent in whose slot, and with whose "
            "ancestry, the individual is counted. The others are the mates that it was given "
            "(`evolution.recombination`); all may be individuals of the older run."),
        Column("founder", _INT, "", "Number of the founder from which the individual descends."),
        Column("founder_source", _TEXT, "",
            "Argument or file that gave this founder; an empty text if founders were drawn."),
        Column("operators", _TEXT, "", "Letters of the applied operators, in order."),
        Column("status", _TEXT, "", "Status: ok, diverged or failed."),
        _REASON,
        Column("error_at", _TEXT, "",
            "File, line and function in which the error came up, if the status is failed because of an error. They are "
            "the last ones of the user's own code, or else of the package. Otherwise empty."),
        Column("survived", pa.bool_(), "", "Whether the individual holds a slot after selection."),
        Column("gene_<gene>", _FLOAT, "that of the setting",
            "Each recipe gene with which the individual was trained, by its key in `evolution.recipe_genes.ranges`."),
        *STATISTICS,
        Column("fitness", _FLOAT, "", "Fitness, larger is better; empty unless the status is ok."),
        Column("train_loss", _FLOAT, "nat or SD²", "Mean minibatch loss of the last 50 steps."),
        *_VALIDATION,
        Column("reused_from", _INT, "",
            "Number of the individual whose training result was reused, because both are the same network up to "
            "naming; empty if the individual was trained.", "same_as"),
        Column("steps", _INT, "steps",
            "Gradient steps of the individual's own train phase; 0 if a result was reused."),
        Column("training_macs", _INT, "MACs", f"{_TRAINING_MACS} of the individual's own train phase."),
        Column("played_<count>", _INT, "<count>",
            "Of a reward: episodes that the individual played, in its train phase and when it was judged, and "
            "environment steps in them; 0 if a result was reused."),
        Column("ended_by", _TEXT, "",
            "Bound that ended the train phase: steps, samples, macs, or seconds (not reproducible); empty if there "
            "was no train phase."),
        Column("ancestry_steps", _INT, "steps",
            "Gradient steps along the ancestry; the individual's own steps count if its status is ok."),
        Column("genome_hash", _TEXT, "", "Hash of the genome after training.", "genome"),
        Column("modify_seconds", _FLOAT, "s", "Wall time of the modify phase."),
        Column("train_seconds", _FLOAT, "s", "Wall time of the train phase."),
        Column("evaluate_seconds", _FLOAT, "s", "Wall time of the evaluation."),
        Column("cpu_seconds", _FLOAT, "s", "CPU time of the three phases."),
    ),
    "operations": (
        *_RUN,
        Column("generation", _INT, "", "Generation of the individual."),
        Column("individual", _INT, "", "Number of the individual that the operation modified."),
        Column("position", _INT, "", "Index of the operation in the modify phase, from 0."),
        Column("modification", _TEXT, "",
            "Kind of the modify phase: policy, if the policy, or recombination, chose the operation to make a child; "
            "drop_dormant, if the operation drops the dormant entries, and with them the threshold, before the last "
            "generations, in which networks are only trained."),
        Column("operator", _TEXT, "",
            "Letter of the operator, as in evo.OPERATORS: A B C D F H N J on the matrix, I R S U E O L W T on "
            "nodes, M P G K on maps, V Y with relatives."),
        Column("parameters", _TEXT, "JSON",
            "Parameters with which the operation can be replayed exactly; evo/operators/records.py describes how long "
            "lists of numbers are packed."),
        Column("n_stored_before", _INT, "entries", "Stored entries before the operation.", "stored_before"),
        Column("n_stored_after", _INT, "entries", "Stored entries after the operation.", "stored_after"),
        Column("n_active_before", _INT, "entries", "Active entries before the operation.", "edges_before"),
        Column("n_active_after", _INT, "entries", "Active entries after the operation.", "edges_after"),
    ),
    "credits": (
        *_RUN,
        Column("generation", _INT, "", "Generation in which the children were modified."),
        Column("operator", _TEXT, "", "Letter of the operator, as in `operations`."),
        Column("probability", _FLOAT, "",
            "Probability with which the policy drew the operator; empty if the policy draws no operators.", "share"),
        Column("n_uses", _INT, "",
            "Number of children that the operator modified and whose parent has a fitness.", "uses"),
        Column("credit", _FLOAT, "",
            "Sum of these children's gains, each divided by the largest gain of the generation. A gain is max(0, "
            "child's fitness - parent's fitness at equal training)."),
    ),
    "training": (
        *_RUN,
        Column("arm", _TEXT, "", "Name of the arm: evolved, or the baseline's name."),
        Column("generation", _INT, "", "Generation of the trained individual; empty for baselines."),
        Column("individual", _INT, "",
            "Number of the trained individual, or of a candidate of a baseline; otherwise empty."),
        Column("step", _INT, "steps", "Gradient steps so far, along the ancestry."),
        Column("loss", _FLOAT, "nat or SD²", "Mean minibatch loss since the previous recorded step."),
        Column("learning_rate", _FLOAT, "", "Learning rate at this step."),
        Column("gradient_norm", _FLOAT, "", "Euclidean norm of the gradient at this step."),
        Column("validation_loss", _FLOAT, "nat or SD²",
            "Mean validation loss after this step; only at the end of a train phase or epoch, otherwise empty."),
        Column("validation_accuracy", _FLOAT, "fraction",
            "Validation accuracy after this step; empty where validation_loss is empty, and in regression."),
    ),
    "baseline": (
        *_RUN,
        Column("arm", _TEXT, "", "Name of the network, which does not evolve, such as cnn."),
        Column("status", _TEXT, "",
            "Status: ok; diverged; or failed, if there is no such network for the winner."),
        _REASON,
        _PARAMETERS,
        _MACS,
        Column("steps", _INT, "steps", "Gradient steps made."),
        Column("kept_steps", _INT, "steps",
            "Gradient steps that led to the parameters in the end. Fewer than steps if patience restored those of an "
            "earlier epoch."),
        Column("train_loss", _FLOAT, "nat or SD²",
            "Mean minibatch loss of the last 50 steps; if training counts epochs, of the epoch that was kept."),
        *_VALIDATION,
        Column("samples", _INT, "samples", "Training samples seen in these steps; each time counts."),
        Column("training_macs", _INT, "MACs", f"{_TRAINING_MACS} in these steps."),
        Column("played_<count>", _INT, "<count>",
            "Of a reward: episodes that the network played, in training and for its validation, and environment steps "
            "in them."),
        Column("candidate", _INT, "",
            "Number of the chosen candidate in `candidates`; empty if the network was not searched for."),
        Column("cpu_seconds", _FLOAT, "s",
            "CPU time of training; if training counts epochs, validation after each epoch is included."),
        Column("train_seconds", _FLOAT, "s",
            "Wall time of training; if training counts epochs, validation after each epoch is included."),
    ),
    "candidates": (
        *_RUN,
        Column("arm", _TEXT, "", "Name of the arm, whose network is the best of its candidates."),
        Column("candidate", _INT, "",
            "Number of the candidate, from 0, in the order of training. In the arm cnn_pbt each network is a candidate "
            "at each rung."),
        Column("restart", _INT, "", "Number of the starting weights, from 0."),
        Column("learning_rate", _FLOAT, "", "Learning rate of the candidate."),
        Column("weight_decay", _FLOAT, "", "Weight decay of the candidate."),
        Column("training", _TEXT, "",
            "Values of the candidate for the keys of `baseline.search.training`, or its other genes, as JSON; empty if "
            "there are none."),
        Column("status", _TEXT, "", "Status: ok or diverged."),
        _REASON,
        Column("steps", _INT, "steps", "Gradient steps made; in cnn_pbt since the last rung."),
        Column("training_macs", _INT, "MACs", f"{_TRAINING_MACS} in these steps."),
        Column("train_loss", _FLOAT, "nat or SD²", "Mean minibatch loss of the last 50 steps."),
        *_VALIDATION,
        Column("cpu_seconds", _FLOAT, "s", "CPU time of training."),
        Column("train_seconds", _FLOAT, "s", "Wall time of training."),
    ),
    "comparison": (
        *_RUN,
        Column("arm", _TEXT, "",
            "Name of the arm: that of the winner, as in `runs`, or the baseline's."),
        Column("reason", _TEXT, "",
            "Reason why there are no test values, or no validation values, because a reward raised an error in these "
            "episodes; otherwise empty."),
        Column("test_loss", _FLOAT, "nat or SD²",
            "Mean loss on the test part, read once, after the last training. In regression the loss of a sample is "
            "half the squared error, summed over its values."),
        Column("test_accuracy", _FLOAT, "fraction", "Accuracy on the test part; empty in regression."),
        Column("test_<metric>", _FLOAT, "that of the metric",
            "Each metric of `evaluation.metrics` on the test part; empty if it is not defined there. Of a reward the "
            "mean of each measure over the test episodes, which are played once, after the last training."),
        *_VALIDATION,
        _PARAMETERS,
        _MACS,
        Column("steps", _INT, "steps",
            "Gradient steps behind the weights; for the winner, along its line of first parents."),
        Column("samples", _INT, "samples", "Training samples seen in these steps; each time counts."),
        Column("training_macs", _INT, "MACs",
            f"{_TRAINING_MACS} in these steps; for the winner, of all its ancestors, each once."),
        Column("cpu_seconds", _FLOAT, "s",
            "CPU time behind the weights; for the winner, of all its ancestors, each once."),
        Column("train_seconds", _FLOAT, "s",
            "Training time; for the winner, of all its ancestors, each once."),
        Column("total_networks", _INT, "networks",
            "Number of networks that were evaluated for this arm: individuals of the whole search, candidates, or the "
            "network alone."),
        Column("total_steps", _INT, "steps",
            "Gradient steps of all networks that were trained for this arm: the whole search, all candidates, or the "
            "network alone."),
        Column("total_samples", _INT, "samples", "Training samples seen in all these steps."),
        Column("total_training_macs", _INT, "MACs", f"{_TRAINING_MACS} in all these steps."),
        Column("total_played_<count>", _INT, "<count>",
            "Of a reward: episodes that all these networks played before the test, and environment steps in them."),
        Column("total_cpu_seconds", _FLOAT, "s", "CPU time of all these networks."),
        Column("metric", _TEXT, "",
            "Name of the metric of summaries and verdicts: accuracy, loss, or that of `evaluation.verdict`."),
        Column("larger_is_better", pa.bool_(), "", "Whether larger values of this metric are better."),
    ),
    "predictions": (
        *_RUN,
        Column("arm", _TEXT, "", "Name of the arm, as in `comparison`."),
        Column("row", _INT, "",
            "Index of the test sample in the data set, from 0; in the test part, if the data set has one of its own."),
        Column("step<nothing>", _INT, "",
            "Step of the sequence, from 0, whose target it is: the column `step`, where steps have targets."),
        Column("truth", None, "unit",
            "Label of the sample, or the value to predict; empty if several values are predicted."),
        Column("prediction", None, "unit",
            "The most probable label, or the predicted value; empty if several values are predicted."),
        Column("probability_<class>", pa.float32(), "probability",
            "Predicted probability of each class, named by its label, in the order of the classes."),
        Column("truth_<output>", _FLOAT, "unit", "Each of several values to predict, by its name or number."),
        Column("prediction_<output>", _FLOAT, "unit", "Each of several predicted values, named alike."),
    ),
    "times": (
        _RUN[0],
        Column("process", _TEXT, "",
            "The process that finished the run, called main, or worker 1, worker 2 and so on, in the order in which "
            "workers were ready."),
        Column("activity", _TEXT, "",
            "What the process did. With individuals: modify; plan (compute the effective edges and the order of "
            "evaluation); describe (statistics); train; evaluate. The main process: prepare (data, splits, founders); "
            "compile (compile kernels or load them); cluster (start and end workers); select (ask for individuals and "
            "choose the population); store; baselines (train them); test (read the test part); draw (figures); load "
            "(results); wait (for workers). Messages between processes: messages. A worker without individuals: idle. "
            "All else: other."),
        Column("seconds", _FLOAT, "s",
            "Wall time in which the process did this and nothing that has a name of its own. The rows of the main "
            "process add up to the time of the run, up to its last commit; those of a worker, to the time since it was "
            "ready."),
    ),
}
# fmt: on
"""Every table, by name."""

SETTINGS_RULE = (
    "Further columns are the settings: each key of a section is a column by its dotted name, such as",
    '`training.learning_rate` or `policy.name`, so `runs.groupby("training.learning_rate")` groups runs by a setting.',
    "`dataset.name` and `evolution.fitness` name what was used, also where data or a function were passed to `run`.",
    "Whole numbers, numbers, texts and truth values keep their type; a list is text, as JSON writes it; each key of a",
    "table, such as `policy.operator_weights`, has a column of its own. A column is empty where a run does not have",
    "the setting: a run of an older version has none, and a run in which nothing evolved has no settings of evolution.",
    "If runs that are loaded together have a setting as different types, it is text.",
    "",
)
"""What the data dictionary says of the columns that are not declared here."""

KEYS: Mapping[str, tuple[str, ...]] = {
    "runs": ("run", "seed"),
    "generations": ("run", "seed", "generation"),
    "population": ("run", "seed", "generation", "slot"),
    "individuals": ("run", "seed", "individual"),
    "operations": ("run", "seed", "individual", "position"),
    "credits": ("run", "seed", "generation", "operator"),
    "training": ("run", "seed", "arm", "individual", "step"),
    "baseline": ("run", "seed", "arm"),
    "candidates": ("run", "seed", "arm", "candidate"),
    "comparison": ("run", "seed", "arm"),
    "predictions": ("run", "seed", "arm", "row"),
    "times": ("run", "process", "activity"),
}
"""The columns that identify a row; tables are loaded in their order."""

TIMING_COLUMNS = frozenset(
    {"seconds", "search_seconds", "modify_seconds", "train_seconds", "evaluate_seconds"}
    | {"cpu_seconds", "search_cpu_seconds", "total_cpu_seconds"}
)
"""The columns in seconds: only in these, and in `TIMING_TABLES`, may two runs with the same seed differ."""

TIMING_TABLES = frozenset({"times"})
"""The tables about time, whose rows depend on workers, interruptions and the machine."""


def schema(table: str, own: OwnColumns | None = None) -> pa.Schema:
    """Return the Arrow schema of a table in a run with these columns of its own; by default without any."""
    columns = (own or OwnColumns()).of(table)
    return pa.schema([pa.field(column.name, column.type) for column in columns])


def to_arrow(table: str, rows: Iterable[Row] | pa.Table, own: OwnColumns | None = None) -> pa.Table:
    """Return rows as a typed table; raise ValueError for a missing or unknown column.

    The columns that only this run has may be missing in a row: an individual without a result has none.
    """
    typed = schema(table, own)
    if isinstance(rows, pa.Table):
        _check_names(table, set(typed.names), set(rows.column_names))
        return rows.select(typed.names).cast(typed)
    rows, every = list(rows), set(typed.names)
    required = set(schema(table).names)
    for row in rows:
        _check_names(table, required, row.keys() - (every - required))
    return pa.Table.from_pylist(rows, schema=typed)


def _check_names(table: str, declared: Set[str], given: Set[str]) -> None:
    if declared != given:
        raise ValueError(f"table {table}: columns {sorted(declared ^ given)} missing or unknown")


def sort_by_key(table: str, rows: pa.Table) -> pa.Table:
    """Return the rows in the order of the table's key; the order of rows with the same key stays."""
    return rows.sort_by([(name, "ascending") for name in KEYS[table]])


LABEL_TYPES = "int64, string or double"
"""The types that the labels or values of a data set may have."""


def data_dictionary() -> str:
    """Return a description of all tables as Markdown."""
    lines = [
        "# Data dictionary",
        "",
        'Every run folder holds these tables as Parquet data sets: `pandas.read_parquet(run_dir / "individuals")`.',
        "`load_results(path)` returns all tables of one run or of a folder of runs; `load_results(path, path2)` those",
        "of several, each run once. The column `run` has the present name of each run's folder, which may have been",
        "renamed or copied; two folders of one name are told apart by the folders above them, as in `a/run` and",
        "`b/run`. An empty cell (`NaN`, `None`)",
        "means that the quantity does not exist, never that something failed: a failure has a status and a reason.",
        "In regression a loss is that of the scaled values that networks learn: SD is the standard deviation of",
        "a value in the training part (without `dataset.target_scaling`, its unit). Metrics, truth and predictions",
        "have the units of the data (*unit*). RMSE and MAE of several values are means over values, whose units",
        "may differ.",
        "Columns in seconds, and the table `times`, differ from run to run. All else follows from settings and seed,",
        "unless a budget in seconds ended a train phase. Runs of an older version have the former names;",
        "`load_results` gives every column its present name. A name with `<metric>`, `<class>`, `<output>`,",
        "`<gene>` or `<count>` stands for several columns, whose names differ from run to run; `<count>` stands for",
        "`episodes` and `steps`, in runs that a reward judges. There a loss is minus a mean return, and `steps`",
        "without `played` are those of the strategy that trains. Some tables have columns of one",
        'name; `results.join("operations", "individuals", "runs")` joins tables on their keys, and then each column',
        "has a name of its own ([analysis](analysis.md#tables-side-by-side)).",
        "",
        "*This page is the output of `evomatrix tables`; a test compares it with real tables.*",
    ]
    for table, columns in TABLES.items():
        lines += [
            "",
            f"## {table}",
            "",
            f"Key: {', '.join(f'`{name}`' for name in KEYS[table])}.",
            "",
            *(SETTINGS_RULE if table == "runs" else ()),
        ]
        lines += ["| column | type | unit | meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{one.name}` | {one.type or LABEL_TYPES} | {one.unit} | {_meaning(one)} |"
            for one in columns
        ]
    return "\n".join(lines) + "\n"


def _meaning(column: Column) -> str:
    meaning = column.description.replace("|", r"\|")
    return f"{meaning} Formerly `{column.former_name}`." if column.former_name else meaning
