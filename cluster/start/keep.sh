#!/usr/bin/env bash
# Run a command again whenever it ends, until this script is told to stop:
#   keep.sh /opt/isnet/cluster/start/worker.sh --block
# For hosts that nothing else looks after, as `ray up` and Kubernetes do: a worker that was cut off
# from its head ends its Ray once the head is in reach again, and has to join anew.
# A command that ends well, or cannot start (2: wrong words, 126, 127: no such program), is not run again.
set -uo pipefail

child=
stop() {
    trap '' TERM INT
    kill -TERM "$child" 2> /dev/null
    wait "$child"
    exit
}
trap stop TERM INT

while true; do
    "$@" &
    child=$!
    wait "$child"
    code=$?
    case $code in 0 | 2 | 126 | 127) exit "$code" ;; esac
    echo "keep.sh: $1 ended with $code, again in ${KEEP_PAUSE:=5} seconds" >&2
    sleep "$KEEP_PAUSE" &
    child=$!
    wait "$child"
done
