/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * FNSTENV and FNSAVE: the host's would hand out addresses of the code cache as instruction and data pointers. These are 0 here, as
 * for FXSAVE and XSAVE. SDM vol. 1, "x87 FPU State Image"
 */
#include "fpu.h"
#include "insn.h"
#include "mmu.h"

/* control, status and tag word; then pointers. With an operand size of 16 each takes two bytes, else four. */
#define ENVIRONMENT_WORDS 7
#define REGISTERS 80 /* bytes */

static void clear_pointers(u8 *image, unsigned int word)
{
	unsigned int i;

	for (i = 3 * word; i < ENVIRONMENT_WORDS * word; i++)
		((volatile u8 *)image)[i] = 0;
}

static void check(struct vcpu *v, union insn_args a, unsigned int size, u64 *linear)
{
	if (a.is_reg)
		raise_ud(v);
	*linear = segment_linear(v, a.seg, v->ea, size, ACC_WRITE);
	mmu_check(v, *linear, size, mmu_data(v, ACC_WRITE));
}

/* word: bytes of each of the environment's */
FPU_MAY_BE_LIVE static void store_environment(struct vcpu *v, unsigned int word, u8 image[28])
{
	vcpu_fpu_load_now(v);
	if (word == 2)
		__asm__ volatile("data16 fnstenv %0" : "=m"(*(u8(*)[28])image));
	else
		__asm__ volatile("fnstenv %0" : "=m"(*(u8(*)[28])image));
#ifdef __SANITIZE_THREAD__
	vcpu_fpu_park(v);
#endif
}

FPU_MAY_BE_LIVE static void save(struct vcpu *v, unsigned int word, u8 image[108])
{
	vcpu_fpu_load_now(v);
	if (word == 2)
		__asm__ volatile("data16 fnsave %0" : "=m"(*(u8(*)[108])image));
	else
		__asm__ volatile("fnsave %0" : "=m"(*(u8(*)[108])image));
#ifdef __SANITIZE_THREAD__
	vcpu_fpu_park(v);
#endif
}

void insn_fnstenv(struct vcpu *v, union insn_args a)
{
	unsigned int word = a.size == 2 ? 2 : 4;
	u8 image[28];
	u64 linear;

	check(v, a, ENVIRONMENT_WORDS * word, &linear);
	store_environment(v, word, image);
	clear_pointers(image, word);
	mmu_write_bytes(v, linear, image, ENVIRONMENT_WORDS * word, mmu_data(v, ACC_WRITE));
}

void insn_fnsave(struct vcpu *v, union insn_args a)
{
	unsigned int word = a.size == 2 ? 2 : 4, size = ENVIRONMENT_WORDS * word + REGISTERS;
	u8 image[108];
	u64 linear;

	check(v, a, size, &linear);
	save(v, word, image);
	clear_pointers(image, word);
	mmu_write_bytes(v, linear, image, size, mmu_data(v, ACC_WRITE));
}
