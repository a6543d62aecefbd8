#!/usr/bin/env bash
# Put the published SDK, 1.0.7, into .venvs/published, where tests and benchmarks look for it to compare.
#
# It owns the names `track` and `interakt-track-python` too, so it needs an environment of its own. Doing it again is free.
#
# PYTHONS    see environment.sh
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

python=$(oldest_python)
prepare_environment .venvs/published "$python" requirements/published.txt
