#!/bin/sh
# Brings a machine to the point where the lab's own program can run: Docker Engine with Compose v2 and buildx, and a
# virtual environment from requirements.lock. What is there is used as it is; what is installed or started is said in one
# line each. Only root on Debian or Ubuntu gets anything installed; anybody else gets the commands to run.
#
#   setup.sh              engine and environment
#   setup.sh load FILE    the same, the environment's packages out of what `make bundle` wrote, without a network
#   setup.sh engine       the engine alone, for a program that is installed in an environment of its own
#   setup.sh base-image   the image faultwire/debian:trixie
#   setup.sh site         what `make site` needs: MkDocs with its theme, in the environment .venv-site
#   setup.sh cluster      what many machines need: Dask, in the environment .venv
#   setup.sh doctor       what is there and what is missing; changes nothing
set -eu
cd "$(dirname "$0")/.."
unset DOCKER_DEFAULT_PLATFORM # somebody's wish for his own images; the lab's are of this machine's CPU

log=${FAULTWIRE_LOGS:-$PWD/.logs}/setup.log # what was last installed or made here, whole; in no folder of everybody's, for root writes it
plugins=/usr/local/lib/docker/cli-plugins
told=7                   # seconds between two lines of a step that takes long, where no terminal is
exec 3>&1                # where a step is told, whatever becomes of its output

say() { printf '\033[2msetup:\033[0m %s\n' "$*"; }
stop() { printf 'setup: %s\n' "$@" >&2; exit 1; }

# Whether we may install what is missing, which is $1; if not, the message ends with the commands $2 …
may_install_or_stop() {
    missing=$1
    shift
    # shellcheck source=/dev/null
    . /etc/os-release 2>/dev/null || ID=unknown
    case "$(id -u) ${ID:-} ${ID_LIKE:-}" in
        "0 "*debian* | "0 "*ubuntu*) return 0 ;;
    esac
    stop "$missing." "Run this, then the same make again:" "$@"
}

# Says that $1 is under way, and for how long: on a terminal in one line, which goes on; elsewhere in a line now and then.
# It is run beside what it tells of, and is ended with it; if this script is killed, it ends by itself.
tell() {
    began=$(date +%s)
    last=$began
    while sleep 1 >/dev/null 2>&1 3>&- && kill -0 $$ 2>/dev/null; do
        now=$(date +%s)
        if [ -t 3 ]; then
            printf '\r\033[2msetup:\033[0m %s  %s s\033[K' "$1" "$((now - began))" >&3
        elif [ "$((now - last))" -ge "$told" ]; then
            last=$now
            say "… $1 ($((now - began)) s)" >&3
        fi
    done
}

# Runs a command, whose output is where it was, and tells of $1 meanwhile. Its status is the command's.
telling() {
    tell "$1" &
    teller=$!
    shift
    status=0
    "$@" 3>&- || status=$?
    kill "$teller" 2>/dev/null || true
    wait "$teller" 2>/dev/null || true
    if [ -t 3 ]; then printf '\r\033[K' >&3; fi
    return "$status"
}

# The same, and the output goes into the log. Its status is the command's.
logged() {
    [ -n "${log_begun:-}" ] || { mkdir -p "${log%/*}"; rm -f "$log"; : >"$log"; log_begun=yes; }
    echo "setup.sh: $*" >>"$log"
    telling "$@" >>"$log" 2>&1
}

# The same for what must not fail. If it does, its last lines are shown, and where the rest is.
quietly() {
    logged "$@" && return
    status=$?
    shift
    echo "setup: '$*' failed with status $status:" >&2
    sed -n 'H; /^setup\.sh: /h; ${g; p;}' "$log" | sed 1d | tail -n 20 | sed 's/^/  /' >&2
    stop "the whole log: $log"
}

apt_install() {
    [ -n "${apt_updated:-}" ] || { say "reading the package lists (apt-get update)"; quietly "reading the package lists" apt-get update; apt_updated=yes; }
    say "installing $*"
    quietly "installing $*" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

has_package() { [ -n "$(apt-cache madison "$1" 2>/dev/null)" ]; }

# Writes this machine's own apt sources into the directory $1, with the suite changed to trixie.
trixie_sources() {
    # shellcheck source=/dev/null
    . /etc/os-release
    sed -n "/^deb /s/${VERSION_CODENAME}/trixie/gp" /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null \
        >"$1/trixie.list" || true
    for file in /etc/apt/sources.list.d/*.sources; do
        if grep -q "^Suites:.*${VERSION_CODENAME}" "$file" 2>/dev/null; then
            sed "/^Suites:/s/${VERSION_CODENAME}/trixie/g" "$file" >"$1/${file##*/}"
        fi
    done
}

