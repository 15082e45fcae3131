"""What goes wrong that is no bug: a person's mistake, a lab that is not as it should be, no engine, no answer in time.

They stand apart from what raises them, so that catching one does not import a machine. Standard library only:
setup.sh runs bundle_file.py, which imports this, before any Python package is there.
"""

from __future__ import annotations


class UsageError(ValueError):
    """What was asked for cannot be done as it was asked; the message says what was expected, and what came.

    The command line prints the message alone, with exit status 64. Any other ValueError is a bug of this program, and
    keeps its traceback.
    """


class LabProblem(Exception):
    """The lab is not in the state that is needed; the message says what is wrong and what would help."""


class LabInUse(LabProblem):
    """Another run has the lab: to try again at once is of no use."""


class NotReady(LabProblem):
    """A program that was started ended, or let its deadline pass, before it was ready; the lab itself is well."""


class CommandFailed(Exception):
    """A command that should have worked did not; the message holds the command and the end of what it printed."""


class NoEngine(Exception):
    """No Docker Engine answers."""


class DeadlinePassed(Exception):
    """What was waited for did not come about in time; the message says what it was and how long it was given."""


class OutputLost(Exception):
    """What is printed cannot be written, as to a file on a disk that is full. It is no OSError: no lab is at fault."""
