/* SPDX-License-Identifier: MIT */
/* test_noise_psk.c - the handshakes with a shared secret, NNpsk0 and IKpsk2,
 * under mistakes, tampering and failures; and what noise_init() refuses.
 * Published vectors are in tests/vectors/test_vectors_noise.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "crypto/fixed.h"
#include "rud/noise.h"

#include "unit/rud/faulty.h"

enum { ROOM = 512 };

static const mpp_bytes prologue = {(const uint8_t *)"a prologue", 10};
static const mpp_bytes hello = {(const uint8_t *)"hello", 5};
static const mpp_bytes welcome = {(const uint8_t *)"you are welcome", 15};

/* Each case is run for these; its state is one of them. */
struct kind {
	enum noise_pattern pattern;
	int suite;
};

static struct kind kinds[] = {
	{NOISE_NNPSK0, MPP_SUITE_25519},
	{NOISE_NNPSK0, MPP_SUITE_448},
	{NOISE_IKPSK2, MPP_SUITE_25519},
	{NOISE_IKPSK2, MPP_SUITE_448},
};

struct pair {
	struct kind kind;
	mpp_crypto crypto;
	struct noise_static i_key, r_key;
	uint8_t psk[NOISE_PSK_LEN];
	struct noise i, r;
	uint8_t room1[ROOM], room2[ROOM], text[ROOM];
	mpp_buf m1, m2, out;
};

static void make_key(const mpp_crypto *c, int suite, struct noise_static *key)
{
	memset(key, 0, sizeof(*key));
	assert_int_equal(c->ops->random(c->ctx, key->secret, mpp_dh_len(suite)),
			 MPP_OK);
	assert_int_equal(c->ops->dh_public(c->ctx, suite, key->secret,
					   key->pub),
			 MPP_OK);
}

static void set_side(struct pair *p, struct noise *hs, bool initiator,
		     const uint8_t *psk)
{
	const bool ik = p->kind.pattern == NOISE_IKPSK2;
	const struct noise_setup setup = {
		.pattern = p->kind.pattern,
		.suite = p->kind.suite,
		.initiator = initiator,
		.s = !ik         ? NULL
		     : initiator ? &p->i_key
				 : &p->r_key,
		.rs = ik && initiator ? p->r_key.pub : NULL,
		.psk = psk,
	};

	assert_int_equal(noise_init(hs, &p->crypto, &setup), MPP_OK);
}

static void begin(struct pair *p, struct noise *hs, bool initiator,
		  const uint8_t *psk)
{
	set_side(p, hs, initiator, psk);
	assert_int_equal(noise_prologue(hs, &prologue, 1), MPP_OK);
}

static void start(struct pair *p, void **state)
{
	memset(p, 0, sizeof(*p));
	p->kind = *(struct kind *)*state;
	p->m1 = (mpp_buf){p->room1, ROOM, 0};
	p->m2 = (mpp_buf){p->room2, ROOM, 0};
	p->out = (mpp_buf){p->text, ROOM, 0};
	assert_int_equal(crypto_fixed_new(23, &p->crypto), MPP_OK);
	make_key(&p->crypto, p->kind.suite, &p->i_key);
	make_key(&p->crypto, p->kind.suite, &p->r_key);
	assert_int_equal(p->crypto.ops->random(p->crypto.ctx, p->psk,
					       sizeof(p->psk)),
			 MPP_OK);
	begin(p, &p->i, true, p->psk);
	begin(p, &p->r, false, p->psk);
}

static void end(struct pair *p)
{
	mpp_crypto_free(&p->crypto);
}

static mpp_bytes bytes_of(const mpp_buf *b)
{
	return (mpp_bytes){b->p, b->len};
}

static void assert_text(const mpp_buf *out, mpp_bytes want)
{
	assert_int_equal(out->len, want.len);
	assert_memory_equal(out->p, want.p, want.len);
}

static void first(struct pair *p)
{
	assert_int_equal(noise_write(&p->i, hello, &p->m1), MPP_OK);
}

static void second(struct pair *p)
{
	assert_int_equal(noise_read(&p->r, bytes_of(&p->m1), &p->out), MPP_OK);
	assert_text(&p->out, hello);
	p->out.len = 0;
	assert_int_equal(noise_write(&p->r, welcome, &p->m2), MPP_OK);
}

