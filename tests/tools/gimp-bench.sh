#!/bin/bash
# gimp-bench.sh PROFILE: seconds from the call of plug-in-pentimento-generate to the layers, in a warm GIMP without windows:
# the bundled model, all heads of two layers at four steps. The first call (which warms the caches) is left out; the median of
# five is printed as a row of the bench. Called by ./dev bench.
set -euo pipefail
profile=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

. "$profile/environment"
env -u DISPLAY -u WAYLAND_DISPLAY gimp-console-3.0 --new-instance --no-interface --no-splash \
  --batch-interpreter plug-in-script-fu-eval --quit --batch "(begin
    (script-fu-use-v3)
    (define port (open-output-file \"$scratch/times\"))
    (define (microseconds)
      (let ((now (gettimeofday))) (if (pair? now) (+ (* 1000000 (car now)) (cadr now)) now)))
    (define (turn n)
      (if (> n 0)
          (let* ((start (microseconds))
                 (image (car (plug-in-pentimento-generate #:run-mode RUN-NONINTERACTIVE #:model \"starter-pixel\"
                               #:class \"fox\" #:seed n #:read \"received\"
                               #:show-layers \"3,5\" #:show-heads \"all\" #:show-steps \"4,9,14,19\"))))
            (display (- (microseconds) start) port)
            (newline port)
            (gimp-image-delete image)
            (turn (- n 1)))))
    (turn 6)
    (close-output-port port))" >"$scratch/log" 2>&1 </dev/null || true

[ "$(wc -l <"$scratch/times" 2>/dev/null || echo 0)" = 6 ] || {
  cat "$scratch/log" >&2
  echo "gimp-bench: GIMP did not finish; what it said is above." >&2
  exit 1
}
tail -n 5 "$scratch/times" | sort -n | sed -n 3p \
  | awk '{ printf "%-60s %8.4g s\n", "GIMP, from the call to 48 heat-map layers (aim 5)", $1 / 1e6 }'
