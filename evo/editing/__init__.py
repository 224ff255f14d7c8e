"""The editor: a genome opened for changes, its columns and their kernels, the order of its nodes.

Which change to make is decided in :mod:`evo.operators` and :mod:`evo.policies`.
"""

from evo.editing.editor import GenomeEditor

__all__ = [
    "GenomeEditor",
]
