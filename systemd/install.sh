#!/bin/sh
# Installs Sonda as a service, brings it up to date, or removes it. Safe to run again: what is right is left alone.
#
#   sudo systemd/install.sh              install or update from this folder
#   sudo systemd/install.sh remove       remove the program and the unit; settings and measurements stay
#   sudo systemd/install.sh purge        remove everything that this script, and the agent, ever made
#
# Needs Debian 12, Raspberry Pi OS Bookworm or later, with python3 and python3-venv. Works in a chroot, too, where an
# image is made (with /proc mounted); then nothing is started.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
opt=/opt/sonda
etc=/etc/sonda
state=/var/lib/sonda
unit=/etc/systemd/system/sonda.service
socket=/etc/systemd/system/sonda-traps.socket
sysusers=/usr/lib/sysusers.d/sonda.conf
tmpfiles=/usr/lib/tmpfiles.d/sonda.conf
sysctl=/etc/sysctl.d/60-sonda.conf
command=/usr/local/bin/sonda
completion=/usr/local/share/bash-completion/completions/sonda

say() { printf '%s\n' "$*"; }
fail() { say "$*" >&2; exit 1; }
systemd_runs() { [ -d /run/systemd/system ]; }

put() { # from, to: copies where it differs, and says so
  if [ -f "$2" ] && cmp -s "$1" "$2"; then return 0; fi
  mkdir -p "$(dirname "$2")"
  install -m 0644 "$1" "$2"
  say "wrote $2"
}

check_machine() {
  [ "$(id -u)" = 0 ] || fail "This needs root: run it with sudo."
  for tool in systemd-sysusers systemd-tmpfiles; do
    command -v "$tool" >/dev/null || fail "$tool is missing: this needs a system with systemd."
  done
  command -v python3 >/dev/null || fail "python3 is missing: apt-get install python3 python3-venv"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "python3 is older than 3.11: Sonda needs Debian 12, Raspberry Pi OS Bookworm, or later."
  python3 -c 'import ensurepip' 2>/dev/null || fail "The venv module is missing: apt-get install python3-venv"
}

install_program() {
  made_of=$(cd "$here" && find agent collectors kpi config requirements-run.lock pyproject.toml README.md -type f \
    ! -path '*/__pycache__/*' -exec cksum {} + | sort | cksum)
  if [ -f "$opt/installed" ] && [ "$(cat "$opt/installed")" = "$made_of" ]; then
    say "the program is up to date"
    return 0
  fi
  mkdir -p "$opt"
  [ -x "$opt/venv/bin/python" ] || python3 -m venv "$opt/venv"
  # What is downloaded must have the hash that stands in the lock. The program itself is built from a copy, so that
  # nothing is left in this folder.
  build=$(mktemp -d)
  (cd "$here" && cp -R agent collectors kpi config pyproject.toml README.md "$build")
  "$opt/venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir \
    --require-hashes -r "$here/requirements-run.lock"
  "$opt/venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir \
    --upgrade --force-reinstall --no-deps "$build"
  rm -rf "$build"
  mkdir -p "$(dirname "$command")"
  ln -sfn "$opt/venv/bin/sonda" "$command"
  put_completion
  install -m 0644 "$here/README.md" "$opt/README.md"
  printf '%s' "$made_of" >"$opt/installed"
  say "installed the program below $opt"
}

put_completion() { # for bash, whose completion package looks there; other shells: sonda --install-completion
  mkdir -p "$(dirname "$completion")"
  if _SONDA_COMPLETE=source_bash "$command" >"$completion" 2>/dev/null; then chmod 0644 "$completion"; else rm -f "$completion"; fi
}

# Port 162 is held only where [traps] wants it; settings that cannot be used change nothing.
follow_traps() {
  said=$("$command" check --json 2>/dev/null) || return 0
  case $said in
    *'"traps": "heard'*) systemctl enable -q sonda-traps.socket ;;
    *) systemctl disable -q --now sonda-traps.socket 2>/dev/null || true ;;
  esac
}

install_all() {
  check_machine
  install_program
  put "$here/systemd/sonda.sysusers" "$sysusers"
  put "$here/systemd/sonda.tmpfiles" "$tmpfiles"
  put "$here/systemd/sonda.sysctl" "$sysctl"
  put "$here/systemd/sonda.service" "$unit"
  put "$here/systemd/sonda-traps.socket" "$socket"
  systemd-sysusers --root=/ "$sysusers"
  systemd-tmpfiles --create "$tmpfiles"
  put "$here/config/example.toml" "$etc/sonda.toml.example"
  if systemd_runs; then
    sysctl -q -p "$sysctl" || say "The socket buffers stay as they are: no permission here."
    systemctl daemon-reload
  fi
  if [ ! -f "$etc/sonda.toml" ]; then
    say "Next: write $etc/sonda.toml ($etc/sonda.toml.example shows how; sonda help config explains every setting) and"
    say "its secrets, a line each, into files below $etc/secrets. Run: sudo -u sonda sonda check; sudo sonda doctor."
    say "Then run this again: it starts the service."
    return 0
  fi
  say "the settings in $etc stay as they are"
  if systemd_runs; then
    follow_traps
    systemctl enable -q sonda
    systemctl restart sonda
    say "Sonda runs: systemctl status sonda"
  else
    say "Nothing was started: systemd does not run here (a chroot, or a container). Where it does, sonda starts with:"
    say "systemctl enable --now sonda"
  fi
}

remove_program() {
  [ "$(id -u)" = 0 ] || fail "This needs root: run it with sudo."
  if systemd_runs; then systemctl disable -q --now sonda sonda-traps.socket 2>/dev/null || true; fi
  rm -f "$unit" "$socket" "$sysusers" "$tmpfiles" "$sysctl" "$command" "$completion"
  rm -rf "$opt"
  if systemd_runs; then systemctl daemon-reload; fi
  say "removed the program"
}

case ${1:-install} in
  install) install_all ;;
  remove)
    remove_program
    say "settings stay in $etc, measurements in $state"
    ;;
  purge)
    remove_program
    rm -rf "$etc" "$state"
    if id sonda >/dev/null 2>&1; then userdel sonda; fi
    say "removed settings, measurements and the user sonda"
    ;;
  *) fail "usage: install.sh [install|remove|purge]" ;;
esac
