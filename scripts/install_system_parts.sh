#!/usr/bin/env bash
# Install the programs that tests run and no Python package brings, where they are missing: curl, a Redis for the tests of
# Celery, and a Chromium for those of the sandbox's page.
#
# It knows Debian's and Ubuntu's package manager, and needs root or sudo for it; elsewhere it says what to install.
set -euo pipefail
unset CDPATH
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() {
  printf 'install_system_parts.sh: %s\n' "$*" >&2
}

missing=()
command -v curl >/dev/null || missing+=(curl)
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null ||
  missing+=(chromium)
command -v redis-server >/dev/null || missing+=(redis-server)
[[ ${#missing[@]} -gt 0 ]] || exit 0

if ! command -v apt-get >/dev/null; then
  say "install ${missing[*]} with this system's package manager"
  exit 1
fi
as_root=()
if [[ $EUID -ne 0 ]]; then
  as_root=(sudo --non-interactive)
  if ! "${as_root[@]}" true 2>/dev/null; then
    say "install these as root: apt-get install ${missing[*]}"
    exit 1
  fi
fi
say "installing ${missing[*]}"
"${as_root[@]}" apt-get -qq update >/dev/null &&
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends "${missing[@]}" >/dev/null
