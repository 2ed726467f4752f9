/* SPDX-License-Identifier: MIT */
/* test_vectors_noise.c - the published vectors of the Noise handshakes that
 * are built: noise.json, which names their source. */
#include "vectors/vecfile.h"

#include "crypto/fixed.h"
#include "rud/noise.h"

enum { MESSAGE_MAX = 512 };

static const struct {
	const char *name;
	int suite;
} built[] = {
	{"Noise_IK_25519_AESGCM_SHA512", MPP_SUITE_25519},
	{"Noise_IK_448_AESGCM_SHA512", MPP_SUITE_448},
};

/* In the file, and not part of this project. */
static const char *const not_built[] = {
	"Noise_NNpsk0_25519_AESGCM_SHA512",
	"Noise_NNpsk0_448_AESGCM_SHA512",
	"Noise_IKpsk2_25519_AESGCM_SHA512",
	"Noise_IKpsk2_448_AESGCM_SHA512",
};

/* One side of a handshake, then of the transport. */
struct side {
	mpp_crypto crypto;
	struct noise_ik hs;
	uint8_t ephemeral[MPP_DH_MAX];
	uint8_t send[MPP_KEY_LEN];
	uint8_t receive[MPP_KEY_LEN];
	uint64_t sent;
	uint64_t received;
};

struct message {
	uint8_t payload[MESSAGE_MAX];
	uint8_t ciphertext[MESSAGE_MAX];
	mpp_bytes in;
	mpp_bytes sealed;
};

static void start(struct side *s, const struct vec *v, int suite,
		  bool initiator)
{
	const char *const names[2][3] = {
		{"resp_static", "resp_ephemeral", "resp_prologue"},
		{"init_static", "init_ephemeral", "init_prologue"},
	};
	const char *const *name = names[initiator];
	struct noise_static key = {{0}, {0}};
	uint8_t rs[MPP_DH_MAX];
	uint8_t text[MESSAGE_MAX];
	mpp_bytes prologue;

	memset(s, 0, sizeof(*s));
	assert_int_equal(crypto_fixed_new(0, &s->crypto), MPP_OK);
	crypto_fixed_script(&s->crypto, vec_hex(v, name[1], s->ephemeral,
						sizeof(s->ephemeral)));
	assert_int_equal(
		vec_hex(v, name[0], key.secret, sizeof(key.secret)).len,
		mpp_dh_len(suite));
	assert_int_equal(s->crypto.ops->dh_public(s->crypto.ctx, suite,
						  key.secret, key.pub),
			 MPP_OK);
	vec_hex(v, "init_remote_static", rs, sizeof(rs));
	if (!initiator)
		assert_memory_equal(key.pub, rs, mpp_dh_len(suite));
	assert_int_equal(noise_ik_init(&s->hs, &s->crypto, suite, &key,
				       initiator ? rs : NULL),
			 MPP_OK);
	prologue = vec_hex(v, name[2], text, sizeof(text));
	assert_int_equal(noise_ik_prologue(&s->hs, &prologue, 1), MPP_OK);
}

static void get_message(mpp_json_reader *r, struct message *m)
{
	struct vec v;

	assert_true(vec_object(r, &v));
	m->in = vec_hex(&v, "payload", m->payload, sizeof(m->payload));
	m->sealed =
		vec_hex(&v, "ciphertext", m->ciphertext, sizeof(m->ciphertext));
}

static void assert_bytes(mpp_buf got, mpp_bytes want)
{
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.p, want.p, want.len);
}

static void run_handshake(struct side *i, struct side *r, mpp_json_reader *at)
{
	uint8_t room[MESSAGE_MAX];
	struct message m;
	mpp_bytes rest;
	mpp_buf out;

	get_message(at, &m);
	out = (mpp_buf){room, sizeof(room), 0};
	assert_int_equal(noise_ik_write1(&i->hs, m.in, &out), MPP_OK);
	assert_bytes(out, m.sealed);
	out.len = 0;
	assert_int_equal(noise_ik_read1_static(&r->hs, m.sealed, &rest),
			 MPP_OK);
	assert_int_equal(noise_ik_read1_payload(&r->hs, rest, &out), MPP_OK);
	assert_bytes(out, m.in);

	get_message(at, &m);
	out.len = 0;
	assert_int_equal(noise_ik_write2(&r->hs, m.in, &out), MPP_OK);
	assert_bytes(out, m.sealed);
	out.len = 0;
	assert_int_equal(noise_ik_read2(&i->hs, m.sealed, &out), MPP_OK);
	assert_bytes(out, m.in);
}

