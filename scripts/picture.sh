#!/usr/bin/env bash
# Make the picture of the sandbox's page in docs/ anew, with the Chromium that is installed.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

scripts/install_system_parts.sh
prepare_environment .venvs/check "$(oldest_python)" requirements/check.txt
.venvs/check/bin/python tests/programs/page_shop.py
say "docs/sandbox-page.png"
