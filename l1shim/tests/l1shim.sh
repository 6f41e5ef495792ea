#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Our own L1: each experiment has exactly the exits that it is about, and L1's own counts, by exit and by VMCS field, are L0's.
image=$GUEST/bin/l1shim
rounds=1000
done=33 failed=35 usage=37 missing=39 # exit codes: l1shim/README.md
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

. .ci/tap.sh

if [ ! -e "$image" ]; then
	skip_all "l1shim runs its experiments" "no guest images: make guest"
fi

# shim FEATURES APPEND OPTION...: its lines are in $folder/console, its exit code in $status
shim()
{
	local features=$1 append=$2
	shift 2
	"$BUILD/turtles" run --kernel "$image" --memory 64 --cpu "Skylake-Server$features" --clock insns --append "$append" \
		-device isa-debug-exit,iobase=0xf4,iosize=0x4 --no-reboot --timeout 60 "$@" \
		< /dev/null > "$folder/raw" 2> "$folder/errors"
	status=$?
	tr -d '\r' < "$folder/raw" > "$folder/console"
	sed 's/^/# /' "$folder/errors"
}

# status_is CODE WHAT
status_is()
{
	[ "$status" = "$1" ] || { echo "# exit code $status instead of $1:"; sed 's/^/# /' "$folder/console"; }
	[ "$status" = "$1" ]
	ok $? "$2"
}

# A stats file as the lines that l1shim prints
counts()
{
	awk '
		$1 == "\"reason\":" { reason = $2 }
		$1 == "\"count\":" { print "count l2_exits", reason, $2 }
		/^        "[a-z0-9_]*": / { section = $1 }
		/^          "/ && section ~ /^"(vmread|vmwrite)":/ { print "count", section, $1, $2 }
		/^          "VM(LAUNCH|RESUME)":/ && section == "\"l1_exits\":" { print "count l1_exits", $1, $2 }
	' "$1" | tr -d '":,' | sort
}

# count SECTION NAME: what l1shim said; nothing is 0
count()
{
	awk -v what="count $1 $2 " 'index($0, what) == 1 { n = $4 } END { print n + 0 }' "$folder/console"
}

# agrees WHAT: L1's counts are L0's
agrees()
{
	counts "$folder/stats" > "$folder/ours"
	grep '^count ' "$folder/console" | sort > "$folder/theirs"
	[ -s "$folder/theirs" ] && diff "$folder/theirs" "$folder/ours" > "$folder/diff"
	status=$?
	head -n 10 "$folder/diff" | sed 's/^/# /'
	ok $status "$1: L1's counts by exit and by VMCS field are L0's"
}

shim ,+vmx "payload=none"
status_is $usage "an unknown payload ends with the list of those there are"
payloads=$(sed -n 's/^payloads: //p' "$folder/console")
case " $payloads " in
*" cpuid "*) ok 0 "cpuid is in the list" ;;
*) ok 1 "cpuid is in the list" ;;
esac

for payload in $payloads; do
	[ "$payload" != module ] || continue
	shim ,+vmx "payload=$payload rounds=$rounds counts=1" --stats "$folder/stats"
	if [ $status = $missing ] && grep -q "^skip $payload: " "$folder/console"; then
		skip "$payload" "$(sed -n "s/^skip $payload: //p" "$folder/console")"
		continue
	fi
	status_is $done "$payload: runs to its end"
	[ "$(grep -c "^row $payload $rounds [0-9]* min [0-9]*$" "$folder/console")" = 1 ]
	ok $? "$payload: one row"
	exits=$(awk '/^count l2_exits / { n += $4; kinds++ } END { if (kinds == 1) print n }' "$folder/console")
	[ "$exits" = "$rounds" ]
	ok $? "$payload: one exit a round, and no other"
	[ "$(count l1_exits VMLAUNCH)" = 1 ] && [ "$(count l1_exits VMRESUME)" = $((rounds - 1)) ]
	ok $? "$payload: one VMRESUME a round, and VMLAUNCH for the first"
	agrees "$payload"
	case $payload in
	cpuid)
		[ "$(count vmread vm_exit_reason)" = $rounds ] && [ "$(count vmread guest_rip)" = $rounds ] &&
			[ "$(count vmwrite guest_rip)" = $((rounds + 1)) ]
		ok $? "cpuid: two VMREADs and one VMWRITE a round" ;;
	loop)
		awk '$1 == "row" { cycles[$2] = $4 }
			END { more = cycles["loop"] - cycles["loop.l1"]; exit !(more > 0 && more < cycles["loop"] / 100) }' "$folder/console"
		ok $? "loop: in L2 it takes no more instructions than in L1 but for the exit" ;;
	esac
