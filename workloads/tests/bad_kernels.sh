#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's kernel, damaged. What can't be started is refused in one line that names the file; what can has an end.
turtles=$BUILD/turtles
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
kernel=$GUEST/vmlinuz

. .ci/tap.sh

if [ ! -e "$GUEST/initramfs.cpio" ]; then
	skip_all "damaged kernels are refused" "no guest images: make guest"
fi

# run OPTION...: sets status; stdout and stderr are files in the folder. A kernel that panics resets.
run()
{
	timeout -k 5 120 "$turtles" run --memory 256 --no-reboot --timeout 60 --append 'console=ttyS0 panic=-1 turtles.run=nothing' "$@" < /dev/null > "$folder/out" 2> "$folder/err"
	status=$?
}

# refused WHAT FILE OPTION...: one line that names FILE, nothing on the console
refused()
{
	local what=$1 file=$2
	shift 2
	run "$@"
	[ $status = 2 ] && [ "$(wc -l < "$folder/err")" = 1 ] && grep -qF "$file" "$folder/err" && [ ! -s "$folder/out" ] ||
		{ echo "# exit code $status"; sed 's/^/# /' "$folder/err"; false; }
	ok $? "$what is refused"
}

# ends WHAT OPTION...: whatever becomes of it, at most one line and a documented exit code
ends()
{
	local what=$1
	shift
	run "$@"
	case $status in 0 | 2 | 4) [ "$(wc -l < "$folder/err")" -le 1 ] ;; *) false ;; esac ||
		{ echo "# exit code $status"; sed 's/^/# /' "$folder/err"; false; }
	ok $? "$what has an end"
}

# patch OFFSET BYTES: a copy of the kernel with other bytes there (printf's spelling), at $folder/kernel
patch()
{
	cp "$kernel" "$folder/kernel"
	# shellcheck disable=SC2059
	printf "$2" | dd of="$folder/kernel" bs=1 seek="$(($1))" conv=notrunc status=none
}

size=$(stat -c %s "$kernel")
for bytes in 1 512 1000 4096 100000 $((size / 2)) $((size - 4096)); do
	head -c "$bytes" "$kernel" > "$folder/short"
	refused "a kernel of $bytes bytes" "$folder/short" --kernel "$folder/short"
done

# fields of the setup header: Linux's Documentation/x86/boot.rst
patch 0x1f1 '\377'
refused "a kernel with 255 setup sectors" "$folder/kernel" --kernel "$folder/kernel"
patch 0x1f4 '\377\377\377\377'
refused "a kernel that claims 64 GiB" "$folder/kernel" --kernel "$folder/kernel"
patch 0x260 '\377\377\377\377'
refused "a kernel that needs 4 GiB to unpack itself" "$folder/kernel" --kernel "$folder/kernel"
patch 0x202 '\0\0'
refused "a kernel with a boot protocol before 2.00" "$folder/kernel" --kernel "$folder/kernel"
patch 0x1fe '\0\0'
ends "a kernel without the boot sector's signature" --kernel "$folder/kernel"
patch 0x230 '\3\0\0\0'
ends "a kernel with an alignment of 3" --kernel "$folder/kernel"
patch 0x258 '\377\377\377\377\377\377\377\377'
ends "a kernel that prefers the last address" --kernel "$folder/kernel"
patch 0x22c '\0\0\0\0'
ends "a kernel that takes no initrd anywhere" --kernel "$folder/kernel" --initrd "$GUEST/initramfs.cpio"
patch 0x238 '\0\0\0\0'
ends "a kernel that takes no command line" --kernel "$folder/kernel"

# its own memory, its initrd's, its command line's
refused "a kernel larger than memory" "$kernel" --kernel "$kernel" --memory 16
truncate -s 300M "$folder/initrd"
refused "an initrd larger than memory" "$folder/initrd" --kernel "$kernel" --initrd "$folder/initrd"
truncate -s 1T "$folder/initrd"
refused "an initrd larger than the address space" "$folder/initrd" --kernel "$kernel" --initrd "$folder/initrd"
: > "$folder/initrd"
refused "an empty initrd" "$folder/initrd" --kernel "$kernel" --initrd "$folder/initrd"
refused "an initrd that is a folder" "$folder" --kernel "$kernel" --initrd "$folder"
refused "a command line of 5000 bytes" "command line" --kernel "$kernel" --append "$(head -c 5000 /dev/zero | tr '\0' x)"

# what only the guest itself can find: it says so and halts
field()
{
	od -A n -t "u$2" -j "$(($1))" -N "$2" "$kernel" | tr -d ' '
}
patch "($(field 0x1f1 1) + 1) * 512 + $(field 0x248 4)" 'not what was packed'
run --kernel "$folder/kernel" --append 'earlyprintk=ttyS0,115200 console=ttyS0'
[ $status = 4 ] && [ "$(wc -l < "$folder/err")" = 1 ] && grep -q 'nothing can wake it' "$folder/err" ||
	{ echo "# exit code $status"; sed 's/^/# /' "$folder/err"; tail -n 5 "$folder/out" | sed 's/^/# /'; false; }
ok $? "a kernel whose packed part is damaged halts for ever"
head -c 1000000 /dev/urandom > "$folder/initrd"
ends "a kernel with garbage for an initrd" --kernel "$kernel" --initrd "$folder/initrd"
plan
