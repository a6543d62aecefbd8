#!/usr/bin/env bash
# Write requirements/*.txt anew from pyproject.toml: the newest versions it allows, and the lowest in lowest.txt.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

prepare_environment .venvs/pin "$(oldest_python)" requirements/pin.txt

pin() { # FILE ARGUMENT...: the versions of one environment
  local file=requirements/$1
  shift
  .venvs/pin/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --all-extras \
    --no-header --annotation-style line "$@" --output-file "$file"
  say "$file"
}

rm -f requirements/{run,test,check,docs,oscar,lowest}.txt # else uv keeps what they say
pin run.txt --group build
pin test.txt --group test --constraint requirements/run.txt
pin check.txt --group check --constraint requirements/test.txt
pin docs.txt --group docs --constraint requirements/run.txt
pin oscar.txt --group oscar
pin lowest.txt --group lowest --resolution lowest-direct