# Takes a plugin's program out of its package in Debian trixie, where this release's own package is too old. apt reads
# trixie's lists in a directory of their own: its settings stay as they are and nothing else can be upgraded. The programs
# need no more than libc 2.34. apt does not know of them, and so does not upgrade them.
plugin_from_trixie() {
    say "installing $1 from Debian trixie's package, into $plugins (nothing else is taken from trixie)"
    work=$(mktemp -d)
    mkdir -p "$work/sources" "$work/lists/partial" "$plugins"
    trixie_sources "$work/sources"
    set -- "$1" -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$work/sources" -o Dir::State::Lists="$work/lists"
    package=$1
    shift
    quietly "reading trixie's package lists" apt-get "$@" update
    (cd "$work" && quietly "downloading $package" apt-get "$@" -o APT::Sandbox::User=root download "$package" && quietly "unpacking $package" dpkg-deb -x "$package"_*.deb .)
    cp "$work"/usr/libexec/docker/cli-plugins/* "$plugins/"
    rm -rf "$work"
}

# $1: the plugin's command; then the names that its package has, newest Debian and Ubuntu first
plugin() {
    telling "asking for docker $1" docker "$1" version >/dev/null 2>&1 && return
    command=$1
    may_install_or_stop "Docker's $command plugin is missing" \
        "    install Docker's $command plugin, version 2 or later for compose (Debian 13: apt-get install docker-$command; Ubuntu: docker-$command-v2)"
    # shellcheck source=/dev/null
    . /etc/os-release
    if [ "${ID:-}" = ubuntu ] && { logged "reading the package lists" apt-get update || true; has_package "docker-$command-v2" || has_package "docker-$command"; }; then
        if has_package "docker-$command-v2"; then apt_install "docker-$command-v2"; else apt_install "docker-$command"; fi
    elif [ "${VERSION_CODENAME:-}" = bookworm ]; then
        plugin_from_trixie "docker-$command"
    else
        apt_install "docker-$command"
    fi
    docker "$command" version >/dev/null 2>&1 || stop "docker $command still does not work; see $log"
}

# The command `docker`, where the engine came without it: from Debian 13 on that has a package of its own.
docker_command() {
    if command -v docker >/dev/null; then return; fi
    may_install_or_stop "the Docker Engine is installed, and the command docker is not" \
        "    sudo apt-get install docker-cli    # Debian 13 and later"
    apt_install docker-cli
}

start_engine() {
    say "starting the Docker Engine"
    if [ -d /run/systemd/system ]; then
        quietly "starting the Docker Engine" systemctl start docker
    else
        setsid dockerd >/var/log/dockerd.log 2>&1 </dev/null 3>&- &
    fi
    telling "waiting for the Docker Engine" engine_answers ||
        { tail -n 5 /var/log/dockerd.log >&2; stop "the Docker Engine did not answer within 60 s"; }
}

engine_answers() {
    tries=0
    until docker info >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || return 1
        sleep 0.2
    done
}

engine() {
    if ! telling "asking the Docker Engine" docker info >/dev/null 2>&1; then
        if [ -n "${DOCKER_HOST:-}" ]; then stop "no Docker Engine answers at DOCKER_HOST=$DOCKER_HOST"; fi
        context=${DOCKER_CONTEXT:-$(docker context inspect --format '{{.Name}}' 2>/dev/null || echo default)}
        if [ "${context:-default}" != default ]; then
            stop "no Docker Engine answers at the docker context '$context'" \
                "    unset DOCKER_CONTEXT; docker context use default    # the machine's own engine"
        fi
        if ! command -v dockerd >/dev/null; then
            may_install_or_stop "no Docker Engine answers, and none is installed" \
                "    sudo apt-get install docker.io iptables    # Debian, Ubuntu; from Debian 13 on docker-cli too; elsewhere: your distribution's Docker Engine 20.10 or later" \
                "    sudo systemctl start docker && sudo usermod -aG docker \"\$USER\" && newgrp docker"
            apt_install docker.io iptables
        fi
        docker_command
        if ! telling "asking the Docker Engine" docker info >/dev/null 2>&1; then
            may_install_or_stop "the Docker Engine is installed but does not answer (it is not running, or $(id -un) may not use it)" \
                "    sudo systemctl start docker    # without systemd: sudo sh -c 'setsid dockerd >/var/log/dockerd.log 2>&1 &'" \
                "    sudo usermod -aG docker \"\$USER\" && newgrp docker"
            start_engine
        fi
    fi
    plugin compose
    plugin buildx
}

# The distribution's minimal system, on which every image stands: pulled where a registry is reached, else made here.
base_image() {
    docker image inspect faultwire/debian:trixie >/dev/null 2>&1 && return
    if logged "asking the image registry for debian:trixie-slim" timeout 120 docker pull --quiet debian:trixie-slim; then
        say "pulled debian:trixie-slim as faultwire/debian:trixie"
        docker tag debian:trixie-slim faultwire/debian:trixie
        return
    fi
    if ! command -v mmdebstrap >/dev/null; then
        may_install_or_stop "no image registry is reached, and mmdebstrap, which makes the base image without one, is missing" \
            "    sudo apt-get install mmdebstrap"
        apt_install mmdebstrap
    fi
    say "no image registry is reached: making faultwire/debian:trixie with mmdebstrap"
    work=$(mktemp -d)
    mkdir "$work/sources"
    trixie_sources "$work/sources"
    quietly "making faultwire/debian:trixie" timeout 1800 mmdebstrap --variant=minbase --components=main trixie "$work/base.tar" "$work"/sources/*
    quietly "importing faultwire/debian:trixie" docker import --change 'LABEL faultwire.image=debian' "$work/base.tar" faultwire/debian:trixie
    rm -rf "$work"
}

# $1: the bundle that has the packages; without one they come from a registry.
python_environment() {
    stamp=.venv/lock.sha256
    lock=$(sha256sum requirements.lock)
    [ "$(cat "$stamp" 2>/dev/null)" = "$lock" ] && .venv/bin/python -c '' 2>/dev/null && return
    if ! python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        may_install_or_stop "Python 3.11 or later with venv is missing" "    sudo apt-get install python3 python3-venv"
        apt_install python3 python3-venv
        python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
            stop "python3 is $(python3 -V 2>&1), and this needs 3.11 or later" "Put a later python3 first on PATH."
    fi
    if [ -n "${1:-}" ]; then
        wheels=$(mktemp -d)
        trap 'rm -rf "$wheels"' EXIT
        python3 -m scenarios.lab.bundle_file wheels "$1" "$wheels" requirements.lock
        set -- --no-index --find-links "$wheels"
    fi
    say "making the virtual environment .venv from requirements.lock"
    rm -rf .venv
    quietly "making .venv" python3 -m venv .venv
    quietly "installing requirements.lock into .venv" .venv/bin/pip install "$@" --no-input --disable-pip-version-check --require-hashes -r requirements.lock
    # Playwright, of the report's tests, brings a program with it that wants a library which a minimal system lacks.
    if ! logged "trying Playwright" .venv/lib/python3*/site-packages/playwright/driver/node --version; then
        case "$# $(id -u) $(cat /etc/os-release 2>/dev/null)" in
            "0 0 "*debian*) apt_install libatomic1 ;;
            *) say "Playwright does not start (see $log; Debian: libatomic1): the tests of the report in a browser will fail; FAULTWIRE_NO_BROWSER=1 skips them" ;;
        esac
    fi
    echo "$lock" >"$stamp"
}

