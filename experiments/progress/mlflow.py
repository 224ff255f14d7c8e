"""Runs in the tracking store of MLflow: a local database, or a server."""

import re
import time
from collections.abc import Mapping

from experiments.progress.callbacks import Callback
from experiments.progress.events import (
    BaselineTrained,
    EpochDone,
    GenerationDone,
    RunBegun,
    RunFinished,
    RunStopped,
)
from experiments.progress.packages import package
from experiments.progress.values import (
    comparison_values,
    conclusions,
    epoch_values,
    generation_values,
    trained_values,
)

FOLDER = "evomatrix.folder"
"""The tag by which a run that is resumed finds its run in the store."""

STOPPED, VERDICTS = "evomatrix.stopped", "evomatrix.verdicts"
"""The tags with the reason of the end of a run that is not complete, and with the verdicts of a complete one."""

MOST_IN_BATCH = 100
"""Parameters that the store takes at once."""

LONGEST_TAG = 5000
"""Characters that the store takes in one tag."""


class MLflow(Callback):
    """Writes each run as a run of MLflow: settings as parameters, values of generations and epochs, the test metrics.

    A run that is complete ends with the status ``FINISHED``, any other with ``KILLED``. A run that is resumed goes on
    in its run of the store.

    Parameters
    ----------
    tracking_uri : str, optional
        Such as ``sqlite:///mlflow.db`` or ``http://localhost:5000``; by default what MLflow itself takes.
    experiment_name : str
        The experiment of the store to which the runs belong; it is made if there is none.

    Raises
    ------
    MissingPackageError
        If MLflow is not installed.
    """

    def __init__(self, tracking_uri: str | None = None, experiment_name: str = "evomatrix") -> None:
        client = package("mlflow.tracking", "mlflow").MlflowClient
        self._entities = package("mlflow.entities", "mlflow")
        self._client = client(tracking_uri=tracking_uri)
        known = self._client.get_experiment_by_name(experiment_name)
        self._experiment = (
            self._client.create_experiment(experiment_name)
            if known is None
            else known.experiment_id
        )
        self._runs: dict[str, str] = {}

    def begun(self, event: RunBegun) -> None:
        """Begin a run of the store with the settings as parameters, or go on with the run of the same folder."""
        folder = str(event.path.resolve())
        quoted = folder.replace("'", "''")
        found = self._client.search_runs(
            [self._experiment], f"tags.`{FOLDER}` = '{quoted}'", max_results=1
        )
        if found:
            self._runs[event.run] = found[0].info.run_id
            self._client.update_run(found[0].info.run_id, status="RUNNING")
            if STOPPED in found[0].data.tags:
                self._client.delete_tag(found[0].info.run_id, STOPPED)
            return
        made = self._client.create_run(self._experiment, run_name=event.run, tags={FOLDER: folder})
        self._runs[event.run] = made.info.run_id
        settings = {
            "seed": event.experiment.seed,
            "seeds": event.experiment.seeds,
            **event.settings,
        }
        parameters = [
            self._entities.Param(_key(name), str(value)) for name, value in settings.items()
        ]
        for first in range(0, len(parameters), MOST_IN_BATCH):
            self._client.log_batch(
                made.info.run_id, params=parameters[first : first + MOST_IN_BATCH]
            )

    def generation(self, event: GenerationDone) -> None:
        """Write the values of a generation; its number is the step."""
        self._write(event.run, generation_values(event), event.generation.number)

    def epoch(self, event: EpochDone) -> None:
        """Write the values of an epoch; its number is the step."""
        self._write(event.run, epoch_values(event), event.record.epoch)

    def trained(self, event: BaselineTrained) -> None:
        """Write the values of a trained baseline; the number of its gradient steps is the step."""
        self._write(event.run, trained_values(event), event.steps or 0)

    def finished(self, event: RunFinished) -> None:
        """Write the test metrics and the verdicts, and end the run of the store."""
        self._write(event.run, comparison_values(event.results), 0)
        lines = conclusions(event.results)
        if lines:
            self._tag(event.run, VERDICTS, "\n".join(lines))
        self._client.set_terminated(self._runs.pop(event.run), "FINISHED")

    def stopped(self, event: RunStopped) -> None:
        """End the run of the store with the reason."""
        if event.run in self._runs:
            self._tag(event.run, STOPPED, event.reason)
            self._client.set_terminated(self._runs.pop(event.run), "KILLED")

    def _tag(self, run: str, name: str, text: str) -> None:
        self._client.set_tag(self._runs[run], name, text[:LONGEST_TAG])

    def _write(self, run: str, values: Mapping[str, float], step: int) -> None:
        now = int(1000 * time.time())
        metrics = [
            self._entities.Metric(_key(name), value, now, step) for name, value in values.items()
        ]
        self._client.log_batch(self._runs[run], metrics=metrics)


def _key(name: str) -> str:
    """Return a name with the characters only that MLflow takes.

    Examples
    --------
    >>> _key("seed-0/best_fitness"), _key("a(b)")
    ('seed-0/best_fitness', 'a_b_')
    """
    return re.sub(r"[^/\w.\- ]", "_", name)
