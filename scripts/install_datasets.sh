#!/usr/bin/env bash
# Put a public data set into .cache/datasets, where tests/test_import_datasets.py looks for it: the orders of the CDNOW
# sample (Fader and Hardie), as the Python package lifetimes (MIT) brings them.
#
# Nothing of the package is installed or run; its archive is only unpacked. Doing it again is free.
#
# PYTHON   the interpreter to download with (default python3)
set -euo pipefail
unset CDPATH # it would send a relative cd elsewhere

fail() {
  printf 'install_datasets.sh: %s\n' "$@" >&2
  exit 1
}

cd "$(dirname "${BASH_SOURCE[0]}")/.."
package=lifetimes==0.11.3
home=$PWD/.cache/datasets
python=${PYTHON:-python3}

# The note is written last, so an installation that was cut off is started again, as is one of another version.
if [[ "$(cat "$home/installed.txt" 2>/dev/null)" == "$package" ]]; then
  echo "the data sets are in .cache/datasets"
  exit 0
fi

rm -rf "$home"
mkdir -p "$home"
"$python" -m pip download -qq --disable-pip-version-check --no-deps --only-binary :all: --dest "$home" "$package" ||
  fail "could not download $package; a package index must be reachable the first time"
"$python" -m zipfile --extract "$home"/*.whl "$home" || fail "the archive of $package cannot be unpacked"
rm -f "$home"/*.whl

printf '%s\n' "$package" >"$home/installed.txt"
echo "the data sets are in .cache/datasets now"
