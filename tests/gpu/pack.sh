#!/bin/bash
# pack.sh DIR: puts into DIR what a machine with a compiler but without the libraries' headers lacks to build core, program and
# tests with build.py: GLib, json-glib, libpng and OpenBLAS from Debian 12 (whose C library is older than those of the machines
# that CUDA 13 runs on), unpacked, without links, about 15 MB. Needs apt and a network; changes nothing outside DIR.
set -euo pipefail

out=$(realpath -m "$1")
packages="libglib2.0-0 libglib2.0-dev libjson-glib-1.0-0 libjson-glib-dev libpng16-16 libpng-dev zlib1g libpcre2-8-0 libffi8
  libmount1 libblkid1 libselinux1 libopenblas-serial-dev"
triplet=x86_64-linux-gnu

fail () { printf 'pack.sh: %s\n' "$*" >&2; exit 1; }

# Debian's own mirror among this machine's sources, else the usual one.
mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(ORIGIN)' 'Created-By: Packages' 2>/dev/null |
         awk '$3 == "Debian" && $2 !~ /security/ { print $1; exit }')
mirror=${mirror:-http://deb.debian.org/debian}
keys=/usr/share/keyrings/debian-archive-keyring.gpg
[ -f "$keys" ] || fail "the package debian-archive-keyring is needed."

half=$(mktemp -d)
trap 'rm -rf "$half"' EXIT
mkdir -p "$half/lists/partial" "$half/debs/partial" "$half/root" "$half/out/include" "$half/out/lib"
printf 'deb [signed-by=%s arch=amd64] %s bookworm main\n' "$keys" "$mirror" >"$half/sources.list"
apt="apt-get -q -o APT::Architecture=amd64 -o APT::Architectures=amd64 -o Dir::Etc::SourceList=$half/sources.list
  -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists=$half/lists -o Dir::Cache=$half/debs -o APT::Sandbox::User=root"
$apt update >"$half/log" 2>&1 && (cd "$half/debs" && $apt download $packages) >>"$half/log" 2>&1 ||
  { cat "$half/log" >&2; fail "Debian's packages could not be had."; }
for package in "$half"/debs/*.deb; do dpkg -x "$package" "$half/root"; done

cd "$half/root"
cp -RL usr/include/glib-2.0 usr/include/gio-unix-2.0 usr/include/json-glib-1.0 usr/include/libpng16 "$half/out/include/"
cp "usr/lib/$triplet/glib-2.0/include/glibconfig.h" "$half/out/include/glib-2.0/"
cp -RL "usr/include/$triplet/openblas-serial" "$half/out/include/"
find lib usr/lib -name "lib*.so.[0-9]*" | while read -r library; do # under the name that programs ask for
  name=$(objdump -p "$library" | awk '$1 == "SONAME" { print $2 }')
  cp -L "$library" "$half/out/lib/$name"
done
xz -T0 -c "usr/lib/$triplet/openblas-serial/libopenblas.a" >"$half/out/lib/libopenblas.a.xz"
for package in glib2.0-0 json-glib-1.0-0 png16-16 openblas-serial-dev; do
  cp -L "usr/share/doc/lib$package/copyright" "$half/out/copyright-$package"
done
rm -rf "$out"
mkdir -p "$(dirname "$out")"
mv "$half/out" "$out"
printf '%s: %s\n' "$out" "$(du -sh "$out" | cut -f 1)"
