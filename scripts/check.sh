#!/usr/bin/env bash
# Everything but the tests that a change must pass. Without arguments all of it; else the steps named:
#
#   scripts/check.sh [lint] [format] [mypy] [pyright] [shell] [spec] [generated] [package] [docs] [tidy] [lowest]
#
# PYTHONS    see environment.sh
set -uo pipefail # not -e: every step is run, and what failed is told at the end
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

wanted=" $* "
steps=()
failed=()

step() { # NAME COMMAND...
  local name=$1 start=$SECONDS
  shift
  steps+=("$name")
  [[ "$wanted" == "  " || "$wanted" == *" $name "* ]] || return 0
  printf '\n--- %s\n' "$name"
  if "$@"; then
    printf -- '--- %s: passed in %d s\n' "$name" $((SECONDS - start))
  else
    printf -- '--- %s: FAILED after %d s\n' "$name" $((SECONDS - start))
    failed+=("$name")
  fi
}

check_types_with_mypy() {
  local programs
  mapfile -t programs < <(find benchmarks docs/settings_table.py scripts tests/typing -name '*.py' 2>/dev/null)
  python -m mypy interakt_track track pytest_interakt_track generated "${programs[@]}" && check_types_of_examples
}

# One after the other: each is a folder of its own, and has a module named shop.
check_types_of_examples() {
  local folder
  for folder in examples/*/; do
    (cd "$folder" && python -m mypy --config-file ../../pyproject.toml --cache-dir "../../.mypy_cache/$folder" .) ||
      return 1
  done
}

test_lowest_versions() {
  wait "$preparing"
  # FastAPI's lifespan needs a newer starlette than the sandbox.
  prepare_environment .venvs/lowest "$python" requirements/lowest.txt &&
    run_tests .venvs/lowest/bin/python -q "${once[@]}" --ignore=tests/test_fastapi.py
}

refuse_in_tracked_files() { # WHAT PATTERN
  if git grep -nIE "$2" -- . ":!generated"; then
    say "$1 (above) must not be committed"
    return 1
  fi
}

check_tidiness() {
  git rev-parse --is-inside-work-tree >/dev/null 2>&1 || return 0 # nothing is tracked in an unpacked sdist
  refuse_in_tracked_files "a path of one machine" '(/home|/Users|/root)/[A-Za-z._]' &&
    refuse_in_tracked_files "an option that chooses a package index" '^ *-[-a-z]*(index-url|find-links|trusted-host)' &&
    refuse_in_tracked_files "an unresolved merge" '^(<{7}|>{7})( |$)' &&
    git diff --check "$(git hash-object -t tree /dev/null)" HEAD -- . ':!generated' # white space at line ends
}

python=$(oldest_python) || exit
# What tests run in, scripts/test.sh's too, is made beside the other steps, of which most have work for one core.
if [[ "$wanted" == "  " || "$wanted" == *" lowest "* ]]; then
  prepare_tests "$python" &
  preparing=$!
fi
prepare_environment .venvs/check "$python" requirements/check.txt
PATH=$PWD/.venvs/check/bin:$PATH
export PYRIGHT_PYTHON_IGNORE_WARNINGS=1 # not a word about newer versions

step lint ruff check
step format ruff format --check
step mypy check_types_with_mypy
step pyright pyright --warnings
step shell shellcheck --external-sources --source-path=SCRIPTDIR scripts/*.sh .ci/run
step spec openapi-spec-validator openapi/interakt.yaml
step generated env "PYTHON=$python" scripts/generate.sh --check
step package python scripts/check_package.py
step docs scripts/docs.sh
step tidy check_tidiness
step lowest test_lowest_versions

for name in "$@"; do
  [[ " ${steps[*]} " == *" $name "* ]] || fail "there is no step $name; the steps are: ${steps[*]}"
done
[[ ${#failed[@]} -eq 0 ]] || fail "FAILED: ${failed[*]}"
