#!/bin/sh
# The first program of every sandbox: makes a cluster and runs its server.
#
# server.sh WORK BINDIR MAJOR SUPERUSER [SETTING…]
#   WORK       a folder of ours, writable
#   BINDIR     folder of the server's programs; empty: this is an image, look for them
#   MAJOR      the major version that the backup needs at least
#   SUPERUSER  name of the bootstrap superuser
#   SETTING    name=value for the server
#
# Needs nothing of the image besides sh and PostgreSQL's own programs, so that any image serves,
# whatever its entrypoint does; sessions need bash or nc (relay.rs).
set -eu

work=$1
bindir=$2
wanted=$3
superuser=$4
shift 4

if [ -z "$bindir" ]; then
	if ! command -v bash >/dev/null 2>&1 && ! command -v nc >/dev/null 2>&1; then
		echo "this image has neither bash nor nc, and pgdrill reaches the server through one of them: add one to the image, or name another image" >&2
		exit 1
	fi
	# As the local engine chooses: the nearest major version that is not older than the backup's,
	# and only where there is none the newest, whose version is then refused by name. Of two alike
	# the first.
	best=0
	in_path=$(command -v postgres || true)
	for folder in "${in_path%/postgres}" \
		"$(command -v pg_config >/dev/null 2>&1 && pg_config --bindir)" \
		/usr/lib/postgresql/*/bin /usr/lib/postgresql*/bin /usr/lib64/postgresql-*/bin \
		/usr/libexec/postgresql* /usr/pgsql-*/bin /usr/local/pgsql*/bin \
		/usr/local/postgresql*/bin /usr/local/bin /opt/*/postgresql/bin /opt/postgresql/bin \
		/opt/postgresql/*/bin /opt/pgsql*/bin /opt/pgsql/*/bin /opt/PostgreSQL/*/bin; do
		[ -x "$folder/postgres" ] && [ -x "$folder/initdb" ] || continue
		# postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)
		version=$("$folder/postgres" --version) || continue
		version=${version#*) }
		major=${version%%[!0-9]*}
		[ -n "$major" ] || continue
		if [ "$major" -ge "$wanted" ]; then
			[ "$best" -lt "$wanted" ] || [ "$major" -lt "$best" ] || continue
		else
			[ "$major" -gt "$best" ] || continue
		fi
		best=$major
		bindir=$folder
	done
fi
if [ -z "$bindir" ] || [ ! -x "$bindir/initdb" ]; then
	echo "no PostgreSQL server programs (initdb, postgres) in this image" >&2
	exit 1
fi

umask 077
mkdir -p "$work/sock" "$work/stage" "$work/log"
printf '%s' "$bindir" >"$work/bindir"

# C.UTF-8 exists in most images, C in all; databases bring their own locale from their dump.
"$bindir/initdb" --no-sync --auth=trust --encoding=UTF8 --locale=C.UTF-8 \
	--username="$superuser" --pgdata="$work/data" >"$work/initdb.log" 2>&1 ||
	{
		rm -rf "$work/data"
		"$bindir/initdb" --no-sync --auth=trust --encoding=UTF8 --locale=C \
			--username="$superuser" --pgdata="$work/data" >"$work/initdb.log" 2>&1
	} || {
		cat "$work/initdb.log" >&2
		exit 1
	}

# The local engine reaches the server by its socket, and may have no loopback.
listen=127.0.0.1
if [ "${PGDRILL_LOOPBACK:-up}" = down ]; then
	listen=
fi

# What a run forces. A line a setting; the server refuses an unknown one, so each is in every
# major version since 10.
cat >>"$work/data/postgresql.conf" <<CONF
listen_addresses = '$listen'
port = 5432
unix_socket_directories = '$work/sock'
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
archive_mode = off
max_wal_size = 4GB
checkpoint_timeout = 1h
autovacuum = off
restart_after_crash = off
max_connections = 50
max_locks_per_transaction = 4096
shared_preload_libraries = ''
max_logical_replication_workers = 0
logging_collector = on
log_destination = csvlog
log_directory = '$work/log'
log_filename = 'server.log'
log_rotation_age = 0
log_rotation_size = 0
log_truncate_on_rotation = off
log_min_messages = warning
log_min_error_statement = panic
log_statement = none
log_min_duration_statement = -1
lc_messages = C
CONF
for setting in "$@"; do
	printf '%s\n' "$setting" >>"$work/data/postgresql.conf"
done

# The shell stays the first process: it reaps what a dump's own programs leave behind.
"$bindir/postgres" -D "$work/data" &
server=$!
status=0
wait "$server" || status=$?
cat "$work"/log/*.log 2>/dev/null | tail -n 20 >&2 || true
# A backend that the kernel kills for memory takes the server with it, and with the container goes
# the count of such kills (control groups version 2, then 1).
for file in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
	if [ -r "$file" ]; then
		while read -r key count; do
			if [ "$key" = oom_kill ] && [ "$count" -gt 0 ]; then
				echo "pgdrill: killed for memory: $count" >&2
			fi
		done <"$file"
	fi
done
exit "$status"
