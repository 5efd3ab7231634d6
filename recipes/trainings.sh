# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # the scripts that take this set and use variables
# Trainings beside each other, a core each. Takes `once` of lib.sh; the script sets, after taking this,
#   work, text   as tables.sh has them
#   s2s          the command and its first options, where it is not s2s alone
#   variants     a function: a line for each model that differs from the reversed ones of run.sh in
#                some options: its name, the directory of its text, and its options

JOBS=${JOBS:-2} # trainings at a time, a core each
PRECISION=${PRECISION:-fp32} # bf16 is faster on processors that multiply in it, slower on others
s2s=(s2s)
encoders='--bidirectional --bridge linear'
attention="--attention general $encoders"
wide='--hidden-size 512 --embedding-size 512'

# train_lines: a training for each line of options that it reads, JOBS at a time
train_lines() {
  xargs -P "$JOBS" -L 1 "${s2s[@]}" train --precision "$PRECISION" 2>&1 | cat >&2
}

# train_six: the paper's, one forward model and one reversed for each of `seeds` (tables.sh)
train_six() {
  local seed
  {
    printf -- '--data %s/prep/forward --model %s/train/forward --seed 1\n' "$work" "$work"
    for seed in "${seeds[@]}"; do
      printf -- '--data %s/prep/reversed --model %s/train/reversed-%s --seed %s\n' \
        "$work" "$work" "$seed" "$seed"
    done
  } | train_lines
}

# train_variants TEXTS MODELS: MODELS/NAME from TEXTS/..., seed 1
train_variants() {
  local name corpus options
  variants | while read -r name corpus options; do
    # options first: where there are none, a blank at the end would take in the next line
    printf -- '%s --data %s --model %s --seed 1\n' "$options" "$1/$corpus" "$2/$name"
  done | train_lines
}

# translate MODEL SPLIT FILE: beam size 12
translate() {
  mkdir -p "${3%/*}"
  once "$3" "${s2s[@]}" decode --model "$1" --beam 12 --precision "$PRECISION" \
    --input "$text/$2.en" --output "$3"
}

# pieces DIRECTORY COUNT OPTION...: the text in pieces of words, COUNT of them on each side; OPTIONs
# of `s2s prep`
pieces() {
  if [[ ! -e $1/train.fr.idx ]]; then
    "${s2s[@]}" prep --output "$1" --reverse-source --subwords bpe --subword-size "$2" "${@:3}"
    "${s2s[@]}" vocab --data "$1" --min-count 1
  fi
}
