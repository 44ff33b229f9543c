# shellcheck shell=bash
# Functions shared by the scripts in ci/. Sourced, not run.

say() { printf '%s\n' "$*"; }
warn() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() {
  warn "$@"
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# ---- packages ---------------------------------------------------------------

# Runs a command as root, or fails when this user may not.
as_root() {
  if [[ $EUID -eq 0 ]]; then
    "$@"
  else
    sudo -n -- "$@"
  fi
}

may_root() {
  [[ $EUID -eq 0 ]] || { have sudo && sudo -n true 2>/dev/null; }
}

may_apt() { have apt-get && may_root; }

apt_get() {
  # The lock timeout waits for a machine's own unattended upgrade instead of failing.
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null
}

apt_update() {
  if [[ -n ${APT_UPDATED:-} ]]; then return; fi
  APT_UPDATED=1
  # A third-party source that fails must not stop us: the install that follows decides.
  apt_get update >/dev/null 2>&1 ||
    warn "apt-get update failed; going on with the package lists that are there"
}

# Installs packages. apt's own output is shown only on failure.
apt_install() {
  local log package refused=()
  apt_update
  say "installing with apt: $*"
  log=$(mktemp)
  if ! apt_get install --no-install-recommends "$@" >"$log" 2>&1; then
    # One package that cannot be installed must not take the others with it.
    for package in "$@"; do
      apt_get install --no-install-recommends "$package" >"$log" 2>&1 || {
        refused+=("$package")
        tail -n 5 "$log" >&2
      }
    done
  fi
  rm -f "$log"
  if [[ ${#refused[@]} -gt 0 ]]; then
    warn "apt could not install ${refused[*]}; see the message above, or run: apt-get install ${refused[*]}"
    return 1
  fi
}

apt_has() { apt-cache show --no-all-versions "$1" >/dev/null 2>&1; }

# Installs what crates with C code, and rustc's own linking, need.
apt_install_cc() { apt_install gcc libc6-dev make pkg-config; }

# ---- Rust -------------------------------------------------------------------

# Ends the script when there is no cargo, or one too old for the project.
need_cargo() {
  local need found
  # Programs that `cargo install` made are there, whether or not PATH says so.
  PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
  have cargo || die "cargo is missing; install Rust with rustup (https://rustup.rs)"
  need=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' Cargo.toml)
  found=$(cargo --version | cut -d' ' -f2)
  if [[ $(printf '%s\n' "$need" "${found%%-*}" | sort -V | head -n 1) != "$need" ]]; then
    die "cargo is $found, and the project needs Rust $need or newer; run: rustup update stable"
  fi
}

# ---- PostgreSQL -------------------------------------------------------------

# Prints the directory of PostgreSQL server programs, the newest first found.
local_pg_bindir() {
  local dir initdb dirs=()
  # Debian keeps server programs out of PATH, one directory per major version.
  mapfile -t dirs < <(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV)
  if have pg_config; then dirs+=("$(pg_config --bindir 2>/dev/null || true)"); fi
  if initdb=$(command -v initdb); then dirs+=("$(dirname "$(readlink -f "$initdb")")"); fi
  for dir in "${dirs[@]}"; do
    if [[ -x $dir/initdb && -x $dir/postgres && -x $dir/pg_ctl ]]; then
      say "$dir"
      return
    fi
  done
  return 1
}

# Installs Debian's `postgresql` without the cluster (and the running server) it
# makes by default. The setting is taken back afterwards.
apt_install_postgresql() {
  local dir=/etc/postgresql-common/createcluster.d status=0
  local conf=$dir/00-no-main-cluster.conf
  as_root mkdir -p "$dir"
  say "create_main_cluster = false" | as_root tee "$conf" >/dev/null
  apt_install postgresql || status=$?
  as_root rm -f "$conf"
  return "$status"
}

# ---- Docker -----------------------------------------------------------------

apt_install_docker() {
  local packages=(docker.io)
  apt_update
  # Newer Debian releases have the client in a package of its own.
  if apt_has docker-cli; then packages+=(docker-cli); fi
  apt_install "${packages[@]}"
}

# The time limit is for a daemon that accepts the connection and never answers.
docker_answers() {
  have docker && timeout 20 docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

# Why Docker cannot be used and what to do, in one line.
docker_trouble() {
  local message
  if ! have docker; then
    say "the docker command is missing; install Docker (Debian, Ubuntu: apt-get install docker.io)"
    return
  fi
  message=$(timeout 20 docker version --format '{{.Server.Version}}' 2>&1 >/dev/null | grep -v '^$' | head -n 1) || true
  message=${message:-no answer within 20 seconds}
  case $message in
    *"ermission denied"*)
      say "user $(id -un) may not use the Docker daemon ($message); join the group docker (usermod -aG docker $(id -un), then log in again) or use root" ;;
    *)
      say "no Docker daemon answers ($message); start one (systemctl start docker) or set DOCKER_HOST" ;;
  esac
}

# docker_wait SECONDS [PID]: until a daemon answers, or the process has ended without.
docker_wait() {
  local i
  for ((i = 0; i < $1; i++)); do
    docker_answers && return
    if [[ -n ${2:-} ]] && ! kill -0 "$2" 2>/dev/null; then return 1; fi
    sleep 1
  done
  return 1
}

# Starts the Docker daemon of this machine, if it may. True when one answers.
docker_start() {
  docker_answers && return
  # A daemon elsewhere is not ours to start.
  [[ -z ${DOCKER_HOST:-} ]] || return 1
  may_root && [[ -x /usr/bin/dockerd || -x /usr/sbin/dockerd ]] || return 1
  if [[ -d /run/systemd/system ]]; then
    say "starting Docker: systemctl start docker"
    as_root systemctl start docker >/dev/null 2>&1 || true
  elif [[ -x /etc/init.d/docker ]]; then
    say "starting Docker: service docker start"
    as_root service docker start >/dev/null 2>&1 || true
  fi
  docker_wait 15 && return
  # Without an init system (a container, a minimal VM) nobody else keeps it running. A
  # dockerd that the init script did start just makes this one end at once.
  local log=/tmp/pgdrill-dockerd.log
  say "starting Docker: dockerd, which goes on after this script (log: $log)"
  # setsid and the redirections keep it from holding this script's terminal and pipes.
  # shellcheck disable=SC2024 # the log is this user's, on purpose
  as_root setsid dockerd </dev/null >"$log" 2>&1 &
  docker_wait 60 $! && return
  warn "dockerd ended, or does not answer after 60 seconds; the end of $log:"
  tail -n 5 "$log" >&2
  return 1
}