done

shim ,+vmx "payload=cpuid rounds=$rounds vmreads=7 vmwrites=3 counts=1" --stats "$folder/stats"
[ "$(count vmread exit_qualification)" = $((7 * rounds)) ] && [ "$(count vmwrite vm_entry_exception_error_code)" = $((3 * rounds)) ]
ok $? "vmreads= and vmwrites= add as many a round"
agrees "vmreads=7 vmwrites=3"

# mov $5, %ecx; 1: vmcall; cpuid; dec %ecx; jnz 1b; hlt: L1 changes no register
printf '\xb9\x05\x00\x00\x00\x0f\x01\xc1\x0f\xa2\xff\xc9\x75\xf7\xf4' > "$folder/module"
shim ,+vmx "payload=module batches=2 rounds=6 counts=1" --initrd "$folder/module" --stats "$folder/stats"
status_is $done "a module halts and the run ends"
grep -q "^row module 3 " "$folder/console"
ok $? "a batch that isn't complete is in no row"
[ "$(count l2_exits VMCALL) $(count l2_exits CPUID) $(count l2_exits HLT)" = "5 5 1" ]
ok $? "a module's exits are counted, those between two rounds as well"
agrees "module"
# mov $'A', %al; mov $0x3f8, %edx; out %al, %dx; mov %eax, 0x50000000; vmcall; jmp to itself: the last round ends it
printf '\xb0A\xba\xf8\x03\x00\x00\xee\x89\x04\x25\x00\x00\x00\x50\x0f\x01\xc1\xeb\xfe' > "$folder/module"
for ept in 1 0; do
	shim ,+vmx "payload=module rounds=1 ept=$ept" --initrd "$folder/module"
	status_is $done "a module's last round ends it, ept=$ept"
	grep -q "^Arow module 1 " "$folder/console"
	ok $? "what it writes to the serial port is printed"
	[ $(($(count l2_exits EPT_VIOLATION) + 2 * $(count l2_exits EXCEPTION_NMI))) = $((2 - ept)) ]
	ok $? "the page that it touches is mapped"
done
printf '\x0f\x0b' > "$folder/module" # ud2
shim ,+vmx "payload=module" --initrd "$folder/module"
status_is $failed "a module's exception is a failure"
grep -q "^l1shim: module: unexpected exit EXCEPTION_NMI .* at 0x400000$" "$folder/console"
ok $? "... which says what and where"
shim ,+vmx "payload=module"
status_is $usage "payload=module without a module is refused"

for run in 1 2; do
	shim ,+vmx "rounds=$rounds counts=1" --stats "$folder/stats.$run"
	status_is $done "all in one run, run $run"
	mv "$folder/console" "$folder/console.$run"
done
diff "$folder/console.1" "$folder/console.2"
ok $? "two runs print the same"
diff <(grep -v "$folder" "$folder/stats.1") <(grep -v "$folder" "$folder/stats.2")
ok $? "two runs have the same stats"

