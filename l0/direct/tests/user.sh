#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# User code that runs directly, in Debian's kernel as L1 and as L2: whenever it is allowed, which is what the self-check is to notice, and
# when it pays, which is what programs are to get. Where /dev/kvm can't do it everything here is skipped, with the reason.
turtles=$BUILD/turtles
limit=${BOOT_SECONDS:-300}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

. .ci/tap.sh

# boot WHAT OPTION...
boot()
{
	local what=$1
	shift
	"$turtles" run --kernel "$GUEST/vmlinuz" --initrd "$GUEST/initramfs.cpio" --memory 512 --no-reboot \
		--append "console=ttyS0 quiet panic=-1 transparent_hugepage=always turtles.run=$what" --timeout "$limit" "$@" < /dev/null
}

# the number NAME of the object "direct" in stats FILE
direct()
{
	sed -n '/"direct": {/,/}/s/^ *"'"$1"'": \([0-9]*\).*/\1/p' "$2"
}

# results FILE: what the guest's checks said, without those of how exact its clocks are: they tell a busy host from an idle one, too
results()
{
	tr -d '\r' < "$1" | grep -E '^(PASS|FAIL|SKIP): ' |
		grep -v -e sleeps_are_as_long -e tsc_is_steady -e agrees_with_the_rtc -e timer_keeps_count |
		sed 's/\[ *[0-9.]*\] .*//' # a line of the kernel's log in the same line
}

# what needs no /dev/kvm
"$turtles" --engine direct --clock insns --kernel "$0" > "$folder/errors" 2>&1
[ $? = 2 ] && grep -q -- "--clock insns" "$folder/errors"
ok $? "nobody counts what runs directly: --engine direct --clock insns is refused"
if [ ! -e "$GUEST/initramfs.cpio" ]; then
	skip_all "user code runs directly" "no guest images: make guest"
fi
boot off --engine auto --clock insns > "$folder/console" 2> "$folder/errors"
grep -q '^turtles: a: engine bt: ' "$folder/errors"
ok $? "--engine auto with --clock insns is bt, and says why"

"$turtles" --engine direct --kernel "$GUEST/vmlinuz" --timeout 1 --serial null > /dev/null 2> "$folder/errors" < /dev/null
if [ $? = 3 ]; then
	skip_all "user code runs directly" "$(head -n 1 "$folder/errors")"
fi
boot off --engine auto > "$folder/console" 2> "$folder/errors"
sed 's/^/# /' "$folder/errors"
grep -qE '^turtles: a: engine (direct|kvm): /dev/kvm is with(out)? VT' "$folder/errors"
ok $? "--engine auto chooses what this host can do, and says why"

# Every check of the guest, as the translator alone does them and with user code that leaves it all the time.
boot check --engine bt > "$folder/bt" 2> "$folder/errors.bt" &
boot check --engine direct --direct eager --stats "$folder/stats" > "$folder/eager" 2> "$folder/errors.eager" &
wait
boot check --engine direct --direct eager --vcpus 2 --stats "$folder/stats.smp" > "$folder/smp" 2> "$folder/errors.smp" &
boot check --engine direct --stats "$folder/stats.adaptive" > "$folder/adaptive" 2> "$folder/errors.adaptive" &
wait
results "$folder/eager" > "$folder/results"
guest_says "user code runs directly" "$folder/results"
for run in bt eager smp adaptive; do
	grep -q '^SUMMARY ' "$folder/$run" && ! results "$folder/$run" | grep '^FAIL' | sed 's/^/# /' | grep .
	ok $? "the guest's self-check comes to its end without a failure: $run"
	[ ! -s "$folder/errors.$run" ] || sed 's/^/# /' "$folder/errors.$run"
	diff <(results "$folder/bt") <(results "$folder/$run") > "$folder/diff"
	status=$?
	sed 's/^/# /' "$folder/diff"
	ok $status "what the guest says is the same: $run"
done
[ "$(direct runs "$folder/stats")" -gt 1000 ] && [ "$(direct runs "$folder/stats.smp")" -gt 1000 ]
ok $? "it ran directly: $(direct runs "$folder/stats") times, and with two vCPUs $(direct runs "$folder/stats.smp")"
[ "$(direct failures "$folder/stats")" = 0 ] && [ "$(direct failures "$folder/stats.smp")" = 0 ]
ok $? "KVM has done all that it was told to"

