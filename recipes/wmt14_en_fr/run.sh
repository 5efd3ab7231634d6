#!/usr/bin/env bash
# WMT'14, English to French, at full scale: the paper's Tables 1 and 2.
# Read README.md first: where the data come from, what it takes, what is not public any more.
# Settings: s2s.toml and the variables below. Tables: RESULTS.md, also printed. `run.sh --help`
# tells about the stages. Needs the environment in which s2s is installed.
set -euo pipefail
from=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source-path=SCRIPTDIR
source ../lib.sh
# shellcheck source-path=SCRIPTDIR
source data.sh
# shellcheck source-path=SCRIPTDIR
source moses.sh
# shellcheck source-path=SCRIPTDIR
source ../tables.sh

SOURCE=${SOURCE:-statmt}    # statmt: public corpora, downloaded; schwenk: the paper's, from SCHWENK
SCHWENK=${SCHWENK:-}        # directory that has bitexts.selected/ and dev/
MOSES=${MOSES:-}            # an installed Moses: has bin/ and scripts/
MGIZA=${MGIZA:-}            # directory of mgiza, mkcls, snt2cooc and merge_alignment.py
NBEST=${NBEST:-}            # directory that has {valid,test}.nbest, .gz or not, in place of MOSES
FIRST_ID=${FIRST_ID:-0}     # the number of their first segment
FEATURE=${FEATURE:-LM0}     # a feature with one value in them
KEEP=${KEEP:-12000000}      # pairs to select from the public corpora
GPUS=${GPUS:-1}             # of `s2s train`, `decode` and `rescore`
LAYOUT=${LAYOUT:-model}     # of `s2s train`
PAUSES=${PAUSES:-5,30,120,300} # seconds between the tries of a download
[[ -z $SCHWENK || $SCHWENK == /* ]] || SCHWENK=$from/$SCHWENK
[[ -z $NBEST || $NBEST == /* ]] || NBEST=$from/$NBEST
[[ -z $MOSES || $MOSES == /* ]] || MOSES=$from/$MOSES
MGIZA=${MGIZA:-${MOSES:+$MOSES/tools}}
[[ -z $MGIZA || $MGIZA == /* ]] || MGIZA=$from/$MGIZA

smoke=
s2s=(s2s)
page=RESULTS.md
sources=sources.toml
options=()
more_usage="\
  --smoke         every stage on a few hundred lines of made-up text, in work/smoke
  --dry-run       print the commands for pasting, run nothing
"
for option in "$@"; do
  case $option in
    --smoke)
      smoke=yes
      at_a_time=2 # cores that every machine has
      work=work/smoke
      system=$work/baseline
      s2s=(s2s --config smoke.toml)
      page=$work/RESULTS.md
      sources=$work/given/sources.toml
      KEEP=240
      SCHWENK=${SCHWENK:-$PWD/$work/given/schwenk}
      ;;
    --dry-run) dry_run=yes ;;
    *) options+=("$option") ;;
  esac
done

for number in "$GPUS" "$KEEP"; do
  [[ $number =~ ^[1-9][0-9]*$ ]] || refuse "GPUS and KEEP are numbers from 1 on, not '$number'"
done
[[ $PAUSES =~ ^[0-9.,]*$ ]] || refuse "PAUSES are seconds with commas between, not '$PAUSES'"
case $SOURCE in
  statmt) tokenised=() ;;
  schwenk) tokenised=(--tokenised) ;;
  *) refuse "SOURCE is statmt or schwenk, not '$SOURCE'" ;;
esac
text=$work/unpack
devices=(--gpus "$GPUS")
lists=$NBEST
[[ $NBEST || ! ($MOSES || $smoke) ]] || lists=$system/lists
cores=$(getconf _NPROCESSORS_ONLN)
first_id=$FIRST_ID
feature=$FEATURE
[[ ! $NBEST || $dry_run || $(given_list test) ]] ||
  refuse "NBEST=$NBEST has no test.nbest and no test.nbest.gz"
[[ ! ($NBEST && $MOSES) ]] || refuse "NBEST has lists and MOSES would make them: set one of the two"
[[ ! $MOSES || $dry_run || -x $MOSES/bin/moses ]] ||
  refuse "MOSES=$MOSES has no bin/moses; a directory of an installed Moses has it"
[[ ! $MOSES || $dry_run || -x $MGIZA/mgiza ]] ||
  refuse "MGIZA=$MGIZA has no mgiza; MGIZA names the directory of mgiza, mkcls and snt2cooc"
check_feature

# settings COMMAND KEY...: a line that changes with the settings of `s2s COMMAND`, KEYs left out
settings() {
  local sum
  sum=$("${s2s[@]}" "$1" --dump-config | grep -Ev "^($(IFS='|' && printf '%s' "${*:2}")) = " |
    sha256sum)
  printf 'settings-of-%s=%s\n' "$1" "${sum%% *}"
}

# contents NAME FILE...: a line that changes with the content of the files
contents() {
  local sum
  sum=$(sha256sum -- "${@:2}" | cut -d ' ' -f 1 | sha256sum)
  printf '%s=%s\n' "$1" "${sum%% *}"
}

# What each stage is made from, beside what the stages before it made.
inputs() {
  local given free=(device gpus layout threads measure)
  case $1 in
    fetch) printf 'SOURCE=%s\n' "$SOURCE" && [[ $smoke ]] || given_files ;;
    unpack) [[ $SOURCE == schwenk ]] || contents downloads "$work/downloads/SHA256SUMS" ;;
    selection)
      [[ $SOURCE == schwenk ]] || {
        printf 'KEEP=%s\n' "$KEEP"
        contents moore_lewis.py moore_lewis.py
      }
      ;;
    prep) settings prep workers ;;
    vocab) settings vocab ;;
    train)
      settings train "${free[@]}" max-updates max-minutes save-every log-every rank-timeout
      contents data "$work"/prep/{forward,reversed}/corpus.json
      ;;
    table1) settings decode "${free[@]}" batch-size ;;
    baseline)
      contents text "$work"/prep/forward/{train,valid,test}.{en,fr}
      printf 'MOSES=%s\n' "$MOSES"
      ;;
    table2)
      settings rescore "${free[@]}"
      printf '%s\n' "FEATURE=$FEATURE" "FIRST_ID=$FIRST_ID"
      mapfile -t given < <(given_list valid && given_list test)
      contents NBEST /dev/null "${given[@]}"
      ;;
    scores) settings score ;;
    results) contents tables tables.toml ../paper_tables.toml ;;
  esac
}

# One model after the other: each takes all GPUs. A training that broke off goes on, a finished one
# is left alone.
train() {
  local seed
  beside train_one forward forward 1
  for seed in "${seeds[@]}"; do
    beside train_one reversed "reversed-$seed" "$seed"
  done
  finished
}

# train_one DATA MODEL SEED
train_one() {
  call "${s2s[@]}" train --data "$work/prep/$1" --model "$work/train/$2" --seed "$3" \
    --gpus "$GPUS" --layout "$LAYOUT"
}

announce() {
  python3 estimate.py "$1" --source "$SOURCE" --sources "$sources" --work "$work" --keep "$KEEP" \
    --gpus "$GPUS" --config "${s2s[2]:-s2s.toml}"
}

# The page's command names what a person has put somewhere without telling where.
results() {
  local command="SOURCE=$SOURCE"
  if [[ $SOURCE == schwenk ]]; then command+=" SCHWENK=corpora"; else command+=" KEEP=$KEEP"; fi
  [[ ! $NBEST ]] || command+=" NBEST=lists FEATURE=$FEATURE FIRST_ID=$FIRST_ID"
  [[ ! $MOSES ]] || command+=" MOSES=moses"
  command+=" GPUS=$GPUS LAYOUT=$LAYOUT recipes/wmt14_en_fr/run.sh${smoke:+ --smoke}"
  call python3 ../results.py --work "$work" --output "$page" "${stages[@]:0:10}" \
    --command "$command"
}

stages=(fetch unpack selection prep vocab train table1 baseline table2 scores results)
run_stages "${stages[@]}" -- "${options[@]}"
show_tables "$page"
