/* SPDX-License-Identifier: MIT */
/* test_vectors_noise.c - the published vectors of the Noise handshakes:
 * noise.json, which names their source. Every vector of the file is run, by
 * both sides, with every message of it. */
#include "vectors/json_file.h"

#include "crypto/fixed.h"
#include "rud/noise.h"

enum { MESSAGE_MAX = 512 };

static const struct protocol {
	const char *name;
	enum noise_pattern pattern;
	int suite;
} protocols[] = {
	{"Noise_IK_25519_AESGCM_SHA512", NOISE_IK, MPP_SUITE_25519},
	{"Noise_IK_448_AESGCM_SHA512", NOISE_IK, MPP_SUITE_448},
	{"Noise_NNpsk0_25519_AESGCM_SHA512", NOISE_NNPSK0, MPP_SUITE_25519},
	{"Noise_NNpsk0_448_AESGCM_SHA512", NOISE_NNPSK0, MPP_SUITE_448},
	{"Noise_IKpsk2_25519_AESGCM_SHA512", NOISE_IKPSK2, MPP_SUITE_25519},
	{"Noise_IKpsk2_448_AESGCM_SHA512", NOISE_IKPSK2, MPP_SUITE_448},
};

enum { PROTOCOLS = sizeof(protocols) / sizeof(*protocols) };

/* One side of a handshake, then of the transport. */
struct side {
	mpp_crypto crypto;
	struct noise hs;
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

/* Members of a vector, for the responder and for the initiator. */
static const struct names {
	const char *secret, *ephemeral, *prologue, *psks;
} names[2] = {
	{"resp_static", "resp_ephemeral", "resp_prologue", "resp_psks"},
	{"init_static", "init_ephemeral", "init_prologue", "init_psks"},
};

/* The keys that a vector has for one side. */
struct keys {
	struct noise_static s;
	uint8_t rs[MPP_DH_MAX];
	uint8_t psk[NOISE_PSK_LEN];
};

/* A static key, and what the initiator knows of the responder's. */
static void get_static(const struct side *side, mpp_bytes v,
		       struct noise_setup *setup, struct keys *k)
{
	const mpp_crypto *c = &side->crypto;
	const size_t len = mpp_dh_len(setup->suite);
	mpp_bytes value;

	if (!json_find(v, names[setup->initiator].secret, &value))
		return;
	assert_int_equal(json_octets(v, names[setup->initiator].secret,
				     k->s.secret, len)
				 .len,
			 len);
	assert_int_equal(c->ops->dh_public(c->ctx, setup->suite, k->s.secret,
					   k->s.pub),
			 MPP_OK);
	assert_int_equal(json_octets(v, "init_remote_static", k->rs, len).len,
			 len);
	setup->s = &k->s;
	if (setup->initiator)
		setup->rs = k->rs;
	else
		assert_memory_equal(k->s.pub, k->rs, len);
}

static void get_psk(mpp_bytes v, struct noise_setup *setup, struct keys *k)
{
	const char *name = names[setup->initiator].psks;
	mpp_bytes value;

	if (!json_find(v, name, &value))
		return;
	assert_int_equal(json_only_octets(v, name, k->psk, sizeof(k->psk)).len,
			 sizeof(k->psk));
	setup->psk = k->psk;
}

static void start(struct side *s, mpp_bytes v, const struct protocol *p,
		  bool initiator)
{
	struct noise_setup setup = {p->pattern, p->suite, initiator,
				    NULL,       NULL,     NULL};
	struct keys k = {.s = {{0}, {0}}};
	uint8_t text[MESSAGE_MAX];
	mpp_bytes part;

	memset(s, 0, sizeof(*s));
	assert_int_equal(crypto_fixed_new(0, &s->crypto), MPP_OK);
	part = json_octets(v, names[initiator].ephemeral, s->ephemeral,
			   mpp_dh_len(p->suite));
	crypto_fixed_script(&s->crypto, part);
	get_static(s, v, &setup, &k);
	get_psk(v, &setup, &k);
	assert_int_equal(noise_init(&s->hs, &s->crypto, &setup), MPP_OK);
	part = json_octets(v, names[initiator].prologue, text, sizeof(text));
	assert_int_equal(noise_prologue(&s->hs, &part, 1), MPP_OK);
}

static bool get_message(struct json_list *l, struct message *m)
{
	mpp_bytes v;

	if (!json_each(l, &v))
		return false;
	m->in = json_octets(v, "payload", m->payload, MESSAGE_MAX);
	m->sealed = json_octets(v, "ciphertext", m->ciphertext, MESSAGE_MAX);
	return true;
}

static void assert_bytes(mpp_buf got, mpp_bytes want)
{
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.p, want.p, want.len);
}

