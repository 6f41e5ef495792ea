/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmocka_headers.h"
#include "../fpu.h"
#include "../mode.h"
#include "fake_vcpu.h"

static void reset_gives_the_state_of_the_sdms_table(void **state)
{
	struct vcpu *v = fake_long(3, false);
	struct fpu_image *image = (struct fpu_image *)v->xsave;
	unsigned int i;

	(void)state;
	v->lstar = 5;
	v->event.valid = v->delivering.valid = v->nmi_blocked = v->intr_wait = true;
	v->nmi_wait = 2;
	v->intr_shadow = SHADOW_MOV_SS;
	vcpu_reset(v, false);
	assert_int_equal(v->rip, 0xfff0);
	assert_int_equal(v->rflags, FLAG_1);
	assert_int_equal(v->cr0, 0x60000010);
	assert_int_equal(v->cr4 | v->cr3 | v->cr2 | v->efer, 0);
	assert_int_equal(v->seg[CS].sel, 0xf000);
	assert_int_equal(v->seg[CS].base, 0xffff0000);
	for (i = 0; i < 6; i++) {
		assert_int_equal(v->seg[i].limit, 0xffff);
		assert_int_equal(v->seg[i].ar, 0x93);
	}
	assert_int_equal(v->idtr.limit, 0xffff);
	assert_int_equal(v->dr[6], 0xffff0ff0);
	assert_int_equal(v->dr[7], 0x400);
	assert_int_equal(v->lstar, 0);
	assert_int_equal(v->xcr0, 1);
	assert_int_equal(v->pat, 0x0007040600070406);
	assert_int_equal(image->fcw, 0x40);
	assert_int_equal(image->mxcsr, 0x1f80);
	assert_int_equal(v->cpl, 0);
	assert_int_equal(v->mode & (MODE_PE | MODE_CS_MASK | MODE_SS32), 0);
	assert_int_equal(v->activity, ACTIVITY_ACTIVE);
	assert_false(v->event.valid || v->delivering.valid || v->intr_shadow || v->nmi_blocked || v->nmi_wait ||
		     v->intr_wait);
}

static void init_keeps_caches_fpu_and_msrs(void **state)
{
	struct vcpu *v = fake_protected(0);
	struct fpu_image *image = (struct fpu_image *)v->xsave;

	(void)state;
	v->index = 1;
	v->cr0 |= CR0_NW;
	v->lstar = 5;
	image->fcw = 0x27f;
	atomic_store(&v->events, EV_INIT | EV_SIPI | EV_STOP | EV_NMI);
	vcpu_reset(v, true);
	assert_int_equal(v->cr0, CR0_NW | CR0_ET);
	assert_int_equal(v->lstar, 5);
	assert_int_equal(image->fcw, 0x27f);
	assert_int_equal(v->activity, ACTIVITY_WAIT_SIPI);
	assert_int_equal(atomic_load(&v->events), EV_SIPI | EV_STOP);
	assert_int_equal(v->rip, 0xfff0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reset_gives_the_state_of_the_sdms_table),
		cmocka_unit_test(init_keeps_caches_fpu_and_msrs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
