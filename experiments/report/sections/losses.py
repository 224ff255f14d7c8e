"""The networks and runs without a result."""

from evo.errors import ResultsError
from experiments.analysis.results import Results
from experiments.report.blocks.html import table, without_run
from experiments.report.blocks.meanings import of_tables


def failures(results: Results) -> str:
    """Return the table of individuals, baselines and tests that failed or diverged, and of runs without a result."""
    lost = results.failures().dropna(axis="columns", how="all")
    if lost.empty:
        raise ResultsError(
            "no individual failed, no baseline diverged, no test failed and every run has a result"
        )
    meanings = of_tables("individuals", "baseline", columns=[str(name) for name in lost])
    meanings["status"] = (
        "Status: diverged or failed; of a run also stopped (by halving, which is no failure), unfinished or "
        "not begun."
    )
    return table(
        without_run(results, lost),
        "Networks and runs without a result",
        meanings,
        more="results.failures()",
    )
