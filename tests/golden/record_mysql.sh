#!/bin/sh
# MariaDB with its own client (plain and compressed), PyMySQL, mysqlclient and DBD::MariaDB (prepared on the server). What
# the clients saw is what the entries must say.
set -eu
. "$(dirname "$0")/record.inc" setpriv mariadbd mariadb-install-db mariadb perl
# Debian's own Python: the libraries are Debian packages.
/usr/bin/python3 -c 'import pymysql, MySQLdb' 2>/dev/null ||
    { echo "skipped: python3-pymysql and python3-mysqldb are not both installed"; exit 77; }
perl -MDBD::MariaDB -e 1 2>/dev/null || { echo "skipped: libdbd-mariadb-perl is not installed"; exit 77; }
id -u mysql >/dev/null 2>&1 || { echo "skipped: there is no user mysql"; exit 77; }
mkdir "$work/db" && chown mysql "$work/db"
setpriv --reuid=mysql --regid=mysql --clear-groups -- mariadb-install-db --no-defaults --datadir="$work/db" \
    --auth-root-authentication-method=normal --skip-test-db --skip-name-resolve >"$work/install.log" 2>&1 ||
    { tail -5 "$work/install.log"; exit 1; }
cat >"$work/db/init.sql" <<END
CREATE DATABASE shop;
CREATE USER app@'%' IDENTIFIED BY 'hunter2';
GRANT ALL ON *.* TO app@'%';
END
serve setpriv --reuid=mysql --regid=mysql --clear-groups -- mariadbd --no-defaults --datadir="$work/db" \
    --socket="$work/db/socket" --pid-file="$work/db/pid" --bind-address="$SERVER_IP" --port=3399 --skip-name-resolve \
    --init-file="$work/db/init.sql" --local-infile=1 --max-allowed-packet=64M --innodb-flush-log-at-trx-commit=0 \
    --innodb-log-file-size=64M
# A probe of the port would be a connection to the server: its own file says that it is there.
for _ in $(seq 100); do [ -s "$work/db/pid" ] && break; sleep 0.1; done
wait_for_port 3399
start_recording
in_client /usr/bin/python3 "$here/record_mysql_client.py" "$SERVER_IP" 3399 "$work" >"$work/expected.jsonl"
stop_recording
compare mysql
compare_losses mysql summary status mysql_query mysql_command mysql_rows mysql_error_code mysql_params mysql_database
