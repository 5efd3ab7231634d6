#!/usr/bin/env bash
# Multi30k (29,000 image captions), English to French: forward against reversed source on real text.
# Settings: s2s.toml. Tables: RESULTS.md, also printed. `run.sh --help` tells about the stages.
# Needs the environment in which s2s is installed. The text is downloaded, or taken from
# $S2S_DATA/multi30k where S2S_DATA is set.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source-path=SCRIPTDIR
source ../lib.sh

test_source=work/fetch/test.en
test_reference=work/fetch/test.fr

fetch() {
  python3 fetch.py work/fetch
}

prep() {
  s2s prep --output work/prep/forward
  s2s prep --output work/prep/reversed --reverse-source
}

vocab() {
  s2s vocab --data work/prep/forward
  s2s vocab --data work/prep/reversed
}

train() {
  # Two models at a time, a core each.
  printf -- '--data work/prep/%s --model work/train/%s\n' reversed reversed forward forward |
    xargs -P 2 -L 1 s2s train 2>&1 | cat >&2
}

decode() {
  mkdir -p work/decode
  for model in forward reversed; do
    for beam in 1 2 12; do
      s2s decode --model "work/train/$model" --beam "$beam" \
        --input "$test_source" --output "work/decode/$model-$beam.fr"
    done
  done
}

score() {
  mkdir -p work/score
  for model in forward reversed; do
    for beam in 1 2 12; do
      s2s score "$test_reference" --bootstrap 1000 --json \
        --model "work/train/$model" --source "$test_source" \
        <"work/decode/$model-$beam.fr" >"work/score/$model-$beam.json"
    done
  done
}

results() {
  python3 ../results.py fetch prep vocab train decode score
}

run_stages fetch prep vocab train decode score results -- "$@"
show_tables
