#!/usr/bin/env bash
# Acts and regulations of Canada, English to French: long, formal sentences, 23 words on average.
# SIZE=paper (482,000 pairs): the paper's model of 4 layers of 1000 cells and its schedule, on text
# that one GPU gets through; a rehearsal of wmt14_en_fr at the paper's size. SIZE=laptop (100,000 of
# these pairs): a small model, for two cores. Both forward and reversed, beside the phrase-based
# system of ../smt.
# Settings: s2s.toml, laptop.toml. Tables: RESULTS.md, also printed. `run.sh --help` tells about the
# stages. Needs the environment in which s2s is installed, and the text: {train,dev}.{en,fr}.gz in
# $S2S_DATA/canada_laws.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source-path=SCRIPTDIR
source ../lib.sh

SIZE=${SIZE:-paper}
GPUS=${GPUS:-1}         # of `s2s train`, `decode`
LAYOUT=${LAYOUT:-model} # of `s2s train`
models=(forward reversed)
more_usage="\
Variables: SIZE=paper or laptop; GPUS=1, LAYOUT=model.
"
case $SIZE in
  paper) s2s=(s2s) most=1000000000 ;;
  laptop) s2s=(s2s --config laptop.toml) most=100000 ;;
  *) refuse "SIZE is paper or laptop, not '$SIZE'" ;;
esac
work=work/$SIZE

# Of train, `most` pairs in even distances; of dev, the odd lines are validation text, the even ones
# the test text.
fetch() {
  local side count given=${S2S_DATA:+$S2S_DATA/canada_laws}
  for side in en fr; do
    [[ -e $given/train.$side.gz && -e $given/dev.$side.gz ]] ||
      refuse "S2S_DATA=DIRECTORY names a directory that has canada_laws/{train,dev}.{en,fr}.gz"
    mkdir -p "$work/fetch"
    count=$(gzip -cd "$given/train.$side.gz" | wc -l)
    # shellcheck disable=SC2016 # the inner shell has arguments of its own
    into "$work/fetch/train.$side.gz" bash -c 'set -o pipefail; gzip -cd "$1" |
      awk -v most="$2" -v count="$3" "int(NR * most / count) > int((NR - 1) * most / count)" |
      gzip' - "$given/train.$side.gz" "$most" "$count"
    into "$work/fetch/valid.$side" awk 'NR % 2 == 1' <(gzip -cd "$given/dev.$side.gz")
    into "$work/fetch/test.$side" awk 'NR % 2 == 0' <(gzip -cd "$given/dev.$side.gz")
  done
}

prep() {
  "${s2s[@]}" prep --output "$work/prep/forward"
  "${s2s[@]}" prep --output "$work/prep/reversed" --reverse-source
}

vocab() {
  local model
  for model in "${models[@]}"; do
    "${s2s[@]}" vocab --data "$work/prep/$model"
  done
}

train() {
  local model
  for model in "${models[@]}"; do
    "${s2s[@]}" train --data "$work/prep/$model" --model "$work/train/$model" --gpus "$GPUS" \
      --layout "$LAYOUT" --measure
  done
}

# After the trainings, which `--stage` would make anew with it.
smt() {
  env TUNE_LINES="${TUNE_LINES:-500}" NBEST_SIZE="${NBEST_SIZE:-100}" DATA="$PWD/$work/prep/forward" \
    WORK="$PWD/$work/smt" ../smt/run.sh
}

decode() {
  local model
  mkdir -p "$work/decode"
  into "$work/decode/smt.fr" python3 ../nbest_pick.py "$work/smt/lists/test.nbest.gz"
  for model in "${models[@]}"; do
    once "$work/decode/$model.fr" "${s2s[@]}" decode --model "$work/train/$model" --beam 12 \
      --gpus "$GPUS" --input "$work/fetch/test.en" --output "$work/decode/$model.fr"
  done
}

# judge NAME SYSTEM OPTION...: what SYSTEM wrote, into score/NAME.json
judge() {
  into "$work/score/$1.json" "${s2s[@]}" score "$work/fetch/test.fr" --json --bootstrap 1000 \
    --hypothesis "$work/decode/$2.fr" "${@:3}"
}

# Each beside the one above it, and beside the phrase-based system.
score() {
  local model above=smt
  mkdir -p "$work/score"
  judge smt smt
  for model in "${models[@]}"; do
    judge "$model" "$model" --baseline "$work/decode/$above.fr" --model "$work/train/$model" \
      --source "$work/fetch/test.en"
    judge "$model.against-smt" "$model" --baseline "$work/decode/smt.fr"
    above=$model
  done
}

results() {
  local size made=()
  for size in laptop paper; do
    made+=("$size"/{fetch,prep,vocab,train,smt,decode,score})
  done
  python3 ../results.py "${made[@]}"
}

run_stages fetch prep vocab train smt decode score results -- "$@"
show_tables
