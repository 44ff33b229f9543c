# Restores each folder of files as their writers' own tools do and prints `FOLDER ANSWER`, where the
# answer is `error`, or the hash of a dump of what came out.
#
# Each worker has a server of its own, in memory. The restore of a cluster begins with a new one.
files=/tmp/files
base=/var/lib/postgresql/data
workers=4
settings='-c fsync=off -c full_page_writes=off -c wal_level=minimal -c max_wal_senders=0
	-c autovacuum=off -c listen_addresses= -c shared_buffers=16MB -c max_connections=12'
export PGUSER=postgres PGOPTIONS='-c client_min_messages=error'

start() {
	rm -rf "$here"
	cp -a "$base/clean" "$here"
	# shellcheck disable=SC2086
	postgres -D "$here" -k "$here" $settings >/dev/null 2>&1 &
	server=$!
	until psql -X -q -d postgres -c 'select' >/dev/null 2>&1; do sleep 0.02; done
	is_new=yes
}

stop() {
	kill -QUIT "$server"
	wait "$server"
}

into_server() {
	case $1 in
	*/shop.sql) createdb -T template0 shop && psql -X -q -d shop -f "$1" ;;
	*.sql) psql -X -q -d postgres -f "$1" ;;
	*) pg_restore -C -d postgres "$1" ;;
	esac
}

of_cluster() {
	[ "$is_new" ] || { stop; start; }
	is_new=
	print=pg_dumpall
	for part in all.sql globals.sql dumps/*; do
		[ ! -e "$1/$part" ] || into_server "$1/$part" || status=1
	done
}

of_database() {
	# What a restore of a cluster left is no place for that of a database.
	[ ! "$is_used" ] || { stop; start; }
	is_new=
	print='pg_dump -C shop'
	for part in "$1"/*; do into_server "$part" || status=1; done
}

one() {
	status=0
	if [ -e "$1/all.sql" ] || [ -e "$1/globals.sql" ] || [ -e "$1/dumps" ]; then
		of_cluster "$1" >/dev/null 2>"$here.errors"
		is_used=yes
	else
		of_database "$1" >/dev/null 2>"$here.errors"
		is_used=
	fi
	# Every cluster has the role that made it before it is restored.
	if [ "$status" != 0 ] ||
		grep -v 'role "postgres" already exists' "$here.errors" | grep -q 'ERROR:\|FATAL:\|error:'; then
		answer=error
	else
		answer=$({ $print || echo "$print fails"; } 2>&1 | sed '/^\\\(un\)\?restrict /d' | md5sum | cut -d' ' -f1)
	fi
	if [ ! "$is_used" ]; then
		dropdb --force shop >/dev/null 2>&1 || is_used=yes
	fi
	echo "${1##*/} $answer"
}

worker() {
	here=$base/worker$1
	export PGHOST="$here"
	is_used=
	start
	number=0
	for folder in "$files"/*; do
		number=$((number + 1))
		[ $((number % workers)) != "$1" ] || one "$folder"
	done
	stop
}

initdb -D "$base/clean" --auth=trust -U postgres -E UTF8 --locale=C.UTF-8 --wal-segsize=1 \
	--no-sync >/dev/null
chosen=0
while [ "$chosen" != "$workers" ]; do
	worker "$chosen" &
	chosen=$((chosen + 1))
done
wait
