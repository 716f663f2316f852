#!/usr/bin/env bash
# Start Ray's head on this host; further words go to `ray start`.
#
# The head takes no tasks: what fills its memory would take the whole cluster with it. The dashboard
# and the Jobs API, which run code for whoever reaches them, listen to this host alone: a tunnel is
# how others get in, and the cluster's token is asked for besides.
set -euo pipefail
exec ray start --head --port 6379 --num-cpus 0 --num-gpus 0 --dashboard-host 127.0.0.1 --dashboard-port 8265 \
    --metrics-export-port 8080 "$@"
