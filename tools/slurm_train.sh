#!/usr/bin/env bash
# Usage: tools/slurm_train.sh PARTITION JOB_NAME CONFIG [OPTIONS OF train.py]
# GPUS=8 processes, GPUS_PER_NODE=8 of them on each machine and CPUS_PER_TASK=5
# are set in the environment; SRUN_ARGS has more options for srun, such as
# '--gres=none' for processes on CPUs.
set -euo pipefail
partition=$1 job=$2 config=$3
shift 3
gpus=${GPUS:-8}
per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
# shellcheck disable=SC2086 # SRUN_ARGS are several
exec srun --partition="$partition" --job-name="$job" \
    --gres="gpu:$per_node" --ntasks="$gpus" --ntasks-per-node="$per_node" \
    --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 \
    ${SRUN_ARGS:-} "${PYTHON:-python}" -u "$(dirname "$0")/train.py" \
    "$config" --launcher slurm "$@"
