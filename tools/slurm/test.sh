#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# make test-slurm — array.sh and submit.sh in a real Slurm: its controller, one node's daemon and munge, in a folder of their own
# and on 127.0.0.1 alone. Tasks are requeued, killed, stopped and cancelled in the middle; the merged bytes must be the single
# run's. Last line: N passed, N failed. Where it can't run it says why, and that is no error.
set -u
cd "$(dirname "$0")/../.."
not_run() { echo "Slurm: NOT RUN, $1"; echo "0 passed, 0 failed"; exit 0; }

# ---- what it needs; a container gets it, a machine with services running is left as it is
need="munged slurmctld slurmd slurmstepd sbatch squeue scontrol scancel"
PATH=$PATH:/usr/sbin:/sbin
lacks() { for p in $need; do command -v "$p" >/dev/null || { echo "$p"; return; }; done; }
if [ -n "$(lacks)" ] && [ "$(id -u)" = 0 ] && [ ! -d /run/systemd/system ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    { timeout 60 apt-get update -qq
      timeout 120 apt-get install -y -qq --no-install-recommends munge slurmctld slurmd slurm-client; } >/dev/null 2>&1
fi
[ -z "$(lacks)" ] || not_run "$(lacks) is not there (Debian: munge slurmctld slurmd slurm-client)"
[ -x inseq ] || not_run "./inseq is not built"

# ---- a cluster of one node
T=$(mktemp -d) host=$(hostname -s) me=$(id -un) passed=0 failed=0
mkdir -m 700 "$T/munge" && mkdir "$T/spool" "$T/state" "$T/run"
chmod 755 "$T"
for v in $(compgen -e | grep -E '^(SLURM|SBATCH|SQUEUE|SCANCEL)'); do unset "$v"; done
export SLURM_CONF=$T/slurm.conf INSEQ=$PWD/inseq
here=$PWD/tools/slurm
free_port() { # nobody answers there
    local p
    while p=$((20000 + RANDOM % 10000)); (: </dev/tcp/127.0.0.1/$p) 2>/dev/null; do :; done
    echo $p
}
pids() { cat "$T"/*.pid "$T"/munge/pid 2>/dev/null; }
clean_up() {
    scancel --quiet -u "$me" 2>/dev/null
    for ((i = 0; i < 50; i++)); do [ -n "$(squeue -h -t running,completing,stopped 2>/dev/null)" ] || break; sleep .1; done
    local all; all=$(pids)
    kill $all 2>/dev/null
    for ((i = 0; i < 50; i++)); do kill -0 $all 2>/dev/null || break; sleep .1; done
    kill -9 $all 2>/dev/null
    rm -rf "$T"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

head -c 1024 /dev/urandom >"$T/munge/key" && chmod 400 "$T/munge/key"
cat >"$SLURM_CONF" <<END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=$me
SlurmdUser=$me
AuthType=auth/munge
# a requeued job may begin again when its credential has expired
AuthInfo=socket=$T/munge/socket,cred_expire=6
CredType=cred/munge
StateSaveLocation=$T/state
SlurmdSpoolDir=$T/spool
SlurmctldPidFile=$T/slurmctld.pid
SlurmdPidFile=$T/slurmd.pid
SlurmctldLogFile=$T/slurmctld.log
SlurmdLogFile=$T/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_interval=1
KillWait=5
# eight processors, whatever the machine has: four tasks of two run at once
SlurmdParameters=config_overrides
NodeName=one NodeHostname=$host NodeAddr=127.0.0.1 CPUs=8
PartitionName=all Nodes=one Default=YES MaxTime=INFINITE State=UP
END
# no control groups: newer versions have a word for that, older ones leave them alone if nothing asks
plugin=cgroup/v1
[ "$(slurmd -V | awk '{ split($2, v, "."); print v[1] * 100 + v[2] }')" -lt 2311 ] || plugin=disabled
echo "CgroupPlugin=$plugin" >"$T/cgroup.conf"

munged --force --key-file="$T/munge/key" --socket="$T/munge/socket" --pid-file="$T/munge/pid" --log-file="$T/munge/log" \
    --seed-file="$T/munge/seed" >"$T/out" 2>&1 || not_run "munged: $(tail -n 1 "$T/out")"
slurmctld -c >"$T/out" 2>&1 || not_run "slurmctld: $(tail -n 1 "$T/out" "$T/slurmctld.log" | tail -n 1)"
slurmd -N one >"$T/out" 2>&1 || not_run "slurmd: $(tail -n 1 "$T/slurmd.log")"
for ((i = 0; i < 150; i++)); do [ "$(sinfo -h -o %t 2>/dev/null)" != idle ] || break; sleep .1; done
[ "$(sinfo -h -o %t 2>/dev/null)" = idle ] || not_run "its node does not come up: $(tail -n 1 "$T/slurmctld.log")"

# ---- the tests
check() { # WHAT COMMAND...
    if "${@:2}"; then passed=$((passed + 1)); else failed=$((failed + 1)) bad=1; echo "FAIL $1"; fi
}
until_true() { # SECONDS COMMAND...
    for ((k = 0; k < $1 * 10; k++)); do "${@:2}" && return; sleep .1; done
    return 1
}
cd "$T/run"
words=(attribute-dataset -m demo/en-nl -a integrated_gradients --dataset_files rows.jsonl -in en -bs 1)
rows() { local n; n=$(grep -c '"number"' "$1" 2>/dev/null); echo "${n:-0}"; }
begun() { [ "$(rows "$1")" -ge 2 ]; }
state() { scontrol show job -o "$1" 2>/dev/null | grep -o 'JobState=[A-Z]*' | tr '\n' ' '; }
is() { [[ "$(state "$1")" == "JobState=$2 " ]]; }
ended() { [[ "$(state "$1")" =~ ^JobState=(COMPLETED|FAILED|CANCELLED)\ $ ]]; }
says() { grep -qs "$2" inseq-"$1".log; }
processes() { # of a task on this node: its script, its program
    scontrol listpids "$(squeue -h -j "$1" -o %A)" 2>/dev/null | awk '$1 ~ /^[0-9]+$/ { print $1 }'
}
program() {
    local p
    for p in $(processes "$1"); do [ "$(readlink "/proc/$p/exe")" != "$INSEQ" ] || echo "$p"; done
}

# One text is blank: a row that says so. As many rows as take a while here, so that each part can be disturbed in the middle.
for n in 100 400 1600; do
    awk -v n=$n 'BEGIN { split("The nurse;The teacher;The doctor;The cat;The dog;My sister", s, ";")
        split("lost;found;saw;bought;forgot", v, ";"); split("her key;the old house;a red book;his dog;the green car;the garden;a letter", o, ";")
        for (i = 0; i < n; i++)
            printf "{\"id\": %d, \"en\": \"%s\"}\n", i, i == 30 ? " " : s[i % 6 + 1] " " v[int(i / 6) % 5 + 1] " " o[int(i / 30) % 7 + 1] "." }' >rows.jsonl
    begin=$(date +%s%N)
    "$INSEQ" "${words[@]}" --hide --threads 1 --overwrite -o want.jsonl >/dev/null 2>"$T/single"; code=$?
    [ $(($(date +%s%N) - begin)) -lt 1500000000 ] || break
done
check "the single run ends with 3, as one text is empty ($code)" [ $code = 3 ]

# Four tasks, all disturbed once they have rows: requeued; killed with its script, then requeued by hand; told that its time is
# over; its program killed.
jobs=$("$here/submit.sh" 4 got.jsonl "${words[@]}") array=${jobs% *} merge=${jobs#* }
check "four tasks have rows" until_true 60 eval 'begun got.part1.jsonl && begun got.part2.jsonl && begun got.part3.jsonl && begun got.part4.jsonl'
kill -9 $(program "${array}_4")
scancel --batch --signal=TERM "${array}_3"
kill -9 $(processes "${array}_2")
scontrol requeue "${array}_1"
check "what was killed with its script has failed" until_true 60 is "${array}_2" FAILED
scontrol requeue "${array}_2"
scontrol update JobId="$merge" Dependency="$(printf afterok; printf ":${array}_%d" 1 2 3 4)" # it had failed, too
check "the merge is done" until_true 120 is "$merge" COMPLETED
for i in 1 2 3 4; do check "task $i went on behind its rows" says "${array}_$i" 'of [0-9]* rows; the others follow'; done
check "task 3 requeued itself at the end of its time" says "${array}_3" 'array.sh: stopped (exit code 143); requeued'
check "task 4 requeued itself after kill -9" says "${array}_4" 'array.sh: stopped (exit code 137); requeued'
check "the merged bytes are the single run's" cmp want.jsonl got.jsonl
[ -z "${bad:-}" ] || tail -n 20 inseq-*.log "$T"/slurm*.log
bad=

# Cancelled: it stays so. The same line again goes on, and merges.
jobs=$("$here/submit.sh" 4 again.jsonl.gz "${words[@]}") array=${jobs% *} merge=${jobs#* }
check "a task has rows" until_true 60 eval '[ "$(cat again.part4.jsonl.gz 2>/dev/null | wc -c)" -gt 2000 ]'
scancel "$array" "$merge"
check "what is cancelled is not requeued" until_true 60 eval '[ -z "$(squeue -h)" ]'
jobs=$("$here/submit.sh" 4 again.jsonl.gz "${words[@]}") merge=${jobs#* }
check "the merge is done" until_true 120 is "$merge" COMPLETED
zcat again.jsonl.gz >again.jsonl
check "the merged rows are the single run's (.jsonl.gz)" cmp want.jsonl again.jsonl
[ -z "${bad:-}" ] || tail -n 20 inseq-*.log "$T"/slurm*.log

slurmd -V
echo "$passed passed, $failed failed"
[ $failed = 0 ]
