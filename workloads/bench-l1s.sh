#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# bench-l1s.sh: several L1s in one process. Two of them on two CPUs against one after the other, RUNS of each, alternating, medians; and how
# two share one CPU, by the instructions that they get done.
set -u
. workloads/bench-functions.sh
runs=${RUNS:-5}
results=$BUILD/bench-l1s
rm -rf "$results"
mkdir -p "$results"
guest=(--kernel "$GUEST/vmlinuz" --initrd "$GUEST/initramfs.cpio" --memory 512 --no-reboot --serial null
	--append "console=ttyS0 quiet panic=-1 turtles.run=check")

# timed WHAT OPTION...: wall time of a run
timed()
{
	local what=$1 start
	shift
	start=$(host_clock)
	"$BUILD/turtles" run "$@" < /dev/null 2>> "$results/errors" || { echo "a run failed:" >&2; tail -n 3 "$results/errors" >&2; exit 1; }
	note l1s "$what" $((($(host_clock) - start) * 1000))
}

cpus=$(nproc)
for ((i = 0; i < runs && cpus > 1; i++)); do
	progress "run $((i + 1)) of $runs"
	timed together "${guest[@]}" --l1 a --l1 b
	timed alone "${guest[@]}"
done

# share OPTION...: instructions of two L1s that spin on one CPU for four seconds
cpu=$(taskset -cp $$ | sed 's/.*: //; s/[,-].*//')
share()
{
	"$BUILD/turtles" run --place "$cpu" --timeout 4 --kernel "$GUEST/bin/wild" --memory 64 --append spins --serial null \
		--stats "$results/stats" "$@" < /dev/null 2> /dev/null
	sed -n '/"life"/,/}/s/.*"insns": \([0-9]*\),*/\1/p' "$results/stats"
}

# ratio OPTION...: the first one's instructions to the second one's; median, as a hypervisor below may take the CPU away for a while
ratio()
{
	for ((i = 0; i < runs; i++)); do
		share "$@" | awk '{ n[NR] = $1 } END { printf "%.3f\n", n[1] / n[2] }'
	done | sort -n | awk '{ r[NR] = $1 } END { print r[int((NR + 1) / 2)] }'
}

host_line "$runs"
{
	echo "what ms ratio"
	if [ "$cpus" -gt 1 ]; then
		together=$(median l1s together) alone=$(median l1s alone)
		awk -v t="$together" -v a="$alone" 'BEGIN {
			printf "two_L1s,_one_after_the_other %.0f 1.00\n", 2 * a / 1e6
			printf "two_L1s_at_once %.0f %.2f\n", t / 1e6, t / (2 * a) }'
	fi
	printf 'equal_shares_of_one_CPU - %s\n' "$(ratio --l1 a --l1 b)"
	printf '2:1_shares_of_one_CPU - %s\n' "$(ratio --l1 a,shares=200 --l1 b)"
} | table 32
