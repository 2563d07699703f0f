#!/bin/sh
# Runs the drift check and retrains when it finds drift; locally, in CI, or in a pod.
#
#   drift/retrain_if_drifted.sh module:function [flags of driftlead-drift check]
#
# Settings come from the environment (docs/reference/settings.md); DRIFTLEAD_MODEL or --model says which model. The new
# version is registered under its name, held against the version that was checked, and moved to Staging.
# Exit status: 0 no drift, or drift and retrained; 1 the check or the training failed.
set -eu

if [ $# -lt 1 ] || [ "${1#*:}" = "$1" ]; then
    echo "usage: $0 module:function [flags of driftlead-drift check]" >&2
    exit 1
fi
function=$1
shift

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
status=0
driftlead-drift check "$@" --report "$folder" --no-exit-zero || status=$?
if [ "$status" -eq 0 ]; then
    exit 0
elif [ "$status" -ne 2 ]; then
    echo "$0: the check ended with $status and could not judge; nothing is retrained" >&2
    exit 1
fi

# An exit status of 2 alone retrains nothing: Python itself ends with 2 on a wrong argument. The report that this very
# run wrote into its own empty folder must say drift as well.
facts=$(python3 - "$folder/report.json" <<'PYTHON'
import json, sys
try:
    report = json.load(open(sys.argv[1]))
    model, verdict = report["model"], report["verdict"]
except (OSError, ValueError, KeyError, TypeError) as error:
    sys.exit(f"no report of this run: {error}")
if verdict["exit_code"] != 2 or verdict["status"] not in ("drift", "severe"):
    sys.exit(f"the report of this run says {verdict['status']} ({verdict['exit_code']}), not drift")
if verdict["independence_assumed"]:
    print("independence of rows was assumed", file=sys.stderr)
print(report["run_id"], model["name"], model["version"] or "-")
PYTHON
) || { echo "$0: the check ended with 2 but its report does not bear it out; nothing is retrained" >&2; exit 1; }

# shellcheck disable=SC2086 # three words: run id, model, version
set -- $facts
champion="models:/$2/$3"
[ "$3" = "-" ] && champion=""
echo "drift, report $1: retraining $2 by $function against ${champion:-nobody}"
DRIFTLEAD_REPORT_ID=$1 DRIFTLEAD_CHAMPION=${DRIFTLEAD_CHAMPION:-$champion} \
    DRIFTLEAD_REGISTERED_MODEL=${DRIFTLEAD_REGISTERED_MODEL:-$2} driftlead-drift retrain "$function"
