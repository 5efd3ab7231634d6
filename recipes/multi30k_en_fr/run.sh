#!/usr/bin/env bash
# Multi30k (29,000 image captions), English to French: the paper's Tables 1 and 2 on real text.
# Settings: s2s.toml. Tables: RESULTS.md, also printed. `run.sh --help` tells about the stages.
# Needs the environment in which s2s is installed. The text is downloaded, or taken from
# $S2S_DATA/multi30k where S2S_DATA is set. Table 2 needs the n-best lists of an SMT system, from
# the directory $NBEST: {valid,test}.nbest, .gz or not; with $S2S_DATA it is work/lists.
set -euo pipefail
from=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source-path=SCRIPTDIR
source ../lib.sh
# shellcheck source-path=SCRIPTDIR
source ../tables.sh
# shellcheck source-path=SCRIPTDIR
source ../trainings.sh

NBEST=${NBEST:-}
PIECES=${PIECES:-8000} # of words, where a model reads and writes those
[[ -z $NBEST || $NBEST == /* ]] || NBEST=$from/$NBEST

text=work/fetch
tokenised=()
devices=(--precision "$PRECISION")
lists=${NBEST:-work/lists}
first_id=0
feature=${FEATURE:-LM0} # a feature with one value in the lists
tuned_on=200 # a fifth of the list, for a fourth of the time
[[ ! $NBEST || $(given_list test) ]] ||
  refuse "NBEST=$NBEST has no test.nbest and no test.nbest.gz"

fetch() {
  python3 fetch.py work/fetch
  [[ $NBEST || ! -d ${S2S_DATA:-}/smt ]] || shared_lists "$S2S_DATA/smt"
}

# shared_lists DIRECTORY: the lists in it, under the names that they have here
shared_lists() {
  mkdir -p work/lists
  ln -sf "$1/val.nbest.gz" work/lists/valid.nbest.gz
  ln -sf "$1/test_2016_flickr.nbest.gz" work/lists/test.nbest.gz
}

prep() {
  s2s prep --tokeniser sacremoses --output work/prep/forward
  s2s prep --tokeniser sacremoses --output work/prep/reversed --reverse-source
}

vocab() {
  s2s vocab --data work/prep/forward
  s2s vocab --data work/prep/reversed
}

train() {
  train_six
}

# What people built on the paper's model, each with the size, the text and the epochs of the reversed
# ones, but for the last, which search.sh found: a name, its text, and its options.
variants() {
  cat <<END
peeky reversed --peeky
gru reversed --cell gru
attention reversed $attention
attention-bpe bpe $attention
wide-attention-bpe bpe $attention $wide --dropout 0.4 --epochs 7 --halve-after 4
END
}

beyond() {
  local name
  pieces work/prep/bpe "$PIECES" --tokeniser sacremoses
  train_variants work/prep work/train
  variants | while read -r name _; do
    translate "work/train/$name" test "work/beyond/$name-12.fr"
  done
}

# Each beside the one above it, and beside the paper's.
beyond_scores() {
  local name above=table1/reversed-12
  variants | while read -r name _; do
    score "beyond/$name-12" "$above" --model "work/train/$name" --source "$text/test.en"
    [[ $above == table1/* ]] || compare "beyond/$name-12" table1/reversed-12
    above=beyond/$name-12
  done
}

all_scores() {
  scores
  beyond_scores
}

# The figures of the page, and work/figures/longest.md, like the paper's Table 3.
figures() {
  local systems=(table1/forward-12.fr table1/reversed-12.fr table1/five-12.fr)
  local names=(--name 'forward' --name 'reversed' --name '5 reversed')
  mkdir -p figures work/figures
  if [[ -e work/table2/baseline.fr ]]; then
    systems+=(table2/baseline.fr)
    names+=(--name 'SMT')
  fi
  s2s show longest "$text/test.fr" work/table1/five-12.fr --source "$text/test.en" \
    --output work/figures/longest.md
  if ! python3 -c 'import matplotlib' 2>/dev/null; then
    printf '%s\n' "# No figures: they need matplotlib (pip install matplotlib)" >&2
    return
  fi
  s2s show lengths "$text/test.fr" "${systems[@]/#/work/}" "${names[@]}" --source "$text/test.en" \
    --output figures/lengths.svg
  s2s show rarity "$text/test.fr" "${systems[@]/#/work/}" "${names[@]}" --source "$text/test.en" \
    --model work/train/reversed-1 --output figures/rarity.svg
  s2s show states phrases.en --model work/train/reversed-1 --output figures/states.svg
  s2s show curves work/train/forward work/train/reversed-1 --output figures/curves.svg
}

results() {
  python3 ../results.py fetch prep vocab train table1 table2 beyond all_scores figures \
    --command "NBEST=lists PRECISION=$PRECISION PIECES=$PIECES recipes/multi30k_en_fr/run.sh"
}

run_stages fetch prep vocab train table1 table2 beyond all_scores figures results -- "$@"
show_tables
