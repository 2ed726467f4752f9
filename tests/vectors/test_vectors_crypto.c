/* SPDX-License-Identifier: MIT */
/* test_vectors_crypto.c - published vectors of the primitives. Each file
 * names its source. What a file holds beyond our primitives (other key
 * lengths, other hashes) is counted, so that nothing is lost unseen. */
#include "vectors/json_file.h"

#include "crypto/openssl.h"
#include "rud/noise.h"

enum {
	TEXT_MAX = 1024,
	OKM_MAX = 255 * MPP_HASH_LEN, /* RFC 5869 section 2.3 */
};

static mpp_crypto crypto;

struct count {
	size_t run;
	size_t not_ours;
};

static void report(const char *name, mpp_buf file, const char *mark,
		   struct count c)
{
	size_t in_file = json_file_marks(&file, mark);

	print_message("%s: %zu in file, %zu run, %zu not ours\n", name, in_file,
		      c.run, c.not_ours);
	assert_true(c.run > 0);
	assert_int_equal(c.run + c.not_ours, in_file);
	free(file.p);
}

/* ------------------------------------------------------------------ AEAD */

struct gcm {
	uint8_t key[64], nonce[512], ad[TEXT_MAX], msg[TEXT_MAX];
	uint8_t sealed[TEXT_MAX + 64];
	mpp_bytes k, n, a, m, s;
};

/* False when the key or the nonce are not of our lengths. */
static bool get_gcm(struct gcm *g, mpp_bytes v, const char *msg, const char *ct)
{
	mpp_bytes tag;

	g->k = json_octets(v, "key", g->key, sizeof(g->key));
	g->n = json_octets(v, "iv", g->nonce, sizeof(g->nonce));
	if (g->k.len != MPP_KEY_LEN || g->n.len != MPP_NONCE_LEN)
		return false;
	g->a = json_octets(v, "aad", g->ad, sizeof(g->ad));
	g->m = json_octets(v, msg, g->msg, sizeof(g->msg));
	g->s = json_octets(v, ct, g->sealed, TEXT_MAX);
	tag = json_octets(v, "tag", g->sealed + g->s.len, 64);
	assert_int_equal(tag.len, MPP_TAG_LEN);
	g->s.len += tag.len;
	return true;
}

static void run_gcm(const mpp_crypto *c, const struct gcm *g, bool valid)
{
	uint8_t out[TEXT_MAX + MPP_TAG_LEN];
	mpp_err err;

	err = c->ops->open(c->ctx, g->key, g->nonce, g->a, g->s, out);
	assert_int_equal(err, valid ? MPP_OK : MPP_ERR_AUTH);
	if (!valid)
		return;
	assert_int_equal(g->s.len, g->m.len + MPP_TAG_LEN);
	assert_memory_equal(out, g->msg, g->m.len);
	err = c->ops->seal(c->ctx, g->key, g->nonce, g->a, g->m, out);
	assert_int_equal(err, MPP_OK);
	assert_memory_equal(out, g->sealed, g->s.len);
}

/* Where the processor has nothing for libsodium: what programs get there. */
static void open_table(bool use_sodium, mpp_crypto *c)
{
	mpp_err err = crypto_openssl_new(use_sodium, c);
	const char *want = use_sodium ? "libsodium" : "openssl";

	if (use_sodium && err == MPP_ERR_UNSUPPORTED) {
		err = mpp_crypto_new(c);
		want = "openssl";
	}
	assert_int_equal(err, MPP_OK);
	assert_string_equal(c->ops->aead_name, want);
}

static void wycheproof_gcm(const mpp_crypto *c)
{
	mpp_buf file = json_file_load("wycheproof_aes_gcm_test.json");
	struct json_list groups = json_list_of(&file, "testGroups");
	struct json_list l;
	struct count n = {0, 0};
	struct gcm g;
	mpp_bytes v;

	while (json_each(&groups, &v)) {
		l = json_list_in(v, "tests");
		while (json_each(&l, &v)) {
			if (!get_gcm(&g, v, "msg", "ct")) {
				n.not_ours++;
				continue;
			}
			run_gcm(c, &g, json_text_is(v, "result", "valid"));
			n.run++;
		}
	}
	assert_int_equal(n.run, 66);
	report("wycheproof_aes_gcm_test.json", file, "\"tcId\"", n);
}