# MkDocs and its theme, which only the documents' site needs, in an environment of their own.
site_environment() {
    stamp=.venv-site/lock.sha256
    lock=$(sha256sum requirements-site.lock)
    [ "$(cat "$stamp" 2>/dev/null)" = "$lock" ] && .venv-site/bin/python -c '' 2>/dev/null && return
    say "making the environment .venv-site from requirements-site.lock"
    rm -rf .venv-site
    quietly "making .venv-site" python3 -m venv .venv-site
    quietly "installing requirements-site.lock into .venv-site" .venv-site/bin/pip install --no-input --disable-pip-version-check --require-hashes -r requirements-site.lock
    echo "$lock" >"$stamp"
}

# Dask, which a cluster of machines needs, in .venv.
cluster_environment() {
    stamp=.venv/cluster.sha256
    lock=$(sha256sum requirements-cluster.lock)
    [ "$(cat "$stamp" 2>/dev/null)" = "$lock" ] && return
    quietly "installing requirements-cluster.lock into .venv" .venv/bin/pip install --no-input --disable-pip-version-check --require-hashes -r requirements-cluster.lock
    echo "$lock" >"$stamp"
}

# What is there and what is missing, a line each, where the lab's own program cannot say so because it has no environment.
doctor() {
    missing=0
    found() {
        if [ -n "$2" ]; then printf '✓ %s: %s\n' "$1" "$2"; else printf '✗ %s: missing → make setup\n' "$1"; missing=1; fi
    }
    found "Docker Engine" "$(telling "asking the Docker Engine" docker version --format '{{.Server.Version}}, API {{.Server.APIVersion}}' 2>/dev/null)"
    found "docker compose" "$(telling "asking for docker compose" docker compose version 2>/dev/null)"
    found "docker buildx" "$(telling "asking for docker buildx" docker buildx version 2>/dev/null)"
    found "Python 3.11 with venv" "$(python3 -c 'import sys, venv, ensurepip; sys.version_info >= (3, 11) and print(sys.version.split()[0])' 2>/dev/null)"
    found "virtual environment" "$([ -x .venv/bin/python ] && echo .venv)"
    echo "i images, kernel features, lab numbers and disk can be told when these are there"
    return $missing
}

case ${1:-} in
    '') engine; python_environment ;;
    load)
        [ -n "${2:-}" ] || { echo "usage: make load BUNDLE=file" >&2; exit 64; }
        [ -f "$2" ] || stop "there is no file $2"
        engine
        python_environment "$2"
        ;;
    engine) engine ;;
    base-image) base_image ;;
    site) site_environment ;;
    cluster) cluster_environment ;;
    doctor) doctor ;;
    *) echo "usage: setup.sh [load FILE|engine|base-image|site|cluster|doctor]" >&2; exit 64 ;;
esac
