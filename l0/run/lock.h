/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A lock for code that may run while the guest's vector state is in the host's registers: no libc, so the futex is called directly. Free:
 * 0; held: 1; held and waited for: 2. Its holder may take it again.
 */
#ifndef L0_RUN_LOCK_H
#define L0_RUN_LOCK_H

#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include "../cpu/types.h"

struct lock {
	_Atomic u32 word;
	u32 depth;
	void *_Atomic owner; /* __builtin_thread_pointer() */
};

/* `word` is u32, the call returns at once if it isn't `value` any more; spurious wake-ups happen. */
static inline void futex_wait(_Atomic u32 *word, u32 value)
{
	long ret;
	register u64 r10 __asm__("r10") = 0; /* no time limit */

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"((long)SYS_futex), "D"(word), "S"((long)(FUTEX_WAIT | FUTEX_PRIVATE_FLAG)),
			   "d"((long)value), "r"(r10)
			 : "rcx", "r11", "memory");
}

static inline void futex_wake(_Atomic u32 *word, u32 how_many)
{
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"((long)SYS_futex), "D"(word), "S"((long)(FUTEX_WAKE | FUTEX_PRIVATE_FLAG)),
			   "d"((long)how_many)
			 : "rcx", "r11", "memory");
}

#define LOCK_SPINS 100

static inline void lock_take(struct lock *l)
{
	void *self = __builtin_thread_pointer();
	u32 free = 0;

	if (atomic_load_explicit(&l->owner, memory_order_relaxed) == self) {
		l->depth++;
		return;
	}
	if (!atomic_compare_exchange_strong_explicit(&l->word, &free, 1, memory_order_acquire, memory_order_relaxed)) {
		for (int i = 0; i < LOCK_SPINS && atomic_load_explicit(&l->word, memory_order_relaxed); i++)
			__builtin_ia32_pause();
		while (atomic_exchange_explicit(&l->word, 2, memory_order_acquire))
			futex_wait(&l->word, 2);
	}
	atomic_store_explicit(&l->owner, self, memory_order_relaxed);
}

static inline bool lock_mine(const struct lock *l)
{
	return atomic_load_explicit(&l->owner, memory_order_relaxed) == __builtin_thread_pointer();
}

static inline void lock_give(struct lock *l)
{
	if (l->depth) {
		l->depth--;
		return;
	}
	atomic_store_explicit(&l->owner, NULL, memory_order_relaxed);
	if (atomic_exchange_explicit(&l->word, 0, memory_order_release) == 2)
		futex_wake(&l->word, 1);
}

/* However often it was taken: for who left by longjmp() */
static inline void lock_drop(struct lock *l)
{
	if (!lock_mine(l))
		return;
	l->depth = 0;
	lock_give(l);
}

#endif
