#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# bench-nested.sh: Debian's KVM as L1 and Debian's Linux as its guest, on turtles (VMX) and on QEMU's TCG (SVM), alternating, with the same
# kernel, initramfs, VMM and programs: medians of RUNS runs. First what L2's exits cost, then programs in L2 beside the same in L1 of
# the same run. Times are by the clock of the level that they are of; "clock" says how fast that goes by the host's, and ends
# this script with exit code 1 if that isn't 1.
#
# Bochs (VMX) takes part if BOCHS names it or it is in PATH, and if grub-mkrescue can make an image for it: once, as it is slow. Its guests'
# clock isn't the host's: each row's time is scaled by what the host's clock says of the time around it.
set -u
. workloads/bench-functions.sh
runs=${RUNS:-3}
bochs=${BOCHS:-$(command -v bochs)}
results=$BUILD/bench-nested
rm -rf "$results"
mkdir -p "$results"
append="console=ttyS0 quiet panic=-1 rdinit=/nested turtles.run=bench"
# A machine may take 10 ms to find 2 MiB that it hasn't given us yet, and an L2's start wants a hundred of these: so L1's memory is there
# before it starts, in all columns.
guest=(-kernel "$GUEST/vmlinuz" -initrd "$GUEST/nested.cpio" -m 1024 -mem-prealloc -nographic -no-reboot -append "$append")
columns=(turtles)
command -v qemu-system-x86_64 > /dev/null && columns+=(qemu-tcg)

# An image that Bochs boots from, and its configuration.
prepare_bochs()
{
	local folder=$results/image

	command -v grub-mkrescue > /dev/null || { echo "Bochs: left out, there is no grub-mkrescue" >&2; return 1; }
	mkdir -p "$folder/boot/grub"
	cp "$GUEST/vmlinuz" "$GUEST/nested.cpio" "$folder/boot/"
	printf 'set timeout=0\nmenuentry bench {\n\tlinux /boot/vmlinuz %s\n\tinitrd /boot/nested.cpio\n}\n' "$append" \
		> "$folder/boot/grub/grub.cfg"
	grub-mkrescue -o "$folder.iso" "$folder" > "$results/image.log" 2>&1 ||
		{ echo "Bochs: left out, grub-mkrescue failed:" >&2; tail -n 3 "$results/image.log" >&2; return 1; }
	rm -r "$folder"
	cat > "$results/bochsrc" << END
megs: 1024
cpu: model=corei7_skylake_x, count=1, ips=50000000, reset_on_triple_fault=0
romimage: file=\$BXSHARE/BIOS-bochs-latest
vgaromimage: file=\$BXSHARE/VGABIOS-lgpl-latest.bin
ata0-master: type=cdrom, path=$folder.iso, status=inserted
boot: cdrom
clock: sync=realtime, time0=utc
com1: enabled=1, mode=file, dev=/dev/stdout
display_library: nogui
log: $results/bochs.log
panic: action=fatal
END
}

# command_of COLUMN: into the array `command`
command_of()
{
	case $1 in
	turtles) command=("$BUILD/turtles" run -cpu "Skylake-Server,+vmx" "${guest[@]}") ;;
	qemu-tcg) command=(qemu-system-x86_64 -accel tcg -cpu "EPYC,+svm" "${guest[@]}") ;;
	bochs) command=("$bochs" -q -f "$results/bochsrc") ;;
	esac
}

# scaled COLUMN NS GUEST HOST: ns of a row, around which GUEST ns of the guest's and HOST us of the host's clock went by
scaled()
{
	if [ "$1" = bochs ] && [ "$3" -gt 0 ]; then
		echo $(($2 * $4 * 1000 / $3))
	else
		echo "$2"
	fi
}

