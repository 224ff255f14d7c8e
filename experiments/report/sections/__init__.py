"""The sections of a report: each is a function of results that returns HTML.

A section that has nothing to show raises a ResultsError, whose message is the sentence that stands in its place.
Numbers come from :mod:`experiments.analysis`; :mod:`experiments.report` puts the page together and writes it.
"""

from experiments.report.sections.registry import SECTIONS, Section

__all__ = ["SECTIONS", "Section"]
