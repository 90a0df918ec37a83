# env.sh: what the scripts here share; sourced, prints nothing.
#
#   TOP      the tree
#   CACHE    what is fetched once: Kafka's jars, Python packages, chroots. An ordinary user must be able to read it, so
#            root's is not in root's home.
#   PG_USER  the ordinary user that root's servers run as

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PG_USER=postgres
if [ -n "${PG_CQ_CACHE:-}" ]; then
	CACHE=$PG_CQ_CACHE
elif [ "$(id -u)" = 0 ]; then
	CACHE=/var/cache/pg_cq
else
	CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/pg_cq
fi
export PG_CQ_CACHE=$CACHE

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# wait_until SECONDS COMMAND…: polls until the command succeeds; false at the deadline.
wait_until() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $deadline ] || return 1
		sleep 0.1
	done
}

# Two free ports of the loopback interface, one a line.
free_ports() {
	/usr/bin/python3 -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(s.getsockname()[1] for s in sockets), sep="\n")'
}
