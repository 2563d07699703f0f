# Run once by the image's entrypoint on an empty data folder: a role with its own database for each of the two.
# Sourced or executed, so nothing here may depend on which.
psql -v ON_ERROR_STOP=1 -v driftlead="$DRIFTLEAD_PASSWORD" -v mlflow="$MLFLOW_PASSWORD" \
  --username "${POSTGRES_USER:-postgres}" --dbname postgres --no-password <<'SQL'
CREATE ROLE driftlead LOGIN PASSWORD :'driftlead';
CREATE DATABASE driftlead OWNER driftlead;
CREATE ROLE mlflow LOGIN PASSWORD :'mlflow';
CREATE DATABASE mlflow OWNER mlflow;
SQL
