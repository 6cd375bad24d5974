#!/bin/bash
# profile.sh BUILD PROFILE: a private GIMP profile from a build folder: the plug-in with the core's library beside it, the
# GEGL operation where GEGL looks, the icon, the bundled models. Everything GIMP writes stays in PROFILE.
# Afterwards `. PROFILE/environment` sets what GIMP and the tests need.
set -euo pipefail
build=$(cd "$1" && pwd)
mkdir -p "$2"
profile=$(cd "$2" && pwd)
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

plugin=$profile/gimp/plug-ins/pentimento
operations=$profile/data/gegl-0.4/plug-ins
icons=$profile/data/icons/hicolor/scalable/apps
mkdir -p "$plugin" "$operations" "$icons" "$profile"/{cache,config,state} "$profile/data/pentimento"

# A running GIMP keeps its mapped files: they are replaced, never written into.
put ()
{
  cp "$1" "$2/.new"
  mv -f "$2/.new" "$2/$(basename "$1")"
}

put "$build/core/libpentimento-core.so" "$plugin"
put "$build/plugin/pentimento" "$plugin"
put "$build/plugin/gegl/pentimento-heatmap.so" "$operations"
put "$source/data/icons/pentimento.svg" "$icons"
ln -sfn "$source/data/models" "$profile/data/pentimento/models"

cat >"$profile/environment" <<TEXT
export GIMP3_DIRECTORY=$(printf '%q' "$profile/gimp")
export XDG_DATA_HOME=$(printf '%q' "$profile/data")
export XDG_CACHE_HOME=$(printf '%q' "$profile/cache")
export XDG_CONFIG_HOME=$(printf '%q' "$profile/config")
export XDG_STATE_HOME=$(printf '%q' "$profile/state")
export NO_AT_BRIDGE=\${NO_AT_BRIDGE:-1}
unset GEGL_PATH
TEXT

# The welcome dialog would stand in the way; it comes whenever the profile's version is not GIMP's.
if [ ! -e "$profile/gimp/gimprc" ]; then
  version=$(gimp-console-3.0 --version 2>/dev/null | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1 || true)
  cat >"$profile/gimp/gimprc" <<TEXT
(config-version "$version")
(show-welcome-dialog no)
(check-updates no)
(save-session-info no)
TEXT
fi
