#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# submit.sh TASKS RESULT COMMAND OPTIONS... — the run as a job array of TASKS tasks (array.sh), and a job that merges their parts
# into RESULT when all are done. Prints the numbers of both jobs. The same line again goes on where parts are not whole.
# Slurm's own variables choose the rest: SBATCH_PARTITION, SBATCH_ACCOUNT, SBATCH_TIMELIMIT, SBATCH_MEM_PER_NODE.
set -eu
[ $# -ge 3 ] || { echo "submit.sh TASKS RESULT COMMAND OPTIONS..." >&2; exit 2; }
tasks=$1 result=$2
shift 2
case $result in *.json | *.jsonl | *.json.gz | *.jsonl.gz) ;; *) echo "$result: its name must end in .jsonl or .json" >&2; exit 2 ;; esac
folder=$(dirname "$result") name=$(basename "$result") parts=()
for ((i = 1; i <= tasks; i++)); do parts+=("$folder/${name%.json*}.part$i.json${name##*.json}"); done # as array.sh names them

array=$(sbatch --parsable --array=1-"$tasks" "$(dirname "$0")/array.sh" "$result" "$@")
array=${array%%;*}
after=afterok # each task by itself: as a whole, an array in which one ever failed stays failed
for ((i = 1; i <= tasks; i++)); do after+=:${array}_$i; done
merge=$({ echo '#!/usr/bin/env bash'; printf 'exec'; printf ' %q' "${INSEQ:-inseq}" merge "$result" "${parts[@]}"; echo; } |
    sbatch --parsable --job-name=inseq-merge --dependency="$after" --output=inseq-%j.log)
echo "$array ${merge%%;*}"
