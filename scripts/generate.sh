#!/usr/bin/env bash
# Make generated/interakt_track_client from openapi/interakt.yaml, with the generator that requirements/generate.txt pins.
#
#   scripts/generate.sh            replace the package; files that the generator no longer makes are gone
#   scripts/generate.sh --check    leave it alone; fail if it differs from what the generator makes, in names or contents
#
# PYTHON          the interpreter to make the generator's environment with (default python3; 3.11 or newer)
# GENERATE_VENV   an environment that has the generator already, used as it is (default: .venvs/generate, made here)
set -euo pipefail
unset CDPATH # it would send a relative cd elsewhere

fail() {
  printf 'generate.sh: %s\n' "$@" >&2
  exit 1
}

check=false
case "$*" in
  "") ;;
  --check) check=true ;;
  *) fail "unknown arguments: $*" "usage: scripts/generate.sh [--check]" ;;
esac

venv=
if [[ -n "${GENERATE_VENV:-}" ]]; then
  venv=$(cd "$GENERATE_VENV" && pwd) || fail "GENERATE_VENV must be a directory: $GENERATE_VENV"
fi

cd "$(dirname "${BASH_SOURCE[0]}")/.."
package=generated/interakt_track_client
requirements=requirements/generate.txt

if [[ -n "$venv" ]]; then
  [[ -x "$venv/bin/openapi-python-client" && -x "$venv/bin/ruff" ]] ||
    fail "GENERATE_VENV lacks the generator: $venv" "unset it, or install it there: pip install -r $requirements"
else
  venv=$PWD/.venvs/generate
  # The copy is made last, so an installation that was cut off is started again, as is one of other versions.
  if ! cmp -s "$requirements" "$venv/installed.txt" || ! "$venv/bin/python" -c "" 2>/dev/null; then
    python=${PYTHON:-python3}
    "$python" -c "import sys; sys.exit(sys.version_info < (3, 11))" ||
      fail "the generator needs Python 3.11 or newer, and $python is none" \
        "name another: PYTHON=python3.12 scripts/generate.sh"
    "$python" -m venv --clear "$venv" ||
      fail "$python could not make an environment in .venvs/generate; some systems have its venv module in a package of its own"
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check -r "$requirements" ||
      fail "could not install what $requirements names; a package index must be reachable the first time"
    cp "$requirements" "$venv/installed.txt"
  fi
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
made=$scratch/interakt_track_client

# The generator runs ruff by name. -I keeps PYTHONPATH and the user's own packages out.
PATH="$venv/bin:$PATH" "$venv/bin/python" -I -m openapi_python_client generate \
  --path openapi/interakt.yaml --config openapi/generator.yaml --output-path "$made" \
  --meta none --fail-on-warning >"$scratch/log" 2>&1 || {
  cat "$scratch/log" >&2
  fail "the generator refused openapi/interakt.yaml or warned about it (above); mend the document or openapi/generator.yaml"
}
: >"$made/py.typed" # --meta none leaves it out, and without it type checkers ignore the package

if $check; then
  diff --recursive --unified --exclude=__pycache__ "$package" "$made" >&2 ||
    fail "$package is not what the generator makes of openapi/interakt.yaml (- is there, + should be)" \
      "never edit it; run scripts/generate.sh and commit what changes together with openapi/"
  echo "$package is what the generator makes of openapi/interakt.yaml"
else
  rm -rf "$package"
  mkdir -p "$(dirname "$package")"
  mv "$made" "$package"
  echo "$package is made anew from openapi/interakt.yaml"
fi
