#!/usr/bin/env bash
# Measure this SDK beside the published 1.0.7, segment-analytics-python and posthog, each in an environment of its own,
# against the same local server, and print a table of figures and ratios. It takes about a quarter of an hour.
#
#   scripts/bench.sh            everything, in full; the table is also written to benchmarks/RESULTS.md
#   scripts/bench.sh --quick    in less than a minute, for the order of magnitude; nothing is written
#
# Other arguments go to benchmarks/bench.py (--help tells which), and then too nothing is written unless --output says where.
#
# PYTHONS    see environment.sh; the first one is used
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

[[ $# -gt 0 ]] || set -- --output benchmarks/RESULTS.md

python=$(oldest_python)
prepare_environment .venvs/bench-ours "$python" requirements/run.txt
# An installed copy is what users have, and what nobody edits while it is measured.
.venvs/bench-ours/bin/python -m pip install -qq --no-input --no-deps --no-build-isolation --force-reinstall . ||
  fail "could not install this project"
interpreters=(--python ours=.venvs/bench-ours/bin/python)
for sdk in published segment posthog; do
  prepare_environment ".venvs/bench-$sdk" "$python" "requirements/bench-$sdk.txt"
  interpreters+=(--python "$sdk=.venvs/bench-$sdk/bin/python")
done

exec .venvs/bench-ours/bin/python benchmarks/bench.py "${interpreters[@]}" "$@"
