#!/usr/bin/env bash
# Ten minutes with a GPU: is all that s2s computes there right, and how fast is it?
# README.md says what is checked; `run.sh --help` lists the options. Page: RESULTS.md, also printed.
# Needs the environment in which s2s is installed, and a GPU that torch sees.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source-path=SCRIPTDIR
source ../lib.sh

command -v s2s >/dev/null || refuse "no s2s on the PATH; activate the environment that has it"
exec python3 check.py "$@"
