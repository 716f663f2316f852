#!/usr/bin/env bash
# Join the cluster whose head is at RAY_HEAD_IP; further words go to `ray start`.
set -euo pipefail
if [ -z "${RAY_HEAD_IP:-}" ]; then
    echo "worker.sh: set RAY_HEAD_IP to the address of the head" >&2
    exit 2
fi
# The launcher's shells set it, and every task of this host would have one thread. Ray gives a task as
# many as it has CPUs.
unset OMP_NUM_THREADS
exec ray start --address "$RAY_HEAD_IP:6379" --metrics-export-port 8080 "$@"