static void aes_gcm(const mpp_crypto *c)
{
	mpp_buf file = json_file_load("aes_gcm.json");
	struct json_list l = json_list_of(&file, "vectors");
	struct count n = {0, 0};
	struct gcm g;
	mpp_bytes v;

	while (json_each(&l, &v)) {
		if (!get_gcm(&g, v, "plaintext", "ciphertext")) {
			n.not_ours++;
			continue;
		}
		run_gcm(c, &g, true);
		n.run++;
	}
	report("aes_gcm.json", file, "\"iv\"", n);
}

static void gcm_by_libsodium(void **state)
{
	mpp_crypto c;

	(void)state;
	open_table(true, &c);
	aes_gcm(&c);
	wycheproof_gcm(&c);
	mpp_crypto_free(&c);
}

static void gcm_by_openssl(void **state)
{
	mpp_crypto c;

	(void)state;
	open_table(false, &c);
	aes_gcm(&c);
	wycheproof_gcm(&c);
	mpp_crypto_free(&c);
}

/* ------------------------------------------------------ HMAC and HKDF */

/* RFC 4231 publishes its fifth output cut to 128 bits. */
static void hmac_sha2(void **state)
{
	mpp_buf file = json_file_load("hmac_sha2.json");
	struct json_list l = json_list_of(&file, "vectors");
	struct count n = {0, 0};
	uint8_t key[256], data[256], want[64], got[64];
	mpp_bytes k, d, w;
	mpp_bytes v;

	(void)state;
	for (; json_each(&l, &v); n.run++) {
		k = json_octets(v, "key", key, sizeof(key));
		d = json_octets(v, "data", data, sizeof(data));
		w = json_octets(v, "hmac_sha512", want, sizeof(want));
		assert_int_equal(crypto.ops->hmac(crypto.ctx, k, &d, 1, got),
				 MPP_OK);
		assert_true(w.len == 64 || w.len == 16);
		assert_memory_equal(got, want, w.len);
	}
	report("hmac_sha2.json", file, "\"hmac_sha512\"", n);
}

struct hkdf {
	uint8_t prk[64], info[256];
	mpp_bytes p, i;
};

/* RFC 5869 section 2.3 with hmac(), for lengths beyond hkdf_expand(). */
static void expand(const struct hkdf *h, uint8_t *out, size_t len)
{
	uint8_t block[MPP_HASH_LEN];
	mpp_bytes parts[3] = {{block, 0}, h->i, {NULL, 1}};
	size_t done = 0;
	uint8_t counter;
	size_t n;

	for (counter = 1; done < len; counter++) {
		parts[2].p = &counter;
		assert_int_equal(crypto.ops->hmac(crypto.ctx, h->p, parts, 3,
						  block),
				 MPP_OK);
		parts[0].len = sizeof(block);
		n = len - done < sizeof(block) ? len - done : sizeof(block);
		memcpy(out + done, block, n);
		done += n;
	}
}

/* hkdf_expand() where its label can be the info; how often it could. */
static size_t expand_by_label(const struct hkdf *h, const uint8_t *want,
			      size_t len)
{
	char label[sizeof(h->info) + 1] = "";
	uint8_t out[64];

	if (len > sizeof(out)) {
		assert_int_equal(hkdf_expand(&crypto, h->p, label, out, len),
				 MPP_ERR_INVALID);
		return 0;
	}
	if (memchr(h->info, 0, h->i.len) != NULL)
		return 0;
	memcpy(label, h->info, h->i.len);
	assert_int_equal(hkdf_expand(&crypto, h->p, label, out, len), MPP_OK);
	assert_memory_equal(out, want, len);
	return 1;
}

static void extract(struct hkdf *h, mpp_bytes v)
{
	uint8_t ikm[256], salt[256];
	mpp_bytes i = json_octets(v, "ikm", ikm, sizeof(ikm));
	mpp_bytes s = json_octets(v, "salt", salt, sizeof(salt));

	h->i = json_octets(v, "info", h->info, sizeof(h->info));
	assert_int_equal(crypto.ops->hmac(crypto.ctx, s, &i, 1, h->prk),
			 MPP_OK);
	h->p = (mpp_bytes){h->prk, sizeof(h->prk)};
}

