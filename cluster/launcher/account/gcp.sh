#!/usr/bin/env bash
# Make what `ray up cluster/launcher/gcp.yaml` finds in a project: network, firewall, the workers' account.
#   gcp.sh PROJECT BUCKET ADDRESS/32        once
# BUCKET exists; ADDRESS may try SSH on the head. Cloud NAT costs something as long as it is there.
# Not tried: no Google Cloud project.
set -euo pipefail
if [ $# -ne 3 ]; then
    echo "usage: gcp.sh PROJECT BUCKET ADDRESS/32" >&2
    exit 2
fi
export CLOUDSDK_CORE_PROJECT=$1
bucket=$2 address=$3 region=us-west1

gcloud compute networks create isnet --subnet-mode=custom
gcloud compute networks subnets create isnet --network=isnet --region=$region --range=10.20.0.0/20 \
    --enable-private-ip-google-access
gcloud compute firewall-rules create isnet-ssh --network=isnet --target-tags=isnet --allow=tcp:22 \
    --source-ranges="$address"
gcloud compute firewall-rules create isnet-inside --network=isnet --target-tags=isnet --source-tags=isnet --allow=all
gcloud compute routers create isnet --network=isnet --region=$region
gcloud compute routers nats create isnet --router=isnet --region=$region --auto-allocate-nat-external-ips \
    --nat-all-subnet-ip-ranges # to the image's registry
gcloud iam service-accounts create isnet-worker
gcloud storage buckets add-iam-policy-binding "gs://$bucket" --role=roles/storage.objectAdmin \
    --member="serviceAccount:isnet-worker@$CLOUDSDK_CORE_PROJECT.iam.gserviceaccount.com"
