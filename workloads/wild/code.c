/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Code that changes while it runs, and more code than anything could keep. */
#include "wild.h"

#define OP_MOV_EAX 0xb8 /* with 4 bytes of immediate */
#define OP_INC_EAX 0x40
#define OP_RET 0xc3

/* mov $value, %eax; ret: 6 bytes */
static void put_function(u32 at, u32 value)
{
	MEM8(at) = OP_MOV_EAX;
	MEM32(at + 1) = value;
	MEM8(at + 5) = OP_RET;
}

/* SDM vol. 3, "Handling Self- and Cross-Modifying Code": within one CPU a jump or nothing at all is needed. */
void guest_writes_over_the_next_instruction(void)
{
	for (u32 i = 0; i < 1000; i++) {
		u32 result;

		__asm__ volatile("movl %1, 1f + 1\n"
				 "1: movl $0, %0"
				 : "=a"(result)
				 : "c"(i * 0x01010101)
				 : "memory");
		EXPECT(result == i * 0x01010101);
	}
	PASS();
}

void guest_writes_over_its_loop(void)
{
	u32 sum = 0, count = 100000;

	/* The immediate that is added grows with every turn. */
	__asm__ volatile("movl $0, 2f + 2\n"
			 "1: incl 2f + 2\n"
			 "2: addl $0x11111111, %0\n"
			 "dec %1\n"
			 "jnz 1b"
			 : "+d"(sum), "+c"(count)
			 :
			 : "memory", "cc");
	EXPECT(sum == (u32)((u64)100000 * 100001 / 2));
	PASS();
}

void guest_writes_over_code_on_the_next_page(void)
{
	const u32 at = PLAYGROUND + PAGE - 3; /* the function lies across a page boundary */

	for (u32 i = 0; i < 20000; i++) {
		put_function(at, i);
		EXPECT(call(at) == i);
		/* the second page's part alone, then the first one's */
		MEM8(PLAYGROUND + PAGE) = (u8)~i;
		EXPECT(call(at) == ((i & ~0xff0000u) | (u8)~i << 16));
		MEM8(at + 1) = 0x5a;
		EXPECT((u8)call(at) == 0x5a);
	}
	PASS();
}

/* REP MOVSB puts a new loop over the instruction itself and what follows; the copy is the same code with another number. */
void guest_writes_over_itself_with_rep_movs(void)
{
	const u32 at = PLAYGROUND, source = PLAYGROUND + 2 * PAGE;
	/* mov $source, %esi; mov $at, %edi; mov $32, %ecx; rep movsb; mov $n, %eax; ret */
	static const u8 CODE[32] = { 0xbe, 0, 0, 0,    0,    0xbf,	 0, 0, 0, 0, 0xb9,  32,
				     0,	   0, 0, 0xf3, 0xa4, OP_MOV_EAX, 0, 0, 0, 0, OP_RET };

	for (u32 n = 1; n < 2000; n++) {
		u32 result;

		for (u32 i = 0; i < sizeof(CODE); i++)
			MEM8(at + i) = MEM8(source + i) = CODE[i];
		MEM32(at + 1) = MEM32(source + 1) = source;
		MEM32(at + 6) = MEM32(source + 6) = at;
		MEM32(source + 18) = n;
		__asm__ volatile("call *%1" : "=a"(result) : "r"(at) : "ecx", "esi", "edi", "memory", "cc");
		EXPECT(result == n);
	}
	PASS();
}

/* PUSH writes the instruction that comes next. */
void guest_pushes_over_its_code(void)
{
	for (u32 i = 0; i < 1000; i++) {
		u32 result;

		__asm__ volatile("mov %%esp, %%esi\n"
				 "mov $1f + 5, %%esp\n"
				 "push %2\n"
				 "1: mov $0, %%eax\n"
				 "mov %%esi, %%esp\n"
				 : "=&a"(result)
				 : "m"(i), "c"(i ^ 0xdeadbeef)
				 : "esi", "memory");
		EXPECT(result == (i ^ 0xdeadbeef));
	}
	PASS();
}

void guest_keeps_data_beside_its_code(void)
{
	const u32 counter = PLAYGROUND + 64;

	/* incl counter; ret: the counter is on the same page */
	MEM16(PLAYGROUND) = 0x05ff;
	MEM32(PLAYGROUND + 2) = counter;
	MEM8(PLAYGROUND + 6) = OP_RET;
	MEM32(counter) = 0;
	for (u32 i = 0; i < 1000000; i++)
		call(PLAYGROUND);
	EXPECT(MEM32(counter) == 1000000);
	PASS();
}

/* Every page has code, every page is written to beside it, every time. */
void guest_writes_to_pages_full_of_code(void)
{
	const u32 pages = 4096;

	for (u32 i = 0; i < pages; i++)
		put_function(PLAYGROUND + i * PAGE, i);
	for (u32 round = 0; round < 20; round++)
		for (u32 i = 0; i < pages; i++) {
			EXPECT(call(PLAYGROUND + i * PAGE) == i);
			for (u32 k = 0; k < 8; k++)
				MEM32(PLAYGROUND + i * PAGE + 64 + k * 128) = round;
		}
	PASS();
}

/* Half a million functions, all of them alive: called twice, in opposite order. */
void guest_fills_the_code_cache(void)
{
	const u32 n = 500000, size = 16;

	for (u32 i = 0; i < n; i++)
		put_function(PLAYGROUND + i * size, i ^ 0x5a5a5a5a);
	for (u32 i = 0; i < n; i++)
		EXPECT(call(PLAYGROUND + i * size) == (i ^ 0x5a5a5a5a));
	for (u32 i = n; i-- > 0;)
		EXPECT(call(PLAYGROUND + i * size) == (i ^ 0x5a5a5a5a));
	PASS();
}

/* As a compiler that starts over at the same place: many MiB of code pass through a few pages. */
void guest_generates_code_again_and_again(void)
{
	for (u32 round = 0; round < 400; round++) {
		u32 at = PLAYGROUND;

		/* 2000 INCs with a jump to the next instruction every now and then */
		MEM8(at++) = OP_MOV_EAX;
		MEM32(at) = round;
		at += 4;
		for (u32 i = 0; i < 2000; i++) {
			MEM8(at++) = OP_INC_EAX;
			if (i % 16 == round % 16) {
				MEM16(at) = 0x00eb;
				at += 2;
			}
		}
		MEM8(at) = OP_RET;
		EXPECT(call(PLAYGROUND) == round + 2000);
	}
	PASS();
}
