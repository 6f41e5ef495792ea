#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# bench.sh: turtles and QEMU's TCG, alternating, on the same kernel and initramfs: medians of RUNS runs each. "boot" is
# from the start of the program to the first line of user space; the other rows are measured by the guest's own clock.
# Times vary with host and moment: compare the columns, not with other tables.
set -u
. workloads/bench-functions.sh
runs=${RUNS:-5}
results=$BUILD/bench
rm -rf "$results"
mkdir -p "$results"
guest=(-kernel "$GUEST/vmlinuz" -initrd "$GUEST/initramfs.cpio" -m 512 -nographic -no-reboot
	-append "console=ttyS0 quiet panic=-1 turtles.run=rows")
columns=(turtles)
command -v qemu-system-x86_64 > /dev/null && columns+=(qemu)

command_of()
{
	case $1 in
	turtles) echo "$BUILD/turtles run" ;;
	qemu) echo "qemu-system-x86_64 -accel tcg -cpu max" ;;
	esac
}

# run COLUMN: append lines "ROW NS" to the column's results
run()
{
	local start line name ns done=
	local -a command
	read -ra command <<< "$(command_of "$1")"
	start=$(host_clock)
	while IFS= read -r line; do
		line=${line%$'\r'}
		case $line in
		*"init: user space"*) note "$1" boot $((($(host_clock) - start) * 1000)) ;;
		"row "*)
			read -r _ name ns <<< "$line"
			note "$1" "$name" "$ns"
			[ "$name" = fault ] && done=1
			;;
		esac
	done < <("${command[@]}" "${guest[@]}" < /dev/null 2>> "$results/$1.errors")
	[ "$done" ] || { echo "$1 didn't come to the last row:" >&2; tail -n 3 "$results/$1.errors" >&2; return 1; }
}

for ((i = 0; i < runs; i++)); do
	for column in "${columns[@]}"; do
		progress "run $((i + 1)) of $runs: $column"
		run "$column" || exit 1
	done
done

host_line "$runs"
[ ${#columns[@]} = 2 ] && qemu-system-x86_64 --version | head -n 1
{
	if [ ${#columns[@]} = 2 ]; then
		echo "row turtles/ms qemu-tcg/ms ratio"
	else
		echo "row turtles/ms"
	fi
	for row in boot int sort matmul memcpy chase syscall fork pipe fault; do
		echo "$row $(median turtles $row) $([ ${#columns[@]} = 2 ] && median qemu $row)"
	done | awk 'NF == 3 { printf "%s %.2f %.2f %.2f\n", $1, $2 / 1e6, $3 / 1e6, $2 / $3 }
		NF == 2 { printf "%s %.2f\n", $1, $2 / 1e6 }'
} | table 10
