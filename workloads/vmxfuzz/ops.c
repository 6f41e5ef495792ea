/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VMX instructions, each with a way back from an exception. */
#include "vmxfuzz.h"

#define FLAG_CF 1u
#define FLAG_ZF 0x40u
#define ENTRY_FAULTED 0x80000000u

u64 op_counts[4];

static u32 outcome(u64 flags)
{
	u32 result = flags & FLAG_CF ? FAIL_INVALID : flags & FLAG_ZF ? FAIL_VALID : OK;

	if (trap_vector)
		result = FAULTED + (u32)trap_vector - 1;
	op_counts[result < FAULTED ? result : 3]++;
	return result;
}

/* The instruction `text`, whose operands are what follows; `flags` is %0. */
#define TRY(text, ...) \
	do { \
		u64 flags; \
		trap_vector = 0; \
		__asm__ volatile("lea 1f(%%rip), %%rax; mov %%rax, trap_recover(%%rip)\n" text "\n" \
				 "1: pushf; pop %%rax; movq $0, trap_recover(%%rip)" \
				 : "=&a"(flags) \
				 : __VA_ARGS__ \
				 : "memory", "cc"); \
		return outcome(flags); \
	} while (0)

u32 vmxon(const void *operand)
{
	TRY("vmxon (%1)", "r"(operand));
}

static u32 vmclear_at(const void *operand)
{
	TRY("vmclear (%1)", "r"(operand));
}

static u32 vmptrld_at(const void *operand)
{
	TRY("vmptrld (%1)", "r"(operand));
}

static u32 vmptrst_at(void *operand)
{
	TRY("vmptrst (%1)", "r"(operand));
}

static u32 vmread_at(u64 field, void *operand)
{
	TRY("vmread %1, (%2)", "r"(field), "r"(operand));
}

static u32 vmwrite_at(u64 field, const void *operand)
{
	TRY("vmwrite (%2), %1", "r"(field), "r"(operand));
}

static u32 invept(u64 type, const void *operand)
{
	TRY("invept (%2), %1", "r"(type), "r"(operand));
}

static u32 invvpid(u64 type, const void *operand)
{
	TRY("invvpid (%2), %1", "r"(type), "r"(operand));
}

static u32 vmxoff(void)
{
	TRY("vmxoff", "i"(0));
}

static u32 vmcall(void)
{
	TRY("vmcall", "i"(0));
}

static u32 vmfunc(void)
{
	TRY("vmfunc", "c"(0));
}

u32 vmwrite(u64 field, u64 value)
{
	TRY("vmwrite %2, %1", "r"(field), "r"(value));
}

static u64 read_value;

u32 vmread(u64 field, u64 *value)
{
	u32 result = vmread_at(field, &read_value);

	*value = read_value;
	return result;
}

u64 vmget(u64 field)
{
	u64 value;

	return vmread(field, &value) == OK ? value : 0;
}

u32 vmclear(u64 address)
{
	return vmclear_at(&address);
}

u32 vmptrld(u64 address)
{
	return vmptrld_at(&address);
}

bool is_current(u64 address)
{
	u64 current = 0;

	return vmptrst_at(&current) == OK && current == address;
}

u64 rdmsr(u32 msr, u64 otherwise)
{
	u32 low, high;

	trap_vector = 0;
	__asm__ volatile("lea 1f(%%rip), %%rax; mov %%rax, trap_recover(%%rip)\n"
			 "rdmsr\n"
			 "1: movq $0, trap_recover(%%rip)"
			 : "=&a"(low), "=&d"(high)
			 : "c"(msr)
			 : "memory");
	return trap_vector ? otherwise : low | (u64)high << 32;
}

u32 enter_l2(bool launch)
{
	u32 flags;

	trap_vector = 0;
	flags = do_enter(launch);
	if (!flags)
		return OK;
	/* a NMI may have come besides, and is no fault */
	if (flags != ENTRY_FAULTED)
		trap_vector = 0;
	return outcome(flags);
}

void invalidate(void)
{
	static const u64 descriptor[2];

	invept(2, descriptor);
	invvpid(2, descriptor);
}

/* Where an operand may be: memory, a device, where nothing is mapped, a non-canonical address, across two pages. */
static void *some_operand(u64 a, u64 b)
{
	static u64 operand[2];

	operand[0] = a;
	operand[1] = b;
	switch (below(40)) {
	case 0:
		return (void *)(LAPIC + (random64() & 0xff0));
	case 1:
		return (void *)0x123456789000ull;
	case 2:
		return (void *)0x8000000000000000ull;
	case 3:
		return (void *)0xfffffffcull;
	case 4:
		return (void *)0xd0000000ull;
	default:
		return operand;
	}
}

static u64 some_region(void)
{
	u64 address = some_page(true);

	switch (below(6)) {
	case 0:
		return (u64)arena->vmxon;
	case 1:
		return (u64)arena->shadow;
	case 2:
		return (u64)arena->vmcs[below(VMCS_COUNT)];
	case 3:
		if (address < RAM_END) /* it has the revision of a VMCS, or nearly */
			*(volatile u32 *)(address & ~4095ull) = *(u32 *)arena->vmxon ^
								(chance(1, 4) ? 1u << below(32) : 0);
		return address;
	default:
		return address;
	}
}

static u64 some_encoding(void)
{
	static const u16 ENCODINGS[] = {
#define F(name, enc, ...) enc,
		VMCS_FIELDS(F)
#undef F
	};
	u64 e = ENCODINGS[below(sizeof(ENCODINGS) / sizeof(ENCODINGS[0]))];

	switch (below(6)) {
	case 0:
		return e ^ 1ull << below(64);
	case 1:
		return e | 1;
	case 2:
		return chance(1, 2) ? random64() : random64() & 0x6fff;
	default:
		return e;
	}
}

/* Leave VMX operation and come back, not without trying what doesn't work. */
static void off_and_on(void)
{
	u64 region = (u64)arena->vmxon;

	vmxoff();
	if (chance(1, 2)) {
		u64 other = some_region();

		if (vmxon(some_operand(other, 0)) == OK && other != region)
			vmxoff();
	}
	*(u32 *)arena->vmxon = (u32)rdmsr(0x480, 0) & 0x7fffffff;
	vmxon(&region);
}

void random_op(void)
{
	u64 value;

	switch (below(15)) {
	case 0:
	case 1:
		vmptrld_at(some_operand(some_region(), 0));
		break;
	case 2:
	case 3:
		vmclear_at(some_operand(some_region(), 0));
		break;
	case 4:
		vmptrst_at(some_operand(0, 0));
		break;
	case 5:
		vmread_at(some_encoding(), some_operand(0, 0));
		break;
	case 6:
		vmwrite_at(some_encoding(), some_operand(some_value(8), 0));
		break;
	case 7:
		for (u32 i = 0; i < 8; i++)
			vmread(some_encoding(), &value);
		break;
	case 8:
	case 9:
		value = chance(1, 2) ? some_eptp() : some_page(false);
		invept(chance(1, 8) ? random64() : below(4), some_operand(value, chance(1, 4) ? random64() : 0));
		break;
	case 10:
		value = chance(1, 4) ? random64() : below(4);
		invvpid(chance(1, 8) ? random64() : below(5),
			some_operand(value, chance(1, 2) ? random64() : some_page(false)));
		break;
	case 11:
		off_and_on();
		break;
	case 12:
		if (chance(1, 2))
			vmcall();
		else
			vmfunc();
		break;
	case 13:
		vmxon(some_operand(some_region(), 0));
		break;
	default:
		mutate_memory();
		break;
	}
}
