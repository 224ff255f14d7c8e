"""Runs in the tracking store of MLflow: a local database, or a server."""

import re
import time
from collections.abc import Mapping

from experiments.progress.events import RunBegun
from experiments.progress.tracker import Tracker, package

FOLDER = "evomatrix.folder"
"""The tag by which a run that is resumed finds its run in the store."""

STOPPED = "evomatrix.stopped"
"""The tag with the reason why a run is not complete."""

MOST_PARAMETERS, MOST_METRICS = 100, 1000
"""Values that the store takes at once."""

LONGEST_TAG = 5000
"""Characters that the store takes in one tag."""


class MLflow(Tracker):
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
        super().__init__()
        client = package("mlflow.tracking", "mlflow").MlflowClient
        self._entities = package("mlflow.entities", "mlflow")
        self._client = client(tracking_uri=tracking_uri)
        known = self._client.get_experiment_by_name(experiment_name)
        self._experiment = (
            self._client.create_experiment(experiment_name)
            if known is None
            else known.experiment_id
        )

    def begun(self, event: RunBegun) -> None:
        """Begin a run of the store with the settings as parameters, or go on with the unfinished run of the folder."""
        folder = str(event.path.resolve())
        unfinished = self._client.search_runs(
            [self._experiment],
            f"tags.`{FOLDER}` = {_quoted(folder)} and attributes.status != 'FINISHED'",
            max_results=1,
        )
        if unfinished:
            (known,) = unfinished
            self.runs[event.run] = known.info.run_id
            self._client.update_run(known.info.run_id, status="RUNNING")
            if STOPPED in known.data.tags:
                self._client.delete_tag(known.info.run_id, STOPPED)
            return
        made = self._client.create_run(self._experiment, run_name=event.run, tags={FOLDER: folder})
        self.runs[event.run] = made.info.run_id
        settings = {
            "seed": event.experiment.seed,
            "seeds": event.experiment.seeds,
            **event.settings,
        }
        parameters = [
            self._entities.Param(_key(name), str(value)) for name, value in settings.items()
        ]
        for first in range(0, len(parameters), MOST_PARAMETERS):
            some = parameters[first : first + MOST_PARAMETERS]
            self._client.log_batch(made.info.run_id, params=some)

    def write(self, run: str, values: Mapping[str, float], step: int) -> None:
        """Write numbers by name."""
        now = int(1000 * time.time())
        metrics = [
            self._entities.Metric(_key(name), value, now, step) for name, value in values.items()
        ]
        for first in range(0, len(metrics), MOST_METRICS):
            some = metrics[first : first + MOST_METRICS]
            self._client.log_batch(self.runs[run], metrics=some)

    def tell(self, run: str, name: str, text: str) -> None:
        """Write a text as a tag."""
        self._client.set_tag(self.runs[run], f"evomatrix.{name}", text[:LONGEST_TAG])

    def end(self, run: str, *, complete: bool) -> None:
        """End the run of the store."""
        self._client.set_terminated(self.runs[run], "FINISHED" if complete else "KILLED")


def _quoted(text: str) -> str:
    """Return a text for a filter of MLflow.

    Examples
    --------
    >>> print(_quoted("runs"), _quoted("Ann's"))
    'runs' "Ann's"
    """
    return f'"{text}"' if "'" in text else f"'{text}'"


def _key(name: str) -> str:
    """Return a name with the characters only that MLflow takes.

    Examples
    --------
    >>> _key("seed-0/best_fitness"), _key("a(b)")
    ('seed-0/best_fitness', 'a_b_')
    """
    return re.sub(r"[^/\w.\- ]", "_", name)
