"""Errors about the world outside the program, with one root.

A wrong *argument* of a function is a plain ``ValueError`` or ``TypeError``, as in NumPy. The classes here are for
settings, data files and results folders. Their message is one line that names the file, the field, the rule and the
value. The command line shows this line and exits with 2.
"""


class EvoMatrixError(Exception):
    """Root of all errors about the world outside the program."""


class SettingsError(EvoMatrixError, ValueError):
    """A preset, settings file or option is not usable. In a script it is a wrong value too."""


class ChangedError(SettingsError):
    """A run cannot go on as it began: data, own parts, code, versions or arithmetic have changed."""


class DataError(EvoMatrixError, ValueError):
    """A data set, data file or rows to predict from are not usable.

    Rows are often an argument, so this is a ``ValueError`` too, as scikit-learn's tools expect.
    """


class ResultsError(EvoMatrixError):
    """A results folder, table or saved network cannot be read or written."""


class ExistingRunError(ResultsError):
    """The folder of a new run exists already."""
