#!/usr/bin/env bash
# What settings are worth: single reversed models, each with one thing changed from those of run.sh,
# and one with three, judged on the validation text alone. Tables: SEARCH.md, also
# printed. Needs what run.sh needs, and its stages up to the fourth.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source-path=SCRIPTDIR
source ../lib.sh

work=work/search
JOBS=${JOBS:-2} # trainings at a time, a core each
PRECISION=${PRECISION:-fp32} # as in run.sh

# A name, the rarest word's count, and options, for each of the rows of search.toml but the first,
# which is run.sh's.
variants() {
  cat <<'END'
wide 2 --hidden-size 512 --embedding-size 512
dropout-0.5 2 --dropout 0.5
late 2 --epochs 12 --halve-after 9
batch-32 2 --batch-size 32
cut-1 1
two-layers 2 --layers 2
wide-late-dropout-0.5 2 --hidden-size 512 --embedding-size 512 --dropout 0.5 --epochs 12 --halve-after 9
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
      "--precision $PRECISION --seed 1 $options"
  done | xargs -P "$JOBS" -L 1 s2s train 2>&1 | cat >&2
}

decode() {
  local name
  mkdir -p "$work/decode"
  decode_with start work/train/reversed-1
  variants | while read -r name _; do
    decode_with "$name" "$work/train/$name"
  done
}

# decode_with NAME MODEL
decode_with() {
  once "$work/decode/$1.fr" s2s decode --model "$2" --beam 12 --precision "$PRECISION" \
    --input work/fetch/valid.en --output "$work/decode/$1.fr"
}

score() {
  local name
  mkdir -p "$work/score"
  { echo start && variants; } | while read -r name _; do
    into "$work/score/$name.json" s2s score work/fetch/valid.fr --json \
      --hypothesis "$work/decode/$name.fr"
  done
}

results() {
  python3 ../results.py --tables search.toml --output SEARCH.md --work "$work" \
    data train decode score
}

[[ -e work/.done/train ]] || refuse "run.sh --stop-stage 4 first"
run_stages data train decode score results -- "$@"
show_tables SEARCH.md
