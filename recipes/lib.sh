# shellcheck shell=bash
# Stages of a recipe. A stage is a function of the recipe, run inside the recipe's directory; what it
# makes lies in work/STAGE, and work/.done/STAGE (its seconds) is written once it has succeeded.

usage() {
  cat <<EOF
usage: run.sh [--stage N] [--stop-stage N]

  --stage N       begin with stage N, made anew with all after it; the stages before must be done
  --stop-stage N  leave after stage N

Without options the stages that are done are passed over, and one that broke off goes on.
Stages: $1
EOF
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
  command -v s2s >/dev/null || refuse "no s2s on the PATH; activate the environment that has it"
  ((first <= last)) || refuse "--stage $first lies behind --stop-stage $last"
  ((first == 0)) || forget_from "$first" "${stages[@]}"
  for ((number = 1; number <= last; number++)); do
    run_stage "$number" "${stages[number - 1]}"
  done
}

# show_tables: print the tables of RESULTS.md, once the stage that writes them is done
show_tables() {
  [[ ! -e work/.done/results ]] || sed -n '/^## /,$p' RESULTS.md
}

# forget_from N NAME...: remove what stage N and those after it made
forget_from() {
  local first=$1 number name
  shift
  for ((number = 1; number <= $#; number++)); do
    name=${!number}
    if ((number >= first)); then
      rm -rf "work/.done/$name" "work/$name"
    elif [[ ! -e work/.done/$name ]]; then
      refuse "stage $number ($name) must be done before stage $first"
    fi
  done
}

# run_stage N NAME: one stage, unless it is done. The function is called by itself: in a condition
# its failures would be passed over.
run_stage() {
  if [[ -e work/.done/$2 ]]; then
    printf '== stage %s: %s is done (--stage %s makes it anew)\n' "$1" "$2" "$1" >&2
    return
  fi
  printf '== stage %s: %s\n' "$1" "$2" >&2
  local start=$SECONDS
  mkdir -p work/.done
  "$2"
  printf '%s\n' "$((SECONDS - start))" >"work/.done/$2"
}