# vpternlogq of ZMM16 beside other code: where KVM lets it through it is seen once, if the host has it. Whether the program that does it runs
# directly by then is up to how busy the host is.
if grep -qw avx512f /proc/cpuinfo && [ "$(direct scanned_absent "$folder/stats.adaptive")" -gt 0 ]; then
	for ((try = 0; try < 3; try++)); do
		[ "$(direct avx512_used "$folder/stats.adaptive")" = 0 ] || break
		boot check --engine direct --stats "$folder/stats.adaptive" > "$folder/adaptive" 2> "$folder/errors.adaptive"
	done
	[ "$(direct avx512_used "$folder/stats.adaptive")" = 1 ] && grep -q 'uses AVX-512' "$folder/errors.adaptive" &&
		[ "$(direct avx512_used "$folder/stats")" = 0 ]
	ok $? "AVX-512 that was run is noticed, once; with --direct eager there is none"
else
	skip "AVX-512 that was run is noticed" "no page with AVX-512 could run: the host has none, or its KVM has the guest's XCR0"
fi

# What computes stays; what keeps entering its kernel isn't even tried.
boot rows:units=20,int,matmul --engine direct --stats "$folder/computes" > "$folder/console" 2> "$folder/errors"
grep -q '^row matmul ' "$folder/console"
ok $? "programs compute what they have to"
runs=$(direct runs "$folder/computes") ns=$(direct ns "$folder/computes")
echo "# computing: $runs times, $((ns / (runs ? runs : 1) / 1000)) us each"
[ "$runs" -gt 10 ] && [ $((ns / runs)) -gt 1000000 ]
ok $? "computing code runs directly for milliseconds at a time"
# 32 MiB in large pages, five times: their first touches while it runs directly don't come one by one
boot rows:memcpy=20 --engine direct --stats "$folder/large" > "$folder/console" 2> "$folder/errors"
echo "# large pages: $(direct large_pages "$folder/large"), page faults $(direct faults "$folder/large")"
[ "$(direct large_pages "$folder/large")" -gt 30 ] && [ "$(direct faults "$folder/large")" -lt $(($(direct large_pages "$folder/large") * 3 / 2)) ]
ok $? "large pages come with their neighbours"
# A library's function on a page that can't run directly, called two million times
boot rows:units=20,sort --engine direct --stats "$folder/sorts" > "$folder/console" 2> "$folder/errors"
echo "# sorting: back for code $(direct left_code "$folder/sorts") times of $(direct runs "$folder/sorts")"
grep -q '^row sort ' "$folder/console" && [ "$(direct left_code "$folder/sorts")" -lt 4000 ]
ok $? "code that keeps coming to pages which can't run directly stays translated"
boot rows:syscall,fork,fault --engine direct --stats "$folder/calls" > "$folder/console" 2> "$folder/errors"
echo "# system calls, forks and faults: $(direct runs "$folder/calls") times"
[ "$(direct runs "$folder/calls")" -lt 100 ]
ok $? "code that keeps entering its kernel stays translated"

# A compiler goes from one of its thousand pages to the next.
if [ -e "$GUEST/compile.cpio" ]; then
	"$turtles" run --kernel "$GUEST/vmlinuz" --initrd "$GUEST/compile.cpio" --memory 1024 --no-reboot --timeout "$limit" --engine direct \
		--append "console=ttyS0 quiet panic=-1 turtles.run=exec:compile,passes=2,files=2,/compile" --stats "$folder/compiles" \
		> "$folder/console" 2> "$folder/errors" < /dev/null
	echo "# compiling: in and out $(direct kvm_runs "$folder/compiles") times"
	grep -q '^check compile ' "$folder/console" && [ "$(direct kvm_runs "$folder/compiles")" -lt 1000 ]
	ok $? "a large program that has something new all the time stays translated"
else
	skip "a large program stays translated" "no $GUEST/compile.cpio: make guest"
fi

if [ ! -e "$GUEST/nested.cpio" ] || [ -n "$SANITIZE" ]; then
	skip "user code of L2 runs directly" "no guest images, or a build with sanitizers"
	plan
	exit
fi
"$turtles" run --cpu Skylake-Server,+vmx --kernel "$GUEST/vmlinuz" --initrd "$GUEST/nested.cpio" --memory 1024 --no-reboot \
	--append "console=ttyS0 panic=-1 rdinit=/nested turtles.run=check" --timeout "$limit" --engine direct --direct eager \
	--stats "$folder/stats.l2" > "$folder/l2" 2> "$folder/errors" < /dev/null
grep -q 'nested: its guest ended with exit code 0' "$folder/l2"
ok $? "L2 powers off, and its VMM ends well"
diff <(results "$folder/bt") <(results "$folder/l2") > "$folder/diff"
status=$?
sed 's/^/# /' "$folder/diff"
ok $status "what L2 says is what L1 says"
[ "$(direct runs_l2 "$folder/stats.l2")" -gt 1000 ]
ok $? "L2's user code ran directly: $(direct runs_l2 "$folder/stats.l2") times"
plan
