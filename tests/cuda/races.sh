#!/bin/sh
# races.sh MODULE TEST...: runs tests on the CUDA kernels' host build, built for the thread sanitizer
# (core/backend/cuda/host/watch.h): shared memory that two threads of a block touch without a barrier in between is reported, and
# fails. `ninja cuda-races` calls it.
set -u
module=$1
shift
status=0
for test in "$@"; do
  log=$(mktemp)
  LD_PRELOAD=$(c++ -print-file-name=libtsan.so) TSAN_OPTIONS="exitcode=66 ${TSAN_OPTIONS:-}" \
    PENTIMENTO_CUDA_MODULE=$module "$test" -k >"$log" 2>&1
  result=$?
  races=$(grep -c 'WARNING: ThreadSanitizer' "$log")
  passed=$(grep -c '^ok' "$log")
  echo "$(basename "$test"): $passed passed, $races races, status $result"
  [ "$result" = 0 ] && [ "$races" = 0 ] && [ "$passed" -gt 0 ] || { status=1; grep -v relative "$log" | tail -n 80; }
  rm -f "$log"
done
exit $status