static void wycheproof_hkdf(void **state)
{
	static uint8_t want[OKM_MAX], got[OKM_MAX];
	mpp_buf file = json_file_load("wycheproof_hkdf_sha512_test.json");
	struct json_list groups = json_list_of(&file, "testGroups");
	struct json_list l;
	struct count n = {0, 0};
	size_t by_label = 0;
	struct hkdf h;
	mpp_bytes v;
	mpp_bytes w;

	(void)state;
	while (json_each(&groups, &v)) {
		l = json_list_in(v, "tests");
		for (; json_each(&l, &v); n.run++) {
			size_t size = (size_t)json_integer(v, "size");

			extract(&h, v);
			w = json_octets(v, "okm", want, sizeof(want));
			by_label += expand_by_label(&h, want, size);
			if (json_text_is(v, "result", "invalid")) {
				assert_true(size > OKM_MAX);
				continue;
			}
			assert_int_equal(w.len, size);
			expand(&h, got, size);
			assert_memory_equal(got, want, size);
		}
	}
	print_message("%zu of them by hkdf_expand() too\n", by_label);
	assert_true(by_label > 0);
	report("wycheproof_hkdf_sha512_test.json", file, "\"tcId\"", n);
}

static void hkdf(void **state)
{
	mpp_buf file = json_file_load("hkdf.json");
	struct json_list l = json_list_of(&file, "vectors");
	struct count n = {0, 0};
	uint8_t want[128], got[128];
	struct hkdf h;
	mpp_bytes v;
	mpp_bytes w;

	(void)state;
	while (json_each(&l, &v)) {
		if (!json_text_is(v, "hash", "sha512")) {
			n.not_ours++;
			continue;
		}
		extract(&h, v);
		w = json_octets(v, "prk", want, sizeof(want));
		if (w.len != 0)
			assert_memory_equal(h.prk, want, sizeof(h.prk));
		w = json_octets(v, "okm", want, sizeof(want));
		assert_int_equal(w.len, json_integer(v, "length_bytes"));
		expand(&h, got, w.len);
		assert_memory_equal(got, want, w.len);
		expand_by_label(&h, want, w.len);
		n.run++;
	}
	report("hkdf.json", file, "\"okm\"", n);
}

/* ------------------------------------------------------ Diffie-Hellman */

/* One Diffie-Hellman; an all-zero expectation means a refusal. */
static void assert_dh(int suite, mpp_bytes secret, mpp_bytes pub,
		      mpp_bytes want)
{
	static const uint8_t zero[MPP_DH_MAX];
	size_t len = mpp_dh_len(suite);
	uint8_t out[MPP_DH_MAX];
	mpp_err err;

	assert_int_equal(secret.len, len);
	assert_int_equal(pub.len, len);
	assert_int_equal(want.len, len);
	err = crypto.ops->dh(crypto.ctx, suite, secret.p, pub.p, out);
	if (memcmp(want.p, zero, len) == 0) {
		assert_int_equal(err, MPP_ERR_AUTH);
		return;
	}
	assert_int_equal(err, MPP_OK);
	assert_memory_equal(out, want.p, len);
}

/* Public keys of a wrong length cannot be said to dh(): its caller compares
 * with mpp_dh_len(), and so does this. */
static void wycheproof_dh(const char *name, int suite)
{
	mpp_buf file = json_file_load(name);
	struct json_list groups = json_list_of(&file, "testGroups");
	struct json_list l;
	struct count n = {0, 0};
	uint8_t secret[64], pub[128], want[64];
	mpp_bytes s, p, w;
	mpp_bytes v;

	while (json_each(&groups, &v)) {
		l = json_list_in(v, "tests");
		while (json_each(&l, &v)) {
			s = json_octets(v, "private", secret, sizeof(secret));
			p = json_octets(v, "public", pub, sizeof(pub));
			w = json_octets(v, "shared", want, sizeof(want));
			if (json_text_is(v, "result", "invalid")) {
				assert_true(p.len != mpp_dh_len(suite));
				n.not_ours++;
				continue;
			}
			assert_dh(suite, s, p, w);
			n.run++;
		}
	}
	report(name, file, "\"tcId\"", n);
}

