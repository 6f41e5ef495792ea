#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# bench-nested.sh: Debian's KVM as L1 and Debian's Linux as its guest, on turtles (VMX) and on QEMU's TCG (SVM), alternating, with the same
# kernel, initramfs, VMM and programs: medians of RUNS runs. First what L2's exits cost, then programs in L2 beside the same in L1 of
# the same run. Times are by the clock of the level that they are of; "clock" says how fast that goes by the host's, and ends
# this script with exit code 1 if that isn't 1.
set -u
. workloads/bench-functions.sh
runs=${RUNS:-3}
results=$BUILD/bench-nested
rm -rf "$results"
mkdir -p "$results"
guest=(-kernel "$GUEST/vmlinuz" -initrd "$GUEST/nested.cpio" -m 1024 -nographic -no-reboot
	-append "console=ttyS0 quiet panic=-1 rdinit=/nested turtles.run=bench")
columns=(turtles)
command -v qemu-system-x86_64 > /dev/null && columns+=(qemu)

command_of()
{
	case $1 in
	turtles) echo "$BUILD/turtles run -cpu Skylake-Server,+vmx" ;;
	qemu) echo "qemu-system-x86_64 -accel tcg -cpu EPYC,+svm" ;;
	esac
}

# run COLUMN: append lines to the column's results: "LEVEL.ROW NS", and for the clocks parts in a million
run()
{
	local start=0 line level name ns now done=
	local -A guest_start host_start
	local -a command
	read -ra command <<< "$(command_of "$1")"
	while IFS= read -r line; do
		now=$(host_clock)
		line=${line%%$'\r'*}
		case $line in
		"nested-bench: VMM starts") start=$now ;;
		"nested-bench: L2 is there") note "$1" host.boot $(((now - start) * 1000)) ;;
		"nested-bench: end") done=1 ;;
		"L"[12]" row clock "*)
			read -r level _ name ns <<< "$line"
			if [ "${host_start[$level]-}" ]; then
				note "$1" "$level.clock" $(((ns - guest_start[$level]) * 1000 / (now - host_start[$level])))
			else
				guest_start[$level]=$ns host_start[$level]=$now
			fi
			;;
		"L"[12]" row "*)
			read -r level _ name ns <<< "$line"
			note "$1" "$level.$name" "$ns"
			;;
		*"FAIL: "*) echo "$line" >> "$results/$1.errors" ;;
		esac
	done < <(timeout 600 "${command[@]}" "${guest[@]}" < /dev/null 2>> "$results/$1.errors")
	[ "$done" ] && [ "$(median "$1" L2.fault)" ] && return
	echo "$1 didn't come to the last row:" >&2
	tail -n 3 "$results/$1.errors" >&2
	return 1
}

for ((i = 0; i < runs; i++)); do
	for column in "${columns[@]}"; do
		progress "nested, run $((i + 1)) of $runs: $column"
		run "$column" || exit 1
	done
done

host_line "$runs"
# name in the results, divisor, name in the table
{
	if [ ${#columns[@]} = 2 ]; then
		echo "L2's_exits turtles qemu-tcg ratio"
	else
		echo "L2's_exits turtles"
	fi
	while read -r row divisor name; do
		echo "$name $divisor $(median turtles "$row") $([ ${#columns[@]} = 2 ] && median qemu "$row")"
	done << END | awk '{ printf "%s %.2f", $1, $3 / $2 } NF == 4 { printf " %.2f %.2f", $4 / $2, $3 / $4 } { print "" }'
L2.cpuid 10000e3 cpuid/us
L2.port 1000e3 port_write_to_the_VMM/us
L2.fresh 1000e3 EPT_violation/us
L1.boot 1e6 boot,_L1's_clock/ms
host.boot 1e6 boot,_host's_clock/ms
END
} | table 30
for column in "${columns[@]}"; do
	echo
	{
		echo "$column L1/ms L2/ms L2/L1"
		for row in int sort matmul memcpy chase syscall fork fault; do
			echo "$row $(median "$column" L1.$row) $(median "$column" L2.$row)"
		done | awk '{ printf "%s %.2f %.2f %.2f\n", $1, $2 / 1e6, $3 / 1e6, $3 / $2 }'
		echo "$(median "$column" L1.clock) $(median "$column" L2.clock)" |
			awk '{ printf "clock,_host:_1 %.3f %.3f %.3f\n", $1 / 1e6, $2 / 1e6, $2 / $1 }'
	} | table 30
done
for column in "${columns[@]}"; do
	for level in L1 L2; do
		permille=$(($(median "$column" $level.clock) / 1000))
		[ $permille -gt 950 ] && [ $permille -lt 1050 ] && continue
		echo "$column: $level's clock makes $permille ms in a second: its times above are wrong" >&2
		status=1
	done
done
exit "${status:-0}"
