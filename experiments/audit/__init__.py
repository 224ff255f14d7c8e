"""Whether results can be had again: a lineage is rebuilt from its founder, a run is computed again and compared.

This room computes again what :mod:`experiments.studies` computed, with the same functions, and changes no run.
"""

from experiments.audit.replay import replay_lineage
from experiments.audit.verification import Verification, verify

__all__ = ["Verification", "replay_lineage", "verify"]
