"""How many threads the model's libraries may use. Imports nothing: they read their variables when
imported."""

import os
from pathlib import Path

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT")


def set_threads(limit: int) -> int:
    """Threads for the model's libraries: what is set, else the container's quota, else the processors we may
    use.

    They read their variables when they are imported, so this comes first.
    """
    count = limit or max(1, min(len(os.sched_getaffinity(0)), quota()))
    os.environ.setdefault(
        "OMP_WAIT_POLICY", "PASSIVE"
    )  # spinning threads starve the others of the same quota
    for variable in VARIABLES:
        os.environ.setdefault(variable, str(count))
    return count


def quota(file: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Whole processors of the cgroup's quota, at least 1; a large number where there is none."""
    try:
        limit, period = file.read_text().split()
    except (OSError, ValueError):
        return 1024
    return 1024 if limit == "max" else max(1, int(limit) // int(period))
