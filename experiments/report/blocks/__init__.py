"""What the sections of a report are made of: escaped HTML, tables, figures, meanings of columns.

No section is here; those are in :mod:`experiments.report.sections`.
"""

from experiments.report.blocks.html import escaped, figure, paragraph, table

__all__ = ["escaped", "figure", "paragraph", "table"]
