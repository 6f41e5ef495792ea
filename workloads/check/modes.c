/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 32-bit code in a 64-bit process: through a far return into compatibility mode, and back through a far jump. */
#include "check.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* what the code and the check share, in the second half of a page below 4 GiB */
struct shared {
	u64 rsp;
	u32 pid; /* by INT 0x80 */
	u32 popped; /* PUSHA and POPA, which 64-bit mode doesn't have */
	u32 adjusted; /* DAA likewise */
	u32 incremented; /* 0x40 is INC EAX here, and a prefix in 64-bit mode */
	u32 far_offset; /* where 64-bit code goes on */
	u32 far_selector;
};

#define SHARED 2048

_Static_assert(offsetof(struct shared, far_offset) == 24, "the assembly below knows the offsets");

/* Position-independent; the page's address is in EBX throughout. */
extern const u8 compat_begin[], compat_back[], compat_end[];
__asm__(".pushsection .rodata\n"
	"compat_begin:\n"
	".code32\n"
	"mov $0x2b, %eax\n mov %eax, %ds\n mov %eax, %es\n"
	"mov $20, %eax\n int $0x80\n mov %eax, 2048+8(%ebx)\n"
	"mov $0x12345678, %eax\n pusha\n xor %eax, %eax\n popa\n mov %eax, 2048+12(%ebx)\n"
	"mov $0x19, %eax\n add $0x28, %al\n daa\n mov %eax, 2048+16(%ebx)\n"
	"mov $0xfffffffe, %eax\n .byte 0x40\n .byte 0x40\n .byte 0x40\n mov %eax, 2048+20(%ebx)\n"
	"ljmp *2048+24(%ebx)\n"
	"compat_back:\n"
	".code64\n"
	"mov 2048(%rbx), %rsp\n"
	"ret\n"
	"compat_end:\n"
	".popsection\n");

static void enter(u8 *page)
{
	__asm__ volatile("push %%rbp\n"
			 "lea 1f(%%rip), %%rax\n push %%rax\n" /* where the page's RET goes */
			 "mov %%rsp, 2048(%%rbx)\n"
			 "lea 4080(%%rbx), %%rsp\n"
			 "pushq $0x23\n push %%rbx\n lretq\n"
			 "1: pop %%rbp\n"
			 :
			 : "b"(page)
			 : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
			   "cc", "memory");
}

void check_code_in_compatibility_mode_runs(void)
{
	u8 *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	struct shared *s = (struct shared *)(page + SHARED);

	EXPECT(page != MAP_FAILED, "mmap: errno %d", errno);
	memcpy(page, compat_begin, (size_t)(compat_end - compat_begin));
	for (int i = 0; i < 100; i++) {
		memset(s, 0, sizeof(*s));
		s->far_offset = (u32)(uintptr_t)(page + (compat_back - compat_begin));
		s->far_selector = 0x33;
		enter(page);
		EXPECT(s->pid == (u32)getpid(), "getpid by INT 0x80 gives %d", (int)s->pid);
		EXPECT(s->popped == 0x12345678, "POPA gives %#x", s->popped);
		EXPECT(s->adjusted == 0x47, "DAA gives %#x", s->adjusted);
		EXPECT(s->incremented == 1, "INC gives %#x", s->incremented);
	}
}