static void handshake(struct side *from, struct side *to,
		      const struct message *m)
{
	const size_t overhead = noise_overhead(&from->hs);
	uint8_t room[MESSAGE_MAX];
	mpp_buf out = {room, sizeof(room), 0};
	struct noise copy;
	mpp_bytes rest;

	assert_int_equal(noise_overhead(&to->hs), overhead);
	assert_int_equal(m->sealed.len, m->in.len + overhead);
	assert_int_equal(noise_write(&from->hs, m->in, &out), MPP_OK);
	assert_bytes(out, m->sealed);
	/* Once in halves, where that can be, and once as a whole. */
	copy = to->hs;
	out.len = 0;
	if (noise_read_static(&copy, m->sealed, &rest) == MPP_OK) {
		assert_memory_equal(copy.rs, from->hs.s_pub, MPP_DH_MAX);
		assert_int_equal(noise_read_payload(&copy, rest, &out), MPP_OK);
		assert_bytes(out, m->in);
	}
	out.len = 0;
	assert_int_equal(noise_read(&to->hs, m->sealed, &out), MPP_OK);
	assert_bytes(out, m->in);
}

static void split(struct side *i, struct side *r, mpp_bytes v)
{
	uint8_t hash[MPP_HASH_LEN];

	assert_int_equal(
		json_octets(v, "handshake_hash", hash, sizeof(hash)).len,
		sizeof(hash));
	assert_memory_equal(i->hs.sym.h, hash, sizeof(hash));
	assert_memory_equal(r->hs.sym.h, hash, sizeof(hash));
	assert_int_equal(noise_split(&i->hs, i->send, i->receive), MPP_OK);
	assert_int_equal(noise_split(&r->hs, r->receive, r->send), MPP_OK);
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

/* Returns the number of messages. Side 0 is the initiator. */
static size_t run(mpp_bytes v, const struct protocol *p)
{
	struct json_list messages = json_list_in(v, "messages");
	struct side side[2];
	struct message m;
	size_t n;

	start(&side[0], v, p, true);
	start(&side[1], v, p, false);
	for (n = 0; get_message(&messages, &m); n++) {
		if (n == 2)
			split(&side[0], &side[1], v);
		if (n < 2)
			handshake(&side[n % 2], &side[1 - n % 2], &m);
		else
			transport(&side[n % 2], &side[1 - n % 2], &m);
	}
	assert_true(n > 3); /* both directions of the transport too */
	mpp_crypto_free(&side[0].crypto);
	mpp_crypto_free(&side[1].crypto);
	return n;
}

static size_t protocol_of(mpp_bytes v)
{
	size_t i;

	for (i = 0; i < PROTOCOLS; i++)
		if (json_text_is(v, "protocol_name", protocols[i].name))
			return i;
	fail_msg("a protocol that the table does not have");
	return i;
}

static void every_vector_is_met_by_both_sides(void **state)
{
	mpp_buf file = json_file_load("noise.json");
	struct json_list l = json_list_of(&file, "vectors");
	const size_t in_file = json_file_count(&file, "vectors");
	bool seen[PROTOCOLS] = {false};
	size_t done = 0;
	size_t messages = 0;
	mpp_bytes v;
	size_t i;

	(void)state;
	for (; json_each(&l, &v); done++) {
		i = protocol_of(v);
		assert_false(seen[i]);
		seen[i] = true;
		messages += run(v, &protocols[i]);
	}
	print_message("noise.json: %zu in file, %zu run; %zu messages\n",
		      in_file, done, messages);
	assert_int_equal(done, in_file);
	assert_int_equal(done, json_file_marks(&file, "\"protocol_name\""));
	assert_int_equal(done, PROTOCOLS);
	assert_int_equal(messages, json_file_marks(&file, "\"ciphertext\""));
	free(file.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_vector_is_met_by_both_sides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
