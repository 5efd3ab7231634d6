# shellcheck shell=bash
# Stages of a recipe. A stage is a function of the recipe, run inside the recipe's directory; what it
# makes lies in work/STAGE, and work/.done/STAGE (its seconds, with those of runs that broke off in
# it unless they were killed outright) is written once it has succeeded;
# work/.commits/STAGE is the commit that it was made from, where git knows one.
#
# A recipe may also have
#   work         another directory than work/
#   more_usage   lines for --help, each with its line end
#   inputs       a function: `inputs STAGE` prints a line for each thing that the stage is made from.
#                The lines lie in work/.inputs/STAGE, and a stage whose lines are others is refused.
#   announce     a function: `announce STAGE` is called before the stage runs
#   at_a_time    more than 1: so many of what it begins with `beside` run at a time
# and, if its stages use nothing but call, into and once, --dry-run (which they obey where the
# recipe lets run_stages have it: dry_run is not empty).

work=work
more_usage=
dry_run=
at_a_time=1

usage() {
  cat <<EOF
usage: run.sh [--stage N] [--stop-stage N]

  --stage N       begin with stage N, made anew with all after it; the stages before must be done
  --stop-stage N  leave after stage N
$more_usage
Without options the stages that are done are passed over, and one that broke off goes on.
Stages: $1
EOF
}

# call COMMAND...: run it, or print it for pasting
call() {
  if [[ $dry_run ]]; then
    pasteable "$@"
    printf '\n'
  else
    "$@"
  fi
}

# into FILE COMMAND...: call it with its output in FILE, which is there whole or not at all; a FILE
# that is there is kept
into() {
  if [[ $dry_run ]]; then
    pasteable "${@:2}"
    printf ' > %q\n' "$1"
  elif [[ ! -e $1 ]]; then
    "${@:2}" >"$1.part"
    mv "$1.part" "$1"
  fi
}

# once FILE COMMAND...: call it unless FILE is there, which it writes last and whole; FILE.seconds
# says how long that took
once() {
  if [[ $dry_run ]]; then
    call "${@:2}"
  elif [[ ! -e $1 ]]; then
    local start=$SECONDS
    "${@:2}"
    printf '%s\n' "$((SECONDS - start))" >"$1.seconds"
  fi
}

running=()

