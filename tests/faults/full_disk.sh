#!/usr/bin/env bash
# Run prep, vocab, train and decode on disks of a few sizes that are really full before the end.
#
# Needs user namespaces (`unshare -rm`); each disk is a tmpfs that nobody else sees. Each command has to end
# well or with one sentence, leave no temporary file, and complete when there is room.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [[ "${1:-}" != inside ]]; then
  exec unshare --user --map-root-user --mount "${BASH_SOURCE[0]}" inside
fi

export PYTHONPATH="$here/../..${PYTHONPATH:+:$PYTHONPATH}"
disk=$(mktemp -d)
trap 'umount "$disk" 2>/dev/null; rmdir "$disk"' EXIT
for pages in 8 20 28 36; do
  mount -t tmpfs -o "size=$((4 * pages))k" tmpfs "$disk"
  told=()
  "${PYTHON:-python3}" -c "
import sys
from pathlib import Path
sys.path.insert(0, '$here')
from fault_writers import write_corpus
write_corpus(Path('$disk'))"
  cd "$disk"
  for command in prep vocab train 'decode --input corpus/valid.en --output out.fr'; do
    # shellcheck disable=SC2086 # the command's own words
    if "${PYTHON:-python3}" -m s2s_cli $command 2>/dev/shm/told.$$; then
      continue
    fi
    told+=("$command: $(tail -n 1 /dev/shm/told.$$)")
    if ! grep -q '^s2s: ' /dev/shm/told.$$ || grep -q Traceback /dev/shm/told.$$; then
      cat /dev/shm/told.$$
      exit 1
    fi
    if [[ -n $(find . -name '*.tmp') ]]; then
      echo "$command leaves $(find . -name '*.tmp')"
      exit 1
    fi
    mount -o remount,size=10m "$disk"
    # shellcheck disable=SC2086
    "${PYTHON:-python3}" -m s2s_cli $command 2>/dev/shm/told.$$
  done
  rm -f /dev/shm/told.$$
  cd /
  umount "$disk"
  echo "$((4 * pages)) KiB: ${told[*]:-room for all}"
done
