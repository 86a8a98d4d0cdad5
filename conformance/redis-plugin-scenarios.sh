#!/bin/sh
# What people ran the Redis plugin for Mosquitto for, done with three brokers on one Redis Cluster
# and Mosquitto's own clients:
#
#     conformance/redis-plugin-scenarios.sh
#
# Says one line per scenario: ok, or FAILED and why. Exit code 1 when one failed, 2 when
# it could not begin. Whatever it starts, it ends by its process id. TIDEWIRE_BROKER names another
# build of dist/broker.js; KEEP=1 leaves the logs and the data where they are.
set -u
exec </dev/null
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/plugin-XXXXXX")
redis=$root/scripts/redis-cluster.sh
broker=${TIDEWIRE_BROKER:-$root/dist/broker.js}
# Only the files count as settings of the brokers.
for name in $(env | sed -n 's/^\(TIDEWIRE_[A-Z_]*\)=.*/\1/p'); do unset "$name"; done
prefix=plugin:
lease=3
failed=0

# --- what is started, and its end ---------------------------------------------------------------

# Ends a process that this script started: its id is in a file.
end_pid() {
  [ -f "$1" ] || return 0
  kill "-${2:-KILL}" "$(cat "$1")" 2>/dev/null
  rm -f "$1"
}

clean_up() {
  trap - EXIT INT TERM
  for file in "$work"/*.client; do end_pid "$file"; done
  for file in "$work"/*.broker; do end_pid "$file" TERM; done
  "$redis" stop "$work/redis" >/dev/null 2>&1
  if [ "${KEEP:-}" = 1 ]; then echo "logs and data are in $work"; else rm -rf "$work"; fi
}
trap clean_up EXIT
trap 'clean_up; exit 130' INT TERM

give_up() {
  echo "redis-plugin-scenarios: $1" >&2
  exit 2
}

port_of() { sed -n "$1p" "$work/ports"; }

# Starts broker 1, 2 or 3 and waits until it takes clients.
start_broker() {
  : >"$work/broker-$1.log"
  node "$broker" -c "$work/broker-$1.conf" >"$work/broker-$1.log" 2>&1 &
  echo $! >"$work/$1.broker"
  wait_for "broker $1 to start" 30 has_started_or_ended "$1"
  is_ready "$1" || fail "broker $1 ended: $(tail -n 1 "$work/broker-$1.log")"
}

is_ready() { grep -q 'tidewire is ready' "$work/broker-$1.log"; }
has_started_or_ended() { is_ready "$1" || ! kill -0 "$(cat "$work/$1.broker")"; }

kill_broker() { end_pid "$work/$1.broker" KILL; }

# --- what scenarios are made of -----------------------------------------------------------------

fail() {
  echo "$1"
  exit 1
}

# wait_for WHAT SECONDS COMMAND…: until the command succeeds.
wait_for() {
  what=$1
  left=$(($2 * 10))
  shift 2
  until "$@" >/dev/null 2>&1; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || fail "waited for $what in vain"
    sleep 0.1
  done
}

expect() {
  [ "$2" = "$3" ] || fail "$1: expected $(echo "$3" | tr '\n' ' '), got $(echo "$2" | tr '\n' ' ')"
}

lines_in() { wc -l <"$1" | tr -d ' '; }
has_lines() { [ "$(lines_in "$1")" -ge "$2" ]; }

# publish BROKER OPTIONS…
publish() {
  at=$1
  shift
  timeout 20 mosquitto_pub -p "$(port_of "$at")" "$@" || fail "mosquitto_pub at broker $at: $?"
}

# read_at BROKER OPTIONS…: what mosquitto_sub prints until it ends by itself.
read_at() {
  at=$1
  shift
  timeout 30 mosquitto_sub -p "$(port_of "$at")" "$@"
}

# A durable session with a subscription at QoS $4, whose client is gone again.
make_session() {
  timeout 20 mosquitto_sub -p "$(port_of "$1")" -c -i "$2" -t "$3" -q "$4" -E ||
    fail "no session $2 at broker $1"
}

# listen BROKER NAME OPTIONS…: mosquitto_sub in the background, subscribed; prints to NAME.out.
listen() {
  at=$1
  name=$2
  shift 2
  : >"$work/$name.out"
  stdbuf -oL mosquitto_sub -p "$(port_of "$at")" -i "$name" -d "$@" -F 'message %p' \
    >"$work/$name.all" 2>&1 &
  echo $! >"$work/$name.client"
  wait_for "$name to be subscribed" 20 grep -q 'Subscribed (mid' "$work/$name.all"
}

# The payloads that a listener got.
heard_by() { sed -n 's/^message //p' "$work/$1.all"; }
has_heard() { [ "$(heard_by "$1" | sort -u | wc -l)" -ge "$2" ]; }
stop_listening() { end_pid "$work/$1.client" TERM; }

redis_cli() { redis-cli -c -p "$redis_port" --raw "$@"; }

# Messages in a session's queue: an entry's id is <number of its last message>-<messages in it>.
queued() {
  redis_cli XRANGE "$prefix{$1}:q" - + | grep -aE '^[0-9]+-[0-9]+$' |
    awk -F- '{ count += $2 } END { print count + 0 }'
}
has_queued() { [ "$(queued "$1")" -eq "$2" ]; }

members() { redis_cli ZRANGE "$prefix{nodes}" 0 -1; }
has_members() { [ "$(members | wc -l)" -eq "$1" ]; }

# --- the scenarios ------------------------------------------------------------------------------

sessions_restored() {
  make_session 1 phone 'home/+/set' 1
  for text in on off dim; do publish 3 -q 1 -t home/lamp/set -m "$text"; done
  got=$(read_at 2 -c -i phone -t 'home/+/set' -q 1 -C 3 -F '%t %p')
  expect 'at broker 2' "$got" "home/lamp/set on
home/lamp/set off
home/lamp/set dim"
}

offline_messages() {
  make_session 1 meter 'meter/#' 1
  seq 1 20 | timeout 20 mosquitto_pub -p "$(port_of 2)" -q 1 -t meter/1 -l || fail 'mosquitto_pub'
  expect 'messages in Redis while the client is away' "$(queued meter)" 20
  got=$(read_at 3 -c -i meter -t 'meter/#' -q 1 -C 20)
  expect 'at broker 3' "$got" "$(seq 1 20)"
  wait_for 'the acknowledgements to clear the queue' 10 has_queued meter 0
  again=$(read_at 1 -c -i meter -t 'meter/#' -q 1 -W 2)
  expect 'once more, at broker 1' "$again" ''
}

duplicate_suppression() {
  listen 1 overlap -c -q 2 -t 'dup/#' -t 'dup/+' -t dup/a
  (
    for number in $(seq 1 200); do
      echo "$number"
      sleep 0.01
    done
  ) | timeout 60 mosquitto_pub -p "$(port_of 2)" -q 2 -t dup/a -l &
  writer=$!
  wait_for '50 messages' 30 has_heard overlap 50
  kill_broker 1
  start_broker 1
  wait "$writer" || fail 'mosquitto_pub'
  wait_for 'all 200 messages' 40 has_heard overlap 200
  publish 3 -q 2 -t dup/a -m last
  wait_for 'the last message' 20 has_heard overlap 201
  stop_listening overlap
  expect 'each message once, in order' "$(heard_by overlap)" "$(seq 1 200; echo last)"
}

restart_under_load() {
  listen 1 steady -c -q 1 -t 'load/#'
  (
    for number in $(seq 1 300); do
      echo "$number"
      sleep 0.02
    done
  ) | timeout 60 mosquitto_pub -p "$(port_of 2)" -q 1 -t load/a -l &
  writer=$!
  wait_for '50 messages' 30 has_heard steady 50
  kill_broker 1
  wait_for 'the others to be without it' 20 has_members 2
  start_broker 1
  wait "$writer" || fail 'mosquitto_pub'
  wait_for 'all 300 messages' 40 has_heard steady 300
  stop_listening steady
  expect 'none is missing' "$(heard_by steady | sort -nu)" "$(seq 1 300)"
}

retained_after_failover() {
  publish 1 -q 1 -r -t state/door -m open
  kill_broker 1
  for at in 2 3; do
    expect "at broker $at" "$(read_at $at -t state/door -C 1 -W 10 -F '%r %p')" '1 open'
  done
  # Now the primary of Redis that has it.
  pid=$(primary_with_retained)
  [ -n "$pid" ] || fail 'no primary has a retained message'
  kill -9 "$pid"
  wait_for 'the failover' 60 cluster_is_whole
  start_broker 1
  expect 'at a new broker' "$(read_at 1 -t state/door -C 1 -W 10 -F '%r %p')" '1 open'
  publish 1 -q 1 -r -t state/door -m shut
  expect 'written after it' "$(read_at 3 -t state/door -C 1 -W 10 -F '%p')" shut
}

# The process of a primary whose maps are not empty.
primary_with_retained() {
  for shard in 0 1 2 3; do
    key="$prefix{map:$shard}:m"
    [ "$(redis_cli HLEN "$key")" -gt 0 ] || continue
    slot=$(redis_cli CLUSTER KEYSLOT "$key")
    node - "$work/redis/cluster.json" "$slot" <<'SCRIPT'
const [file, slot] = process.argv.slice(2);
const nodes = JSON.parse(require('node:fs').readFileSync(file, 'utf8'));
const owns = ({ slots }) => {
  const [first, last] = slots.split('-').map(Number);
  return slots !== '' && slot >= first && slot <= last;
};
console.log(nodes.find(owns).pid);
SCRIPT
    return
  done
}

# Of the nodes that are there, one that was no primary is one now.
cluster_is_whole() {
  for port in $(cat "$work/redis-ports"); do
    redis_port=$port
    [ "$(redis-cli -p "$port" PING 2>/dev/null)" = PONG ] || continue
    redis-cli -p "$port" CLUSTER NODES |
      awk '$3 ~ /master/ && $3 !~ /fail/ && NF > 8 { count++ } END { exit count != 3 }' || return 1
    redis-cli -p "$port" CLUSTER INFO | grep -q cluster_state:ok || return 1
  done
}

last_values() {
  for number in 1 2 3 4 5; do
    publish $((number % 3 + 1)) -q 1 -r -t "sensors/$number" -m old
    publish $(((number + 1) % 3 + 1)) -q 1 -r -t "sensors/$number" -m "$number"
  done
  for at in 1 2 3; do
    got=$(read_at $at -t 'sensors/+' --retained-only -C 5 -W 10 -F '%t %p' | sort)
    expect "at broker $at" "$got" "$(for n in 1 2 3 4 5; do echo "sensors/$n $n"; done)"
  done
}

last_five() {
  for number in 1 2 3 4 5 6 7 8; do
    publish $((number % 3 + 1)) -q 1 -t sensors/history -m "reading $number"
  done
  got=$(node "$broker" history -c "$work/broker-1.conf" --last 5 sensors/history) ||
    fail "tidewire history: $got"
  for number in 4 5 6 7 8; do
    echo "$got" | grep -q "reading $number" || fail "reading $number is not in: $got"
  done
  if echo "$got" | grep -q 'reading 3'; then fail "more than the last five: $got"; fi
}

visible_in_redis() {
  for at in 1 2 3; do listen "$at" "seen-$at" -c -q 1 -t "seen/$at"; done
  make_session 2 seen-away 'seen/away' 1
  for number in 1 2 3 4 5 6 7; do publish 3 -q 1 -t seen/away -m "$number"; done
  wait_for 'three members' 20 has_members 3
  for at in 1 2 3; do
    node=$(members | grep "^broker-$at~")
    [ -n "$node" ] || fail "broker $at is not among the members: $(members | tr '\n' ' ')"
    owned=$(redis_cli SMEMBERS "$prefix{node:$node}:own")
    echo "$owned" | grep -qx "seen-$at" || fail "broker $at owns seen-$at, not only: $owned"
    count=$(redis_cli SCARD "$prefix{node:$node}:own")
    [ "$count" -ge 1 ] || fail "broker $at owns $count sessions"
    expect "session seen-$at" "$(redis_cli EXISTS "$prefix{seen-$at}:s")" 1
  done
  for at in 1 2 3; do
    node=$(members | grep "^broker-$at~")
    if redis_cli SISMEMBER "$prefix{node:$node}:own" seen-away | grep -qx 1; then
      fail 'a session without a connection has an owner'
    fi
    stop_listening "seen-$at"
  done
  expect 'messages that wait for seen-away' "$(queued seen-away)" 7
}

# --- the run ------------------------------------------------------------------------------------

# scenario NAME FUNCTION: in a process of its own, so that its first failure ends it alone.
scenario() {
  if why=$("$2" 2>"$work/errors"); then
    echo "ok      $1"
  else
    failed=1
    echo "FAILED  $1: $why $(tail -n 1 "$work/errors")"
  fi
  for file in "$work"/*.client; do end_pid "$file"; done
  for at in 1 2 3; do
    [ -f "$work/$at.broker" ] || why=$(start_broker "$at") || echo "broker $at is gone: $why"
  done
}

for tool in node redis-server redis-cli mosquitto_pub mosquitto_sub stdbuf timeout; do
  command -v "$tool" >/dev/null || give_up "$tool is not installed"
done
"$redis" start "$work/redis" >"$work/redis.txt" || give_up 'the Redis Cluster does not start'
[ -f "$broker" ] || give_up "$broker is not there: run npm run build"
redis_nodes=$(sed -n 's/^redis_nodes //p' "$work/redis.txt")
echo "$redis_nodes" | tr ',' '\n' | sed 's/.*://' >"$work/redis-ports"
redis_port=$(head -n 1 "$work/redis-ports")
node -e "
const { createServer } = require('node:net');
const servers = [1, 2, 3].map(() => createServer().listen(0, '127.0.0.1'));
let count = 0;
const print = () => {
  if (++count < 3) return;
  for (const server of servers) console.log(server.address().port);
  for (const server of servers) server.close();
};
for (const server of servers) server.on('listening', print);
" >"$work/ports"

for at in 1 2 3; do
  {
    echo 'allow_anonymous true'
    echo 'store redis'
    echo "redis_nodes $redis_nodes"
    echo "redis_prefix $prefix"
    echo "node_name broker-$at"
    echo "cluster_lease $lease"
    echo 'max_queued_messages 0'
    echo 'history_filter sensors/#'
    echo 'history_acknowledged true'
    echo "listener $(port_of $at) 127.0.0.1"
  } >"$work/broker-$at.conf"
done
for at in 1 2 3; do
  why=$(start_broker $at) || give_up "$why: $(tail -n 3 "$work/broker-$at.log")"
done

scenario 'a session is restored on another broker' sessions_restored
scenario 'offline messages come at the reconnect, and the acknowledgement clears them' \
  offline_messages
scenario 'overlapping subscriptions and a killed broker give each QoS 2 message once' \
  duplicate_suppression
scenario 'a broker is killed and restarted while others publish: nothing is missing' \
  restart_under_load
scenario 'the last message of each topic is read back at every broker' last_values
scenario 'sessions, their owners and their counts are visible with redis-cli' visible_in_redis
scenario 'a retained message outlives its broker and its Redis primary' retained_after_failover
scenario 'the last 5 messages of a topic are read back' last_five
exit $failed
