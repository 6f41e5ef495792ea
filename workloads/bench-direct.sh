#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# bench-direct.sh: user code that runs directly by /dev/kvm (--engine direct) beside the same program on the host and translated (--engine bt),
# in L1 and in L2. RUNS rounds; in each, for either level, the three follow one another, and a ratio is one of neighbours: what stands
# here is the median of the rounds' ratios. Computing rows do as many units at a time as take a quarter of a second, since a process begins
# translated. The line kvm_alone is what /dev/kvm takes with nothing of ours around it (turtles doctor, stay): ended every 4 ms, as L1's ticks do,
# and every 2 ms, as an L2's do in it.
#
# The bars: computing at most 1.05 of native, what keeps entering its kernel no slower than translated.
set -u
. workloads/bench-functions.sh
runs=${RUNS:-5}
results=$BUILD/bench-direct
rm -rf "$results"
mkdir -p "$results"
computing="int sort matmul memcpy chase" entering="syscall fork pipe fault"
program="int=160 sort=24 matmul=600 memcpy=200 chase=10 $entering"
guest=(--kernel "$GUEST/vmlinuz" --memory 1024 --no-reboot)
words="console=ttyS0 quiet panic=-1 transparent_hugepage=always turtles.run=rows:${program// /,}"

# command_of COLUMN: into the array `command`; L1.bt and so on
command_of()
{
	case $1 in
	*.native) read -ra command <<< "$GUEST/bin/rows $program" ;;
	L1.*) command=("$BUILD/turtles" run "${guest[@]}" --initrd "$GUEST/initramfs.cpio" --append "$words") ;;
	L2.*) command=("$BUILD/turtles" run "${guest[@]}" --cpu "Skylake-Server,+vmx" --initrd "$GUEST/nested.cpio"
		--append "$words rdinit=/nested") ;;
	esac
	[[ $1 == *.native ]] || command+=(--engine "${1#*.}" --stats "$results/$1.stats")
}

# run COLUMN: append lines "ROW NS" to the column's results
run()
{
	local line name ns done=
	local -a command

	command_of "$1"
	while IFS= read -r line; do
		line=${line%$'\r'}
		case $line in
		*"row "*)
			read -r name ns <<< "${line#*row }"
			note "$1" "$name" "$ns"
			[ "$name" = fault ] && done=1
			;;
		esac
	done < <(timeout 300 "${command[@]}" < /dev/null 2>> "$results/$1.errors")
	[ "$done" ] || { echo "$1 didn't come to the last row:" >&2; tail -n 3 "$results/$1.errors" >&2; return 1; }
}

"$BUILD/turtles" run --engine direct --kernel "$GUEST/vmlinuz" --timeout 1 --serial null > /dev/null 2> "$results/errors" < /dev/null
if [ $? = 3 ]; then
	echo "user code that runs directly: left out: $(head -n 1 "$results/errors")"
	exit 0
fi
# alone: append what /dev/kvm takes by itself to the columns that it is compared with
alone()
{
	local name value

	while read -r name value; do
		case $name in
		*every_4ms*) note L1.alone kvm_alone "${value%,}" ;;
		*every_2ms*) note L2.alone kvm_alone "${value%,}" ;;
		esac
	done < <("$BUILD/turtles" doctor --json)
}

for ((i = 0; i < runs; i++)); do
	alone
	for level in L1 L2; do
		# not always the same one first
		columns=(native direct bt)
		for ((k = 0; k < 3; k++)); do
			column=$level.${columns[(i + k) % 3]}
			progress "direct, run $((i + 1)) of $runs: $column"
			run "$column" || exit 1
		done
	done
done

# ratio LEVEL A B ROW: the median of A's to B's, run by run
ratio()
{
	paste <(sed -n "s/^$4 //p" "$results/$1.$2") <(sed -n "s/^$4 //p" "$results/$1.$3") | awk '{ print $1 / $2 }' | sort -n |
		awk '{ v[NR] = $1 } END { printf "%.3f", v[int((NR + 1) / 2)] }'
}

ms()
{
	awk -v ns="$(median "$1" "$2")" 'BEGIN { printf "%.2f", ns / 1e6 }'
}

host_line "$runs"
{
	echo "user_code native/ms L1_bt L1_direct L2_bt L2_direct"
	for row in $computing $entering; do
		echo "$row $(ms L1.native "$row") $(ms L1.bt "$row") $(ms L1.direct "$row") $(ms L2.bt "$row") $(ms L2.direct "$row")"
	done
	echo "to_native - L1_bt L1_direct L2_bt L2_direct"
	for row in $computing $entering; do
		echo "$row - $(ratio L1 bt native "$row") $(ratio L1 direct native "$row") $(ratio L2 bt native "$row") $(ratio L2 direct native "$row")"
	done
	printf 'kvm_alone - - %.3f - %.3f\n' "$(median L1.alone kvm_alone)" "$(median L2.alone kvm_alone)"
	echo "direct_to_bt - - L1 - L2"
	for row in $computing $entering; do
		echo "$row - - $(ratio L1 direct bt "$row") - $(ratio L2 direct bt "$row")"
	done
} | table 14
