# shellcheck shell=bash
# shellcheck disable=SC2154 # run.sh sets the variables below
# The paper's Tables 1 and 2: which models make a row, its translations, rescored lists and scores.
# Stages of a recipe as in lib.sh, whose `work`, `call`, `into` and `once` it takes. run.sh sets
#   s2s         the command and its first options, an array
#   text        directory of {valid,test}.{en,fr}
#   tokenised   (--tokenised) where that text is so, () where it is raw
#   devices     options of `s2s decode` and `s2s rescore`, an array
#   lists       directory that has {valid,test}.nbest[.gz], of an SMT system; may be empty
#   first_id    number of the first segment of each
#   feature     name of a feature with one value in them
#   tuned_on    hypotheses a segment of the validation lists, the first; empty: all
# Lists of the validation text are for tuning, and may be missing.

seeds=(1 2 3 4 5)
rows1=(forward-12 reversed-12 five-1 two-12 five-2 five-12)
rows2=(forward reversed five)
scored=lstm # name of the models' feature

# models ROW: options that name the models of a row, into the array `models`
models() {
  local count seed
  models=(--model "$work/train/forward")
  [[ $1 != forward* ]] || return 0
  case $1 in
    five*) count=5 ;;
    two*) count=2 ;;
    *) count=1 ;;
  esac
  models=()
  for seed in "${seeds[@]:0:count}"; do
    models+=(--model "$work/train/reversed-$seed")
  done
}

table1() {
  local row
  call mkdir -p "$work/table1"
  for row in "${rows1[@]}"; do
    models "$row"
    beside once "$work/table1/$row.fr" "${s2s[@]}" decode "${models[@]}" --beam "${row#*-}" \
      "${devices[@]}" "${tokenised[@]}" --input "$text/test.en" --output "$work/table1/$row.fr"
  done
  finished
}

# given_list SPLIT: the list of a split, a line; nothing where there is none
given_list() {
  local path
  [[ $lists ]] || return 0
  for path in "$lists/$1.nbest.gz" "$lists/$1.nbest"; do
    if [[ -e $path ]]; then
      printf '%s\n' "$path"
      return
    fi
  done
}

# have_list SPLIT: is there a list of the split, or will there be?
have_list() {
  [[ $(given_list "$1") || ($dry_run && $lists) ]]
}

# without_lists: is there no list to rescore? Then also say so.
without_lists() {
  ! have_list test || return 1
  printf '%s\n' "# Table 2 cannot be run: it rescores the 1000-best lists of an SMT system, and" \
    "# there are none. NBEST=DIRECTORY names a directory that has them." >&2
}

# check_feature: leave where what is tuned on the list's own features would have one more, which
# `s2s rescore` computes where the list has it not
check_feature() {
  local list line=
  list=$(given_list valid)
  [[ $list ]] || return 0
  read -r line < <(gzip -cdf "$list" 2>/dev/null) || true
  if [[ ! $line =~ [\ \|]"$feature"[=:]\ ?[^\ =:\|]+\ *($|\|\|\||[^\ ]+[=:]) ]]; then
    refuse "FEATURE=$feature is no feature of one value in $list, which begins: ${line:0:400}"
  fi
}

table2() {
  ! without_lists || return 0
  check_feature
  local row words=()
  winners=(--detokenise)
  if [[ ${tokenised[*]} ]]; then
    winners=(--tokenised)
    words=(--words)
  fi
  call mkdir -p "$work/table2"
  make_list test
  beside into "$work/table2/baseline.fr" python3 ../nbest_pick.py "$work/table2/test.nbest.gz" \
    "${words[@]}" --first-id "$first_id"
  beside into "$work/table2/oracle.fr" python3 ../nbest_pick.py "$work/table2/test.nbest.gz" \
    "${words[@]}" --first-id "$first_id" --reference "$work/prep/forward/test.fr"
  for row in "${rows2[@]}"; do
    beside even_row "$row"
  done
  finished
  if have_list valid; then
    tuned_rows
  else
    printf '# Nothing is tuned: there is no list of the validation text.\n' >&2
  fi
}

even_row() {
  models "$1"
  score_list "$1" test
  winners_of "$1" "$scored" "$1.test.nbest.gz"
}

# The list's own features alone, and each row of models, with weights tuned on the validation text.
tuned_rows() {
  local row
  make_list valid
  beside tuned_baseline
  for row in "${rows2[@]}"; do
    beside tuned_row "$row"
  done
  finished
}

tuned_baseline() {
  models reversed
  tune baseline "$feature" valid.nbest.gz
  winners_of baseline-tuned "$feature" test.nbest.gz
}

