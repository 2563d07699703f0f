#!/bin/sh
# On an empty $PGDATA: makes the cluster, runs /docker-entrypoint-initdb.d/*, then serves. The names of the
# variables are those of the official image, so that the chart knows only one kind of Postgres.
set -eu
: "${POSTGRES_PASSWORD:?set POSTGRES_PASSWORD}" "${POSTGRES_USER:=postgres}" "${POSTGRES_DB:=$POSTGRES_USER}"
export POSTGRES_USER POSTGRES_DB
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  umask 077
  password=$(mktemp) && printf '%s' "$POSTGRES_PASSWORD" > "$password"
  initdb -D "$PGDATA" --username="$POSTGRES_USER" --pwfile="$password" --encoding=UTF8 --auth-host=scram-sha-256 --auth-local=trust
  rm "$password"
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
  # On the socket alone, so that nobody connects before the databases are there.
  pg_ctl -D "$PGDATA" -w -o "-c listen_addresses=''" start
  [ "$POSTGRES_DB" = postgres ] || createdb --username="$POSTGRES_USER" "$POSTGRES_DB"
  for script in /docker-entrypoint-initdb.d/*; do
    case "$script" in
      *.sh) . "$script" ;;
      *.sql) psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" -f "$script" ;;
    esac
  done
  pg_ctl -D "$PGDATA" -m fast -w stop
fi
exec "$@" -c listen_addresses='*'
