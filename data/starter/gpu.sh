#!/bin/bash
# One start of the training that ends in time and leaves at most eight files of less than 16 MiB in OUT:
# gpu.sh ATLAS STATE OUT [SECONDS [RECIPE]]. Say it again until it prints "all stages are done"; STATE must hold what the start
# before it left (on the same machine it still does), and spiece.model.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
atlas=$1 state=$2 out=$3 seconds=${4:-540} recipe=${5:-gpu}
mkdir -p "$state" "$out"
status=0
PYTHONUNBUFFERED=1 python3 "$here/train.py" --recipe "$recipe" --atlas "$atlas" --state "$state" --wall "$seconds" || status=$?
going=class.weights # once the encoder of text is there, the painter of classes is done
[ -e "$state/text.average.safetensors" ] && going=text.average
for name in vae.average judge.average class.average "$going" prompt.average prompt.weights; do
  [ -e "$state/$name.safetensors" ] && cp "$state/$name.safetensors" "$out/"
done
for name in class prompt; do
  [ -e "$state/$name.png" ] && cp "$state/$name.png" "$out/"
done
[ $status = 0 ] && echo "all stages are done" || echo "to be continued (status $status)"
