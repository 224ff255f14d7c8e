"""Run folders, their tables, and trained networks in files.

Only this room writes into run folders.
"""

from evo.storage.predictor import BaselinePredictor, Predictor, RawPredictor, load_network
from evo.storage.rows import generation_rows, prediction_rows, training_rows
from evo.storage.run_reader import RepairWarning, is_complete, is_run, load_tables
from evo.storage.run_store import RunStore
from evo.storage.table_folder import write_tables
from evo.storage.tables import OwnColumns, Row, data_dictionary

__all__ = [
    "BaselinePredictor",
    "OwnColumns",
    "Predictor",
    "RawPredictor",
    "RepairWarning",
    "Row",
    "RunStore",
    "data_dictionary",
    "generation_rows",
    "is_complete",
    "is_run",
    "load_network",
    "load_tables",
    "prediction_rows",
    "training_rows",
    "write_tables",
]
