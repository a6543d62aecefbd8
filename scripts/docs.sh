#!/usr/bin/env bash
# Build the site of docs/ into site/, where a warning is an error; open site/index.html, no server is needed.
#
# PYTHONS    see environment.sh
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

prepare_environment .venvs/docs "$(oldest_python)" requirements/docs.txt

# All anew: what is not read again gives no warnings, and pages that are gone would stay.
rm -rf site
.venvs/docs/bin/python -m sphinx --quiet --fresh-env --fail-on-warning --doctree-dir .cache/docs docs site
.venvs/docs/bin/python scripts/check_site.py site
say "site/index.html"
