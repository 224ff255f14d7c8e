"""The report of runs: one HTML file that opens without a network, and a summary as Markdown for a paper's appendix.

This room puts pages together and writes them. What a page shows is in :mod:`experiments.report.sections`, the numbers
are from :mod:`experiments.analysis`. Pictures as files of a run are in :mod:`experiments.figures`.
"""

from experiments.report.report import watch, write_report
from experiments.report.summary import write_summary

__all__ = ["watch", "write_report", "write_summary"]
