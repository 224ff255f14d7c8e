"""The editor, which opens a genome for changes; its columns with their compiled loops, and the order of its nodes.

Which change to make is decided in :mod:`evo.operators` and :mod:`evo.policies`.
"""

from evo.editing.editor import GenomeEditor

__all__ = ["GenomeEditor"]