static void split(struct side *i, struct side *r, const struct vec *v)
{
	uint8_t hash[MPP_HASH_LEN];

	assert_int_equal(vec_hex(v, "handshake_hash", hash, sizeof(hash)).len,
			 sizeof(hash));
	assert_memory_equal(i->hs.h, hash, sizeof(hash));
	assert_memory_equal(r->hs.h, hash, sizeof(hash));
	assert_int_equal(noise_ik_split(&i->hs, i->send, i->receive), MPP_OK);
	assert_int_equal(noise_ik_split(&r->hs, r->receive, r->send), MPP_OK);
}

static void nonce_of(uint64_t n, uint8_t nonce[MPP_NONCE_LEN])
{
	size_t i;

	memset(nonce, 0, MPP_NONCE_LEN);
	for (i = 0; i < 8; i++)
		nonce[4 + i] = (uint8_t)(n >> (56 - 8 * i));
}

static void transport(struct side *from, struct side *to,
		      const struct message *m)
{
	const mpp_bytes no_ad = {NULL, 0};
	uint8_t nonce[MPP_NONCE_LEN];
	uint8_t room[MESSAGE_MAX];

	nonce_of(from->sent++, nonce);
	assert_int_equal(from->crypto.ops->seal(from->crypto.ctx, from->send,
						nonce, no_ad, m->in, room),
			 MPP_OK);
	assert_bytes((mpp_buf){room, sizeof(room), m->in.len + MPP_TAG_LEN},
		     m->sealed);
	nonce_of(to->received++, nonce);
	assert_int_equal(to->crypto.ops->open(to->crypto.ctx, to->receive,
					      nonce, no_ad, m->sealed, room),
			 MPP_OK);
	assert_bytes((mpp_buf){room, sizeof(room), m->in.len}, m->in);
}

/* Returns the number of messages. */
static size_t run(const struct vec *v, int suite)
{
	mpp_json_reader at = vec_get(v, "messages")->inside;
	struct side side[2]; /* 0 is the initiator */
	struct message m;
	struct vec sub;
	size_t n;

	start(&side[0], v, suite, true);
	start(&side[1], v, suite, false);
	run_handshake(&side[0], &side[1], &at);
	split(&side[0], &side[1], v);
	for (n = 2; vec_object(&at, &sub); n++) {
		m.in = vec_hex(&sub, "payload", m.payload, MESSAGE_MAX);
		m.sealed =
			vec_hex(&sub, "ciphertext", m.ciphertext, MESSAGE_MAX);
		transport(&side[n % 2], &side[1 - n % 2], &m);
	}
	mpp_crypto_free(&side[0].crypto);
	mpp_crypto_free(&side[1].crypto);
	return n;
}

static int suite_of(const struct vec *v)
{
	size_t i;

	for (i = 0; i < sizeof(built) / sizeof(*built); i++)
		if (vec_is(v, "protocol_name", built[i].name))
			return built[i].suite;
	return 0;
}

static bool is_not_built(const struct vec *v)
{
	size_t i;

	for (i = 0; i < sizeof(not_built) / sizeof(*not_built); i++)
		if (vec_is(v, "protocol_name", not_built[i]))
			return true;
	return false;
}

static void every_vector_is_met_by_both_sides(void **state)
{
	mpp_bytes file = vec_load("noise.json");
	mpp_json_reader r = vec_reader(file);
	size_t done = 0;
	size_t left_out = 0;
	size_t messages = 0;
	size_t messages_left_out = 0;
	struct vec v;
	int suite;

	(void)state;
	assert_true(vec_enter(&r, "vectors"));
	while (vec_object(&r, &v)) {
		suite = suite_of(&v);
		if (suite != 0) {
			messages += run(&v, suite);
			done++;
		} else if (is_not_built(&v)) {
			mpp_json_reader at = vec_get(&v, "messages")->inside;
			struct vec sub;

			while (vec_object(&at, &sub))
				messages_left_out++;
			left_out++;
		}
	}
	print_message("noise.json: %zu in file, %zu run, %zu not built; "
		      "%zu messages run\n",
		      vec_count(file, "\"protocol_name\""), done, left_out,
		      messages);
	assert_int_equal(done, sizeof(built) / sizeof(*built));
	assert_int_equal(done + left_out, vec_count(file, "\"protocol_name\""));
	assert_int_equal(messages + messages_left_out,
			 vec_count(file, "\"ciphertext\""));
	vec_unload(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_vector_is_met_by_both_sides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
