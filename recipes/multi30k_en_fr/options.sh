#!/usr/bin/env bash
# What each option that goes beyond the paper is worth: models of the size of run.sh's reversed ones,
# trained alike, with one option each, on the test text. Tables: OPTIONS.md, also printed. Needs what
# run.sh needs, and its stages up to the eighth.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source-path=SCRIPTDIR
source ../lib.sh
# shellcheck source-path=SCRIPTDIR
source ../trainings.sh

work=work/options
text=work/fetch

# As in run.sh, for each of the rows of options.toml but those of run.sh.
variants() {
  cat <<END
rnn reversed --cell rnn
peephole reversed --cell lstm-peephole
linear reversed --bridge linear
encoders reversed $encoders
concat reversed --bridge concat
additive reversed --attention additive
dot reversed --attention dot
general reversed --attention general
feeding reversed --attention general --input-feeding
END
}

# Models of run.sh that are rows too
of_run=(peeky gru attention)

train() {
  train_variants work/prep "$work/train"
}

decode() {
  local name
  variants | while read -r name _; do
    translate "$work/train/$name" test "$work/decode/$name.fr"
  done
}

score() {
  local name
  mkdir -p "$work/score"
  of_model reversed work/train/reversed-1 work/table1/reversed-12.fr
  for name in "${of_run[@]}"; do
    of_model "$name" "work/train/$name" "work/beyond/$name-12.fr"
  done
  variants | while read -r name _; do
    of_model "$name" "$work/train/$name" "$work/decode/$name.fr"
  done
}

# of_model NAME MODEL HYPOTHESES: its scores, and beside the model without any option
of_model() {
  local test=(s2s score work/fetch/test.fr --json --hypothesis "$3")
  into "$work/score/$1.json" "${test[@]}" --model "$2" --source work/fetch/test.en
  [[ $1 == reversed ]] ||
    into "$work/score/$1.against-reversed.json" "${test[@]}" --baseline work/table1/reversed-12.fr
}

results() {
  python3 ../results.py --tables options.toml --output OPTIONS.md --work "$work" \
    --command "PRECISION=$PRECISION recipes/multi30k_en_fr/options.sh" train decode score
}

[[ -e work/.done/all_scores ]] || refuse "run.sh --stop-stage 8 first"
run_stages train decode score results -- "$@"
show_tables OPTIONS.md
