#!/usr/bin/env bash
# Number phrases, English to French: the paper's two tables at the scale of a laptop, in minutes.
# Settings: s2s.toml. Tables: RESULTS.md, also printed. `run.sh --help` tells about the stages.
# Needs the environment in which s2s is installed; `make demo` makes it and runs this.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source-path=SCRIPTDIR
source ../lib.sh

test_source=work/corpus/test.en
test_reference=work/corpus/test.fr
seeds=(1 2 3 4 5)
five=() # options that make the reversed models an ensemble
for seed in "${seeds[@]}"; do
  five+=(--model "work/train/reversed-$seed")
done
two=("${five[@]:0:4}")
one=("${five[@]:0:2}")

corpus() {
  python3 number_phrases.py work/corpus
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
  # Models this small gain nothing from a second thread: one each, two models at a time.
  training_options | xargs -P 2 -L 1 s2s train 2>&1 | cat >&2
}

# training_options: one model a line
training_options() {
  printf -- '--data work/prep/forward --model work/train/forward\n'
  for seed in "${seeds[@]}"; do
    printf -- '--data work/prep/reversed --model work/train/reversed-%s --seed %s\n' "$seed" "$seed"
  done
  # The system whose lists are rescored: stopped early, so that it leaves something to mend.
  printf -- '--data work/prep/reversed --model work/train/baseline --seed 9 --epochs 6\n'
}

# scored NAME: score the translation on stdin, kept as work/NAME.fr, into work/NAME.json
scored() {
  cat >"work/$1.fr"
  s2s score "$test_reference" --json <"work/$1.fr" >"work/$1.json"
}

# translate NAME BEAM OPTION...: one row of the table of direct translation
translate() {
  local name=$1 beam=$2
  shift 2
  s2s decode "$@" --beam "$beam" <"$test_source" | scored "decode/$name"
}

decode() {
  mkdir -p work/decode
  translate forward-12 12 --model work/train/forward
  translate reversed-12 12 "${one[@]}"
  translate five-1 1 "${five[@]}"
  translate two-12 12 "${two[@]}"
  translate five-2 2 "${five[@]}"
  translate five-12 12 "${five[@]}"
}

# mend NAME OPTION...: one row of the table of rescoring
mend() {
  local name=$1
  shift
  s2s rescore work/rescore/nbest.txt --source "$test_source" --detokenise "$@" |
    scored "rescore/$name"
}

rescore() {
  mkdir -p work/rescore
  local list=work/rescore/nbest.txt
  s2s decode --model work/train/baseline --beam 50 --nbest 50 <"$test_source" >"$list"
  python3 ../nbest_pick.py "$list" | scored rescore/baseline
  mend forward --model work/train/forward
  mend reversed "${one[@]}"
  mend five "${five[@]}"
  s2s prep --filter fr <"$test_reference" >work/rescore/test.tok.fr
  python3 ../nbest_pick.py "$list" --reference work/rescore/test.tok.fr | scored rescore/oracle
}

results() {
  python3 ../results.py corpus prep vocab train decode rescore
}

run_stages corpus prep vocab train decode rescore results -- "$@"
show_tables
