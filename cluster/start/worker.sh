#!/usr/bin/env bash
# Join the cluster whose head is at RAY_HEAD_IP; further words go to `ray start`.
set -euo pipefail
exec ray start --address "${RAY_HEAD_IP:?the address of the head}:6379" --metrics-export-port 8080 "$@"