tuned_row() {
  models "$1"
  score_list "$1" valid
  tune "$1" "$scored" "$1.valid.nbest.gz"
  winners_of "$1-tuned" "$scored" "$1.test.nbest.gz"
}

# score_list ROW SPLIT: the list with the score of `models` as one more feature
score_list() {
  once "$work/table2/$1.$2.nbest.gz" "${s2s[@]}" rescore "$work/table2/$2.nbest.gz" \
    "${models[@]}" --source "$text/$2.en" --first-id "$first_id" "${devices[@]}" \
    "${tokenised[@]}" --add-feature --feature-name "$scored" \
    --output "$work/table2/$1.$2.nbest.gz"
}

# tune ROW FEATURE LIST: work/table2/ROW.weights
tune() {
  once "$work/table2/$1.weights" "${s2s[@]}" rescore "$work/table2/$3" "${models[@]}" \
    --source "$text/valid.en" --first-id "$first_id" "${winners[@]}" --feature-name "$2" \
    --tune "$text/valid.fr" --weights "$work/table2/$1.weights" --output "$work/table2/$1.valid.fr"
}

# winners_of NAME FEATURE LIST: work/table2/NAME.fr; where NAME is ROW-tuned, by the weights of ROW
winners_of() {
  local weights=()
  [[ $1 != *-tuned ]] || weights=(--weights "$work/table2/${1%-tuned}.weights")
  once "$work/table2/$1.fr" "${s2s[@]}" rescore "$work/table2/$3" "${models[@]}" \
    --source "$text/test.en" --first-id "$first_id" "${winners[@]}" --feature-name "$2" \
    "${weights[@]}" --output "$work/table2/$1.fr"
}

# entities: the program of sed that resolves those of Moses, but for that of the bar, which parts the
# fields of a list
entities() {
  local each program='s/&apos;/'\''/g'
  for each in 'quot/"' 'lt/<' 'gt/>' '#91/[' '#93/]' 'amp/\&'; do
    program+=";s/&${each%/*};/${each#*/}/g"
  done
  printf '%s' "$program"
}

# make_list SPLIT: work/table2/SPLIT.nbest.gz, its words as the models know them. `s2s prep` writes
# no entities where it tokenises; text that came tokenised has those of its lists.
make_list() {
  local list most=1000000000 clean=
  list=$(given_list "$1")
  [[ ${tokenised[*]} ]] || clean=$(entities)
  [[ $1 != valid || ! ${tuned_on-} ]] || most=$tuned_on
  # shellcheck disable=SC2016 # the inner shell has arguments of its own
  into "$work/table2/$1.nbest.gz" bash -c \
    'set -o pipefail; gzip -cdf "$1" | awk -F "|" -v most="$3" "seen[\$1]++ < most" | sed "$2" | gzip' - \
    "${list:-$lists/$1.nbest.gz}" "$clean" "$most"
}

# Each row beside the one above it, and the rows of Table 2 beside the baseline.
scores() {
  local row above=
  call mkdir -p "$work/scores"
  if ! without_lists; then
    beside score table2/baseline ""
    above=table2/baseline
  fi
  for row in "${rows1[@]}"; do
    models "$row"
    beside score "table1/$row" "$above" "${models[@]}" --source "$text/test.en"
    above=table1/$row
  done
  if [[ -e $work/table2/baseline.fr ]] || { [[ $dry_run ]] && have_list test; }; then
    scores_of_lists "" "${rows2[@]}" oracle
    ! have_list valid || scores_of_lists -tuned baseline "${rows2[@]}"
  fi
  finished
}

# scores_of_lists SUFFIX ROW...: rows of Table 2, the first of them below the baseline. Perplexities
# of the models stand in Table 1.
scores_of_lists() {
  local row above=table2/baseline
  for row in "${@:2}"; do
    beside score "table2/$row$1" "$above"
    [[ $above == table2/baseline ]] || beside compare "table2/$row$1" table2/baseline
    above=table2/$row$1
  done
}

# score ROW ABOVE OPTION...: work/ROW.fr, into work/scores/
score() {
  local baseline=()
  [[ ! $2 ]] || baseline=(--baseline "$work/$2.fr")
  into "$work/scores/${1/\//-}.json" "${s2s[@]}" score "$text/test.fr" "${tokenised[@]}" \
    --hypothesis "$work/$1.fr" --json "${baseline[@]}" "${@:3}"
}

# compare ROW OTHER: is work/ROW.fr better than work/OTHER.fr?
compare() {
  into "$work/scores/${1/\//-}.against-${2#*/}.json" "${s2s[@]}" score "$text/test.fr" \
    "${tokenised[@]}" --hypothesis "$work/$1.fr" --json --baseline "$work/$2.fr"
}
