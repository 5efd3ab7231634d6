#!/usr/bin/env bash
# What settings are worth: single reversed models, larger than those of run.sh, each with one thing
# changed, judged on the validation text alone. Tables: SEARCH.md, also printed. Needs what run.sh needs, and its stage 1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source-path=SCRIPTDIR
source ../lib.sh

work=work/search
JOBS=${JOBS:-2} # trainings at a time, a core each
PRECISION=${PRECISION:-fp32} # as in run.sh
# What the rows begin from; the models of run.sh are smaller.
START='--layers 2 --hidden-size 512 --embedding-size 512 --dropout 0.4 --learning-rate 0.001'

# A name, the rarest word's count, and options, for each of the rows of search.toml.
variants() {
  cat <<'END'
start 2 --epochs 10 --halve-after 6 --halve-every 0.75
one-layer 2 --epochs 10 --halve-after 6 --halve-every 0.75 --layers 1
late 2 --epochs 10 --halve-after 8 --halve-every 0.5 --layers 1
late-batch-32 2 --epochs 10 --halve-after 8 --halve-every 0.5 --layers 1 --batch-size 32
late-dropout-0.5 2 --epochs 10 --halve-after 8 --halve-every 0.5 --layers 1 --dropout 0.5
late-cut-1 1 --epochs 10 --halve-after 8 --halve-every 0.5 --layers 1
END
}

data() {
  local cut
  for cut in 1 2; do
    s2s prep --output "$work/data/cut-$cut" --reverse-source
    s2s vocab --data "$work/data/cut-$cut" --min-count "$cut"
  done
}

train() {
  variants | while read -r name cut options; do
    printf -- '--data %s --model %s %s\n' "$work/data/cut-$cut" "$work/train/$name" \
      "--precision $PRECISION $START $options"
  done | xargs -P "$JOBS" -L 1 s2s train 2>&1 | cat >&2
}

decode() {
  local name
  mkdir -p "$work/decode"
  variants | while read -r name _; do
    once "$work/decode/$name.fr" s2s decode --model "$work/train/$name" --beam 12 \
      --input work/fetch/valid.en --output "$work/decode/$name.fr"
  done
}

score() {
  local name
  mkdir -p "$work/score"
  variants | while read -r name _; do
    into "$work/score/$name.json" s2s score work/fetch/valid.fr --bootstrap 1000 --json \
      --hypothesis "$work/decode/$name.fr"
  done
}

results() {
  python3 ../results.py --tables search.toml --output SEARCH.md --work "$work" \
    data train decode score
}

[[ -e work/.done/fetch ]] || refuse "run.sh --stop-stage 1 first"
run_stages data train decode score results -- "$@"
show_tables SEARCH.md
