#!/bin/sh
# make-peers.sh DIR [SUITE]: a folder with current container engines of Debian SUITE (default: sid), for
# `npm run bench -- --peers DIR`. Uses this machine's own Debian mirror. Needs root and mmdebstrap.
set -eu

target=${1:?usage: make-peers.sh DIR [SUITE]}
suite=${2:-sid}
packages=crun,runc,podman,docker.io,docker-cli,containerd,bubblewrap,skopeo,umoci,iptables,nftables,ca-certificates,fuse-overlayfs

if [ -e "$target" ]; then
  echo "make-peers: $target exists already" >&2
  exit 1
fi
mirror=$(sed -n 's/^URIs: *\([^ ]*\).*/\1/p; s/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\).*/\2/p' \
  /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null | grep -v security | head -n 1)
if [ -z "$mirror" ]; then
  echo 'make-peers: no Debian mirror in /etc/apt' >&2
  exit 1
fi
# A mirror that stands still at one day is good enough to compare with.
exec mmdebstrap --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' --include="$packages" \
  "$suite" "$target" "$mirror"
