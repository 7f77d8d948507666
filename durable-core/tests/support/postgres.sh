#!/bin/sh
# A PostgreSQL server for tests: prints where its socket lies, and is gone when its standard input ends. A line there with a
# shutdown mode of pg_ctl restarts it in this way; `up` is printed when it is there again.
# Usage: postgres.sh DIRECTORY_OF_THE_PROGRAMS
set -eu
programs=$1
if [ "$(id -u)" = 0 ]; then # the server refuses to run as root
    user=nobody
    if id postgres >/dev/null 2>&1; then user=postgres; fi
    # Neither this file nor the present directory need be open to that user.
    script=$(cat "$0")
    cd /
    exec setpriv --reuid="$(id -u "$user")" --regid="$(id -g "$user")" --clear-groups sh -c "$script" "$0" "$@"
fi
home=$(mktemp -d /tmp/durable-postgres.XXXXXX)
stop() {
    "$programs/pg_ctl" -D "$home/data" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$home"
}
trap stop EXIT
trap 'exit 1' HUP INT TERM
{
    "$programs/initdb" --no-sync --auth=trust --username=durable --encoding=UTF8 --locale=C -D "$home/data" &&
        "$programs/pg_ctl" -D "$home/data" -l "$home/log" -w -t 60 -o \
            "-k $home -c listen_addresses= -c fsync=off -c full_page_writes=off -c max_connections=400" start
} >"$home/start" 2>&1 </dev/null || {
    cat "$home/start" "$home/log" >&2 2>/dev/null || true
    exit 1
}
echo "$home"
while read -r mode; do
    "$programs/pg_ctl" -D "$home/data" -l "$home/log" -w -t 60 -m "$mode" restart >"$home/start" 2>&1 </dev/null || {
        cat "$home/start" "$home/log" >&2
        exit 1
    }
    echo up
done
