/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What compilers make calls of by themselves, where copies and loops stand in the source, for code that may run while the guest's vector
 * state is in the host's registers (vcpu.h): the C library's functions use those. Objects of such code get these names by
 * general.syms, as both the compiler and the size of what is copied decide where there is a call.
 */
#include "types.h"

void *general_memcpy(void *to, const void *from, size_t n);
void *general_memmove(void *to, const void *from, size_t n);
void *general_memset(void *to, int byte, size_t n);
int general_memcmp(const void *a, const void *b, size_t n);
int general_bcmp(const void *a, const void *b, size_t n);

void *general_memcpy(void *to, const void *from, size_t n)
{
	void *p = to;

	__asm__ volatile("rep movsb" : "+D"(p), "+S"(from), "+c"(n) : : "memory");
	return to;
}

void *general_memmove(void *to, const void *from, size_t n)
{
	u8 *p = (u8 *)to + n;
	const u8 *q = (const u8 *)from + n;

	if ((u64)to - (u64)from >= n)
		return general_memcpy(to, from, n);
	while (n--)
		*(volatile u8 *)--p = *--q;
	return to;
}

void *general_memset(void *to, int byte, size_t n)
{
	void *p = to;

	__asm__ volatile("rep stosb" : "+D"(p), "+c"(n) : "a"(byte) : "memory");
	return to;
}

int general_memcmp(const void *a, const void *b, size_t n)
{
	const volatile u8 *p = a, *q = b;

	for (; n; n--, p++, q++)
		if (*p != *q)
			return *p - *q;
	return 0;
}

int general_bcmp(const void *a, const void *b, size_t n)
{
	return general_memcmp(a, b, n);
}
