#!/usr/bin/env bash
# Start the MLflow server: runs in a database, artifacts in an object store, which only it reaches.
# Further words go to `mlflow server`.
#
# MLFLOW_BACKEND_STORE_URI        postgresql+psycopg2://user@host:5432/mlflow
# MLFLOW_DATABASE_PASSWORD_FILE   a file with the user's password (or PGPASSWORD: the password itself)
# MLFLOW_ARTIFACTS_DESTINATION    s3://bucket/mlflow (credentials as the AWS variables say)
# MLFLOW_SERVER_ALLOWED_HOSTS     names and ports that clients may use, e.g. mlflow:5000,localhost:5000
set -euo pipefail
: "${MLFLOW_BACKEND_STORE_URI:?}" "${MLFLOW_ARTIFACTS_DESTINATION:?}" "${MLFLOW_SERVER_ALLOWED_HOSTS:?}"
if [ -n "${MLFLOW_DATABASE_PASSWORD_FILE:-}" ]; then
    # The database's library reads it: in the URI, logs and lists of processes would show it.
    PGPASSWORD=$(< "$MLFLOW_DATABASE_PASSWORD_FILE")
    export PGPASSWORD
fi
exec mlflow server --host 0.0.0.0 --port 5000 --workers "${MLFLOW_WORKERS:-2}" --serve-artifacts "$@"
