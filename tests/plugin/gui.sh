#!/bin/bash
# gui.sh BUILD [OPTION...]: the real GIMP on a display of its own, driven by test-gui (with its OPTIONs,
# such as -p /gui/prompt) through the accessibility bus. Prints TAP.
# Screenshots go to $PENTIMENTO_SCREENSHOTS, or to screenshots/ in the build folder.
set -euo pipefail
build=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ -z "${PENTIMENTO_GUI_INSIDE:-}" ]; then
  export PENTIMENTO_GUI_INSIDE=1 NO_AT_BRIDGE=0
  exec bash "$here/display.sh" bash "${BASH_SOURCE[0]}" "$@"
fi

scratch=$(mktemp -d)
profile=$scratch/profile
gimp=
clean_up ()
{
  # A GIMP with changed images asks before it goes.
  [ -z "$gimp" ] || kill -KILL "$gimp" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$scratch"
}
trap clean_up EXIT
bash "$here/profile.sh" "$build" "$profile"
mkdir -p "$profile/gimp/plug-ins/pentimento-check"
cp "$build/tests/plugin/pentimento-check" "$profile/gimp/plug-ins/pentimento-check/"
. "$profile/environment"
unset G_DEBUG
export LC_ALL=C.UTF-8 PENTIMENTO_CHECK_STATE=$scratch/state HOME=$scratch/home
mkdir -p "$HOME"
export PENTIMENTO_MODELS=$scratch/models
"$build/tests/core/make-prompt-model" "$PENTIMENTO_MODELS/small-words"
export PENTIMENTO_SCREENSHOTS=${PENTIMENTO_SCREENSHOTS:-$build/screenshots}
mkdir -p "$PENTIMENTO_SCREENSHOTS"

gimp-3.0 --new-instance --no-splash --no-fonts >"$scratch/gimp.log" 2>&1 </dev/null &
gimp=$!
status=0
timeout 1500 "$build/tests/plugin/test-gui" --tap "${@:2}" || status=$?
kill -0 "$gimp" 2>/dev/null || { echo "# GIMP itself ended"; status=1; }
if grep -E '^\(pentimento:[0-9]+\): .*CRITICAL' "$scratch/gimp.log" | sed 's/^/# /' | grep .; then
  echo "# the plug-in made critical mistakes"
  status=1
fi
if [ $status != 0 ]; then
  import -window root "$PENTIMENTO_SCREENSHOTS/failed.png" || true
  tail -n 30 "$scratch/gimp.log" | sed 's/^/# /'
fi
exit $status
