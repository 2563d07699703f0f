"""`make bench [WHAT="inference drift"]`: repeats the measurements of README.md, one program after the other.

Each is a program of its own with its own options; this only runs them in turn, in processes of their own.
"""

import subprocess
import sys

ALL = [
    "canary_bursts",
    "canary_harm",
    "canary_labels",
    "drift",
    "drift_statistics",
    "inference",
    "operator_scale",
    "prediction_log",
]


def main(names: list[str]) -> int:
    """Runs the named programs, or all; 1 when one of them failed, 2 when there is none of that name."""
    if unknown := set(names) - set(ALL):
        print(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
        return 2
    failed = []
    for name in names or ALL:
        print(f"\n=== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
