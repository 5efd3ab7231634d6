#!/usr/bin/env bash
# Speed: ours, a plain PyTorch reference and every peer that is installed, on the same work.
# Tables: RESULTS.md, also printed; every single run: results.tsv. `run.sh --help` lists the
# sections, README.md says what is measured and how to install the peers.
# Needs the environment in which s2s is installed, and psutil. What is on record is not run again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source-path=SCRIPTDIR
source ../lib.sh

command -v s2s >/dev/null || refuse "no s2s on the PATH; activate the environment that has it"
python3 -c "import psutil" 2>/dev/null || refuse "no psutil; pip install psutil"
exec python3 -m bench "$@"
