"""What goes wrong outside the program, as exceptions with one root.

A wrong *argument* to a function is a plain ``ValueError`` or ``TypeError``, as in NumPy. The classes here are
for what comes from outside - a settings file, a data file, a results folder - and name the file, the field,
the value received and the rule it breaks, in one line. The command line shows that line and exits with 2.
"""


class EvoMatrixError(Exception):
    """Root of every error that the framework raises about the world outside it."""


class SettingsError(EvoMatrixError):
    """A preset, settings file or option is not usable."""


class DataError(EvoMatrixError):
    """A data set or data file is not usable."""


class ResultsError(EvoMatrixError):
    """A results folder, table or saved network cannot be read or written."""


class ExistingRunError(ResultsError):
    """The folder of a run that is to begin is there already."""
