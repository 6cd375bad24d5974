#!/bin/bash
# headless.sh BUILD: the procedures inside gimp-console, through the test plug-in pentimento-check: painting, placing, errors;
# then a GIMP without the operation; then the saved files opened again. Prints TAP. Needs no display.
set -euo pipefail
build=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
profile=$scratch/profile
bash "$here/profile.sh" "$build" "$profile"
mkdir -p "$profile/gimp/plug-ins/pentimento-check"
cp "$build/tests/plugin/pentimento-check" "$profile/gimp/plug-ins/pentimento-check/"
. "$profile/environment"
unset DISPLAY WAYLAND_DISPLAY PENTIMENTO_MODELS G_DEBUG
export LC_ALL=C.UTF-8

# One GIMP for several suites; it is believed only when it says so after the last.
gimp ()
{
  local batch="(begin" suite
  for suite; do
    batch+=" (plug-in-pentimento-check #:suite \"$suite\" #:folder \"$scratch\")"
  done
  batch+=" (gimp-message \"every suite was run\"))"
  timeout 240 gimp-console-3.0 --new-instance --no-interface --no-data --no-fonts \
    --batch-interpreter plug-in-script-fu-eval --batch "$batch" --quit >"$scratch/log" 2>&1 </dev/null || true
  for suite; do
    cat "$scratch/$suite.tap" >>"$scratch/all.tap" 2>/dev/null || true
  done
  if ! grep -q "every suite was run" "$scratch/log"; then
    sed 's/^/# /' "$scratch/log"
    echo "not ok - GIMP ran $*" >>"$scratch/all.tap"
  fi
}

: >"$scratch/all.tap"
gimp paint place errors
operation=data/gegl-0.4/plug-ins/pentimento-heatmap.so
mv "$profile/$operation" "$scratch/aside.so"
gimp bare
mv "$scratch/aside.so" "$profile/$operation"
gimp reopen

for suite in paint place errors bare reopen; do
  grep -q "^suite $suite finished" "$scratch/all.tap" || echo "not ok - the suite $suite came to its end" >>"$scratch/all.tap"
done
grep -E '^(not )?ok' "$scratch/all.tap" || true
echo "1..$(grep -cE '^(not )?ok' "$scratch/all.tap")"
