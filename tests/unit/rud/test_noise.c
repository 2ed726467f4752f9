/* SPDX-License-Identifier: MIT */
/* test_noise.c - the Noise IK handshake under mistakes, tampering and
 * failures. Published vectors are in tests/vectors/test_vectors_noise.c. */
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

/* Both sides before the first message, and room for what they write. */
struct pair {
	int suite;
	mpp_crypto crypto;
	struct noise_static i_key, r_key;
	struct noise_ik i, r;
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

static void start(struct pair *p, int suite)
{
	memset(p, 0, sizeof(*p));
	p->suite = suite;
	p->m1 = (mpp_buf){p->room1, ROOM, 0};
	p->m2 = (mpp_buf){p->room2, ROOM, 0};
	p->out = (mpp_buf){p->text, ROOM, 0};
	assert_int_equal(crypto_fixed_new(11, &p->crypto), MPP_OK);
	make_key(&p->crypto, suite, &p->i_key);
	make_key(&p->crypto, suite, &p->r_key);
	assert_int_equal(noise_ik_init(&p->i, &p->crypto, suite, &p->i_key,
				       p->r_key.pub),
			 MPP_OK);
	assert_int_equal(noise_ik_init(&p->r, &p->crypto, suite, &p->r_key,
				       NULL),
			 MPP_OK);
	assert_int_equal(noise_ik_prologue(&p->i, &prologue, 1), MPP_OK);
	assert_int_equal(noise_ik_prologue(&p->r, &prologue, 1), MPP_OK);
}

static void end(struct pair *p)
{
	mpp_crypto_free(&p->crypto);
}

static mpp_bytes bytes_of(const mpp_buf *b)
{
	return (mpp_bytes){b->p, b->len};
}

static mpp_err read1(struct noise_ik *r, mpp_bytes msg, mpp_buf *out)
{
	mpp_bytes rest;
	mpp_err err = noise_ik_read1_static(r, msg, &rest);

	return err != MPP_OK ? err : noise_ik_read1_payload(r, rest, out);
}

static void first(struct pair *p)
{
	assert_int_equal(noise_ik_write1(&p->i, hello, &p->m1), MPP_OK);
}

static void second(struct pair *p)
{
	assert_int_equal(read1(&p->r, bytes_of(&p->m1), &p->out), MPP_OK);
	assert_int_equal(noise_ik_write2(&p->r, welcome, &p->m2), MPP_OK);
	p->out.len = 0;
}

static void assert_text(const mpp_buf *out, mpp_bytes want)
{
	assert_int_equal(out->len, want.len);
	assert_memory_equal(out->p, want.p, want.len);
}

static void assert_same_keys(struct noise_ik *i, struct noise_ik *r)
{
	uint8_t i_up[32], i_down[32], r_up[32], r_down[32];

	assert_int_equal(noise_ik_split(i, i_up, i_down), MPP_OK);
	assert_int_equal(noise_ik_split(r, r_up, r_down), MPP_OK);
	assert_memory_equal(i_up, r_up, 32);
	assert_memory_equal(i_down, r_down, 32);
	assert_memory_not_equal(i_up, i_down, 32);
	assert_memory_equal(i->noise.sym.h, r->noise.sym.h, 64);
}

/* Each case is run for both suites; its state is the suite. */
static int suite_25519 = MPP_SUITE_25519;
static int suite_448 = MPP_SUITE_448;

static void both_sides_meet(void **state)
{
	struct pair p;
	mpp_bytes rest;

	start(&p, *(int *)*state);
	first(&p);
	assert_int_equal(p.m1.len, noise_ik_overhead1(p.suite) + hello.len);
	assert_int_equal(noise_ik_read1_static(&p.r, bytes_of(&p.m1), &rest),
			 MPP_OK);
	assert_memory_equal(p.r.rs, p.i_key.pub, mpp_dh_len(p.suite));
	assert_int_equal(rest.len, hello.len + MPP_TAG_LEN);
	assert_int_equal(noise_ik_read1_payload(&p.r, rest, &p.out), MPP_OK);
	assert_text(&p.out, hello);
	assert_int_equal(noise_ik_write2(&p.r, welcome, &p.m2), MPP_OK);
	assert_int_equal(p.m2.len, noise_ik_overhead2(p.suite) + welcome.len);
	p.out.len = 0;
	assert_int_equal(noise_ik_read2(&p.i, bytes_of(&p.m2), &p.out), MPP_OK);
	assert_text(&p.out, welcome);
	assert_same_keys(&p.i, &p.r);
	end(&p);
}

/* A payload is appended behind what a buffer holds, may be empty (into a
 * buffer at NULL, even), and may be opened where it lies. */
static void payloads_are_appended(void **state)
{
	const mpp_bytes none = {NULL, 0};
	mpp_buf nowhere = {NULL, 0, 0};
	struct pair p;
	mpp_buf same;

	start(&p, *(int *)*state);
	p.room1[0] = 'x';
	p.m1.len = 1;
	assert_int_equal(noise_ik_write1(&p.i, none, &p.m1), MPP_OK);
	assert_int_equal(p.m1.len, 1 + noise_ik_overhead1(p.suite));
	assert_int_equal(p.room1[0], 'x');
	assert_int_equal(read1(&p.r, (mpp_bytes){p.room1 + 1, p.m1.len - 1},
			       &nowhere),
			 MPP_OK);
	assert_int_equal(nowhere.len, 0);
	assert_int_equal(noise_ik_write2(&p.r, welcome, &p.m2), MPP_OK);
	same = (mpp_buf){p.room2 + mpp_dh_len(p.suite), ROOM / 2, 0};
	assert_int_equal(noise_ik_read2(&p.i, bytes_of(&p.m2), &same), MPP_OK);
	assert_text(&same, welcome);
	assert_same_keys(&p.i, &p.r);
	end(&p);
}

/* Every octet counts, and a copy takes the damage: the original still reads
 * the genuine message. */
static void tampered_message_1_is_refused(void **state)
{
	struct pair p;
	struct noise_ik copy;
	mpp_bytes rest;
	size_t at, sealed;
	mpp_err err;

	start(&p, *(int *)*state);
	first(&p);
	sealed = p.m1.len - hello.len - MPP_TAG_LEN;
	for (at = 0; at < p.m1.len; at++) {
		copy = p.r;
		p.room1[at] ^= 0x80;
		err = noise_ik_read1_static(&copy, bytes_of(&p.m1), &rest);
		if (at < sealed) {
			assert_int_equal(err, MPP_ERR_AUTH);
		} else {
			assert_int_equal(err, MPP_OK);
			assert_int_equal(noise_ik_read1_payload(&copy, rest,
								&p.out),
					 MPP_ERR_AUTH);
		}
		assert_int_equal(p.out.len, 0);
		p.room1[at] ^= 0x80;
	}
	assert_int_equal(read1(&p.r, bytes_of(&p.m1), &p.out), MPP_OK);
	assert_text(&p.out, hello);
	end(&p);
}

static void tampered_message_2_is_refused(void **state)
{
	struct pair p;
	struct noise_ik copy;
	size_t at;

	start(&p, *(int *)*state);
	first(&p);
	second(&p);
	for (at = 0; at < p.m2.len; at++) {
		copy = p.i;
		p.room2[at] ^= 0x80;
		assert_int_equal(noise_ik_read2(&copy, bytes_of(&p.m2), &p.out),
				 MPP_ERR_AUTH);
		assert_int_equal(p.out.len, 0);
		p.room2[at] ^= 0x80;
	}
	assert_int_equal(noise_ik_read2(&p.i, bytes_of(&p.m2), &p.out), MPP_OK);
	assert_text(&p.out, welcome);
	assert_same_keys(&p.i, &p.r);
	end(&p);
}

/* Shorter than any message can be: TRUNCATED, and nothing has changed. Longer
 * than that it is a message that does not authenticate. */
static void shortened_messages_are_refused(void **state)
{
	struct pair p;
	struct noise_ik copy;
	size_t n, least;

	start(&p, *(int *)*state);
	first(&p);
	least = noise_ik_overhead1(p.suite);
	for (n = 0; n < p.m1.len; n++) {
		copy = p.r;
		assert_int_equal(read1(n < least ? &p.r : &copy,
				       (mpp_bytes){n == 0 ? NULL : p.room1, n},
				       &p.out),
				 n < least ? MPP_ERR_TRUNCATED : MPP_ERR_AUTH);
	}
	second(&p);
	least = noise_ik_overhead2(p.suite);
	for (n = 0; n < p.m2.len; n++) {
		copy = p.i;
		assert_int_equal(
			noise_ik_read2(n < least ? &p.i : &copy,
				       (mpp_bytes){n == 0 ? NULL : p.room2, n},
				       &p.out),
			n < least ? MPP_ERR_TRUNCATED : MPP_ERR_AUTH);
	}
	assert_int_equal(noise_ik_read2(&p.i, bytes_of(&p.m2), &p.out), MPP_OK);
	end(&p);
}

static void short_payload_changes_nothing(void **state)
{
	struct pair p;
	mpp_bytes rest;

	start(&p, *(int *)*state);
	first(&p);
	assert_int_equal(noise_ik_read1_static(&p.r, bytes_of(&p.m1), &rest),
			 MPP_OK);
	assert_int_equal(noise_ik_read1_payload(&p.r, (mpp_bytes){rest.p, 15},
						&p.out),
			 MPP_ERR_TRUNCATED);
	assert_int_equal(noise_ik_read1_payload(&p.r, rest, &p.out), MPP_OK);
	end(&p);
}

static void restart(struct pair *p, struct noise_ik *r, const mpp_bytes *parts,
		    size_t n)
{
	assert_int_equal(noise_ik_init(r, &p->crypto, p->suite, &p->r_key,
				       NULL),
			 MPP_OK);
	assert_int_equal(noise_ik_prologue(r, parts, n), MPP_OK);
}

static void prologue_must_be_the_same(void **state)
{
	const mpp_bytes other = {(const uint8_t *)"a prologuf", 10};
	const mpp_bytes cut[] = {{prologue.p, 1},     {NULL, 0},
				 {prologue.p + 1, 2}, {NULL, 0},
				 {prologue.p + 3, 1}, {prologue.p + 4, 5},
				 {prologue.p + 9, 1}};
	struct noise_ik r;
	struct pair p;

	start(&p, *(int *)*state);
	first(&p);
	restart(&p, &r, &other, 1);
	assert_int_equal(read1(&r, bytes_of(&p.m1), &p.out), MPP_ERR_AUTH);
	restart(&p, &r, NULL, 0);
	assert_int_equal(read1(&r, bytes_of(&p.m1), &p.out), MPP_ERR_AUTH);
	/* In pieces it is the same, up to as many as are allowed. */
	restart(&p, &r, cut, NOISE_PROLOGUE_PARTS);
	assert_int_equal(read1(&r, bytes_of(&p.m1), &p.out), MPP_OK);
	end(&p);
}

static void prologue_of_too_many_parts_is_refused(void **state)
{
	const mpp_bytes parts[NOISE_PROLOGUE_PARTS + 1] = {{NULL, 0}};
	struct noise_ik r;
	struct pair p;

	start(&p, *(int *)*state);
	assert_int_equal(noise_ik_init(&r, &p.crypto, p.suite, &p.r_key, NULL),
			 MPP_OK);
	assert_int_equal(noise_ik_prologue(&r, parts, NOISE_PROLOGUE_PARTS + 1),
			 MPP_ERR_INVALID);
	first(&p);
	assert_int_equal(noise_ik_prologue(&r, &prologue, 1), MPP_OK);
	assert_int_equal(read1(&r, bytes_of(&p.m1), &p.out), MPP_OK);
	end(&p);
}

/* The wrong responder learns nothing: what it derives at es does not open the
 * initiator's static key. */
static void wrong_responder_is_refused(void **state)
{
	struct noise_static other;
	struct noise_ik r;
	struct pair p;

	start(&p, *(int *)*state);
	first(&p);
	make_key(&p.crypto, p.suite, &other);
	assert_int_equal(noise_ik_init(&r, &p.crypto, p.suite, &other, NULL),
			 MPP_OK);
	assert_int_equal(noise_ik_prologue(&r, &prologue, 1), MPP_OK);
	assert_int_equal(read1(&r, bytes_of(&p.m1), &p.out), MPP_ERR_AUTH);
	/* It would not do to know the public key: es needs the private one. */
	memcpy(other.pub, p.r_key.pub, sizeof(other.pub));
	assert_int_equal(noise_ik_init(&r, &p.crypto, p.suite, &other, NULL),
			 MPP_OK);
	assert_int_equal(noise_ik_prologue(&r, &prologue, 1), MPP_OK);
	assert_int_equal(read1(&r, bytes_of(&p.m1), &p.out), MPP_ERR_AUTH);
	assert_int_equal(read1(&p.r, bytes_of(&p.m1), &p.out), MPP_OK);
	end(&p);
}

/* Somebody who shows another's static key fails at ss. */
static void borrowed_initiator_key_is_refused(void **state)
{
	struct noise_static mixed;
	struct pair p;
	mpp_bytes rest;

	start(&p, *(int *)*state);
	make_key(&p.crypto, p.suite, &mixed);
	memcpy(mixed.pub, p.i_key.pub, sizeof(mixed.pub));
	assert_int_equal(noise_ik_init(&p.i, &p.crypto, p.suite, &mixed,
				       p.r_key.pub),
			 MPP_OK);
	assert_int_equal(noise_ik_prologue(&p.i, &prologue, 1), MPP_OK);
	first(&p);
	assert_int_equal(noise_ik_read1_static(&p.r, bytes_of(&p.m1), &rest),
			 MPP_OK);
	assert_memory_equal(p.r.rs, p.i_key.pub, mpp_dh_len(p.suite));
	assert_int_equal(noise_ik_read1_payload(&p.r, rest, &p.out),
			 MPP_ERR_AUTH);
	end(&p);
}

/* Zero is of small order on both curves. */
static void low_order_keys_are_refused(void **state)
{
	static const uint8_t zero[MPP_DH_MAX];
	struct noise_ik copy;
	struct pair p;

	start(&p, *(int *)*state);
	assert_int_equal(noise_ik_init(&copy, &p.crypto, p.suite, &p.i_key,
				       zero),
			 MPP_OK);
	assert_int_equal(noise_ik_prologue(&copy, &prologue, 1), MPP_OK);
	assert_int_equal(noise_ik_write1(&copy, hello, &p.m1), MPP_ERR_AUTH);
	assert_int_equal(p.m1.len, 0);
	first(&p);
	copy = p.r;
	memcpy(p.text, p.room1, p.m1.len);
	memset(p.text, 0, mpp_dh_len(p.suite));
	assert_int_equal(read1(&copy, (mpp_bytes){p.text, p.m1.len}, &p.m2),
			 MPP_ERR_AUTH);
	second(&p);
	memset(p.room2, 0, mpp_dh_len(p.suite));
	assert_int_equal(noise_ik_read2(&p.i, bytes_of(&p.m2), &p.out),
			 MPP_ERR_AUTH);
	end(&p);
}

/* One octet short: nothing written, nothing lost. */
static void full_buffers_change_nothing(void **state)
{
	struct pair p;
	mpp_bytes rest;

	start(&p, *(int *)*state);
	p.m1.cap = noise_ik_overhead1(p.suite) + hello.len - 1;
	assert_int_equal(noise_ik_write1(&p.i, hello, &p.m1), MPP_ERR_NOSPACE);
	p.m1.cap = noise_ik_overhead1(p.suite) - 1;
	assert_int_equal(noise_ik_write1(&p.i, hello, &p.m1), MPP_ERR_NOSPACE);
	assert_int_equal(p.m1.len, 0);
	p.m1.cap = noise_ik_overhead1(p.suite) + hello.len;
	first(&p);
	assert_int_equal(noise_ik_read1_static(&p.r, bytes_of(&p.m1), &rest),
			 MPP_OK);
	p.out = (mpp_buf){p.text, hello.len + 7, 8};
	assert_int_equal(noise_ik_read1_payload(&p.r, rest, &p.out),
			 MPP_ERR_NOSPACE);
	assert_int_equal(p.out.len, 8);
	p.out.cap++;
	assert_int_equal(noise_ik_read1_payload(&p.r, rest, &p.out), MPP_OK);
	p.m2.cap = noise_ik_overhead2(p.suite) + welcome.len - 1;
	assert_int_equal(noise_ik_write2(&p.r, welcome, &p.m2),
			 MPP_ERR_NOSPACE);
	assert_int_equal(p.m2.len, 0);
	p.m2.cap++;
	assert_int_equal(noise_ik_write2(&p.r, welcome, &p.m2), MPP_OK);
	p.out = (mpp_buf){p.text, welcome.len - 1, 0};
	assert_int_equal(noise_ik_read2(&p.i, bytes_of(&p.m2), &p.out),
			 MPP_ERR_NOSPACE);
	p.out.cap++;
	assert_int_equal(noise_ik_read2(&p.i, bytes_of(&p.m2), &p.out), MPP_OK);
	assert_same_keys(&p.i, &p.r);
	end(&p);
}

/* Bit s: step s is possible. */
enum {
	CAN_PROLOGUE = 1 << 0,
	CAN_WRITE1 = 1 << 1,
	CAN_READ1_STATIC = 1 << 2,
	CAN_READ1_PAYLOAD = 1 << 3,
	CAN_WRITE2 = 1 << 4,
	CAN_READ2 = 1 << 5,
	CAN_SPLIT = 1 << 6,
};

/* Which steps do not say STATE, each tried on a copy. */
static unsigned possible(const struct noise_ik *hs, struct pair *p)
{
	const mpp_bytes msg = {p->room1, ROOM};
	uint8_t room[2 * ROOM], key[32];
	struct noise_ik c[7];
	mpp_bytes rest;
	unsigned can = 0, k;
	mpp_err err[7];

	for (k = 0; k < 7; k++)
		c[k] = *hs;
	err[0] = noise_ik_prologue(&c[0], NULL, 0);
	err[1] = noise_ik_write1(&c[1], hello, &(mpp_buf){room, ROOM, 0});
	err[2] = noise_ik_read1_static(&c[2], msg, &rest);
	err[3] = noise_ik_read1_payload(&c[3], msg, &(mpp_buf){room, ROOM, 0});
	err[4] = noise_ik_write2(&c[4], hello, &(mpp_buf){room, ROOM, 0});
	err[5] = noise_ik_read2(&c[5], msg, &(mpp_buf){room, ROOM, 0});
	err[6] = noise_ik_split(&c[6], key, key);
	for (k = 0; k < 7; k++)
		if (err[k] != MPP_ERR_STATE)
			can |= 1u << k;
	return can;
}

static void steps_have_an_order(void **state)
{
	struct noise_ik fresh;
	struct pair p;
	mpp_bytes rest;
	uint8_t key[32];

	start(&p, *(int *)*state);
	assert_int_equal(noise_ik_init(&fresh, &p.crypto, p.suite, &p.i_key,
				       p.r_key.pub),
			 MPP_OK);
	assert_int_equal(possible(&fresh, &p), CAN_PROLOGUE);
	assert_int_equal(possible(&p.i, &p), CAN_WRITE1);
	assert_int_equal(possible(&p.r, &p), CAN_READ1_STATIC);
	first(&p);
	assert_int_equal(possible(&p.i, &p), CAN_READ2);
	assert_int_equal(noise_ik_read1_static(&p.r, bytes_of(&p.m1), &rest),
			 MPP_OK);
	assert_int_equal(possible(&p.r, &p), CAN_READ1_PAYLOAD);
	assert_int_equal(noise_ik_read1_payload(&p.r, rest, &p.out), MPP_OK);
	assert_int_equal(possible(&p.r, &p), CAN_WRITE2);
	assert_int_equal(noise_ik_write2(&p.r, welcome, &p.m2), MPP_OK);
	assert_int_equal(possible(&p.r, &p), CAN_SPLIT);
	assert_int_equal(noise_ik_read2(&p.i, bytes_of(&p.m2), &p.out), MPP_OK);
	assert_int_equal(possible(&p.i, &p), CAN_SPLIT);
	assert_int_equal(noise_ik_split(&p.i, key, key), MPP_OK);
	assert_int_equal(possible(&p.i, &p), 0);
	end(&p);
}

enum { STEPS = 8 };

/* Step k of a whole handshake. */
static mpp_err take_step(struct pair *p, unsigned k, mpp_bytes *rest)
{
	uint8_t up[32], down[32];

	switch (k) {
	case 0:
		return noise_ik_prologue(&p->i, &prologue, 1);
	case 1:
		return noise_ik_prologue(&p->r, &prologue, 1);
	case 2:
		return noise_ik_write1(&p->i, hello, &p->m1);
	case 3:
		return noise_ik_read1_static(&p->r, bytes_of(&p->m1), rest);
	case 4:
		return noise_ik_read1_payload(&p->r, *rest, &p->out);
	case 5:
		return noise_ik_write2(&p->r, welcome, &p->m2);
	case 6:
		return noise_ik_read2(&p->i, bytes_of(&p->m2), &p->out);
	default:
		return noise_ik_split(&p->i, up, down);
	}
}

/* Until step k fails; then the lengths of outputs are as they were and the
 * side that took it is spoiled. False when nothing failed. */
static bool fails_cleanly(struct pair *p)
{
	mpp_bytes rest = {NULL, 0};
	unsigned k;

	for (k = 0; k < STEPS; k++) {
		const size_t lens[] = {p->m1.len, p->m2.len, p->out.len};
		bool by_r = k == 1 || (k >= 3 && k <= 5);
		mpp_err err = take_step(p, k, &rest);

		if (err == MPP_OK)
			continue;
		assert_true(err == MPP_ERR_CRYPTO || err == MPP_ERR_RANDOM);
		assert_int_equal(p->m1.len, lens[0]);
		assert_int_equal(p->m2.len, lens[1]);
		assert_int_equal(p->out.len, lens[2]);
		assert_int_equal(possible(by_r ? &p->r : &p->i, p), 0);
		return true;
	}
	return false;
}

static void every_failing_primitive_is_noticed(void **state)
{
	struct faulty f;
	mpp_crypto c = {&faulty_ops, &f};
	struct pair p;
	unsigned n;
	bool failed = true;

	start(&p, *(int *)*state);
	f.real = p.crypto;
	for (n = 1; failed; n++) {
		p.m1.len = p.m2.len = p.out.len = 0;
		f.fail_in = n;
		assert_int_equal(noise_ik_init(&p.i, &c, p.suite, &p.i_key,
					       p.r_key.pub),
				 MPP_OK);
		assert_int_equal(noise_ik_init(&p.r, &c, p.suite, &p.r_key,
					       NULL),
				 MPP_OK);
		failed = fails_cleanly(&p);
		assert_true(failed == (f.fail_in == 0));
	}
	/* Two prologues of 2 hashes; a write of e and a read of e; eight
	 * Diffie-Hellman with 3 HMACs each; six times AEAD and a hash; one
	 * split: none was passed over. */
	assert_int_equal(n - 2, 2 * 2 + 2 * 3 + 2 * 1 + 8 * 4 + 6 * 2 + 3);
	end(&p);
}

static void unknown_suites_are_refused(void **state)
{
	struct noise_ik hs;
	struct pair p;

	start(&p, *(int *)*state);
	assert_int_equal(noise_ik_init(&hs, &p.crypto, 0, &p.i_key, NULL),
			 MPP_ERR_UNSUPPORTED);
	assert_int_equal(noise_ik_init(&hs, &p.crypto, 257, &p.i_key, NULL),
			 MPP_ERR_UNSUPPORTED);
	end(&p);
}

static void wipe_leaves_nothing(void **state)
{
	struct pair p;

	start(&p, *(int *)*state);
	first(&p);
	assert_false(mem_is_zero(p.i.noise.e, sizeof(p.i.noise.e)));
	noise_ik_wipe(&p.i);
	assert_true(mem_is_zero((const uint8_t *)&p.i, sizeof(p.i)));
	noise_ik_wipe(&p.i);
	assert_int_equal(noise_ik_write1(&p.i, hello, &p.m1), MPP_ERR_STATE);
	end(&p);
}

#define BOTH(f)                                     \
	cmocka_unit_test_prestate(f, &suite_25519), \
		cmocka_unit_test_prestate(f, &suite_448)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(both_sides_meet),
		BOTH(payloads_are_appended),
		BOTH(tampered_message_1_is_refused),
		BOTH(tampered_message_2_is_refused),
		BOTH(shortened_messages_are_refused),
		BOTH(short_payload_changes_nothing),
		BOTH(prologue_must_be_the_same),
		BOTH(prologue_of_too_many_parts_is_refused),
		BOTH(wrong_responder_is_refused),
		BOTH(borrowed_initiator_key_is_refused),
		BOTH(low_order_keys_are_refused),
		BOTH(full_buffers_change_nothing),
		BOTH(steps_have_an_order),
		BOTH(every_failing_primitive_is_noticed),
		BOTH(unknown_suites_are_refused),
		BOTH(wipe_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
