#!/usr/bin/env bash
# Tatoeba (138,499 short everyday sentences), English to French: the paper's Tables 1 and 2 where a
# single vector may hold a sentence, with the phrase-based system of ../smt as the baseline; from
# which length on that system is better; and the paper's figures.
# Settings: s2s.toml. Tables: RESULTS.md, also printed. `run.sh --help` tells about the stages.
# Needs the environment in which s2s is installed, and the text: {train,dev}.{en,fr}.gz in
# $S2S_DATA/tatoeba, or PAIRS=FILE (see fetch_tatoeba.py).
set -euo pipefail
from=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source-path=SCRIPTDIR
source ../lib.sh
# shellcheck source-path=SCRIPTDIR
source ../tables.sh
# shellcheck source-path=SCRIPTDIR
source ../trainings.sh

PAIRS=${PAIRS:-}
PIECES=${PIECES:-8000} # of words, where a model reads and writes those
[[ -z $PAIRS || $PAIRS == /* ]] || PAIRS=$from/$PAIRS
more_usage="\
  --smoke         every stage on a few hundred lines of made-up text, in work/smoke

Variables: PAIRS=FILE, pairs in place of S2S_DATA (see fetch_tatoeba.py); JOBS=2, trainings at a time;
PRECISION=fp32; PIECES=8000, pieces of words of the last row.
"

smoke=
page=RESULTS.md
figures=figures
held_out=() # options of fetch_tatoeba.py
few=()     # options of overtaking.py
baseline=(TUNE_LINES=500)
options=()
for option in "$@"; do
  case $option in
    --smoke)
      smoke=yes
      work=work/smoke
      page=$work/RESULTS.md
      figures=$work/figures
      s2s=(s2s --config smoke.toml)
      at_a_time=2 # cores that every machine has
      PAIRS=$PWD/$work/given/pairs.tsv
      PIECES=60
      held_out=(--held-out 12)
      few=(--min-sentences 5 --resamples 100)
      baseline=(TUNE_LINES=10 STACK=20 POPS=60 ROUNDS=1 NBEST_SIZE=20 JOBS=1)
      ;;
    *) options+=("$option") ;;
  esac
done

text=$work/corpus
tokenised=()
devices=(--precision "$PRECISION")
lists=$work/smt/lists
first_id=0
feature=LM0 # a feature with one value in the lists
tuned_on=200 # a fifth of the list, for a fourth of the time

corpus() {
  local from=()
  [[ ! $smoke ]] || made_up_pairs
  [[ ! $PAIRS ]] || from=(--pairs "$PAIRS")
  python3 fetch_tatoeba.py "$work/corpus" "${from[@]}" "${held_out[@]}"
}

made_up_pairs() {
  mkdir -p "$work/given"
  python3 ../numbers_en_fr/number_phrases.py "$work/given" --train=260 --valid=0 --test=0
  into "$PAIRS" paste "$work"/given/train.{en,fr}
}

prep() {
  prepare forward
  prepare reversed --reverse-source
}

# prepare NAME OPTION...: facts.json and corpus.json are the last files that `s2s prep` and `s2s
# vocab` write
prepare() {
  once "$work/prep/$1/facts.json" "${s2s[@]}" prep --output "$work/prep/$1" "${@:2}"
  once "$work/prep/$1/corpus.json" "${s2s[@]}" vocab --data "$work/prep/$1"
}

train() {
  train_six
}

# After the trainings, which `--stage` would make anew with it.
smt() {
  env "${baseline[@]}" DATA="$PWD/$work/prep/forward" WORK="$PWD/$work/smt" ../smt/run.sh
}

# What came next: a name, its text, and its options. They learn faster, and begin to learn by heart
# sooner.
variants() {
  local sooner='--epochs 6 --halve-after 3'
  cat <<END
attention reversed $attention $sooner
attention-bpe bpe $attention $sooner
END
}

beyond() {
  local name
  pieces "$work/prep/bpe" "$PIECES"
  train_variants "$work/prep" "$work/train"
  variants | while read -r name _; do
    translate "$work/train/$name" test "$work/beyond/$name-12.fr"
  done
}

all_scores() {
  local name above=table1/reversed-12
  scores
  variants | while read -r name _; do
    score "beyond/$name-12" "$above" --model "$work/train/$name" --source "$text/test.en"
    compare "beyond/$name-12" table1/reversed-12
    compare "beyond/$name-12" table2/baseline
    above=beyond/$name-12
  done
  # The paper's question: is what the vectors write better, and what rescoring makes of both?
  for name in table1/reversed-12 table1/five-12; do
    compare "$name" table2/baseline
  done
  for name in table2/five table2/five-tuned; do
    compare "$name" table1/five-12
  done
}

# The figures of the page, and what is said in numbers below them.
figures() {
  local systems=("$work"/table1/{forward-12,reversed-12,five-12}.fr "$work/table2/baseline.fr")
  local names=(--name 'forward' --name 'reversed' --name '5 reversed' --name 'SMT')
  local test=("$text/test.fr" --source "$text/test.en") kind
  mkdir -p "$figures"
  python3 overtaking.py "$text/test.fr" "$work"/table{1/five-12,2/baseline}.fr \
    --source "$text/test.en" --name '5 reversed' --name SMT "${few[@]}" >"$figures/overtaking.md"
  python3 neighbours.py word_order.en active_and_passive.en --model "$work/train/reversed-1" \
    >"$figures/neighbours.md"
  s2s show longest "${test[@]}" "${systems[@]:2}" "${names[@]:4}" --output "$figures/longest.md"
  if ! python3 -c 'import matplotlib' 2>/dev/null; then
    printf '%s\n' "# No pictures: they need matplotlib (pip install matplotlib)" >&2
    return
  fi
  s2s show lengths "${test[@]}" "${systems[@]}" "$work/beyond/attention-12.fr" \
    "${names[@]}" --name attention --output "$figures/lengths.svg"
  s2s show rarity "${test[@]}" "${systems[@]}" "${names[@]}" --model "$work/train/reversed-1" \
    --output "$figures/rarity.svg"
  for kind in word_order active_and_passive; do
    s2s show states "$kind.en" --model "$work/train/reversed-1" --output "$figures/$kind.svg"
  done
  s2s show curves "$work"/train/{forward,reversed-1,attention} --output "$figures/curves.svg"
}

results() {
  local command="PRECISION=$PRECISION PIECES=$PIECES recipes/tatoeba_en_fr/run.sh${smoke:+ --smoke}"
  [[ ! $PAIRS || $smoke ]] || command="PAIRS=pairs $command"
  python3 ../results.py corpus prep train smt table1 table2 beyond all_scores figures \
    --work "$work" --output "$page" --command "$command"
}

run_stages corpus prep train smt table1 table2 beyond all_scores figures results -- "${options[@]}"
show_tables "$page"
