#!/bin/sh
# make-validation.sh DIR [SUITE...]: the validation programs of opencontainers/runtime-tools with all they need, from Debian's source of
# that package in the first SUITE that has it (default: trixie sid bookworm). Needs apt, golang-go and the golang packages of
# apt-packages.txt; no root. Nothing of the machine's own apt is changed.
set -eu

usage='usage: make-validation.sh DIR [SUITE...]'
target=${1:?$usage}
shift
suites=${*:-trixie sid bookworm}
project=$(cd "$(dirname "$0")/.." && pwd)
package=golang-github-opencontainers-runtime-tools

if [ -e "$target" ]; then
  echo "make-validation: $target exists already" >&2
  exit 1
fi
for program in go apt-get tar xz; do
  if ! command -v "$program" >/dev/null; then
    echo "make-validation: needs the program $program" >&2
    exit 1
  fi
done
mirror=$(sed -n 's/^URIs: *\([^ ]*\).*/\1/p; s/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\).*/\2/p' \
  /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null | grep -v security | head -n 1)
if [ -z "$mirror" ]; then
  echo 'make-validation: no Debian mirror in /etc/apt' >&2
  exit 1
fi

mkdir -p "$(dirname "$target")"
work=$(mktemp -d "$target.XXXXXX")
trap 'rm -rf "$work"' EXIT
work=$(cd "$work" && pwd)

# An apt of its own: where it keeps its lists, and what it asks. A mirror that stands still at one day is good enough.
mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
cat >"$work/apt/conf" <<EOF
Dir::Etc::SourceList "$work/apt/sources";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "$work/apt/lists";
Dir::Cache "$work/apt/cache";
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
APT::Sandbox::User "$(id -un)";
EOF
export APT_CONFIG="$work/apt/conf"

# fetch SUITE: the upstream tarball, whose digest the suite's signed index tells. Some mirrors have not all files of a package.
fetch() {
  echo "deb-src $mirror $1 main" >"$work/apt/sources"
  apt-get update -qq 2>>"$work/log" >&2 || return 1
  apt-get source -qq --print-uris "$package" 2>>"$work/log" | sed -n "s/^'\(.*\)' \([^ ]*\.orig\.tar\.[^ ]*\) [0-9]* \(SHA256:[0-9a-f]*\)\$/\1 \2 \3/p" |
    {
      read -r uri name digest && case $name in *.asc) false ;; esac &&
        /usr/lib/apt/apt-helper download-file "$uri" "$work/source.tar" "$digest" >>"$work/log" 2>&1
    }
}

for suite in $suites; do
  if fetch "$suite"; then break; fi
  rm -f "$work/source.tar"
done
if [ ! -e "$work/source.tar" ]; then
  cat "$work/log" >&2
  echo "make-validation: no source of $package in $suites" >&2
  exit 1
fi

# Programs of a package are built where its name says; Debian's packages of what it imports lie in the second place.
sources="$work/go/src/github.com"
mkdir -p "$sources/opencontainers/runtime-tools" "$sources/mndrix/tap-go" "$work/made"
tar -xf "$work/source.tar" --strip-components=1 -C "$sources/opencontainers/runtime-tools"
cp "$project/test/oci/validation/tap.go" "$sources/mndrix/tap-go/"
cd "$sources/opencontainers/runtime-tools"
GOPATH="$work/go:/usr/share/gocode" GO111MODULE=off GOFLAGS='' GOCACHE="$work/cache" CGO_ENABLED=0 \
  go build -ldflags '-s -w' -o "$work/made/" ./validation/... ./cmd/runtimetest

# The root the programs unpack: the package's own where it has one for this machine, else busybox.
rootfs="rootfs-$(go env GOARCH).tar.gz"
if [ -e "$rootfs" ]; then
  cp "$rootfs" "$work/made/"
else
  root="$work/root"
  mkdir -p "$root/bin" "$root/dev" "$root/etc" "$root/proc" "$root/sys"
  cp "$(command -v busybox)" "$root/bin/busybox"
  busybox --list | while read -r name; do
    if [ "$name" != busybox ]; then ln -s busybox "$root/bin/$name"; fi
  done
  tar -C "$root" -czf "$work/made/$rootfs" .
fi
echo "$package, Debian $suite" >"$work/made/SOURCE"
mv "$work/made" "$target"
