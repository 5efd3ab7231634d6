#!/usr/bin/env bash
# Acts and regulations of Canada (482,000 pairs, 23 million words), English to French: the paper's
# model of 4 layers of 1000 cells and its schedule, forward and reversed, on text that one GPU gets
# through. A rehearsal of wmt14_en_fr at the paper's size.
# Settings: s2s.toml. Tables: RESULTS.md, also printed. `run.sh --help` tells about the stages.
# Needs the environment in which s2s is installed, and the text: {train,dev}.{en,fr}.gz in
# $S2S_DATA/canada_laws.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source-path=SCRIPTDIR
source ../lib.sh

GPUS=${GPUS:-1}         # of `s2s train`, `decode`
LAYOUT=${LAYOUT:-model} # of `s2s train`
models=(forward reversed)

fetch() {
  local side given=${S2S_DATA:+$S2S_DATA/canada_laws}
  for side in en fr; do
    [[ -e $given/train.$side.gz && -e $given/dev.$side.gz ]] ||
      refuse "S2S_DATA=DIRECTORY names a directory that has canada_laws/{train,dev}.{en,fr}.gz"
    mkdir -p work/fetch
    ln -sf "$given/train.$side.gz" "work/fetch/train.$side.gz"
    into "work/fetch/valid.$side" gzip -cd "$given/dev.$side.gz"
  done
}

prep() {
  s2s prep --output work/prep/forward
  s2s prep --output work/prep/reversed --reverse-source
}

vocab() {
  local model
  for model in "${models[@]}"; do
    s2s vocab --data "work/prep/$model"
  done
}

train() {
  local model
  for model in "${models[@]}"; do
    s2s train --data "work/prep/$model" --model "work/train/$model" --gpus "$GPUS" \
      --layout "$LAYOUT" --measure
  done
}

decode() {
  local model
  mkdir -p work/decode
  for model in "${models[@]}"; do
    once "work/decode/$model.fr" s2s decode --model "work/train/$model" --beam 12 --gpus "$GPUS" \
      --input work/fetch/valid.en --output "work/decode/$model.fr"
  done
}

score() {
  local model above=()
  mkdir -p work/score
  for model in "${models[@]}"; do
    into "work/score/$model.json" s2s score work/fetch/valid.fr --bootstrap 1000 --json \
      --hypothesis "work/decode/$model.fr" --model "work/train/$model" \
      --source work/fetch/valid.en "${above[@]}"
    above=(--baseline "work/decode/$model.fr")
  done
}

results() {
  python3 ../results.py fetch prep vocab train decode score
}

run_stages fetch prep vocab train decode score results -- "$@"
show_tables
