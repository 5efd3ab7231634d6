#!/usr/bin/env bash
# What settings are worth: single models, judged on the validation text alone. First reversed models
# with one or more things changed from those of run.sh, then models with attention that read and
# write pieces of words. Tables: SEARCH.md, also printed. Needs what run.sh needs, and its stages up
# to the seventh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source-path=SCRIPTDIR
source ../lib.sh
# shellcheck source-path=SCRIPTDIR
source ../trainings.sh

work=work/search
text=work/fetch

# A name, the text, and options, for each of the rows of search.toml but those of run.sh. cut-N: words
# that stand N times in the training text; pieces-N: N pieces of words a side.
variants() {
  cat <<END
cut-1 cut-1
wide cut-2 $wide
dropout-0.5 cut-2 --dropout 0.5
late cut-2 --epochs 12 --halve-after 9
batch-32 cut-2 --batch-size 32
two-layers cut-2 --layers 2
wide-late-dropout-0.5 cut-2 $wide --dropout 0.5 --epochs 12 --halve-after 9
wide-late-dropout-0.4 cut-2 $wide --dropout 0.4 --epochs 12 --halve-after 8
pieces-4000 pieces-4000 $attention
wide-pieces-late pieces-4000 $attention $wide --dropout 0.4 --epochs 12 --halve-after 9
wide-pieces pieces-4000 $attention $wide --dropout 0.4 --epochs 7 --halve-after 4
wide-two-layers cut-2 --layers 2 $wide --dropout 0.4 --learning-rate 0.001 --epochs 11 --halve-after 8
END
}

# Models of run.sh, whose trainings are rows too
of_run=(reversed-1 attention attention-bpe wide-attention-bpe)

data() {
  local cut
  for cut in 1 2; do
    s2s prep --tokeniser sacremoses --output "$work/data/cut-$cut" --reverse-source
    s2s vocab --data "$work/data/cut-$cut" --min-count "$cut"
  done
  pieces "$work/data/pieces-4000" 4000 --tokeniser sacremoses
}

train() {
  train_variants "$work/data" "$work/train"
}

decode() {
  local name
  for name in "${of_run[@]}"; do
    translate "work/train/$name" valid "$work/decode/$name.fr"
  done
  variants | while read -r name _; do
    translate "$work/train/$name" valid "$work/decode/$name.fr"
  done
}

score() {
  local hypotheses name
  mkdir -p "$work/score"
  for hypotheses in "$work"/decode/*.fr; do
    name=${hypotheses##*/}
    into "$work/score/${name%.fr}.json" s2s score work/fetch/valid.fr --json \
      --hypothesis "$hypotheses"
  done
}

results() {
  python3 ../results.py --tables search.toml --output SEARCH.md --work "$work" \
    --command "PRECISION=$PRECISION recipes/multi30k_en_fr/search.sh" data train decode score
}

[[ -e work/.done/beyond ]] || refuse "run.sh --stop-stage 7 first"
run_stages data train decode score results -- "$@"
show_tables SEARCH.md
