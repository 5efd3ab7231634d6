#!/usr/bin/env bash
# Addition, character by character: what reversing the source and the peeky decoder do for the speed
# of learning. Settings: s2s.toml. Accuracy after each epoch: RESULTS.md, also printed.
# `run.sh --help` tells about the stages. Needs the environment in which s2s is installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source-path=SCRIPTDIR
source ../lib.sh

EPOCHS=${EPOCHS:-12}

# systems: a name, its text, and its options
systems() {
  cat <<'END'
plain forward
reversed reversed
peeky forward --peeky
reversed+peeky reversed --peeky
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

# Epoch by epoch: a training goes on where it stopped, and what is translated after each epoch are
# problems that it has not seen.
train() {
  local epoch name text options
  mkdir -p work/train
  for ((epoch = 1; epoch <= EPOCHS; epoch++)); do
    systems | while read -r name text options; do
      # shellcheck disable=SC2086 # several options, or none
      once "work/train/$name.$epoch.sum" one_epoch "$epoch" "$name" "$text" $options
    done
  done
}

# one_epoch EPOCH NAME TEXT OPTION...: train to the end of the epoch, translate with the last weights
one_epoch() {
  s2s train --epochs "$1" --model "work/train/$2" --data "work/prep/$3" "${@:4}" </dev/null
  s2s decode --model "work/train/$2/last.pt" --input work/corpus/test.problem \
    --output "work/train/$2.$1.sum"
}

# The share of sums that are right to the last digit, as a table and as a picture.
accuracy() {
  local names
  mapfile -t names < <(systems | cut -d ' ' -f 1)
  mkdir -p figures
  python3 accuracy.py figures/accuracy.svg --epochs "$EPOCHS" "${names[@]}"
}

results() {
  python3 ../results.py corpus prep vocab train
}

run_stages corpus prep vocab train accuracy results -- "$@"
show_tables