static void wycheproof_x25519(void **state)
{
	(void)state;
	wycheproof_dh("wycheproof_x25519_test.json", MPP_SUITE_25519);
}

static void wycheproof_x448(void **state)
{
	(void)state;
	wycheproof_dh("wycheproof_x448_test.json", MPP_SUITE_448);
}

static void scalarmult(mpp_bytes v, int suite)
{
	uint8_t scalar[64], in[64], out[64];

	assert_dh(suite, json_octets(v, "scalar", scalar, sizeof(scalar)),
		  json_octets(v, "u_in", in, sizeof(in)),
		  json_octets(v, "u_out", out, sizeof(out)));
}

/* RFC 7748 section 5.2: k, u = X(k, u), k. A million rounds take minutes and
 * are left out, as the file says of itself. */
static void iterated(mpp_bytes v, int suite)
{
	size_t len = mpp_dh_len(suite);
	uint8_t k[64], u[64], out[64], want[64];
	int i;

	json_octets(v, "start", k, sizeof(k));
	memcpy(u, k, len);
	for (i = 1; i <= 1000; i++) {
		assert_int_equal(crypto.ops->dh(crypto.ctx, suite, k, u, out),
				 MPP_OK);
		memcpy(u, k, len);
		memcpy(k, out, len);
		if (i != 1 && i != 1000)
			continue;
		json_octets(v, i == 1 ? "after_1" : "after_1000", want,
			    sizeof(want));
		assert_memory_equal(k, want, len);
	}
}

static void agreement(mpp_bytes v, int suite)
{
	size_t len = mpp_dh_len(suite);
	uint8_t a[64], b[64], pa[64], pb[64], want[64], out[64];
	mpp_bytes shared = json_octets(v, "shared", want, sizeof(want));
	mpp_bytes sa = json_octets(v, "private_a", a, sizeof(a));
	mpp_bytes sb = json_octets(v, "private_b", b, sizeof(b));
	mpp_bytes ua = json_octets(v, "public_a", pa, sizeof(pa));
	mpp_bytes ub = json_octets(v, "public_b", pb, sizeof(pb));

	assert_int_equal(crypto.ops->dh_public(crypto.ctx, suite, a, out),
			 MPP_OK);
	assert_memory_equal(out, pa, len);
	assert_int_equal(crypto.ops->dh_public(crypto.ctx, suite, b, out),
			 MPP_OK);
	assert_memory_equal(out, pb, len);
	assert_dh(suite, sa, ub, shared);
	assert_dh(suite, sb, ua, shared);
}

static void x25519_x448(void **state)
{
	static const struct {
		const char *kind;
		void (*run)(mpp_bytes v, int suite);
	} kinds[] = {
		{"scalarmult", scalarmult},
		{"iterated", iterated},
		{"agreement", agreement},
	};
	mpp_buf file = json_file_load("x25519_x448.json");
	struct json_list l = json_list_of(&file, "vectors");
	struct count n = {0, 0};
	mpp_bytes v;
	size_t i;

	(void)state;
	while (json_each(&l, &v)) {
		int suite = json_text_is(v, "curve", "X448") ? MPP_SUITE_448
							     : MPP_SUITE_25519;

		for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
			if (json_text_is(v, "kind", kinds[i].kind)) {
				kinds[i].run(v, suite);
				n.run++;
			}
	}
	report("x25519_x448.json", file, "\"kind\"", n);
}

static int set_up(void **state)
{
	(void)state;
	return mpp_crypto_new(&crypto) == MPP_OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	mpp_crypto_free(&crypto);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gcm_by_libsodium),
		cmocka_unit_test(gcm_by_openssl),
		cmocka_unit_test(hmac_sha2),
		cmocka_unit_test(wycheproof_hkdf),
		cmocka_unit_test(hkdf),
		cmocka_unit_test(wycheproof_x25519),
		cmocka_unit_test(wycheproof_x448),
		cmocka_unit_test(x25519_x448),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
