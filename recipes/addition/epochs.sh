#!/usr/bin/env bash
# epochs.sh EPOCHS NAME DATA OPTION...: train a system, and let it solve the held-out problems after
# each epoch: work/epochs/NAME/EPOCH.total. What is there is kept.
set -euo pipefail
last=$1 name=$2 data=$3
model=work/epochs/$name/model

mkdir -p "work/epochs/$name"
for ((epoch = 1; epoch <= last; epoch++)); do
  solved=work/epochs/$name/$epoch.total
  [[ ! -e $solved ]] || continue
  s2s train --data "work/prep/$data" --model "$model" "${@:4}" --epochs "$epoch"
  s2s decode --model "$model/last.pt" --input work/corpus/test.sum --output "$solved"
done
