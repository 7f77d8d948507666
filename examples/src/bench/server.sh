# A PostgreSQL server with stock configuration, for as long as it is measured: prints where its socket lies, and is gone when
# its standard input ends.
# Usage: sh -c "$(cat server.sh)" server.sh DIRECTORY_OF_THE_PROGRAMS PARENT
set -eu
programs=$1
home=$(mktemp -d "$2/durable-postgres.XXXXXX")
cd "$home"
as_user=
if [ "$(id -u)" = 0 ]; then # the server refuses to run as root
    user=nobody
    if id postgres >/dev/null 2>&1; then user=postgres; fi
    chown "$user" "$home"
    as_user="setpriv --reuid=$(id -u "$user") --regid=$(id -g "$user") --clear-groups"
fi
stop() {
    $as_user "$programs/pg_ctl" -D "$home/data" -m fast -w stop >/dev/null 2>&1 || true
    cd /
    rm -rf "$home"
}
trap stop EXIT
trap 'exit 1' HUP INT TERM
{
    $as_user "$programs/initdb" --auth=trust --username=durable --encoding=UTF8 --locale=C -D "$home/data" &&
        $as_user "$programs/pg_ctl" -D "$home/data" -l "$home/log" -w -t 60 -o "-k $home -c listen_addresses=" start
} >"$home/start" 2>&1 </dev/null || {
    cat "$home/start" "$home/log" >&2 2>/dev/null || true
    exit 1
}
echo "$home"
cat >/dev/null
