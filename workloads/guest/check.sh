#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The guest's self-check: selfcheck's checks, then those that need a shell. Lines PASS: name, FAIL: name: why,
# SKIP: name: why; the last line is SUMMARY n passed, m failed.
log=/tmp/check.log

# check NAME FUNCTION: a function passes with exit code 0, skips with 77; the last line it prints says why
check()
{
	why=$($2 2>&1)
	case $? in
	0) echo "PASS: $1" ;;
	77) echo "SKIP: $1: $(echo "$why" | tail -n 1)" ;;
	*) echo "FAIL: $1: $(echo "$why" | tail -n 1)" ;;
	esac
}

# same FOLDER FOLDER: every file of the first is in the second
same()
{
	(cd "$1" && find . -type f) | while read -r file; do
		cmp "$1/$file" "$2/$file" || exit 1
	done
}

tools()
{
	seq 1 20000 > /tmp/numbers
	[ "$(sha256sum < /tmp/numbers)" = "$(gzip -c /tmp/numbers | gunzip | sha256sum)" ] ||
		{ echo "gzip and gunzip change data"; return 1; }
	[ "$(sort -rn /tmp/numbers | sort -n | md5sum)" = "$(md5sum < /tmp/numbers)" ] ||
		{ echo "sort changes data"; return 1; }
	sum=$(awk '{ sum += $1 * 0.5 } END { printf "%.1f", sum }' /tmp/numbers)
	[ "$sum" = 100005000.0 ] || { echo "awk adds up to $sum"; return 1; }
	[ "$(printf abc | sha256sum | cut -c 1-16)" = ba7816bf8f01cfea ] || { echo "sha256sum is wrong"; return 1; }
	[ "$(printf abc | sha512sum | cut -c 1-16)" = ddaf35a193617aba ] || { echo "sha512sum is wrong"; return 1; }
}

jobs_in_background()
{
	rm -rf /tmp/jobs && mkdir /tmp/jobs
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
		(usleep 1000; seq 1 300 | md5sum > /tmp/jobs/$i) &
	done
	wait
	[ "$(cat /tmp/jobs/* | wc -l)" = 16 ] || { echo "jobs are missing"; return 1; }
	[ "$(cat /tmp/jobs/* | sort -u | wc -l)" = 1 ] || { echo "jobs disagree"; return 1; }
}

# a module with a block device, a file system on it, files that survive an unmount
loop_device()
{
	modprobe loop || return 1
	dd if=/dev/zero of=/tmp/disk bs=1M count=12 || return 1
	mke2fs -F /tmp/disk || return 1
	mkdir -p /tmp/mnt
	mount -t ext4 -o loop /tmp/disk /tmp/mnt || return 1
	cp -r /bin /share /tmp/mnt || return 1
	umount /tmp/mnt || return 1
	echo 3 > /proc/sys/vm/drop_caches
	mount -t ext4 -o loop,ro /tmp/disk /tmp/mnt || return 1
	same /bin /tmp/mnt/bin && same /share /tmp/mnt/share || return 1
	umount /tmp/mnt && rmmod loop
}

# The kernel tests each algorithm against vectors of its own when a module registers it.
crypto()
{
	modprobe "$1" > /tmp/modprobe.log 2>&1 || {
		grep -q "No such device" /tmp/modprobe.log && { echo "the CPU doesn't have what it needs"; return 77; }
		cat /tmp/modprobe.log
		return 1
	}
	module=$(echo "$1" | tr - _)
	awk -v module="$module" '
		$1 == "driver" { driver = $3 }
		$1 == "module" { mine = $3 == module; seen += mine }
		$1 == "selftest" && mine && $3 != "passed" { print driver ": selftest " $3; bad = 1 }
		END { if (!seen) print module " registered nothing"; exit bad || !seen }' /proc/crypto
}

aes() { crypto aesni-intel; }
sha1() { crypto sha1-ssse3; }
sha256() { crypto sha256-ssse3; }
sha512() { crypto sha512-ssse3; }
crc32c() { crypto crc32c-intel; }
crct10dif() { crypto crct10dif-pclmul; }

# 400 functions, compiled here, linked with the C library, run
compile()
{
	awk 'BEGIN {
		print "int printf(const char *, ...);"
		for (i = 0; i < 400; i++)
			printf "double f%d(int x, double y) { return x * %d + y / 2 + (x > %d ? f%d(x - 1, y) : 0); }\n",
				i, i, i, (i > 0 ? i - 1 : 0)
		print "int main(void) { double sum = 0;"
		for (i = 0; i < 400; i++)
			printf "sum += f%d(%d, %d.0);\n", i, i + 3, i
		print "printf(\"%.1f\\n\", sum); return 0; }"
	}' > /tmp/program.c
	tcc -o /tmp/program /tmp/program.c || return 1
	for result in "$(/tmp/program)" "$(tcc -run /tmp/program.c)"; do
		[ "$result" = 2176106100.0 ] || { echo "the program prints $result"; return 1; }
	done
}

kernel_log()
{
	! dmesg | grep -E 'BUG:|Oops|WARNING: CPU|self-test.*fail|general protection|double fault|kernel panic'
}

{
	selfcheck
	check tools_of_the_shell_give_known_results tools
	check jobs_in_the_background_all_end jobs_in_background
	check a_file_system_on_a_loop_device_keeps_files loop_device
	check module_aesni_intel_passes_the_kernels_tests aes
	check module_sha1_ssse3_passes_the_kernels_tests sha1
	check module_sha256_ssse3_passes_the_kernels_tests sha256
	check module_sha512_ssse3_passes_the_kernels_tests sha512
	check module_crc32c_intel_passes_the_kernels_tests crc32c
	check module_crct10dif_pclmul_passes_the_kernels_tests crct10dif
	check a_program_compiled_here_runs compile
	check the_kernel_log_has_no_complaint kernel_log
} | tee $log
echo "SUMMARY $(grep -c '^PASS: ' $log) passed, $(grep -c '^FAIL: ' $log) failed"
