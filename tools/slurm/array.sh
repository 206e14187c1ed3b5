#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#SBATCH --job-name=inseq
#SBATCH --array=1-4
#SBATCH --cpus-per-task=2
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@60
#SBATCH --output=inseq-%A_%a.log
# One part of a run for each task of the array; how many there are, sbatch --array=1-N says:
#
#   sbatch array.sh RESULT COMMAND OPTIONS...     such as result.jsonl attribute -m FOLDER -a saliency -i @texts.txt
#
# Its rows go to RESULT's name with the task's number in it, a line as soon as a row is done. A task that is preempted, requeued,
# killed or at the end of its time goes on behind the last whole row; at the end of its time it requeues itself.
set -u
[ $# -ge 2 ] || { echo "array.sh RESULT COMMAND OPTIONS..." >&2; exit 2; }
folder=$(dirname "$1") name=$(basename "$1"); shift
part=$folder/${name%.json*}.part$SLURM_ARRAY_TASK_ID.json${name##*.json}
rows=$part
case $part in *.json) rows=$part.rows ;; *.json.gz) rows=$part.rows ;; esac
size() { stat -c %s "$rows" 2>/dev/null || echo 0; }

task=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID # SLURM_JOB_ID of the last task is the whole array's, too
before=$(size)
"${INSEQ:-inseq}" "$@" --hide --shard auto --threads "${SLURM_CPUS_PER_TASK:-1}" -o "$part" &
run=$!
trap 'kill -TERM $run 2>/dev/null' TERM
wait $run; code=$?
while kill -0 $run 2>/dev/null; do wait $run; code=$?; done # a signal ends the first wait, not the run
trap '' TERM                                                # what follows takes a moment

case $code in
0) ;;
3) echo "array.sh: some texts failed; the part says which" ;; # merge refuses it if rows are missing
*)
    # Stopped, not wrong: once more, if it got further. A job that is cancelled or requeued already is no longer RUNNING.
    if [ $code -gt 128 ] && [ "$(size)" -gt "$before" ] &&
        scontrol show job -o "$task" | grep -q 'JobState=RUNNING'; then
        echo "array.sh: stopped (exit code $code); requeued"
        scontrol requeue "$task" && exec sleep 60 # until Slurm ends this script
    fi
    exit $code ;;
esac
