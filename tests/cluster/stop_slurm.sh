#!/usr/bin/env bash
# Stops the SLURM that start_slurm.sh has started (SLURM_CONF names its
# folder) with all its jobs, and removes the folder.
set -uo pipefail
folder=$(dirname "${SLURM_CONF:?names no slurm.conf}")
if [[ "$folder" != /tmp/slurm.* ]]; then
    echo "$SLURM_CONF is none of start_slurm.sh; it is left alone." >&2
    exit 1
fi
scancel --user="$(id -un)" 2>/dev/null
for _ in $(seq 30); do
    squeue --noheader 2>/dev/null | grep -q . || break
    sleep 1
done
for name in slurmd slurmctld munged; do
    if [[ -s "$folder/$name.pid" ]]; then
        pid=$(<"$folder/$name.pid")
        kill "$pid" 2>/dev/null
        for _ in $(seq 50); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.2
        done
    fi
done
rm -rf "$folder"
