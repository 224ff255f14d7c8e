"""What every selection keeps to: its two functions and settings, what it requests, and what it reads of individuals.

The registries of selections and of descriptors are here. Schemes and public names are in :mod:`evo.selection`.
"""

__all__ = ["descriptors", "requests", "settings"]
