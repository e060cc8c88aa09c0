"""The command ``video-zoo``: a module a command, which parses flags and makes one library call.

Its ``main`` does that. All are started through :func:`.cli.run`, whose options are in ``RUN``.

Worker processes of a conversion import the file that was started, and so this: nothing heavy here.
"""

from .program import COMMANDS as COMMANDS
from .start import main as main
