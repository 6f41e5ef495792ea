#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Each deliberate mistake in a table must be refused by the compiler, with the message that names it.
set -u
top=$PWD
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0

build() { # files without .c
	for file; do
		${CC:-gcc} -std=gnu11 -I. -Wall -Wextra -Wshadow -Werror -c -o /dev/null "vmcs-shadow/$file.c" || return 1
	done
}

result() { # status, what
	n=$((n + 1))
	if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}

refuse() { # what, expected text, file to edit, sed script, file to compile
	rm -rf "$dir/vmcs-shadow"
	mkdir "$dir/vmcs-shadow"
	cp "$top"/vmcs-shadow/*.[ch] "$dir/vmcs-shadow"
	sed -i "$4" "$dir/vmcs-shadow/$3"
	if cmp -s "$dir/vmcs-shadow/$3" "$top/vmcs-shadow/$3"; then
		echo "# the edit changed nothing"
		result 1 "$1"
	elif out=$(cd "$dir" && build "$5" 2>&1); then
		echo "# accepted"
		result 1 "$1"
	elif echo "$out" | grep -qE "$2"; then
		result 0 "$1"
	else
		echo "# refused for another reason:"
		echo "$out" | head -3 | sed 's/^/# /'
		result 1 "$1"
	fi
}

build vmcs_fields vmx_caps vmcs02 entry_checks check_controls check_host check_guest check_segments
result $? "the tables as they are"
f=vmcs_fields.h
refuse "two fields with one encoding" "duplicate case value" $f '/F(tsc_offset/s/0x2010/0x2004/' vmcs_fields
refuse "a reserved bit in an encoding" "tsc_offset: reserved bit" $f '/F(tsc_offset/s/0x2010/0x3010/' vmcs_fields
refuse "the high half of a field as a field" "tsc_offset: reserved bit or high half" $f '/F(tsc_offset/s/0x2010/0x2011/' vmcs_fields
refuse "an index beyond the lookup table" "tsc_offset: index" $f '/F(tsc_offset/s/0x2010/0x2110/' vmcs_fields
refuse "exit information that is writable" "guest_rip: exit information" $f '/F(guest_rip/s/FROM_12/EXIT_INFO/' vmcs_fields
refuse "a read-only field that the entry fills" "vm_exit_reason: exit information" $f '/F(vm_exit_reason/s/EXIT_INFO, g/FROM_12, g/' vmcs_fields
refuse "a host rule for a guest field" "guest_rip: HOST_12" $f '/F(guest_rip/s/FROM_12/HOST_12/' vmcs_fields
refuse "a read-only field that is shadowed for writing" "vm_exit_reason: shadowed" $f '/F(vm_exit_reason/s/SH_RO/SH_RW/' vmcs_fields
refuse "a merge rule without its function" "merge_guest_rip" $f '/F(guest_rip/s/FROM_12/MERGE/' vmcs02
refuse "a merge function without its rule" "merge_tsc_offset" $f '/F(tsc_offset/s/MERGE/FROM_12/' vmcs02
refuse "a rule that does not exist" "FILL_FROM_21" $f '/F(guest_rip/s/FROM_12/FROM_21/' vmcs02
refuse "a need that does not exist" "VMX_tcs_scaling" $f '/F(tsc_multiplier/s/tsc_scaling/tcs_scaling/' vmcs_fields
refuse "a dependency of a dependency" "GUEST_CR: a dependency" $f '/G(F, GUEST_CR,/s/0, /VMCS_IN(EVENT), /' vmcs02
refuse "two controls with one bit" "duplicate case value" vmx_controls.h '/C(PROC,  hlt_exiting/s/ 7,/ 9,/' vmx_caps
refuse "a default1 control that is offered as 1" "cr3_load_exiting: ZERO" vmx_controls.h '/C(PROC,  cr3_load_exiting/s/ZERO/ONE/' vmx_caps
refuse "a need of a control that does not exist" "VMX_epd" vmx_controls.h '/C(PROC2, ept_violation_ve/s/NEED1(ept)/NEED1(epd)/' vmx_caps
refuse "a merge that does not exist" "CONTROL_NEITHER" vmx_controls.h '/C(PROC,  hlt_exiting/s/EITHER/NEITHER/' vmcs02
refuse "two checks with one name" "redefinition of enumerator|redeclaration of enumerator" checks_controls.h 's/C(vpid_zero/C(eptp_width/' entry_checks
refuse "a check about a field that does not exist" "VMCS_ID_vpid" checks_controls.h 's/ON2(virtual_processor_id/ON2(vpid/' entry_checks
refuse "a check of a section that does not exist" "CHECKS_guest_ssp" entry_checks.h 's/S(guest_rip, /S(guest_ssp, /' entry_checks
echo "1..$n"
