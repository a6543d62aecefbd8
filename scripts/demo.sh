#!/usr/bin/env bash
# Set everything up in .venv and run `interakt-track demo`: a local Track API, real calls, and a table of what arrived.
# Arguments go to `interakt-track demo`.
#
# PYTHONS    see environment.sh
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

prepare_environment .venv "$(oldest_python)" requirements/run.txt
exec .venv/bin/interakt-track demo "$@"