static void both_sides_meet(void **state)
{
	uint8_t i_up[32], i_down[32], r_up[32], r_down[32];
	struct pair p;

	start(&p, state);
	first(&p);
	second(&p);
	assert_int_equal(noise_read(&p.i, bytes_of(&p.m2), &p.out), MPP_OK);
	assert_text(&p.out, welcome);
	assert_memory_equal(p.i.sym.h, p.r.sym.h, MPP_HASH_LEN);
	assert_int_equal(noise_split(&p.i, i_up, i_down), MPP_OK);
	assert_int_equal(noise_split(&p.r, r_up, r_down), MPP_OK);
	assert_memory_equal(i_up, r_up, 32);
	assert_memory_equal(i_down, r_down, 32);
	assert_memory_not_equal(i_up, i_down, 32);
	end(&p);
}

/* NNpsk0 has the secret in message 1, so its reader is the first to see that
 * it is another one; IKpsk2 has it at the end of message 2. One bit does. */
static void another_secret_is_refused(void **state)
{
	struct noise other;
	uint8_t psk[NOISE_PSK_LEN];
	struct pair p;

	start(&p, state);
	memcpy(psk, p.psk, sizeof(psk));
	psk[31] ^= 1;
	begin(&p, &other, false, psk);
	first(&p);
	if (p.kind.pattern == NOISE_NNPSK0) {
		assert_int_equal(noise_read(&other, bytes_of(&p.m1), &p.out),
				 MPP_ERR_AUTH);
		assert_int_equal(p.out.len, 0);
	} else {
		assert_int_equal(noise_read(&other, bytes_of(&p.m1), &p.out),
				 MPP_OK);
		assert_text(&p.out, hello);
		assert_int_equal(noise_write(&other, welcome, &p.m2), MPP_OK);
		p.out.len = 0;
		other = p.i;
		assert_int_equal(noise_read(&other, bytes_of(&p.m2), &p.out),
				 MPP_ERR_AUTH);
		assert_int_equal(p.out.len, 0);
		p.m2.len = 0;
	}
	/* The control: with the right one both go on. */
	second(&p);
	assert_int_equal(noise_read(&p.i, bytes_of(&p.m2), &p.out), MPP_OK);
	end(&p);
}

static void tampered_messages_are_refused(void **state)
{
	struct noise copy;
	struct pair p;
	size_t at;

	start(&p, state);
	first(&p);
	for (at = 0; at < p.m1.len; at++) {
		copy = p.r;
		p.room1[at] ^= 0x01;
		assert_int_equal(noise_read(&copy, bytes_of(&p.m1), &p.out),
				 MPP_ERR_AUTH);
		assert_int_equal(noise_read(&copy, bytes_of(&p.m1), &p.out),
				 MPP_ERR_STATE);
		p.room1[at] ^= 0x01;
	}
	second(&p);
	for (at = 0; at < p.m2.len; at++) {
		copy = p.i;
		p.room2[at] ^= 0x01;
		assert_int_equal(noise_read(&copy, bytes_of(&p.m2), &p.out),
				 MPP_ERR_AUTH);
		p.room2[at] ^= 0x01;
	}
	assert_int_equal(p.out.len, 0);
	assert_int_equal(noise_read(&p.i, bytes_of(&p.m2), &p.out), MPP_OK);
	assert_text(&p.out, welcome);
	end(&p);
}

/* Too short, or no room: nothing has changed, so the next try succeeds. */
static void what_cannot_be_changes_nothing(void **state)
{
	struct pair p;
	size_t n, overhead;

	start(&p, state);
	overhead = noise_overhead(&p.i);
	assert_int_equal(noise_overhead(&p.r), overhead);
	p.m1.cap = overhead + hello.len - 1;
	assert_int_equal(noise_write(&p.i, hello, &p.m1), MPP_ERR_NOSPACE);
	p.m1.cap++;
	first(&p);
	assert_int_equal(p.m1.len, overhead + hello.len);
	for (n = 0; n < overhead; n++)
		assert_int_equal(noise_read(&p.r, (mpp_bytes){p.room1, n},
					    &p.out),
				 MPP_ERR_TRUNCATED);
	p.out.cap = hello.len - 1;
	assert_int_equal(noise_read(&p.r, bytes_of(&p.m1), &p.out),
			 MPP_ERR_NOSPACE);
	p.out.cap = ROOM;
	second(&p);
	overhead = noise_overhead(&p.i);
	assert_int_equal(p.m2.len, overhead + welcome.len);
	for (n = 0; n < overhead; n++)
		assert_int_equal(noise_read(&p.i, (mpp_bytes){p.room2, n},
					    &p.out),
				 MPP_ERR_TRUNCATED);
	assert_int_equal(noise_read(&p.i, bytes_of(&p.m2), &p.out), MPP_OK);
	assert_int_equal(noise_overhead(&p.i), 0);
	end(&p);
}

