"""The program of a worker process: it answers one job after another, and ends with the process that started it.

It is run as a file, with the number of its connection, and imports nothing of ours before the first message has told
where that is found.
"""

import fcntl
import os
import pickle
import select
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Connection


def main(connection: Connection) -> None:
    """Answer jobs until the connection is closed.

    An empty message says that a job has begun: its function and what it imports are there. Then comes the answer.
    """
    _end_with_parent()
    while True:
        try:
            sys.path[:], without = connection.recv()
            message = connection.recv_bytes()
        except EOFError:
            return
        sys.modules.update(dict.fromkeys(without))  # None: Python does not look for it
        try:
            function, job = pickle.loads(message)  # here: what it imports may fail
            connection.send_bytes(b"")
            answer = function(job)
        except Exception as fault:
            fault.add_note(f"In a worker: {traceback.format_exc()}")  # where it was raised is not told by the exception
            answer = fault
        try:
            connection.send(answer)
        except Exception as fault:
            connection.send(TypeError(f"the answer cannot be sent from a worker: {fault}"))


def _end_with_parent() -> None:
    """End this process when its standard input is closed, on which nothing is ever written: its parent is gone."""
    parent, lifeline, nothing = os.getppid(), os.dup(0), os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    def watch() -> None:
        while not select.select([lifeline], [], [], 0.5)[0] and os.getppid() == parent:
            pass  # a process that the parent has forked may hold the other end too
        os._exit(1)  # in the middle of whatever is computed

    threading.Thread(target=watch, daemon=True).start()
    if sys.platform == "linux":  # there the system itself does it, even while a library holds the interpreter's lock
        signal.signal(signal.SIGIO, signal.SIG_DFL)
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


if __name__ == "__main__":
    main(Connection(int(sys.argv[1])))