# run COLUMN: append lines to the column's results: "LEVEL.ROW NS", and for the clocks parts in a million
run()
{
	local start=0 line level ns row='' row_ns=0 now done=
	local -A guest_start guest_last host_start host_last
	local -a command

	command_of "$1"
	while IFS= read -r line; do
		now=$(host_clock)
		line=${line%%$'\r'*}
		case $line in
		"nested-bench: VMM starts") start=$now ;;
		"nested-bench: L2 is there") note "$1" host.boot $(((now - start) * 1000)) ;;
		"nested-bench: end") done=1 ;;
		"L"[12]" row clock "*)
			read -r level _ _ ns <<< "$line"
			if [ "${host_start[$level]-}" ]; then
				[ "$row" ] && note "$1" "$level.$row" \
					"$(scaled "$1" "$row_ns" $((ns - guest_last[$level])) $((now - host_last[$level])))"
			else
				guest_start[$level]=$ns host_start[$level]=$now
			fi
			row='' guest_last[$level]=$ns host_last[$level]=$now
			;;
		"L"[12]" row boot "*)
			read -r level _ _ ns <<< "$line"
			[ "$1" = bochs ] || note "$1" L1.boot "$ns"
			;;
		"L"[12]" row "*) read -r level _ row row_ns <<< "$line" ;;
		*"FAIL: "*) echo "$line" >> "$results/$1.errors" ;;
		esac
	done < <(timeout 900 "${command[@]}" < /dev/null 2>> "$results/$1.errors")
	for level in "${!host_start[@]}"; do
		note "$1" "$level.clock" $(((guest_last[$level] - guest_start[$level]) * 1000 / (host_last[$level] - host_start[$level] + 1)))
	done
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
if [ "$bochs" ] && prepare_bochs; then
	progress "nested: bochs, once"
	run bochs && columns+=(bochs)
fi

# row NAME DIVISOR ROW: what each column has for ROW, divided, and turtles' part of what each of the others has
row()
{
	local column
	local -a values=()

	for column in "${columns[@]}"; do
		values+=("$(median "$column" "$3")")
	done
	# a column may have nothing
	printf '%s\n' "${values[@]}" | awk -v name="$1" -v divisor="$2" '
		{ v[NR] = $1 }
		END {
			printf "%s", name
			for (i = 1; i <= NR; i++) printf v[i] ? " %.2f" : " -", v[i] / divisor
			for (i = 2; i <= NR; i++) printf v[i] ? " %.2f" : " -", v[i] ? v[1] / v[i] : 0
			print ""
		}'
}

host_line "$runs"
[[ " ${columns[*]} " != *" qemu-tcg "* ]] || qemu-system-x86_64 --version | head -n 1
[[ " ${columns[*]} " != *" bochs "* ]] || echo "Bochs: $bochs, 1 run"
{
	echo "exits_of_L2 ${columns[*]} $([ ${#columns[@]} = 1 ] || printf '/%s ' "${columns[@]:1}")"
	row cpuid/us 10000e3 L2.cpuid
	row port_write_to_the_VMM/us 1000e3 L2.port
	row EPT_violation/us 1000e3 L2.fresh
	row "boot,_by_L1's_clock/ms" 1e6 L1.boot
	row "boot,_by_the_host's/ms" 1e6 host.boot
} | table 26
for column in "${columns[@]}"; do
	echo
	{
		echo "programs_on_$column L1/ms L2/ms L2/L1"
		for row in int sort matmul memcpy chase pages syscall fork fault; do
			echo "$row $(median "$column" L1.$row) $(median "$column" L2.$row)"
		done | awk '{ printf "%s %.2f %.2f %.2f\n", $1, $2 / 1e6, $3 / 1e6, $3 / $2 }'
		[ "$column" = bochs ] || echo "clock/host's $(median "$column" L1.clock) $(median "$column" L2.clock)" |
			awk '{ printf "%s %.3f %.3f %.3f\n", $1, $2 / 1e6, $3 / 1e6, $3 / $2 }'
	} | table 26
done
status=0
for column in "${columns[@]}"; do
	for level in L1 L2; do
		permille=$(($(median "$column" $level.clock) / 1000))
		[ "$column" = bochs ] || { [ $permille -gt 950 ] && [ $permille -lt 1050 ]; } && continue
		echo "$column: $level's clock makes $permille ms in a second of the host's: its times above are wrong" >&2
		status=1
	done
done
exit $status
