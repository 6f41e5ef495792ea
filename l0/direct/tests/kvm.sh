#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# One tiny guest on both engines: its console, its interrupts, and each way to end. Without a /dev/kvm that works, the
# rows for it are skipped with the reason.
turtles=$BUILD/turtles
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

. .ci/tap.sh

# build END: a guest that ends so
build()
{
	gcc -m32 -DEND="END_$1" -c "$here/guest.S" -o "$folder/$1.o" &&
		ld -m elf_i386 -N -Ttext=0x100000 -z noexecstack --no-warn-rwx-segments -o "$folder/$1" "$folder/$1.o"
}

# ends END CODE LINES TEXT OPTION...: turtles exits with CODE, the guest's line came LINES times, TEXT is on stderr
ends()
{
	local end=$1 code=$2 lines=$3 text=$4 status
	shift 4
	timeout 60 "$turtles" --engine "$engine" --kernel "$folder/$end" --memory 64 --timeout 20 \
		--device isa-debug-exit,iobase=0xf4,iosize=1 "$@" > "$folder/console" 2> "$folder/errors" < /dev/null
	status=$?
	if [ $status != "$code" ] || [ "$(grep -c 'hello from the guest' "$folder/console")" != "$lines" ] ||
		! { cat "$folder/errors"; echo; } | grep -q -- "$text"; then
		echo "# exit code $status; console and errors:"
		sed 's/^/# /' "$folder/console" "$folder/errors"
		status=
	fi
	[ -n "$status" ]
	ok $? "engine $engine: a guest that ends with ${end,,} exits with $code $*"
}

for end in EXIT TRIPLE_FAULT HALT LOOP RESET; do
	build $end || { ok 1 "the guest builds"; plan; exit 1; }
done

for engine in bt kvm; do
	if [ $engine = kvm ]; then
		"$turtles" --engine kvm --kernel "$folder/HALT" --timeout 20 > /dev/null 2> "$folder/errors" < /dev/null
		if [ $? = 3 ]; then
			skip "engine kvm" "$(head -n 1 "$folder/errors")"
			continue
		fi
	fi
	: > "$folder/stats"
	ends EXIT 3 1 "" --stats "$folder/stats"
	grep -q '"schema"' "$folder/stats"
	ok $? "engine $engine: stats are written"
	if [ $engine = kvm ]; then
		grep -q '"MMIO": 2' "$folder/stats" && grep -q '"irq_lines"' "$folder/stats"
		ok $? "engine kvm: exits are counted by reason"
	fi
	ends TRIPLE_FAULT 4 1 "triple fault at rip" --no-reboot
	ends TRIPLE_FAULT 4 3 "triple fault, 3 times"
	ends HALT 4 1 "nothing can wake it"
	ends LOOP 124 1 "timeout" --timeout 1
	ends RESET 0 1 "" --no-reboot
	ends EXIT 3 1 "^cr0=" --dump-on-exit
	ends EXIT 3 1 "" --memory 4096
	ends EXIT 3 1 "" --vcpus 3
	ends RESET 0 1 "" --no-reboot --vcpus 3
	# each time the others' threads leave their vCPUs and come back
	timeout 60 "$turtles" --engine "$engine" --kernel "$folder/RESET" --memory 64 --timeout 2 --vcpus 3 \
		> "$folder/console" 2> "$folder/errors" < /dev/null
	[ $? = 124 ] && [ "$(grep -c 'hello from the guest' "$folder/console")" -gt 1 ]
	ok $? "engine $engine: a machine with three vCPUs is reset again and again"
done
plan
