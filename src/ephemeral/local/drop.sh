# Becomes the server's account, for good, and then the program given.
#
# Runs inside the sandbox's namespaces as their root. Arguments: the folder to start in, the
# program and its arguments. Environment: see `command.rs`.
set -eu
cd "$1"
shift
# shellcheck disable=SC3045
ulimit -c 0

# The kernel counts the processes of the account, and in a user namespace those in it.
if [ "$PGDRILL_PIDS" != 0 ]; then
    set -- prlimit --nproc="$PGDRILL_PIDS:$PGDRILL_PIDS" -- "$@"
fi
set -- setpriv --no-new-privs --inh-caps=-all --ambient-caps=-all --bounding-set=-all -- "$@"
# A user namespace in which no further ones can be made: they are how most holes of the kernel are
# reached. It also keeps the server's account, which outside is the same as process 1's unless we
# are root, from tracing process 1 and whatever enters the sandbox.
if [ -e /run/nested ]; then
    # shellcheck disable=SC2016
    set -- unshare --user --map-user="$PGDRILL_UID" --map-group="$PGDRILL_GID" --keep-caps \
        sh -c 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"' pgdrill-drop "$@"
fi
if [ "$PGDRILL_SWITCH" = yes ]; then
    account="--reuid=$PGDRILL_UID --regid=$PGDRILL_GID --clear-groups"
    if [ -e /run/nested ]; then
        # shellcheck disable=SC2086
        set -- setpriv $account -- "$@"
    else
        # The capability to drop the others is lost with the account, so both in one step.
        shift
        # shellcheck disable=SC2086
        set -- setpriv $account "$@"
    fi
fi
unset PGDRILL_UID PGDRILL_GID PGDRILL_SWITCH PGDRILL_DROP PGDRILL_PIDS
exec "$@"
