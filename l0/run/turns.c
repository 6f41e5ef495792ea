/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turns.h"

#include "../bt/bt.h"
#include "../machine/machine.h"
#include "crash.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

/*
 * void stack_switch(void **from, void *to): what the ABI lets a function keep goes onto the old stack, its end to *from, and all comes
 * back from the new one. MXCSR and the x87 control word are the host's on both sides.
 */
void stack_switch(void **from, void *to);
void stack_first(void);
__asm__(".text\n"
	".type stack_switch, @function\n"
	"stack_switch:\n"
	"	push %rbx\n	push %rbp\n	push %r12\n	push %r13\n	push %r14\n	push %r15\n"
	"	mov %rsp, (%rdi)\n"
	"	mov %rsi, %rsp\n"
	"	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbp\n	pop %rbx\n"
	"	ret\n"
	".size stack_switch, . - stack_switch\n"
	/* where the first switch to a stack returns to: RBX is its vCPU's struct vcpu_thread */
	".type stack_first, @function\n"
	"stack_first:\n"
	"	mov %rbx, %rdi\n"
	"	call turn_main\n"
	"	ud2\n"
	".size stack_first, . - stack_first\n");

#define SAVED_REGISTERS 6

static void go_on(struct vcpu_thread *t)
{
#ifdef __SANITIZE_ADDRESS__
	__sanitizer_finish_switch_fiber(t->fake_stack, NULL, NULL);
#endif
	crash_thread_vcpu(t->v);
	bt_resumed(t->v);
}

static void go_to(struct vcpu_thread *from, struct vcpu_thread *to)
{
	from->turns->current = to->v->index;
#ifdef __SANITIZE_ADDRESS__
	__sanitizer_start_switch_fiber(&from->fake_stack, to->stack, to->stack_size);
#endif
	stack_switch(&from->resume, to->resume);
	go_on(from);
}

/* The bottom of every stack but the first vCPU's: a loop that ends because the machine stops ends for the first one, too. */
void turn_main(struct vcpu_thread *t);
void turn_main(struct vcpu_thread *t)
{
	go_on(t);
	for (;;) {
		vcpu_loop(t);
		go_to(t, t->turns->all);
	}
}

void turns_begin(struct turns *turns)
{
	for (unsigned int i = 0; i < turns->count; i++) {
		struct vcpu_thread *t = &turns->all[i];
		void **top = (void **)((u8 *)t->stack + t->stack_size);

		t->turns = turns;
		t->idle = false;
		if (!i || t->resume)
			continue;
		/* at stack_first RSP is a multiple of 16, as it has to be before a call */
		top -= 2;
		*--top = (void *)stack_first;
		*--top = t; /* RBX */
		top -= SAVED_REGISTERS - 1;
		t->resume = top;
	}
	turns->current = 0;
}

bool turn_idle(const struct vcpu_thread *t)
{
	return t->idle && !atomic_load_explicit(&t->v->events, memory_order_relaxed);
}

bool turn_take(struct vcpu_thread *t)
{
	struct turns *turns = t->turns;
	unsigned int i, next;

	for (i = 1; i < turns->count; i++) {
		next = (t->v->index + i) % turns->count;
		if (!turn_idle(&turns->all[next])) {
			vcpu_fpu_park(t->v);
			go_to(t, &turns->all[next]);
			return true;
		}
	}
	return false;
}
