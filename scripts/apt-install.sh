#!/bin/sh
# Installs the Debian packages of apt-packages.txt that are missing. Needs root. Says what it does in one line.
set -eu

list=$(dirname "$0")/apt-packages.txt
missing=
for package in $(sed 's/#.*//' "$list"); do
  if ! dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed; then
    missing="$missing $package"
  fi
done
if [ -z "$missing" ]; then
  echo 'every Debian package the tests use is installed'
  exit 0
fi
echo "installing$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
# A service that a package brings along must not be started: invoke-rc.d(8) asks this file.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi
if ! { apt-get update -qq && RUNLEVEL=1 apt-get install -qq -y --no-install-recommends $missing; } >"$log" 2>&1; then
  cat "$log" >&2
  rm -f "$log"
  exit 1
fi
rm -f "$log"