/* Message 1 of IKpsk2 can be read in halves, and then in no other way; that
 * of NNpsk0 carries no static key. */
static void halves_are_of_one_message(void **state)
{
	const bool ik = ((struct kind *)*state)->pattern == NOISE_IKPSK2;
	struct pair p;
	mpp_bytes rest = {NULL, 0};

	start(&p, state);
	first(&p);
	assert_int_equal(noise_read_payload(&p.r, bytes_of(&p.m1), &p.out),
			 MPP_ERR_STATE);
	assert_int_equal(noise_read_static(&p.r, bytes_of(&p.m1), &rest),
			 ik ? MPP_OK : MPP_ERR_STATE);
	if (ik) {
		assert_memory_equal(p.r.rs, p.i_key.pub, sizeof(p.r.rs));
		assert_int_equal(rest.len, hello.len + MPP_TAG_LEN);
		assert_int_equal(noise_overhead(&p.r), MPP_TAG_LEN);
		assert_int_equal(noise_read(&p.r, rest, &p.out), MPP_ERR_STATE);
		assert_int_equal(noise_read_static(&p.r, bytes_of(&p.m1),
						   &rest),
				 MPP_ERR_STATE);
		assert_int_equal(noise_read_payload(&p.r, rest, &p.out),
				 MPP_OK);
	} else {
		assert_int_equal(noise_read(&p.r, bytes_of(&p.m1), &p.out),
				 MPP_OK);
	}
	assert_text(&p.out, hello);
	assert_int_equal(noise_write(&p.r, welcome, &p.m2), MPP_OK);
	/* No message 2 carries a static key. */
	assert_int_equal(noise_read_static(&p.i, bytes_of(&p.m2), &rest),
			 MPP_ERR_STATE);
	p.out.len = 0;
	assert_int_equal(noise_read(&p.i, bytes_of(&p.m2), &p.out), MPP_OK);
	end(&p);
}

enum { STEPS = 6 };

/* Step k of a whole handshake. */
static mpp_err take_step(struct pair *p, unsigned k)
{
	uint8_t up[32], down[32];

	p->out.len = 0;
	switch (k) {
	case 0:
		return noise_prologue(&p->i, &prologue, 1);
	case 1:
		return noise_prologue(&p->r, &prologue, 1);
	case 2:
		return noise_write(&p->i, hello, &p->m1);
	case 3:
		return noise_read(&p->r, bytes_of(&p->m1), &p->out);
	case 4:
		return noise_write(&p->r, welcome, &p->m2);
	case 5:
		return noise_read(&p->i, bytes_of(&p->m2), &p->out);
	default:
		return noise_split(&p->i, up, down);
	}
}

/* Until a step fails: nothing came out, and no step goes on from there. */
static bool fails_cleanly(struct pair *p)
{
	const struct noise *side;
	unsigned k;

	for (k = 0; k <= STEPS; k++) {
		const size_t lens[] = {p->m1.len, p->m2.len};
		mpp_err err = take_step(p, k);

		if (err == MPP_OK)
			continue;
		side = k == 1 || k == 3 || k == 4 ? &p->r : &p->i;
		assert_true(err == MPP_ERR_CRYPTO || err == MPP_ERR_RANDOM);
		assert_int_equal(p->m1.len, lens[0]);
		assert_int_equal(p->m2.len, lens[1]);
		assert_int_equal(p->out.len, 0);
		assert_int_equal(noise_overhead(side), 0);
		assert_int_equal(take_step(p, k), MPP_ERR_STATE);
		return true;
	}
	return false;
}

static void every_failing_primitive_is_noticed(void **state)
{
	struct faulty f;
	mpp_crypto c = {&faulty_ops, &f};
	struct pair p;
	const bool ik = ((struct kind *)*state)->pattern == NOISE_IKPSK2;
	bool failed = true;
	unsigned n;

	start(&p, state);
	f.real = p.crypto;
	p.crypto = c;
	for (n = 1; failed; n++) {
		p.m1.len = p.m2.len = 0;
		set_side(&p, &p.i, true, p.psk);
		set_side(&p, &p.r, false, p.psk);
		f.fail_in = n;
		failed = fails_cleanly(&p);
		assert_true(failed == (f.fail_in == 0));
	}
	/* Prologues of 1 hash, of 2 with a pre-message; on each side: psk is 3
	 * outputs and a hash, e twice a hash and 2 outputs, and a
	 * Diffie-Hellman and 2 outputs for each of 4 pairs or 1, where n
	 * outputs are n + 1 HMACs; each AEAD has a hash. What writes e draws it
	 * and makes its public key. One split: none was passed over. */
	assert_int_equal(n - 2, 2 * (ik ? 2 : 1) +
					2 * ((4 + 1) + 2 * (1 + 3) +
					     (ik ? 4 : 1) * (1 + 3) +
					     (ik ? 3 : 2) * 2) +
					2 * 2 + 3);
	p.crypto = f.real;
	end(&p);
}

