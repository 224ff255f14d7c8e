"""The networks that a run lost."""

from evo.errors import ResultsError
from experiments.analysis.results import Results
from experiments.report.blocks.html import table, without_run
from experiments.report.blocks.meanings import of_tables


def failures(results: Results) -> str:
    """Return the table of individuals without a fitness and of baselines that diverged."""
    lost = results.failures()
    if lost.empty:
        raise ResultsError("no individual failed and no baseline diverged")
    meanings = of_tables("individuals", "baseline", columns=[str(name) for name in lost])
    return table(
        without_run(results, lost), "Networks without a result", meanings, more="results.failures()"
    )
