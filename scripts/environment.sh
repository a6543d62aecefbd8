# Set-up that the other scripts share; they source it. Nothing but bash 4 and Python 3.11 or newer is needed.
#
# PYTHONS    the interpreters to use, oldest first, in place of all that are found: PYTHONS="python3.12 python3.13"
# shellcheck shell=bash

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
export PIP_DISABLE_PIP_VERSION_CHECK=1
unset PYTHONDONTWRITEBYTECODE # every program that a test starts, and there are hundreds, would compile the project anew

say() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
}

fail() {
  say "$@"
  exit 1
}

# Print "VERSION PROGRAM" of a Python, if it is 3.11 or newer, no alpha or beta, and can make environments.
describe_python() { # COMMAND
  local program
  # A pyenv shim of a version that is not chosen fails; the version's own folder is looked at next.
  for program in "$1" "${PYENV_ROOT:-$HOME/.pyenv}/versions/${1#python}".*/bin/"$1"; do
    "$program" -c '
import ensurepip, sys, venv
if sys.version_info < (3, 11) or sys.version_info.releaselevel in ("alpha", "beta"):
    sys.exit(1)
print("%d.%d" % sys.version_info[:2], sys._base_executable)' 2>/dev/null && return
  done
  return 1
}

# Print "VERSION PROGRAM" of every suitable Python, oldest first, one for each minor version.
find_pythons() {
  local command found=""
  for command in ${PYTHONS:-}; do
    describe_python "$command" || fail "PYTHONS names $command, which is no Python 3.11 or newer with venv and pip"
  done
  [[ -z "${PYTHONS:-}" ]] || return 0
  for command in python3.11 python3.12 python3.13 python3.14 python3.15; do
    describe_python "$command" && found=yes
  done
  [[ -n "$found" ]] || describe_python python3 || describe_python python ||
    fail "no Python 3.11 or newer with venv and pip was found; install one (Debian, Ubuntu: python3 and python3-venv)," \
      "or name it: PYTHONS=/path/to/python3.12 $0"
}

oldest_python() {
  local pythons
  pythons=$(find_pythons) && head -n 1 <<<"$pythons" | cut -d " " -f 2-
}

# Make a virtual environment with pinned requirements and this project, editable; do nothing if it is there.
prepare_environment() { # FOLDER PYTHON REQUIREMENTS
  local folder=$1 python=$2 requirements=$3 state
  state="$PWD $python $(cat pyproject.toml "$requirements" | cksum)"
  if grep -qsxF "$state" "$folder/prepared.txt" && "$folder/bin/python" -c "" 2>/dev/null; then
    return
  fi
  say "preparing $folder with $python and $requirements; the first time takes up to a minute"
  if ! "$folder/bin/python" -c "import pip" 2>/dev/null; then
    "$python" -m venv --clear "$folder"
  fi
  # pip's own settings (index, proxy, certificates) hold. Twice quiet: errors only.
  "$folder/bin/python" -m pip install -qq --no-input -r "$requirements" || fail "could not install $requirements"
  if grep -q "^hatchling==" "$requirements"; then
    "$folder/bin/python" -m pip install -qq --no-input --no-deps --no-build-isolation --editable . ||
      fail "could not install this project"
  fi
  printf '%s\n' "$state" >"$folder/prepared.txt" # last, so that what was cut off is done again
}

# Run pytest with several processes, as tests/conftest.py says. The tests of a file stay together, as they share what they
# start; which files go first is said there, too.
run_tests() { # PYTHON ARGUMENTS...
  local python=$1 processes=(-n auto --dist loadfile --no-loadscope-reorder)
  shift
  [[ " $* " != *" --soak "* ]] || processes=(-n 0) # which shows its figures, and has the cores for itself
  "$python" -m pytest "${processes[@]}" "$@"
}

# What need not be tested with every Python, nor with the lowest versions: programs in environments of their own, JavaScript,
# and much data on the ways that other tests go with little.
# shellcheck disable=SC2034  # those who source this file use it
once=(--ignore=tests/test_{bench,generate,import_datasets,oscar,page}.py)

# Install what tests need beside their Python environment. A test whose part is missing says so, and fails in CI.
prepare_test_parts() { # PYTHON
  PYTHON=$1 scripts/install_prism.sh >/dev/null || say "going on without Prism"
  scripts/install_published.sh || say "going on without the published SDK"
  PYTHON=$1 scripts/install_datasets.sh >/dev/null || say "going on without the data sets"
  scripts/install_system_parts.sh || say "going on without the programs that are missing"
  (prepare_environment .venvs/oscar "$1" requirements/oscar.txt) || say "going on without the shop"
}

# Make all that tests run in.
prepare_tests() { # PYTHON
  local version python
  prepare_test_parts "$1"
  (prepare_environment .venvs/lowest "$1" requirements/lowest.txt)
  while read -r version python <&3; do
    (prepare_environment ".venvs/$version" "$python" requirements/test.txt)
  done 3< <(find_pythons)
}
