# shellcheck shell=bash
# shellcheck disable=SC2154 # run.sh sets work, text, NBEST, MOSES, MGIZA and smoke
# The phrase-based system whose lists Table 2 rescores: an installed Moses (Koehn et al. 2007) trains
# it on the text of the models. A step that is done is left alone; one that broke off begins anew,
# but for the tuning, which goes on with its last iteration. --smoke has the project's own system,
# ../smt, in its place.

system=work/baseline # run.sh sets it for --smoke

baseline() {
  if [[ $NBEST ]]; then
    printf '# The lists are those of NBEST; no system is trained.\n' >&2
  elif [[ $smoke ]]; then
    call env TUNE_LINES=8 STACK=20 POPS=60 ROUNDS=1 NBEST_SIZE=20 JOBS=1 \
      DATA="$PWD/$work/prep/forward" WORK="$PWD/$system" ../smt/run.sh
  elif [[ $MOSES ]]; then
    moses_system
  else
    printf '# No baseline: neither MOSES nor NBEST is set.\n' >&2
  fi
}

moses_system() {
  local step
  call mkdir -p "$system"/{corpus,lm,lists,tmp,done}
  for step in escape clean language_model train_model filter tune lists; do
    if [[ $dry_run || ! -e $system/done/$step ]]; then
      "moses_$step"
      [[ $dry_run ]] || touch "$system/done/$step"
    fi
  done
}

# through PROGRAM INPUT OUTPUT
through() {
  # shellcheck disable=SC2016 # the inner shell has arguments of its own
  into "$3" bash -c '"$1" <"$2"' - "$1" "$2"
}

# The bar parts factors and fields, so it and the characters of XML become entities.
moses_escape() {
  local split side
  for split in train valid test; do
    for side in en fr; do
      through "$MOSES/scripts/tokenizer/escape-special-chars.perl" \
        "$work/prep/forward/$split.$side" "$system/corpus/$split.$side"
    done
  done
  into "$system/corpus/both.en" cat "$system"/corpus/{valid,test}.en
}

moses_clean() {
  call "$MOSES/scripts/training/clean-corpus-n.perl" "$system/corpus/train" en fr \
    "$system/corpus/clean" 1 80
}

moses_language_model() {
  call "$MOSES/bin/lmplz" -o 5 -S 40% -T "$system/tmp" --text "$system/corpus/train.fr" \
    --arpa "$system/lm/fr.arpa"
  call "$MOSES/bin/build_binary" trie "$system/lm/fr.arpa" "$system/lm/fr.binary"
  call rm "$system/lm/fr.arpa"
}

# The language model: factor 0, 5-grams, by KenLM, which is kind 8.
moses_train_model() {
  call rm -rf "$system/model"
  call "$MOSES/scripts/training/train-model.perl" -root-dir "$system/model" \
    -corpus "$system/corpus/clean" -f en -e fr -alignment grow-diag-final-and \
    -reordering msd-bidirectional-fe -lm "0:5:$PWD/$system/lm/fr.binary:8" \
    -external-bin-dir "$MGIZA" -mgiza -mgiza-cpus "$cores" -cores "$cores" -parallel
}

# Once for both texts, so that the tuned weights stand in one file with the tables of both.
moses_filter() {
  call rm -rf "$system/filtered"
  call "$MOSES/scripts/training/filter-model-given-input.pl" "$system/filtered" \
    "$system/model/model/moses.ini" "$system/corpus/both.en"
}

moses_tune() {
  local continue=()
  [[ ! -e $system/mert/finished_step.txt ]] || continue=(--continue)
  call "$MOSES/scripts/training/mert-moses.pl" "$system/corpus/valid.en" "$system/corpus/valid.fr" \
    "$MOSES/bin/moses" "$system/filtered/moses.ini" --working-dir "$PWD/$system/mert" \
    --mertdir "$MOSES/bin" --no-filter-phrase-table --nbest 100 --closest \
    --decoder-flags "-threads $cores" "${continue[@]}"
}

moses_lists() {
  local split
  for split in valid test; do
    moses_list "$split"
  done
}

# moses_list SPLIT: with the entities resolved again
moses_list() {
  # shellcheck disable=SC2016 # the inner shell has arguments of its own
  call bash -c '"$1" -f "$2" -threads "$3" -n-best-list "$4" 1000 distinct -n-best-factor 200 <"$5" >"$6"' - \
    "$MOSES/bin/moses" "$system/mert/moses.ini" "$cores" "$system/lists/$1.nbest" \
    "$system/corpus/$1.en" "$system/lists/$1.1best"
  # shellcheck disable=SC2016
  into "$system/lists/$1.nbest.gz" bash -c 'set -o pipefail; sed "$2" "$1" | gzip' - \
    "$system/lists/$1.nbest" "$(entities)"
  call rm "$system/lists/$1.nbest"
}
