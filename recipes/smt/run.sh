#!/usr/bin/env bash
# A phrase-based system (SMT) and its n-best lists, from text that `s2s prep` wrote. README.md says
# what it does. Needs the environment in which s2s is installed, and nothing else.
# `run.sh --help` tells about the stages and the variables.
set -euo pipefail
from=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source-path=SCRIPTDIR
source ../lib.sh

DATA=${DATA:-}
WORK=${WORK:-}
ORDER=${ORDER:-5}
PHRASE_LENGTH=${PHRASE_LENGTH:-7}
TABLE_LIMIT=${TABLE_LIMIT:-20}
STACK=${STACK:-100}
POPS=${POPS:-400}
DISTORTION_LIMIT=${DISTORTION_LIMIT:-6}
TUNE_LINES=${TUNE_LINES:-0}
ROUNDS=${ROUNDS:-6}
NBEST_SIZE=${NBEST_SIZE:-1000}
JOBS=${JOBS:-$(getconf _NPROCESSORS_ONLN)}
more_usage="\
  --smoke         every stage on a few hundred lines of made-up text, in work/smoke

Variables, with what they are without being set:
  DATA              directory that s2s prep wrote: train, valid and test
  WORK              directory for what the stages make; the lists are in WORK/lists
  ORDER=5           of the language model
  PHRASE_LENGTH=7   most words of a phrase
  TABLE_LIMIT=20    most translations of a source phrase
  STACK=100         hypotheses that are kept for each number of covered words
  POPS=400          hypotheses that cube pruning makes for them
  DISTORTION_LIMIT=6  how far a phrase may be from the one before
  TUNE_LINES=0      tune on the first lines of the validation text; 0: all
  ROUNDS=6          most rounds of tuning
  NBEST_SIZE=1000   most hypotheses a sentence
  JOBS              processes that decode; one for each core
"
smoke=
help=
options=()
for option in "$@"; do
  case $option in
    --smoke) smoke=yes ;;
    -h | --help) help=yes options+=("$option") ;;
    *) options+=("$option") ;;
  esac
done
if [[ $smoke ]]; then
  WORK=${WORK:-$PWD/work/smoke}
  [[ $WORK == /* ]] || WORK=$from/$WORK
  DATA=$WORK/text
  STACK=20 POPS=60 ROUNDS=2 NBEST_SIZE=100
elif [[ ! $help ]]; then
  [[ $DATA ]] || refuse "DATA=DIRECTORY must name the text that s2s prep wrote; --help tells more"
  [[ $WORK ]] || refuse "WORK=DIRECTORY must name a directory for the system; --help tells more"
fi
[[ -z $DATA || $DATA == /* ]] || DATA=$from/$DATA
[[ -z $WORK || $WORK == /* ]] || WORK=$from/$WORK
work=$WORK
search=(--phrase-length "$PHRASE_LENGTH" --stack "$STACK" --pops "$POPS"
  --distortion-limit "$DISTORTION_LIMIT" --jobs "$JOBS")

# What each stage is made from, beside what the stages before it made.
inputs() {
  local text=("$DATA"/{train,valid,test}.?? "$DATA/facts.json")
  case $1 in
    align) printf 'DATA=%s\n' "$(cat -- "${text[@]}" 2>/dev/null | sha256sum | cut -c 1-16)" ;;
    table) printf '%s\n' "PHRASE_LENGTH=$PHRASE_LENGTH" "TABLE_LIMIT=$TABLE_LIMIT" ;;
    lm) printf '%s\n' "ORDER=$ORDER" ;;
    tune)
      printf '%s\n' "STACK=$STACK" "POPS=$POPS" "DISTORTION_LIMIT=$DISTORTION_LIMIT"
      printf '%s\n' "TUNE_LINES=$TUNE_LINES" "ROUNDS=$ROUNDS"
      ;;
    lists) printf '%s\n' "NBEST_SIZE=$NBEST_SIZE" ;;
  esac
}

# made-up text for --smoke, prepared
text() {
  [[ $smoke && ! -e $DATA/facts.json ]] || return 0
  python3 ../numbers_en_fr/number_phrases.py "$WORK/corpus" --train=200 --valid=20 --test=15
  (cd "$WORK" && s2s prep --quiet --train corpus/train --output text)
}

align() { python3 -m smt align "$DATA" "$WORK"; }

table() {
  python3 -m smt table "$DATA" "$WORK" --phrase-length "$PHRASE_LENGTH" --table-limit "$TABLE_LIMIT"
}

lm() { python3 -m smt lm "$DATA" "$WORK" --order "$ORDER"; }

tune() {
  python3 -m smt tune "$DATA" "$WORK" "${search[@]}" --tune-lines "$TUNE_LINES" --rounds "$ROUNDS"
}

lists() { python3 -m smt lists "$DATA" "$WORK" "${search[@]}" --nbest "$NBEST_SIZE"; }

[[ ! $smoke || $help ]] || text
run_stages align table lm tune lists -- "${options[@]}"
