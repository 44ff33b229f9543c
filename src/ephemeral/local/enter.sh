# Builds the sandbox's root and starts the server in it.
#
# Runs as process 1 of new pid, mount, network, IPC and UTS namespaces, as root of either the
# machine or a user namespace of its own. Arguments: the folders of the machine that stay visible
# (read-only), `--`, the arguments of the server's script. Environment: see `command.rs`.
#
# Process 1 stays what it is and only waits: everything inside dies with it, the server's account
# can neither trace nor kill it, and orphans end up here instead of confusing the server.
set -eu
umask 022

# This is still the machine's /proc, hence the machine's number for this process.
read -r first _ </proc/self/stat

cd "$PGDRILL_FOLDER/root"
mount -t tmpfs -o mode=0755,size=16m,nosuid,nodev pgdrill .
cd "$PGDRILL_FOLDER/root"
mkdir dev dev/shm etc old pgdrill proc run tmp var

for folder in /usr /bin /sbin /lib /lib32 /lib64 /libx32; do
    if [ -L "$folder" ]; then
        ln -s "$(readlink "$folder")" ".$folder"
    elif [ -d "$folder" ]; then
        mkdir ".$folder"
        mount --rbind "$folder" ".$folder"
    fi
done
while [ "$1" != -- ]; do
    mkdir -p ".$1"
    mount --rbind "$1" ".$1"
    shift
done
shift

cat >etc/passwd <<PASSWD
root:x:0:0:root:/:/bin/false
postgres:x:$PGDRILL_UID:$PGDRILL_GID:PostgreSQL:/tmp:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/false
PASSWD
cat >etc/group <<GROUP
root:x:0:
postgres:x:$PGDRILL_GID:
nogroup:x:65534:
GROUP
printf '127.0.0.1 localhost\n::1 localhost\n' >etc/hosts
printf 'passwd: files\ngroup: files\nhosts: files\n' >etc/nsswitch.conf
: >etc/fstab
if [ -e /etc/ld.so.cache ]; then cp /etc/ld.so.cache etc/; fi

for device in null zero full random urandom; do
    : >"dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
# Bounded, as these are memory.
mount -t tmpfs -o mode=1777,size="$PGDRILL_SHM",nosuid,nodev,noexec pgdrill dev/shm
mount -t tmpfs -o mode=1777,size=1g,nosuid,nodev pgdrill tmp
mount --bind "$PGDRILL_FOLDER/work" pgdrill
# While the machine's /proc is still in sight: the kernel asks for that in a user namespace.
mount -t proc -o nosuid,nodev,noexec proc proc

pivot_root . old
cd /
umount -l /old
rmdir /old

hostname pgdrill 2>/dev/null || :
# SIOCGIFFLAGS and SIOCSIFFLAGS with IFF_UP, for machines without iproute2.
# shellcheck disable=SC2016
raise='socket($s, 2, 2, 0) or die; $r = pack("a16 s x22", "lo", 0); ioctl($s, 0x8913, $r) or die;
    (undef, $f) = unpack("a16 s", $r); ioctl($s, 0x8914, pack("a16 s x22", "lo", $f | 1)) or die'
if ip link set lo up || ifconfig lo up || busybox ip link set lo up || perl -e "$raise"; then
    loopback=up
else
    loopback=down
fi 2>/dev/null

# Whether the server's account gets a user namespace, see `drop.sh`. In one of our own it must. Root
# of the machine goes without where an ordinary account cannot make one: then the dump cannot either.
# shellcheck disable=SC2016
if [ "$PGDRILL_SWITCH" = no ] || setpriv --reuid="$PGDRILL_UID" --regid="$PGDRILL_GID" \
    --clear-groups -- unshare --user --map-user="$PGDRILL_UID" --map-group="$PGDRILL_GID" \
    --keep-caps sh -c 'echo 0 >/proc/sys/user/max_user_namespaces' 2>/dev/null; then
    : >/run/nested
fi

# Everything but these becomes read-only, the root included: in a user namespace the server's
# account owns it and could otherwise plant libraries for the programs that enter later. Flags that
# a mount already has must be named again, the kernel refuses to drop them.
while read -r _ _ _ _ point options _; do
    case $point in
    /pgdrill | /tmp | /dev/* | /proc) continue ;;
    esac
    flags=remount,bind,ro
    for flag in nosuid nodev noexec noatime nodiratime relatime nosymfollow; do
        case ,$options, in
        *,$flag,*) flags=$flags,$flag ;;
        esac
    done
    # Spaces and the like stand in the list as octal escapes, which printf undoes.
    # shellcheck disable=SC2059
    mount -o "$flags" "$(printf "$(printf '%s' "$point" | sed 's/%/%%/g')")"
done </proc/self/mountinfo

# Where the machine runs out of memory, these are the processes that the kernel ends first (proc(5)).
echo 1000 >/proc/self/oom_score_adj || :

drop=$PGDRILL_DROP
export PGDRILL_LOOPBACK="$loopback"
unset PGDRILL_FOLDER PGDRILL_ENTER PGDRILL_DROP PGDRILL_SHM

# Until this line nothing untrusted has run, so nobody else can have printed it.
echo "pgdrill-first $first $loopback"
PGDRILL_DROP=$drop sh -c 'eval "$PGDRILL_DROP"' pgdrill-drop /pgdrill sh /pgdrill/server.sh "$@" </dev/null &
wait "$!"
