#!/bin/bash
# demo.sh BUILD PROFILE OUT: paints a hamburger with the plug-in in a GIMP without windows; leaves demo.xcf, demo.png,
# contact-sheet.png and words.png in OUT and prints a line per layer. The first sheet shows the same run from the command line:
# one row a layer of the model, one column an attention head; the second what a prompt's words looked at. Called by ./dev demo,
# which has put `pentimento` on PATH.
set -euo pipefail
build=$1 profile=$2 out=$3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
class=hamburger seed=7 layers=4,6 step=10
prompt='a watermelon to the left of a red apple on a green meadow'
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

quoted () { printf '"%s"' "$(printf '%s' "$1" | sed 's/[\\"]/\\&/g')"; }

paint ()
{
  local batch
  batch="(begin
    (define demo-xcf $(quoted "$scratch/demo.xcf"))
    (define demo-png $(quoted "$scratch/demo.png"))
    (define demo-text $(quoted "$scratch/layers"))
    (define (demo-paint)
      (car (plug-in-pentimento-generate #:run-mode RUN-NONINTERACTIVE #:class \"$class\" #:seed $seed #:read \"subject,received\"
                                   #:show-layers \"$layers\" #:show-heads \"all\" #:show-steps \"$step\")))
    (load $(quoted "$here/demo.scm")))"
  . "$profile/environment"
  env -u DISPLAY -u WAYLAND_DISPLAY gimp-console-3.0 --new-instance --no-interface --no-splash \
    --batch-interpreter plug-in-script-fu-eval --batch "$batch" --quit >"$scratch/log" 2>&1 </dev/null || true
  [ -s "$scratch/layers" ] || { cat "$scratch/log" >&2; echo "demo: GIMP did not finish; what it said is above." >&2; exit 1; }
}

# The same run's maps from the command line, titled and put into rows and columns.
sheet ()
{
  pentimento generate --quiet --class "$class" --seed "$seed" --show "layers=$layers;heads=all;steps=$step;read=received" \
    --sheet "$scratch/contact-sheet.png" --sheet-by heads
}

words ()
{
  pentimento generate --quiet --prompt "$prompt" --seed 4 --sheet "$scratch/words.png" \
    --show "layers=recommended;heads=mean;steps=$step;read=word-share;words=watermelon,apple"
}

paint
sheet
words
mv "$scratch/demo.xcf" "$scratch/demo.png" "$scratch/contact-sheet.png" "$scratch/words.png" "$out/"
cat "$scratch/layers"
