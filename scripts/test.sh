#!/usr/bin/env bash
# Set everything up and run all tests, on Python 3.11 and every newer one that is on this machine; what no version changes
# runs with the oldest only (`once` in environment.sh).
# Arguments go to pytest: scripts/test.sh -k phone; --soak runs the soak test in full and property tests far longer,
# and -n 0 runs the tests one after the other.
#
# PYTHONS    see environment.sh: PYTHONS=python3.12 scripts/test.sh
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

pythons=$(find_pythons)
say "tests run on Python $(cut -d " " -f 1 <<<"$pythons" | paste -sd " ")"

prepare_test_parts "$(oldest_python)"

# One Python after the other: the tests of a client that keeps time are not made to fight for the cores.
failed=()
left_out=()
while read -r version python <&3; do
  prepare_environment ".venvs/$version" "$python" requirements/test.txt
  say "Python $version"
  run_tests ".venvs/$version/bin/python" "${left_out[@]}" "$@" || failed+=("$version")
  [[ $# -gt 0 ]] || left_out=("${once[@]}") # arguments may name one of these
done 3<<<"$pythons"

[[ ${#failed[@]} -eq 0 ]] || fail "tests failed on Python ${failed[*]}"
