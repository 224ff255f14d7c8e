"""What is planned in the folder of a study: the settings of all runs, and which cells halving stops at which rung.

The file ``study.json`` holds both. This room reads and writes the file, and decides; it runs nothing.
"""

from experiments.studies.planned.decisions import Decision, decide, fitness_at
from experiments.studies.planned.plan import (
    StudyPlan,
    cell_of,
    owned,
    read_plan,
    with_planned,
)

__all__ = [
    "Decision",
    "StudyPlan",
    "cell_of",
    "decide",
    "fitness_at",
    "owned",
    "read_plan",
    "with_planned",
]
