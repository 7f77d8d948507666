#!/bin/sh
# A PostgreSQL server for tests and measurements. Prints its directory, which has its socket and its log, and is gone with all
# its files when the standard input of this script ends, so also when the process that started it was killed.
#
# A line on the standard input restarts the server: `fast` ends its connections in order, `immediate` is like a crash; `up` is
# printed when it is there again.
#
# Usage: postgres_server.sh [--durable] [--dir PARENT] [--set NAME=VALUE]...
#   --durable          stock configuration, which flushes every commit; otherwise nothing is flushed, which is faster
#   --dir PARENT       where its directory is made; default /tmp
#   --set NAME=VALUE   a setting of the server
# Usage: postgres_server.sh --programs
#   prints the directory of the programs, and fails when there are none
#
# The programs are those in the directory DURABLE_TEST_POSTGRES_BIN, or those in the PATH, or the newest that a package has
# installed.
set -eu

fail() {
    echo "$*" >&2
    exit 1
}

# Debian and Red Hat keep the programs out of the PATH, each version in a directory of its own.
newest_of_packages() {
    newest=0
    for bin in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin; do
        version=${bin%/bin}
        version=${version##*[/-]}
        version=${version%%.*}
        if [ -x "$bin/initdb" ] && [ "$version" -gt "$newest" ] 2>/dev/null; then
            newest=$version
            found=$bin
        fi
    done
    [ "$newest" -gt 0 ] && echo "$found"
}

find_programs() {
    if [ -n "${DURABLE_TEST_POSTGRES_BIN:-}" ]; then
        echo "$DURABLE_TEST_POSTGRES_BIN"
    elif initdb=$(command -v initdb); then
        dirname "$initdb"
    else
        newest_of_packages
    fi
}

programs=$(find_programs) ||
    fail "there are no programs of a PostgreSQL server: install it (Debian: apt-get install postgresql)," \
        "or name their directory in DURABLE_TEST_POSTGRES_BIN"
for program in initdb pg_ctl postgres; do
    [ -x "$programs/$program" ] || fail "$programs has no $program: it is not the directory of a PostgreSQL server's programs"
done

parent=/tmp
sync=--no-sync
settings="-c fsync=off -c full_page_writes=off -c max_connections=400"
more=
while [ $# -gt 0 ]; do
    case $1 in
    --programs)
        echo "$programs"
        exit
        ;;
    --durable)
        settings=
        sync=
        ;;
    --dir)
        parent=$2
        shift
        ;;
    --set)
        more="$more -c $2"
        shift
        ;;
    *) fail "there is no option $1" ;;
    esac
    shift
done

# Where a server lies is not said by the environment of this one.
unset PGDATA PGPORT PGHOST
home=$(mktemp -d "$parent/durable-postgres.XXXXXX")
home=$(cd "$home" && pwd -P)
as_user=
if [ "$(id -u)" = 0 ]; then # the server refuses to run as root
    user=nobody
    if id postgres >/dev/null 2>&1; then user=postgres; fi
    chown "$user" "$home"
    as_user="setpriv --reuid=$(id -u "$user") --regid=$(id -g "$user") --clear-groups"
fi
# The present directory need not be open to that user.
cd "$home"

pg_ctl() {
    $as_user "$programs/pg_ctl" -D "$home/data" "$@"
}
stop() {
    # Nobody reads its files any more.
    pg_ctl -m immediate -w stop >/dev/null 2>&1 || true
    cd /
    rm -rf "$home"
}
trap stop EXIT
trap 'exit 1' HUP INT TERM

{
    # shellcheck disable=SC2086 # an option or nothing
    $as_user "$programs/initdb" $sync --auth=trust --username=durable --encoding=UTF8 --locale=C -D "$home/data" &&
        pg_ctl -l "$home/log" -w -t 60 -o "-k '$home' -c listen_addresses= $settings$more" start
} >"$home/start" 2>&1 </dev/null || {
    tail -c 8000 "$home/start" "$home/log" >&2 2>/dev/null || true
    exit 1
}
echo "$home"
while read -r mode; do
    pg_ctl -l "$home/log" -w -t 60 -m "$mode" restart >"$home/start" 2>&1 </dev/null || {
        tail -c 8000 "$home/start" "$home/log" >&2
        exit 1
    }
    echo up
done