static void wipe_leaves_nothing(void **state)
{
	struct pair p;

	start(&p, state);
	assert_false(mem_is_zero(p.i.psk, sizeof(p.i.psk)));
	noise_wipe(&p.i);
	assert_true(mem_is_zero((const uint8_t *)&p.i, sizeof(p.i)));
	assert_int_equal(noise_write(&p.i, hello, &p.m1), MPP_ERR_STATE);
	assert_int_equal(noise_prologue(&p.i, &prologue, 1), MPP_ERR_STATE);
	end(&p);
}

/* --- what noise_init() takes --- */

enum { S = 1, RS = 2, PSK = 4, INITIATOR = 8, ALL = 16 };

/* Bit k: the combination k of S, RS, PSK and INITIATOR is right. */
static const struct {
	int pattern;
	uint32_t right;
} setups[] = {
	{0, 0},
	{NOISE_IK, 1u << S | 1u << (S | RS | INITIATOR)},
	{NOISE_NNPSK0, 1u << PSK | 1u << (PSK | INITIATOR)},
	{NOISE_IKPSK2, 1u << (S | PSK) | 1u << (S | RS | PSK | INITIATOR)},
	{4, 0},
	{-1, 0},
};

static void keys_must_be_those_of_the_pattern(void **state)
{
	static const struct noise_static s = {{1}, {2}};
	static const uint8_t rs[MPP_DH_MAX] = {3}, psk[NOISE_PSK_LEN] = {4};
	const mpp_crypto none = {NULL, NULL};
	struct noise hs, before;
	unsigned i, k;

	(void)state;
	memset(&before, 0x5a, sizeof(before));
	for (i = 0; i < sizeof(setups) / sizeof(*setups); i++)
		for (k = 0; k < ALL; k++) {
			const struct noise_setup setup = {
				.pattern =
					(enum noise_pattern)setups[i].pattern,
				.suite = MPP_SUITE_448,
				.initiator = (k & INITIATOR) != 0,
				.s = (k & S) != 0 ? &s : NULL,
				.rs = (k & RS) != 0 ? rs : NULL,
				.psk = (k & PSK) != 0 ? psk : NULL,
			};
			mpp_err want = setups[i].right == 0
					       ? MPP_ERR_UNSUPPORTED
				       : (setups[i].right >> k & 1) != 0
					       ? MPP_OK
					       : MPP_ERR_INVALID;

			hs = before;
			assert_int_equal(noise_init(&hs, &none, &setup), want);
			if (want != MPP_OK)
				assert_memory_equal(&hs, &before, sizeof(hs));
		}
}

static void unknown_suites_are_refused(void **state)
{
	static const int suites[] = {0, 3, -1, 257};
	static const uint8_t psk[NOISE_PSK_LEN] = {4};
	const mpp_crypto none = {NULL, NULL};
	struct noise_setup setup = {NOISE_NNPSK0, 0, true, NULL, NULL, psk};
	struct noise hs;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(suites) / sizeof(*suites); i++) {
		setup.suite = suites[i];
		assert_int_equal(noise_init(&hs, &none, &setup),
				 MPP_ERR_UNSUPPORTED);
	}
	setup.suite = MPP_SUITE_25519;
	assert_int_equal(noise_init(&hs, &none, &setup), MPP_OK);
}

// clang-format off
#define EACH(f)                                         \
	{#f "/NNpsk0 25519", f, NULL, NULL, &kinds[0]}, \
	{#f "/NNpsk0 448", f, NULL, NULL, &kinds[1]},   \
	{#f "/IKpsk2 25519", f, NULL, NULL, &kinds[2]}, \
	{#f "/IKpsk2 448", f, NULL, NULL, &kinds[3]}
// clang-format on

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(both_sides_meet),
		EACH(another_secret_is_refused),
		EACH(tampered_messages_are_refused),
		EACH(what_cannot_be_changes_nothing),
		EACH(halves_are_of_one_message),
		EACH(every_failing_primitive_is_noticed),
		EACH(wipe_leaves_nothing),
		cmocka_unit_test(keys_must_be_those_of_the_pattern),
		cmocka_unit_test(unknown_suites_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
