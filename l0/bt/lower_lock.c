/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Locked accesses across lines of the host's cache (SDM vol. 3, "Bus Locking"). Where the host's kernel asks to be told of them ("OS Bus-Lock
 * Detection") each is a #DB for it, and a hypervisor below may make who locks the bus wait: 0.6 ms for each were seen. There C does them,
 * when no other vCPU runs, as it does those across pages on any host. In front of the search of the soft TLB, for the address in A:
 *
 *	pext  rcx, A, gs:bit_mask[3]	distance from the line's start
 *	lea   rcx, [rcx + size-1 + 64]
 *	pext  rcx, rcx, gs:line_mask	1 if the last byte is in the same line
 *	loop  cold			lower_check.c, also of the other forms
 */
#include <cpuid.h>
#include "lower.h"

#define BUS_LOCK_DETECT BIT(24) /* CPUID.(EAX=07H,ECX=0):ECX */
#define CORE_CAPABILITIES BIT(30) /* EDX: the MSR that tells whether a split lock can be an #AC */

bool bt_host_split_locks_trap(void)
{
	unsigned int eax, ebx, ecx, edx;

	return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && ((ecx & BUS_LOCK_DETECT) || (edx & CORE_CAPABILITIES));
}

bool lower_must_not_split(const struct lower *l, const struct insn *i)
{
	if (!l->bt->split_locks_trap || i->z->memory == NO_OPERAND || i->op[i->z->memory].size < 16)
		return false;
	return (i->z->attributes & ZYDIS_ATTRIB_HAS_LOCK) || i->z->mnemonic == ZYDIS_MNEMONIC_XCHG;
}

struct cold *lower_check_split(struct lower *l, u8 areg, unsigned int size)
{
	struct cold *c = lower_new_cold(l, COLD_ACCESS);
	bool near = lower_check_near(l);
	struct emit *e = &l->e;

	emit_pext(e, TC, areg, MEM_TLB(TLB_OFF(bit_mask[3])));
	emit_lea(e, 8, TC, MEM_BASE(TC, (s32)size - 1 + (near ? 64 : 0)));
	emit_pext(e, TC, TC, MEM_TLB(TLB_OFF(line_mask)));
	if (near)
		lower_check_is_one(l);
	lower_check(l, near, c);
	return c;
}

void lower_same_cold(struct cold *to, const struct cold *from)
{
	u8 *place = to->from;

	*to = *from;
	to->from = place;
}
