#!/usr/bin/env bash
# Make the namespace and the Secrets that its pods name, each with a value that nobody has seen; those
# that are there stay. Where no service account of your cloud may use the bucket, its keys are taken from
# AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
#
#   cluster/kubernetes/secrets.sh
#   kubectl -n isnet get secret endpoint-token -o jsonpath={.data.token} | base64 -d     what clients send
set -euo pipefail

# make NAME HOW: a Secret from the standard input, which no list of processes shows.
make() {
    if kubectl --namespace isnet get secret "$1" > /dev/null 2>&1; then
        cat > /dev/null # or who writes there would be ended, and this script with it
    else
        kubectl --namespace isnet create secret generic "$1" "$2=/dev/stdin"
    fi
}

random() {
    od --address-radix=n --read-bytes=32 --format=x1 /dev/urandom | tr -d ' \n'
}

kubectl apply --filename "$(dirname "${BASH_SOURCE[0]}")/base/namespace.yaml"
random | make ray-token --from-file=auth_token
random | make endpoint-token --from-file=token
random | make postgres --from-file=password
random | make redis --from-file=password
random | make grafana --from-file=password
if [ -n "${AWS_ACCESS_KEY_ID:-}" ]; then
    printf 'AWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\n' \
        "$AWS_ACCESS_KEY_ID" "${AWS_SECRET_ACCESS_KEY:?}" |
        make object-store --from-env-file
fi
