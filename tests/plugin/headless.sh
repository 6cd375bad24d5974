#!/bin/bash
# headless.sh BUILD: the procedures inside gimp-console, through the test plug-in pentimento-check: painting, placing, prompts,
# errors; then a GIMP without the operation; then the saved files opened again. Prints TAP. Needs no display.
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

settings=()

# One GIMP for several suites; it is believed only when it says so after the last.
gimp ()
{
  local batch="(begin" suite
  for suite; do
    batch+=" (plug-in-pentimento-check #:suite \"$suite\" #:folder \"$scratch\")"
  done
  batch+=" (gimp-message \"every suite was run\"))"
  timeout 240 env "${settings[@]}" gimp-console-3.0 --new-instance --no-interface --no-data --no-fonts \
    --batch-interpreter plug-in-script-fu-eval --batch "$batch" --quit >"$scratch/log" 2>&1 </dev/null || true
  for suite; do
    cat "$scratch/$suite.tap" >>"$scratch/all.tap" 2>/dev/null || true
  done
  if ! grep -q "every suite was run" "$scratch/log"; then
    sed 's/^/# /' "$scratch/log"
    echo "not ok - GIMP ran $*" >>"$scratch/all.tap"
  fi
  if grep -E '^\(pentimento:[0-9]+\): .*CRITICAL' "$scratch/log" | sed 's/^/# /' | grep .; then
    echo "not ok - the plug-in ran without criticals in $*" >>"$scratch/all.tap"
  fi
}

: >"$scratch/all.tap"
"$build/tests/core/make-prompt-model" "$scratch/prompted"
gimp paint place start
gimp export words errors
operation=data/gegl-0.4/plug-ins/pentimento-heatmap.so
mv "$profile/$operation" "$scratch/aside.so"
gimp bare
mv "$scratch/aside.so" "$profile/$operation"
gimp reopen

# What GIMP kept of the standard run's maps, against the program's.
"$build/core/cli/pentimento" generate --quiet --model starter-pixel --class fox --seed 7 --num-steps 4 --npy "$scratch/program" \
  --show 'layers=3,5;heads=0,2;steps=1,-1;read=subject,received' >"$scratch/log" 2>&1 || sed 's/^/# /' "$scratch/log"
for folder in arrays reopened; do
  if diff -r "$scratch/program" "$scratch/$folder" >"$scratch/log" 2>&1; then
    echo "ok - the values in $folder are the program's, bit for bit" >>"$scratch/all.tap"
  else
    sed 's/^/# /' "$scratch/log"
    echo "not ok - the values in $folder are the program's, bit for bit" >>"$scratch/all.tap"
  fi
done

# A catalogue as translators would make it, and where an installation would put it.
catalogue=$profile/gimp/plug-ins/pentimento/locale/de/LC_MESSAGES
mkdir -p "$catalogue"
printf '%s\n' 'msgid ""' 'msgstr "Content-Type: text/plain; charset=UTF-8\n"' 'msgid "Attention"' 'msgstr "Aufmerksamkeit"' \
  'msgid "Subject"' 'msgstr "Gegenstand"' | msgfmt -o "$catalogue/plug-in-pentimento.mo" -
# gettext leaves the C locales alone, and a machine may have no other: C's own files serve under a German name.
for folder in /usr/lib/locale/C.utf8 /usr/lib/locale/C.UTF-8; do
  [ ! -d "$folder" ] || { mkdir -p "$scratch/locale" && cp -r "$folder" "$scratch/locale/de_DE.utf8"; }
done
if [ -d "$scratch/locale/de_DE.utf8" ]; then
  settings=(LOCPATH="$scratch/locale" LC_ALL=de_DE.UTF-8)
  gimp german
else
  printf 'ok - German texts # SKIP this system keeps its C locale elsewhere\nsuite german finished\n' >>"$scratch/all.tap"
fi

for suite in paint place start export words errors bare reopen german; do
  grep -q "^suite $suite finished" "$scratch/all.tap" || echo "not ok - the suite $suite came to its end" >>"$scratch/all.tap"
done
grep -E '^(not )?ok' "$scratch/all.tap" || true
echo "1..$(grep -cE '^(not )?ok' "$scratch/all.tap")"
