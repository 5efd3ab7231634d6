#!/usr/bin/env bash
# Addition of numbers of up to three digits, as characters: what reversing the source and a peeky
# decoder are worth on a task that a small model can learn whole. Settings: s2s.toml. Table and plot:
# RESULTS.md, also printed. `run.sh --help` tells about the stages.
# Needs the environment in which s2s is installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source-path=SCRIPTDIR
source ../lib.sh

JOBS=${JOBS:-2} # trainings at a time, a core each
EPOCHS=${EPOCHS:-20}

# A name, its data, and its options.
systems() {
  cat <<'END'
plain forward
reversed reversed
peeky forward --peeky
reversed-peeky reversed --peeky
END
}

corpus() {
  python3 problems.py work/corpus
}

prep() {
  s2s prep --output work/prep/forward
  s2s prep --output work/prep/reversed --reverse-source
}

vocab() {
  s2s vocab --data work/prep/forward
  s2s vocab --data work/prep/reversed
}

epochs() {
  systems | xargs -P "$JOBS" -L 1 ./epochs.sh "$EPOCHS" 2>&1 | cat >&2
}

results() {
  python3 page.py
}

run_stages corpus prep vocab epochs results -- "$@"
show_tables
