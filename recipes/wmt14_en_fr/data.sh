# shellcheck shell=bash
# shellcheck disable=SC2154 # run.sh sets work, s2s and the variables in capitals
# From the data's source to the corpora that `s2s train` reads.

schwenk_train=(ep7_pc45 nc9 dev08_11 crawl ccb2_pc30 un2000_pc34)
schwenk_dev=(ntst1213 ntst14)
general=(europarl-v7 commoncrawl undoc.2000 giga-fren.release2)
in_domain=news-commentary-v9

# given_files: a line that changes with what a person has put there
given_files() {
  if [[ $SOURCE == statmt ]]; then
    contents sources.toml "$sources"
  else
    check_schwenk
    contents SCHWENK "${schwenk_files[@]}"
  fi
}

# check_schwenk: all files are there; their names go to schwenk_files
check_schwenk() {
  local name side
  schwenk_files=()
  [[ $SCHWENK ]] || refuse "SOURCE=schwenk takes its data from a directory: SCHWENK=DIRECTORY"
  for side in en fr; do
    for name in "${schwenk_train[@]/#/bitexts.selected/}" "${schwenk_dev[@]/#/dev/}"; do
      name=$SCHWENK/$name.$side
      [[ -e $name ]] || name+=.gz
      [[ $dry_run || -e $name ]] || refuse "SCHWENK=$SCHWENK has no ${name#"$SCHWENK/"}"
      schwenk_files+=("$name")
    done
  done
}

fetch() {
  if [[ $smoke ]]; then
    once "$sources" python3 smoke_text.py "$work/given"
  fi
  if [[ $SOURCE == statmt ]]; then
    call python3 download.py "$sources" "$work/downloads" --pauses "$PAUSES"
  else
    check_schwenk
    whole
  fi
}

# whole: those that are packed are whole, and both sides of each corpus have as many lines
whole() {
  local file number packed=()
  for file in "${schwenk_files[@]}"; do
    [[ $file != *.gz ]] || packed+=("$file")
  done
  ((${#packed[@]} == 0)) || call gzip -t "${packed[@]}"
  for number in {0..7}; do
    [[ $dry_run ]] || as_long "${schwenk_files[number]}" "${schwenk_files[number + 8]}"
  done
}

# as_long FILE OTHER: leave unless both have as many lines
as_long() {
  local lines others
  lines=$(gzip -cdf "$1" | wc -l)
  others=$(gzip -cdf "$2" | wc -l)
  ((lines == others)) || refuse "$1 has $lines lines, $2 $others: they are no translations of each other"
}

unpack() {
  call mkdir -p "$work/unpack"
  if [[ $SOURCE == statmt ]]; then
    call python3 unpack.py "$sources" "$work/downloads" "$work/unpack"
    unpack_statmt
  else
    check_schwenk
    unpack_schwenk
  fi
}

unpack_statmt() {
  local side
  for side in en fr; do
    into "$work/unpack/valid.$side" gzip -cd "$work"/unpack/newstest201{2,3}".$side.gz"
    into "$work/unpack/test.$side" gzip -cd "$work/unpack/newstest2014.$side.gz"
  done
}

# The paper's archive: six corpora a language, then newstest2012 + 2013 and 2014.
unpack_schwenk() {
  local side=en first
  for first in 0 8; do
    # shellcheck disable=SC2016 # the inner shell has arguments of its own
    into "$work/unpack/train.$side.gz" bash -ec \
      'for file; do if [[ $file == *.gz ]]; then cat "$file"; else gzip -c "$file"; fi; done' - \
      "${schwenk_files[@]:first:6}"
    into "$work/unpack/valid.$side" gzip -cdf "${schwenk_files[first + 6]}"
    into "$work/unpack/test.$side" gzip -cdf "${schwenk_files[first + 7]}"
    side=fr
  done
}

# The cleaner pairs of the public corpora; the paper's archive holds them already.
selection() {
  local side
  call mkdir -p "$work/selection"
  if [[ $SOURCE == schwenk ]]; then
    for side in en fr; do
      call ln -f "$work/unpack/train.$side.gz" "$work/selection/train.$side.gz"
    done
  else
    once "$work/selection/train.json" python3 moore_lewis.py --keep "$KEEP" \
      --in-domain "$work/unpack/$in_domain" --general "${general[@]/#/$work/unpack/}" \
      --output "$work/selection/train"
  fi
}

prep() {
  beside prepare forward
  beside prepare reversed --reverse-source
  finished
}

# prepare NAME OPTION...: facts.json is the last file that `s2s prep` writes
prepare() {
  once "$work/prep/$1/facts.json" "${s2s[@]}" prep --train "$work/selection/train" \
    --valid "$work/unpack/valid" --test "$work/unpack/test" "${tokenised[@]}" \
    --output "$work/prep/$1" "${@:2}"
}

vocab() {
  local name
  call mkdir -p "$work/vocab"
  for name in forward reversed; do
    beside vocabularies "$name"
  done
  finished
}

vocabularies() {
  once "$work/vocab/$1" "${s2s[@]}" vocab --data "$work/prep/$1"
  call touch "$work/vocab/$1"
}
