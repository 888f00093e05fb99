"""Jobs for worker processes, apart from their tests: a process that imports no pytest starts in half the time."""

import os
import signal

from overtraining.runtime.worker_process import WORKER_ENVIRONMENT


def job_function(job: int) -> object:
    """Answers even jobs, raises in odd ones, and dies of 13."""
    if job == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    if job % 2:
        raise ValueError(f"job {job} is odd")
    return os.getpid(), {name: os.environ[name] for name in WORKER_ENVIRONMENT}
