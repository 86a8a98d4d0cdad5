#!/bin/sh
# A local Redis Cluster of 3 primaries and 3 replicas on free ports, for trying things out:
#
#     scripts/redis-cluster.sh start|stop|status FOLDER
#
# The tests use the same code. Data stay in FOLDER; start goes on with them.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
exec node "$here/run.mjs" test/support/redis-cluster-command.js "$@"
