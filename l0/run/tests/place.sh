#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Where the threads of several L1s run, and how much of a CPU each gets.
turtles=$BUILD/turtles
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2> /dev/null; rm -rf "$folder"' EXIT

. .ci/tap.sh

if [ ! -e "$GUEST/bin/wild" ]; then
	skip_all "threads run where they are placed" "no guest images: make guest"
fi

common="--kernel $GUEST/bin/wild --memory 64 --append spins --serial null"
# what this process may use, one a line
mapfile -t pus < <(taskset -cp $$ | sed 's/.*: //' | tr ',' '\n' | awk -F- '{ for (i = $1; i <= ($2 ? $2 : $1); i++) print i }')
first=${pus[0]}

# spin SECONDS OPTION...: each L1's instructions, in ${insns[@]}
spin()
{
	# shellcheck disable=SC2086
	"$turtles" run $common --timeout "$1" --stats "$folder/stats" "${@:2}" < /dev/null 2> "$folder/errors"
	mapfile -t insns < <(sed -n '/"life"/,/}/s/.*"insns": \([0-9]*\),*/\1/p' "$folder/stats")
}

# ratio WHAT A B LOW HIGH: A/B lies there, in hundredths
ratio()
{
	local r=$(($2 * 100 / ($3 > 0 ? $3 : 1)))
	echo "# $1: $r %"
	[ $r -ge "$4" ] && [ $r -le "$5" ]
	ok $? "$1"
}

spin 3 --place "$first" --l1 a --l1 b
ratio "with equal shares on one CPU two L1s get on alike" "${insns[0]}" "${insns[1]}" 95 105
spin 3 --place "$first" --l1 a,shares=200 --l1 b
ratio "with 2:1 one gets on twice as far" "${insns[0]}" "${insns[1]}" 180 220
spin 3 --place "$first" --l1 a,shares=50 --l1 b,shares=100 --l1 c,shares=100
ratio "of three with 1:2:2 the first has half of the second's" "${insns[0]}" "${insns[1]}" 45 55
ratio "and the second has the third's" "${insns[1]}" "${insns[2]}" 95 105

# cpu SECONDS OPTION...: CPU time of the run in ms
cpu()
{
	local TIMEFORMAT='%3U %3S'
	{ time spin "$@"; } 2>&1 | awk '{ print int(($1 + $2) * 1000) }'
}
start=$(cpu 0.1 --l1 a)
ms=$(($(cpu 3.1 --l1 a,cap=20) - start))
echo "# $ms ms"
[ $ms -le 690 ] && [ $ms -ge 200 ]
ok $? "a cap of 20 percent is 0.6 seconds in three"
ms=$(($(cpu 3.1 --l1 a,cap=20,vcpus=2) - start))
echo "# $ms ms"
[ $ms -le 720 ]
ok $? "two vCPUs share it"

# bound POLICY L1S WANT: where the vCPUs' threads may run
bound()
{
	local pid where want=$3 options=() i
	for ((i = 0; i < $2; i++)); do options+=(--l1 "n$i"); done
	# shellcheck disable=SC2086
	"$turtles" run $common --timeout 20 --place "$1" "${options[@]}" < /dev/null 2> "$folder/errors" &
	pid=$!
	for ((i = 0; i < 200; i++)); do
		where=$(for t in /proc/$pid/task/*; do
			if grep -q '^vcpu' "$t/comm"; then sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "$t/status"; fi
		done 2> /dev/null | sort -n | tr '\n' ' ')
		[ "$where" = "$want" ] && break
		sleep 0.05
	done
	kill $pid
	wait $pid
	[ "$where" = "$want" ] || echo "# $where instead of $want"
	[ "$where" = "$want" ]
	ok $? "with --place $1 the threads of $2 L1s run there"
}
bound "$first" 2 "$first $first "
if [ ${#pus[@]} -gt 1 ]; then
	second=${pus[1]}
	bound "$first,$second" 3 "$first $first $second "
	bound spread 2 "$first ${pus[${#pus[@]} / 2]} "
	bound pack 2 "$first $second "
else
	skip "with several CPUs threads are spread" "one CPU"
fi
# shellcheck disable=SC2086
taskset -c "$first" "$turtles" run $common --timeout 0.2 --place "9999,$first" 2> "$folder/errors" < /dev/null
grep -q 'PU 9999 may not be used' "$folder/errors"
ok $? "a CPU that isn't there is told, and done without"
if [ ${#pus[@]} -gt 1 ]; then
	# shellcheck disable=SC2086
	taskset -c "$second" "$turtles" run $common --timeout 0.2 --place "$first" 2> "$folder/errors" < /dev/null
	[ $? = 124 ] && grep -q 'none of these PUs may be used' "$folder/errors"
	ok $? "so are all that a cpuset forbids"
else
	skip "so are all that a cpuset forbids" "one CPU"
fi
# shellcheck disable=SC2086
"$turtles" run $common --timeout 0.2 --place 9999 2> "$folder/errors" < /dev/null
[ $? = 3 ] && [ "$(wc -l < "$folder/errors")" = 1 ]
ok $? "if the host has none of them, that is an error"

plan