# beside COMMAND...: run it beside what was begun before, at most at_a_time together; `finished`
# waits for them all. Nothing it does to variables is seen.
beside() {
  if [[ $dry_run ]] || ((at_a_time == 1)); then
    "$@"
    return
  fi
  if ((${#running[@]} == at_a_time)); then
    first_finished
  fi
  (
    trap - INT # which a shell in the background would ignore, and s2s with it
    "$@"
  ) &
  running+=($!)
}

# finished: wait for all that runs; leave as the first that failed, when none runs any more
finished() {
  while ((${#running[@]})); do
    first_finished
  done
}

first_finished() {
  local status=0
  wait "${running[0]}" || status=$?
  running=("${running[@]:1}")
  if ((status)); then
    wait
    exit "$status"
  fi
}

# pasteable COMMAND...: the command as a line of shell, without its end
pasteable() {
  local word line=
  for word in "$@"; do
    if [[ ! $word =~ ^[A-Za-z0-9_./,:=@%+-]+$ ]]; then
      word="'${word//\'/\'\\\'\'}'"
    fi
    line+=" $word"
  done
  printf '%s' "${line# }"
}

# refuse MESSAGE: leave, the command line or the state of work/ is not as it must be
refuse() {
  printf 'run.sh: %s\n' "$1" >&2
  exit 2
}

# stage_number OPTION VALUE COUNT: VALUE, or leave
stage_number() {
  if [[ ! $2 =~ ^[1-9][0-9]?$ ]] || (($2 > $3)); then
    refuse "$1 takes a stage from 1 to $3, not '$2'"
  fi
  printf '%s' "$2"
}

# run_stages NAME... -- OPTION...: the functions NAME in their order, as OPTIONs say
run_stages() {
  local stages=() first=0 last number
  while [[ $1 != -- ]]; do
    stages+=("$1")
    shift
  done
  shift
  last=${#stages[@]}
  while (($#)); do
    case $1 in
      --stage) first=$(stage_number "$1" "${2-}" "${#stages[@]}") ;;
      --stop-stage) last=$(stage_number "$1" "${2-}" "${#stages[@]}") ;;
      -h | --help)
        usage "${stages[*]}"
        exit
        ;;
      *) refuse "unknown option '$1'; --help lists them" ;;
    esac
    shift 2
  done
  if [[ $dry_run ]]; then
    print_stages "$((first ? first : 1))" "$last" "${stages[@]}"
    return
  fi
  command -v s2s >/dev/null || refuse "no s2s on the PATH; activate the environment that has it"
  ((first <= last)) || refuse "--stage $first lies behind --stop-stage $last"
  ((first == 0)) || forget_from "$first" "${stages[@]}"
  for ((number = 1; number <= last; number++)); do
    run_stage "$number" "${stages[number - 1]}"
  done
}

# show_tables [PAGE]: print the tables of RESULTS.md, or of PAGE, once the stage that writes them is done
show_tables() {
  [[ $dry_run || ! -e $work/.done/results ]] || sed -n '/^## /,$p' "${1:-RESULTS.md}"
}

# print_stages FIRST LAST NAME...: the commands of stages FIRST to LAST; nothing runs
print_stages() {
  local number
  printf 'cd %q\n' "$PWD"
  for ((number = $1; number <= $2; number++)); do
    printf '\n# stage %s: %s\n' "$number" "${@:number+2:1}"
    "${@:number+2:1}"
  done
}

# forget_from N NAME...: remove what stage N and those after it made, if those before are as they
# must be
forget_from() {
  local first=$1 number name
  shift
  for ((number = 1; number < first; number++)); do
    name=${!number}
    [[ -e $work/.done/$name ]] || refuse "stage $number ($name) must be done before stage $first"
    same_inputs "$number" "$name"
  done
  for name in "${@:first}"; do
    rm -rf "$work"/.{done,inputs,spent}/"$name" "${work:?}/$name"
  done
}

# same_inputs N NAME: leave if the stage was made, or begun, from other things than now
same_inputs() {
  [[ $(type -t inputs) == function ]] || return 0
  local noted=$work/.inputs/$2 now changed
  now=$(inputs "$2")
  if [[ ! -e $noted ]]; then
    mkdir -p "$work/.inputs"
    printf '%s\n' "$now" >"$noted.part"
    mv "$noted.part" "$noted"
  elif ! changed=$(diff <(printf '%s\n' "$now") "$noted"); then
    changed=$(sed -n 's/^[<>] //p' <<<"$changed" | sed 's/[= ].*//' | sort -u | paste -sd ' ')
    refuse "stage $1 ($2) was made, or begun, from other inputs: $changed; --stage $1 makes it anew"
  fi
}

# run_stage N NAME: one stage, unless it is done. The function is called by itself: in a condition
# its failures would be passed over.
run_stage() {
  same_inputs "$1" "$2"
  if [[ -e $work/.done/$2 ]]; then
    printf '== stage %s: %s is done (--stage %s makes it anew)\n' "$1" "$2" "$1" >&2
    return
  fi
  printf '== stage %s: %s\n' "$1" "$2" >&2
  if [[ $(type -t announce) == function ]]; then
    announce "$2" >&2
  fi
  mkdir -p "$work/.done" "$work/.commits" "$work/.spent"
  stage=$2
  began=$SECONDS
  trap broken_off EXIT
  "$2"
  trap - EXIT
  git rev-parse --short HEAD >"$work/.commits/$2" 2>/dev/null || rm -f "$work/.commits/$2"
  spent >"$work/.done/$2"
  rm -f "$work/.spent/$2"
}

# spent: the seconds of the stage so far, with those of runs that broke off in it
spent() {
  local before=0
  [[ ! -e $work/.spent/$stage ]] || before=$(<"$work/.spent/$stage")
  printf '%s\n' "$((before + SECONDS - began))"
}

broken_off() {
  spent >"$work/.spent/$stage.part"
  mv "$work/.spent/$stage.part" "$work/.spent/$stage"
}
