#!/bin/sh
# PostgreSQL with psql, pgbench (simple, extended, prepared), psycopg2 and libpq itself (binary parameters, pipelines,
# COPY, cancel). What the clients saw is what the entries must say.
set -eu
pg=/usr/lib/postgresql/15/bin
. "$(dirname "$0")/record.inc" setpriv "$pg/postgres" "$pg/initdb" psql "$pg/pgbench"
# Debian's own Python: the library is a Debian package.
/usr/bin/python3 -c 'import psycopg2' 2>/dev/null || { echo "skipped: python3-psycopg2 is not installed"; exit 77; }
id -u postgres >/dev/null 2>&1 || { echo "skipped: there is no user postgres"; exit 77; }
as_postgres() { setpriv --reuid=postgres --regid=postgres --clear-groups -- "$@"; }
echo 'hunter2' >"$work/password"
mkdir "$work/db" && chown postgres "$work/db" "$work/password"
as_postgres "$pg/initdb" -D "$work/db" -A scram-sha-256 -U app --pwfile="$work/password" --no-sync -E UTF8 \
    --no-locale >"$work/initdb.log" 2>&1 || { cat "$work/initdb.log"; exit 1; }
echo "host all all all scram-sha-256" >>"$work/db/pg_hba.conf"
serve setpriv --reuid=postgres --regid=postgres --clear-groups -- "$pg/postgres" -D "$work/db" -c fsync=off \
    -c "listen_addresses=$SERVER_IP" -c port=5499 -c "unix_socket_directories=$work/db" -c log_min_messages=panic
wait_for_port 5499
export PGPASSWORD=hunter2 PGHOST="$SERVER_IP" PGPORT=5499 PGUSER=app PGDATABASE=postgres PATH="$pg:$PATH"
start_recording
in_client /usr/bin/python3 "$here/record_postgresql_client.py" >"$work/expected.jsonl"
stop_recording
if grep -q hunter2 "$work/expected.jsonl"; then echo "the password is in the log"; exit 1; fi
compare postgresql
compare_losses postgresql summary status postgresql_query postgresql_command postgresql_rows postgresql_error_code postgresql_params
