#!/usr/bin/env bash
# What minimum Bayes risk is worth on the 1000-best lists of an SMT system, by their own totals: no
# model is needed. Table: MBR.md, also printed. The lists are those of $S2S_DATA/smt.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source-path=SCRIPTDIR
source ../lib.sh

work=work/mbr
scales=(0.5 1 2 5)
set=${S2S_DATA:-}/smt/test_2016_flickr
# One feature of the list stands for a model's score, of which the winner takes no share.
total=(s2s rescore "$set.nbest.gz" --source "$set.tok.en" --feature-name LM0 --weight 0)

choose() {
  local scale
  mkdir -p "$work/choose"
  once "$work/choose/total.fr" "${total[@]}" --output "$work/choose/total.fr"
  for scale in "${scales[@]}"; do
    once "$work/choose/mbr-$scale.fr" "${total[@]}" --mbr --mbr-scale "$scale" \
      --output "$work/choose/mbr-$scale.fr"
  done
}

score() {
  local name
  mkdir -p "$work/score"
  for name in total "${scales[@]/#/mbr-}"; do
    score_row "$name"
    [[ $name == total ]] ||
      score_row "$name" .against-total --baseline "$work/choose/total.fr"
  done
}

# score_row NAME [SUFFIX OPTION...]: work/mbr/score/NAMESUFFIX.json
score_row() {
  into "$work/score/$1${2-}.json" s2s score "$set.tok.fr" --tokenised --language fr --json \
    --hypothesis "$work/choose/$1.fr" "${@:3}"
}

# The time of one core for the first hundred sentences, which have 1,000 hypotheses each but for a few.
seconds() {
  local few=$work/seconds/few name options TIMEFORMAT='%U %S'
  mkdir -p "$work/seconds"
  # shellcheck disable=SC2016 # awk has variables of its own
  into "$few.nbest" awk -F ' ' '$1 < 100' <(gzip -cd "$set.nbest.gz")
  into "$few.en" head -n 100 "$set.tok.en"
  printf '\tCPU seconds for 100 sentences\n' >"$work/seconds/few.part"
  for name in 'highest total' mbr; do
    options=()
    [[ $name != mbr ]] || options=(--mbr)
    { time OMP_NUM_THREADS=1 s2s rescore "$few.nbest" --source "$few.en" --feature-name LM0 \
      --weight 0 "${options[@]}" --output "$work/seconds/few.fr" 2>"$work/seconds/few.log"; } \
      2>"$work/seconds/few.time"
    awk -v name="$name" '{ printf "%s\t%.1f\n", name, $1 + $2 }' "$work/seconds/few.time" \
      >>"$work/seconds/few.part"
  done
  mv "$work/seconds/few.part" mbr.tsv
}

results() {
  python3 ../results.py --tables mbr.toml --output MBR.md --work "$work" \
    --command "OMP_NUM_THREADS=1 recipes/multi30k_en_fr/mbr.sh" choose score seconds
}

[[ -e $set.nbest.gz ]] || refuse "no $set.nbest.gz: set S2S_DATA to the folder that has smt/"
run_stages choose score seconds results -- "$@"
show_tables MBR.md
