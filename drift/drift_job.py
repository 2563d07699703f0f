"""The original entry point: `python drift/drift_job.py --model DriftAwareDemoModel --window 1h`.

It is `driftlead-drift check`: exit status 0 = no drift found, 2 = drift, 1 = it could not be judged.
"""

import sys

from driftlead_drift.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["check", *sys.argv[1:]]))