# the ways to L1's VMCS and to L2's memory, which L1 can't tell apart but for EPT
shim ,+vmx "rounds=200 steps=100 counts=1" --stats "$folder/stats"
mv "$folder/console" "$folder/console.1"
for mode in "vmcs-access trap" "vmcs-access shadow" "vmcs-access rewrite" "mmu merge" "mmu walk"; do
	# shellcheck disable=SC2086
	shim ,+vmx "rounds=200 steps=100 counts=1" --stats "$folder/stats" --$mode
	diff "$folder/console.1" "$folder/console"
	ok $? "--$mode: L1 prints the same"
	agrees "--$mode"
done
shim ,+vmx "rounds=200 steps=100 counts=1" --stats "$folder/stats" --mmu shadow
grep -q "^l1shim: VMX .*shadow page tables" "$folder/console"
ok $? "--mmu shadow: L1 shadows"
agrees "--mmu shadow"

# one level deeper: KVM is L1, this is L2, the payloads are L3
if [ -n "$SANITIZE" ] || [ ! -e "$GUEST/nested.cpio" ]; then
	skip "under Debian's KVM" "$([ -n "$SANITIZE" ] && echo "with sanitizers it takes too long" || echo "no guest images: make guest")"
else
	"$BUILD/turtles" run --cpu Skylake-Server,+vmx --kernel "$GUEST/vmlinuz" --initrd "$GUEST/nested.cpio" --memory 1024 \
		--no-reboot --clock insns --timeout 300 --append "console=ttyS0 panic=-1 rdinit=/nested turtles.l2=l1shim \
		turtles.cpu=Skylake-Server,+vmx turtles.options=-append,rounds=200" < /dev/null > "$folder/raw" 2>&1
	tr -d '\r' < "$folder/raw" > "$folder/console"
	grep -q "its guest ended with exit code $done" "$folder/console"
	ok $? "it runs to its end as a guest of Debian's KVM"
	grep -e '^count l[12]_exits ' "$folder/console.1" > "$folder/ours"
	[ -s "$folder/ours" ] && grep '^count ' "$folder/console" | diff "$folder/ours" -
	ok $? "KVM gives it the exits that we do"
fi

shim "" "payload=cpuid"
status_is $missing "without VMX it says so and ends"
grep -q "doesn't offer VMX" "$folder/console"
ok $? "... by name"
shim ,+vmx,-vmx-invept "payload=cpuid"
status_is $missing "with half an EPT it ends"
grep -q "doesn't offer EPT as L1 needs it: .*vmx-invept" "$folder/console"
ok $? "... by name"
shim ,+vmx,-vmx-rdtsc-exit "payload=rdtsc"
status_is $missing "an experiment that can't be is refused"
shim ,+vmx,-vmx-rdtsc-exit "payload=rdtsc,cpuid,hlt"
status_is $missing "... also as one of several"

# what it can do without: lists of features, and what its first line then says
while read -r features says; do
	shim ",+vmx,$features" "rounds=200 steps=100 counts=1" --stats "$folder/stats"
	status_is $done "it runs with $features"
	grep -q "^l1shim: VMX .*$says" "$folder/console"
	ok $? "... and says: $says"
	agrees "$features"
done << 'LIST'
-vmx-vpid VPID off
-vmx-ept VPID on, shadow page tables
-vmx-secondary-ctls VPID off, shadow page tables
-vmx-ept-2mb,-vmx-true-ctls EPT, 4 KiB pages
-vmx-invept-all-context,-vmx-eptad EPT, 2 MiB pages
LIST
for options in "vpid=0" "large=0 ad=1" "ad=1" "ept=0" "ept=0 vpid=0 large=0"; do
	shim ,+vmx "rounds=200 steps=100 counts=1 $options" --stats "$folder/stats"
	status_is $done "it runs with $options"
	agrees "$options"
done
shim ,+vmx "payload=cpuid" --memory 32
status_is $missing "with too little memory it ends"
[ "$status" != "$failed" ]
ok $? "... and not as if something had gone wrong"
plan
