"""A command that ends when the process that started it does: ``-m video_zoo.commands.child NAME``.

Its standard input is a pipe to which nothing is written. The system closes it when the process at
the other end is gone, also where that was killed. Then the command is interrupted, as by Ctrl-C,
and saves what it has done.
"""

import os
import signal
import threading

from . import main


def _end_with_parent() -> None:
    os.read(0, 1)  # and not `sys.stdin`, whose lock a thread must not hold when Python ends
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    main()
