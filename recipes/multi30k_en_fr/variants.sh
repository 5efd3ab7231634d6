# shellcheck shell=bash
# shellcheck disable=SC2034 # the scripts that take this use the variables below
# Models that differ from the reversed ones of run.sh in some options. A script that takes this has
#   variants    a function: a line for each, its name, the directory of its text, and its options

JOBS=${JOBS:-2} # trainings at a time, a core each
PRECISION=${PRECISION:-fp32} # bf16 is faster on processors that multiply in it, slower on others
encoders='--bidirectional --bridge linear'
attention="--attention general $encoders"
wide='--hidden-size 512 --embedding-size 512'

# train_variants TEXTS MODELS: MODELS/NAME from TEXTS/..., seed 1
train_variants() {
  local name text options
  variants | while read -r name text options; do
    # options first: where there are none, a blank at the end would take in the next line
    printf -- '%s --data %s --model %s --seed 1\n' "$options" "$1/$text" "$2/$name"
  done | xargs -P "$JOBS" -L 1 s2s train --precision "$PRECISION" 2>&1 | cat >&2
}

# translate MODEL SPLIT FILE: beam size 12
translate() {
  mkdir -p "${3%/*}"
  once "$3" s2s decode --model "$1" --beam 12 --precision "$PRECISION" \
    --input "work/fetch/$2.en" --output "$3"
}

# pieces DIRECTORY COUNT: the text in pieces of words, COUNT of them on each side
pieces() {
  if [[ ! -e $1/train.fr.idx ]]; then
    s2s prep --tokeniser sacremoses --output "$1" --reverse-source --subwords bpe --subword-size "$2"
    s2s vocab --data "$1" --min-count 1
  fi
}
