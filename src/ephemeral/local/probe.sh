# Tries, in new namespaces, what `enter.sh` and `drop.sh` will need. Environment: see `command.rs`.
set -eu
mount -t proc proc /proc
if [ "$PGDRILL_SWITCH" = no ]; then
    unshare --user --map-user="$PGDRILL_UID" --map-group="$PGDRILL_GID" --keep-caps \
        sh -c 'echo 0 >/proc/sys/user/max_user_namespaces'
fi
mount -t tmpfs -o size=64k pgdrill /proc
