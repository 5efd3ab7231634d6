# shellcheck shell=bash
# shellcheck disable=SC2154 # run.sh sets work, s2s and the variables in capitals
# Training, and the rows of both tables.

seeds=(1 2 3 4 5)
rows1=(forward-12 reversed-12 five-1 two-12 five-2 five-12)
rows2=(forward reversed five)

# models NAME: options that name the models of a row, into the array `models`
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

# One after the other: each takes all GPUs. A training that broke off goes on, a finished one is
# left alone.
train() {
  local seed
  train_one forward forward 1
  for seed in "${seeds[@]}"; do
    train_one reversed "reversed-$seed" "$seed"
  done
}

# train_one DATA MODEL SEED
train_one() {
  call "${s2s[@]}" train --data "$work/prep/$1" --model "$work/train/$2" --seed "$3" \
    --gpus "$GPUS" --layout "$LAYOUT"
}

table1() {
  local row
  call mkdir -p "$work/table1"
  for row in "${rows1[@]}"; do
    models "$row"
    once "$work/table1/$row.fr" "${s2s[@]}" decode "${models[@]}" --beam "${row#*-}" \
      --gpus "$GPUS" "${tokenised[@]}" --input "$work/unpack/test.en" --output "$work/table1/$row.fr"
  done
}

# without_lists: is there no n-best list? Then also say so.
without_lists() {
  [[ -z $list && -z $own_list ]] || return 1
  printf '%s\n' "# Table 2 cannot be run: it rescores the 1000-best lists of the paper's SMT system," \
    "# which are not public any more. NBEST=DIRECTORY names a directory that has them." >&2
}

table2() {
  ! without_lists || return 0
  local row winners=(--detokenise) words=()
  if [[ ${tokenised[*]} ]]; then
    winners=(--tokenised)
    words=(--words)
  fi
  call mkdir -p "$work/table2"
  lists
  into "$work/table2/baseline.fr" python3 ../nbest_pick.py "$work/table2/nbest.txt" \
    "${words[@]}" --first-id "$FIRST_ID"
  into "$work/table2/oracle.fr" python3 ../nbest_pick.py "$work/table2/nbest.txt" \
    "${words[@]}" --first-id "$FIRST_ID" --reference "$work/prep/forward/test.fr"
  for row in "${rows2[@]}"; do
    models "$row"
    once "$work/table2/$row.fr" "${s2s[@]}" rescore "$work/table2/nbest.txt" "${models[@]}" \
      --source "$work/unpack/test.en" --first-id "$FIRST_ID" --gpus "$GPUS" "${winners[@]}" \
      --output "$work/table2/$row.fr"
  done
}

# lists: work/table2/nbest.txt, its words as the models know them. `s2s prep` writes no entities
# where it tokenises; text that came tokenised has those of its lists.
lists() {
  local clean=(cat) each
  if [[ -z ${tokenised[*]} ]]; then
    clean=(sed)
    for each in "apos/'" 'quot/"' 'lt/<' 'gt/>' '#91/[' '#93/]' 'amp/\&'; do
      clean+=(-e "s/&${each%/*};/${each#*/}/g")
    done
  fi
  if [[ $list ]]; then
    into "$work/table2/given.txt" gzip -cdf "$list"
  else # a rehearsal: a list of our own
    models reversed
    once "$work/table2/given.txt" "${s2s[@]}" decode "${models[@]}" --beam 10 --nbest 10 \
      "${tokenised[@]}" --input "$work/unpack/test.en" --output "$work/table2/given.txt"
  fi
  into "$work/table2/nbest.txt" "${clean[@]}" "$work/table2/given.txt"
}

scores() {
  local row
  call mkdir -p "$work/scores"
  for row in "${rows1[@]}"; do
    models "$row"
    score "table1/$row" "${models[@]}" --source "$work/unpack/test.en"
  done
  ! without_lists || return 0
  for row in baseline "${rows2[@]}" oracle; do
    score "table2/$row"
  done
}

# score ROW OPTION...: work/ROW.fr, into work/scores/
score() {
  into "$work/scores/${1/\//-}.json" "${s2s[@]}" score "$work/unpack/test.fr" "${tokenised[@]}" \
    --hypothesis "$work/$1.fr" --bootstrap 1000 --json "${@:2}"
}
