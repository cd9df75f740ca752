#!/usr/bin/env bash
# The whole pipeline on this machine: a logger with NATS inside, a reflector and
# a continuous prober, on unprivileged loopback addresses. Readable lines of all
# three appear here, and the address of the page; Ctrl-C ends everything.
set -u
set -m # each service in a process group of its own, so that Ctrl-C reaches this script alone
cd "$(dirname "$0")/.."

bin=${TWAMP_RUN_BIN:-bin}
data=${TWAMP_RUN_DATA:-data}
nats=${TWAMP_RUN_NATS:-nats://127.0.0.1:14222}
port=${TWAMP_RUN_UDP:-18620}
page=${TWAMP_RUN_PAGE:-127.0.0.1:8620}
admin=${TWAMP_RUN_ADMIN:-1986} # the last digit is the service

has_ipv6() {
	if [ -r /proc/net/if_inet6 ]; then
		grep -q '^00000000000000000000000000000001 ' /proc/net/if_inet6
	else
		ifconfig lo0 2>/dev/null | grep -q 'inet6 ::1'
	fi
}
target="[::1]:$port"
if ! has_ipv6; then
	target="127.0.0.1:$port"
	echo "This host has no IPv6: testing over IPv4."
fi

pids=()
stop() { # the prober first, so that its last report is heard; the logger with NATS last
	trap '' INT TERM
	for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
		kill -TERM "${pids[i]}" 2>/dev/null
		wait "${pids[i]}" 2>/dev/null || failed=1
	done
	[ "$failed" -eq 0 ] && echo "Ended. The events are in $data/events, the services' own logs in $data."
	exit "$failed"
}
failed=0
trap stop INT TERM

# start NAME COMMAND... runs a service; its own log goes to a file.
start() {
	local name=$1
	shift
	"$@" 2>"$data/$name.log" </dev/null &
	newest=$!
	pids+=("$newest")
}
# ready NAME ADMIN waits until the service says so.
ready() {
	for _ in $(seq 100); do
		"$bin/$1" healthcheck -admin "$2" >/dev/null 2>&1 && return
		kill -0 "$newest" 2>/dev/null || break
		sleep 0.1
	done
	echo "$1 did not become ready:"
	tail -n 5 "$data/$1.log"
	failed=1
	stop
}

mkdir -p "$data" || exit 1
start logger "$bin/logger" -name logger -nats-embedded "$data/nats" -nats-url "$nats" -data "$data/events" -page "$page" -admin "127.0.0.1:${admin}2"
ready logger "127.0.0.1:${admin}2"
echo "Paths and their history are shown at http://$page/"
start reflector "$bin/reflector" -name reflector -listen "$target" -log-packets all -nats-url "$nats" -log-file "$data/reflector.txt" -admin "127.0.0.1:${admin}3"
ready reflector "127.0.0.1:${admin}3"
start prober "$bin/prober" -name prober -continuous -interval 1s -report-interval 2s -nats-url "$nats" -log-file "$data/prober.txt" "$target" >"$data/prober.out"

all_run() {
	local pid
	for pid in "${pids[@]}"; do kill -0 "$pid" 2>/dev/null || return; done
}
# A service that ends by itself ends the rest.
while all_run; do
	sleep 1 &
	wait $!
done
echo "A service has ended; see the logs in $data."
failed=1
stop
