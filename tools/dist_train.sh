#!/usr/bin/env bash
# Usage: tools/dist_train.sh CONFIG GPUS [OPTIONS OF train.py]
# PORT is that of this machine, 29500 by default. Several machines: set NNODES, NODE_RANK, MASTER_ADDR and MASTER_PORT.
set -euo pipefail
config=$1 gpus=$2
shift 2
exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${MASTER_PORT:-${PORT:-29500}}" --nproc_per_node="$gpus" \
    "$(dirname "$0")/train.py" "$config" --launcher pytorch "$@"
