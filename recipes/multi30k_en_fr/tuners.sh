#!/usr/bin/env bash
# The tuners side by side: weights of all features, tuned on the validation lists from five seeds
# each, and BLEU on the test lists. Tables: TUNERS.md, also printed. Needs what run.sh needs with its
# lists, and its stages up to the third. To be quick, the model is trained for two epochs, and the
# lists are cut to the first 100 hypotheses of each sentence.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source-path=SCRIPTDIR
source ../lib.sh
# shellcheck source-path=SCRIPTDIR
source ../trainings.sh

work=work/tuners
tuners=(mert mira)
seeds=(1 2 3 4 5)
longest=100
model=$work/train/reversed

train() {
  s2s train --data work/prep/reversed --model "$model" --epochs 2 --halve-after 1 \
    --precision "$PRECISION"
}

# Both lists with the model's score as one more feature
lists() {
  local split
  mkdir -p "$work/lists"
  for split in valid test; do
    # shellcheck disable=SC2016 # awk has variables of its own
    into "$work/lists/$split.nbest" awk -F '|' -v most="$longest" 'seen[$1]++ < most' \
      <(gzip -cdf "work/lists/$split.nbest.gz")
    once "$work/lists/$split.lstm.nbest" s2s rescore "$work/lists/$split.nbest" --model "$model" \
      --source "work/fetch/$split.en" --precision "$PRECISION" --add-feature --feature-name lstm \
      --output "$work/lists/$split.lstm.nbest"
  done
}

# winners SPLIT NAME OPTION...: of the list of a split, as running text in work/tuners/tune
winners() {
  once "$work/tune/$2.$1.fr" s2s rescore "$work/lists/$1.lstm.nbest" --feature-name lstm \
    --model "$model" --source "work/fetch/$1.en" --detokenise --output "$work/tune/$2.$1.fr" "${@:3}"
}

tune() {
  local seed tuner weights
  mkdir -p "$work/tune"
  for tuner in "${tuners[@]}"; do
    for seed in "${seeds[@]}"; do
      weights=$work/tune/$tuner-$seed.toml
      winners valid "$tuner-$seed" --tune work/fetch/valid.fr --weights "$weights" \
        --tuner "$tuner" --seed "$seed"
      winners test "$tuner-$seed" --weights "$weights"
    done
  done
  for split in valid test; do
    winners "$split" list-1 --weight 0
    winners "$split" even-1
  done
}

score() {
  local name split
  mkdir -p "$work/score"
  for name in "$work"/tune/*.fr; do
    split=${name%.fr}
    split=${split##*.}
    name=${name##*/}
    into "$work/score/${name%.fr}" s2s score "work/fetch/$split.fr" --bare bleu-tokenised \
      --hypothesis "$work/tune/$name"
  done
}

# row TITLE NAME: mean, lowest and highest BLEU of all seeds, on each text
row() {
  local split
  printf '%s' "$1"
  for split in valid test; do
    cat "$work/score/$2"-*."$split" | sort -n |
      awk '{ sum += $1; all[NR] = $1 } END { printf "\t%.2f\t%.2f\t%.2f", sum / NR, all[1], all[NR] }'
  done
  printf '\n'
}

results() {
  mkdir -p figures
  {
    printf 'BLEU (tokenised)'
    printf '\t%s, mean\tlowest\thighest' validation test
    printf '\n'
    row "SMT system's own best" list
    row 'Even average with one LSTM' even
    row 'Tuned by MERT (--tuner mert)' mert
    row 'Tuned by MIRA (--tuner mira)' mira
  } >figures/tuners.tsv
  python3 ../results.py --tables tuners.toml --output TUNERS.md --work "$work" \
    --command "PRECISION=$PRECISION recipes/multi30k_en_fr/tuners.sh" train lists tune score
}

[[ -e work/.done/vocab ]] || refuse "run.sh --stop-stage 3 first"
run_stages train lists tune score results -- "$@"
show_tables TUNERS.md
