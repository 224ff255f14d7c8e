"""The sections of a report in their order. A new section is a function of results and one entry here."""

from collections.abc import Callable
from dataclasses import dataclass

from experiments.analysis.results import Results
from experiments.report.sections.curves import curves
from experiments.report.sections.film import film
from experiments.report.sections.losses import failures
from experiments.report.sections.operators import operators
from experiments.report.sections.origin import environment, reproduction, settings
from experiments.report.sections.pareto import small_and_good
from experiments.report.sections.verdict import comparison, verdict
from experiments.report.sections.winner import winner


@dataclass(frozen=True)
class Section:
    """One section of a report.

    Attributes
    ----------
    name : str
        Short name: letters and hyphens, the anchor of the section in the page.
    title : str
        Its heading.
    content : callable
        ``content(results)`` returns HTML. The results are of one data set. A ResultsError says in a sentence why there
        is nothing to show.
    """

    name: str
    title: str
    content: Callable[[Results], str]


SECTIONS: tuple[Section, ...] = (
    Section("verdict", "Verdict", verdict),
    Section("comparison", "Comparison of the arms", comparison),
    Section("curves", "Curves", curves),
    Section("pareto", "Small and good networks", small_and_good),
    Section("winner", "The winner: graph and matrix", winner),
    Section("film", "From the founder to the winner", film),
    Section("operators", "Operator effects", operators),
    Section("failures", "Failures", failures),
    Section("settings", "Settings", settings),
    Section("environment", "Environment", environment),
    Section("reproduction", "How to reproduce", reproduction),
)
"""All sections, from the verdict on."""
