#!/bin/bash
# display.sh COMMAND...: runs COMMAND on a display of its own (Xvfb) with a small window manager, because without one dialogs
# get no focus. Display, manager and message bus end with the command; its exit status is this script's.
set -euo pipefail
scratch=$(mktemp -d)
pids=()
clean_up ()
{
  for pid in "${pids[@]}"; do
    kill "$pid" 2>/dev/null || true
  done
  wait 2>/dev/null || true
  rm -rf "$scratch"
}
trap clean_up EXIT

Xvfb -displayfd 3 -screen 0 1400x1000x24 -nolisten tcp >"$scratch/xvfb.log" 2>&1 3>"$scratch/number" &
pids+=($!)
for _ in $(seq 100); do
  [ -s "$scratch/number" ] && break
  sleep 0.1
done
[ -s "$scratch/number" ] || { cat "$scratch/xvfb.log" >&2; echo "display.sh: Xvfb did not start" >&2; exit 1; }
export DISPLAY=:$(tr -d '[:space:]' <"$scratch/number")
unset WAYLAND_DISPLAY
export GDK_BACKEND=x11 LIBGL_ALWAYS_SOFTWARE=1

XDG_CONFIG_HOME=$scratch openbox --sm-disable >"$scratch/openbox.log" 2>&1 &
pids+=($!)
for _ in $(seq 50); do
  xprop -root _NET_SUPPORTING_WM_CHECK 2>/dev/null | grep -q 'window id' && break
  sleep 0.1
done
export XDG_RUNTIME_DIR=$scratch/runtime
mkdir -m 700 "$XDG_RUNTIME_DIR"
# What the message bus starts would talk into the command's output.
exec 4>&1
status=0
dbus-run-session -- bash -c '"$@" >&4' display "$@" >/dev/null || status=$?
exit $status
