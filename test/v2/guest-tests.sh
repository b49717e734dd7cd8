#!/bin/sh
# The tests of one list, `files` or `systemd`.
"$SLIPWAY_NODE" test/run.mjs "--list=test/v2/$1.txt" "--prebuilt=build/test-v2/$1" --jobs=2 --timeout=600 --again \
  $(echo "$SLIPWAY_WORDS" | tr , ' ') >"/run/result/output-$1" 2>&1
echo $? >"/run/result/status-$1"
