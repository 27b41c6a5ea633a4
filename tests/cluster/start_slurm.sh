#!/usr/bin/env bash
# Starts a SLURM of one node, this machine, for tests/cluster:
#
#   apt-get install --no-install-recommends slurm-wlm munge   # Debian, as root
#   source tests/cluster/start_slurm.sh
#   python -m pytest -m slow tests/cluster
#   tests/cluster/stop_slurm.sh
#
# It needs root, no systemd and no other SLURM. All its files are in one new
# folder, which SLURM_CONF names, so that nothing of the machine's own
# configuration is touched. `source` sets SLURM_CONF in the calling shell;
# run as a program, the script prints the path.
# CPUS=N (2) and PORT=N (16817 and the next) name others. There is no
# accounting, as on many small clusters.
start_slurm() (
    set -euo pipefail
    folder=$(mktemp -d /tmp/slurm.XXXXXX)
    chmod 755 "$folder"
    port=${PORT:-16817}
    cat >"$folder/slurm.conf" <<CONF
ClusterName=onenode
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=root
SlurmctldPort=$port
SlurmdPort=$((port + 1))
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
AuthInfo=socket=$folder/munge.socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,batch_sched_delay=0
MpiDefault=none
KillWait=5
MinJobAge=60
ReturnToService=2
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=${CPUS:-2} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
    # A machine whose count of CPUs is another takes the one that is written.
    echo 'SlurmdParameters=config_overrides' >>"$folder/slurm.conf"
    mkdir "$folder/state" "$folder/spool"
    (umask 077 && head -c 1024 /dev/urandom >"$folder/munge.key")
    munged --force --key-file="$folder/munge.key" \
        --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
        --log-file="$folder/munged.log" --seed-file="$folder/munge.seed" >&2
    export SLURM_CONF="$folder/slurm.conf"
    slurmctld >&2
    slurmd >&2
    for _ in $(seq 60); do
        if sinfo --noheader --states=idle 2>/dev/null | grep -q .; then
            echo "$SLURM_CONF"
            exit
        fi
        sleep 0.5
    done
    tail -n 20 "$folder"/*.log >&2
    SLURM_CONF=$SLURM_CONF "$(dirname "${BASH_SOURCE[0]}")/stop_slurm.sh"
    exit 1
)

if [[ "${BASH_SOURCE[0]}" == "$0" ]]; then
    start_slurm
else
    SLURM_CONF=$(start_slurm) && export SLURM_CONF
fi
