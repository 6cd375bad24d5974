#!/bin/bash
# build.sh [--out DIR] [--archs "75 90"] [--release] [--jobs N] [--cache DIR]; build.sh --find only says which CUDA there is.
# Makes DIR/libpentimento-cuda.so out of the .cu files beside it, with nothing but nvcc and the C++ compiler that nvcc takes; and
# DIR/libpentimento-cuda.txt, which says how. ./dev, meson and ./dev gpu-check all call this. The module exports one symbol and
# needs neither CUDA's libraries nor libstdc++ where it is loaded, so that it may be built on another system than the core (of no
# newer C library). Objects are kept in the cache by what they were made of. Ends with 77 and a line why where there is no nvcc,
# or one older than CUDA 13.
# Architectures are compute capabilities, machine code for each; by default 75 and 90, and that of the card that is here. A
# release is for all cards from 75 on: it has PTX of the last too, from which drivers make code for newer ones.
set -euo pipefail

here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd -P)
core=$(cd "$here/../.." && pwd -P)
name=libpentimento-cuda
out=. archs= ptx= jobs=$(nproc) cache= find=

fail () { printf 'build.sh: %s\n' "$*" >&2; exit 1; }
skip () { printf '%s\n' "$*"; exit 77; }

while [ $# -gt 0 ]; do
  case $1 in
    --out) out=$2; shift ;;
    --archs) archs=$2; shift ;;
    --release) archs="75 80 86 89 90" ptx=90 ;;
    --jobs) jobs=$2; shift ;;
    --cache) cache=$2; shift ;;
    --find) find=1 ;;
    *) fail "there is no option \"$1\"." ;;
  esac
  shift
done

nvcc=${NVCC:-$(type -P nvcc || true)}
[ -n "$nvcc" ] || [ ! -x "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" ] || nvcc=${CUDA_HOME:-/usr/local/cuda}/bin/nvcc
[ -n "$nvcc" ] || skip "CUDA's compiler nvcc is not here"
version=$("$nvcc" --version | sed -n 's/.*release \([0-9.]*\),.*/\1/p')
[ "${version%%.*}" -ge 13 ] || skip "CUDA $version is too old, 13 is needed"
[ -z "$find" ] || { echo "CUDA $version, $nvcc"; exit; }

here_too=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | tr -d . | sort -u || true)
archs=$(printf '%s\n' ${archs:-75 90 $here_too} | sort -nu | tr '\n' ' ')
archs=${archs% }
mkdir -p "$out"
out=$(cd "$out" && pwd -P)
cache=${cache:-$out/objects}
mkdir -p "$cache"
exec 8>"$out/lock"
flock 8

threads=1; [ "$jobs" -lt 8 ] || threads=4 # of one file, an architecture each
flags="-std=c++17 -O3 --threads=$threads -Xcompiler=-fPIC,-fvisibility=hidden,-Wall,-Wno-unused-function"
for arch in $archs; do flags+=" -gencode=arch=compute_$arch,code=sm_$arch"; done
[ -z "$ptx" ] || flags+=" -gencode=arch=compute_$ptx,code=compute_$ptx"

# What all objects are made of, beside their own source.
shared=$(cat "$here"/*.h "$here"/gpu/*.h "$core/backend/ops.h" "$core/tensor/dtype.h" "$here/build.sh" |
         sha256sum; printf '%s %s %s' "$("$nvcc" --version)" "$(c++ -dumpfullversion 2>/dev/null)" "$flags")

# one FILE OBJECT: compiled under another name, so that an object is whole or not there.
one ()
{
  "$nvcc" $flags -I "$core" -I "$here" -I "$here/gpu" -c "$1" -o "$2.half.o" && mv "$2.half.o" "$2" ||
    { printf '%s was not compiled\n' "$1" >&2; return 1; }
}

objects=() status=0 running=0
for source in "$here"/*.cu "$here"/gpu/*.cu; do
  [ -f "$source" ] || continue
  object=$cache/$(basename "$source" .cu)-$( { printf '%s' "$shared"; cat "$source"; } | sha256sum | cut -c 1-24).o
  objects+=("$object")
  if [ -f "$object" ]; then touch "$object"; continue; fi
  while [ "$running" -ge "$jobs" ]; do wait -n || status=1; running=$((running - 1)); done
  one "$source" "$object" 8>&- &
  running=$((running + 1))
done
while [ "$running" -gt 0 ]; do wait -n || status=1; running=$((running - 1)); done
[ $status = 0 ] || fail "the module was not built."
find "$cache" -name '*.o' -mtime +14 -delete

summary="CUDA $version; architectures $archs${ptx:+; PTX $ptx}"
digest=$(printf '%s\n' "${objects[@]}" | sha256sum | cut -c 1-24)
if [ ! -f "$out/$name.so" ] || [ "$(cat "$out/$name.digest" 2>/dev/null)" != "$digest" ]; then
  rm -f "$out/$name.digest" "$out/$name.txt"
  printf '{ global: pentimento_cuda_module; local: *; };\n' >"$out/$name.map"
  "$nvcc" -shared -cudart static -Xcompiler=-fPIC \
    -Xlinker "--version-script=$out/$name.map",--no-undefined,--exclude-libs,ALL,-soname,$name.so \
    -Xcompiler=-static-libstdc++,-static-libgcc "${objects[@]}" -o "$out/$name.half.so"
  mv "$out/$name.half.so" "$out/$name.so"
  rm "$out/$name.map"
  printf '%s\n' "$digest" >"$out/$name.digest"
fi
printf '%s\n' "$summary" >"$out/$name.txt"
