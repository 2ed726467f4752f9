/* SPDX-License-Identifier: MIT */
/* test_protocol_examples.c - the worked examples of docs/protocol.md, read
 * from the document itself and given to the real code. Their octets come from
 * an independent peer in Python (tests/interop/examples.py).
 *
 * Every check says true or false, so that the last test can alter each example
 * in turn and see that some check notices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mpp/client.h>
#include <mpp/service.h>

#include "base/mem.h"
#include "crypto/fixed.h"
#include "loop/uri.h"
#include "presence/message.h"
#include "rud/connect.h"
#include "rud/cookie.h"
#include "rud/datagram.h"
#include "rud/noise.h"
#include "rud/streamid.h"
#include "unit/jsonbcd/rewrite.h"

enum { EXAMPLES_MAX = 256, OCTETS_MAX = 1 << 17 };

struct example {
	char name[64];
	uint8_t *p; /* into octets */
	size_t len;
	bool used;
};

static struct example examples[EXAMPLES_MAX];
static size_t n_examples;
static uint8_t octets[OCTETS_MAX];
static size_t n_octets;
static unsigned long n_stated;
static mpp_crypto crypto;

static const uint8_t instance[8] = {0x11, 0x12, 0x13, 0x14,
				    0x15, 0x16, 0x17, 0x18};
static const char account[] = "alice@example.com";
static const uint64_t now_ms = UINT64_C(1700000000000);

/* ---- reading the document ---- */

static void put_octet(uint8_t octet)
{
	assert_true(n_octets < OCTETS_MAX);
	octets[n_octets++] = octet;
}

static int hex_value(char c)
{
	const char *digits = "0123456789abcdef", *at = strchr(digits, c);

	return c != '\0' && at != NULL ? (int)(at - digits) : -1;
}

/* One line of a hex block: octets, runs such as 00*7, a comment behind #. */
static void read_hex_line(const char *line)
{
	unsigned long times;
	char *end;

	while (*line != '\0' && *line != '#') {
		if (*line == ' ') {
			line++;
			continue;
		}
		assert_true(hex_value(line[0]) >= 0 && hex_value(line[1]) >= 0);
		put_octet((uint8_t)(hex_value(line[0]) * 16 +
				    hex_value(line[1])));
		line += 2;
		if (*line != '*')
			continue;
		times = strtoul(line + 1, &end, 10);
		assert_true(times > 0);
		while (--times > 0)
			put_octet(octets[n_octets - 1]);
		line = end;
	}
}

static void read_text_line(const char *line, bool first)
{
	if (!first)
		put_octet('\n');
	while (*line != '\0')
		put_octet((uint8_t)*line++);
}

static struct example *begin_example(const char *name)
{
	struct example *e = &examples[n_examples++];

	assert_true(n_examples < EXAMPLES_MAX);
	assert_true(strlen(name) < sizeof(e->name));
	memcpy(e->name, name, strlen(name) + 1);
	e->p = octets + n_octets;
	return e;
}

/* What a line that opens a block says: its name, or NULL. */
static const char *opens(const char *line, bool *hex)
{
	static const char *const kinds[] = {
		"```hex name=", "```json name=", "```text name="};
	size_t i;

	for (i = 0; i < 3; i++) {
		*hex = i == 0;
		if (strncmp(line, kinds[i], strlen(kinds[i])) == 0)
			return line + strlen(kinds[i]);
	}
	return NULL;
}

static void read_prose(const char *line)
{
	static const char count[] = "Examples in this document: ";
	const char *at = strstr(line, count);

	if (at != NULL)
		n_stated = strtoul(at + strlen(count), NULL, 10);
}

static int read_document(void **state)
{
	FILE *f = fopen(MPP_TESTS_DIR "/../docs/protocol.md", "r");
	char line[2048];
	struct example *open = NULL;
	const char *name;
	bool hex = false, kind, first = false;

	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		assert_non_null(strchr(line, '\n'));
		line[strcspn(line, "\n")] = '\0';
		if (open == NULL && (name = opens(line, &kind)) != NULL) {
			hex = kind;
			open = begin_example(name);
			first = true;
		} else if (open != NULL && strcmp(line, "```") == 0) {
			open->len = n_octets - (size_t)(open->p - octets);
			open = NULL;
		} else if (open != NULL && hex) {
			read_hex_line(line);
		} else if (open != NULL) {
			read_text_line(line, first);
			first = false;
		} else {
			read_prose(line);
		}
	}
	assert_null(open);
	assert_int_equal(fclose(f), 0);
	return crypto_fixed_new(1, &crypto) == MPP_OK ? 0 : -1;
}

static int end_document(void **state)
{
	(void)state;
	mpp_crypto_free(&crypto);
	return 0;
}

static mpp_bytes get(const char *name)
{
	size_t i;

	for (i = 0; i < n_examples; i++) {
		if (strcmp(examples[i].name, name) == 0) {
			examples[i].used = true;
			return (mpp_bytes){examples[i].p, examples[i].len};
		}
	}
	fail_msg("the document has no example %s", name);
	return (mpp_bytes){NULL, 0};
}

/* name.suffix */
static mpp_bytes get2(const char *name, const char *suffix)
{
	char full[64];

	assert_true(snprintf(full, sizeof(full), "%s%s", name, suffix) <
		    (int)sizeof(full));
	return get(full);
}

static bool same(mpp_bytes a, const void *p, size_t len)
{
	return a.len == len && memcmp(a.p, p, len) == 0;
}

static bool written(const struct wr *w, mpp_bytes example)
{
	return w->err == MPP_OK && same(example, w->p, w->n);
}

/* ---- section 3 ---- */

static bool check_ints(void)
{
	static const struct {
		const char *name;
		uint64_t v;
		bool shortest;
	} rows[] = {
		{"int.37", 37, true},
		{"int.15293", 15293, true},
		{"int.494878333", 494878333, true},
		{"int.151288809941952652", UINT64_C(151288809941952652), true},
		{"int.37-in-two-octets", 37, false},
	};
	bool good = true;
	uint8_t out[8];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		mpp_bytes in = get(rows[i].name);
		struct rd r = rd_init(in);
		struct wr w = wr_init(out, sizeof(out));

		good = good && rd_int(&r) == rows[i].v &&
		       rd_finish(&r) == MPP_OK;
		wr_int(&w, rows[i].v);
		good = good && written(&w, in) == rows[i].shortest;
	}
	return good;
}

static bool check_list(void)
{
	static const uint8_t suites[2] = {1, 2};
	static const uint8_t other[] = {0xe4, 1, '?',  'a', 'b',
					0xe3, 2, 0x00, 0xff};
	struct rd r = rd_init(get("list"));
	struct ext e;
	uint64_t stamp = 0;
	uint8_t out[64];
	struct wr w = wr_init(out, sizeof(out));

	ext_put(&w, EXT_SUITES, suites, 2);
	ext_put_int(&w, EXT_TIMESTAMP, now_ms);
	wr_raw(&w, other, sizeof(other));
	ext_put_end(&w);
	return ext_read(&r, &e) == MPP_OK && rd_finish(&r) == MPP_OK &&
	       e.present == (1u << EXT_SUITES | 1u << EXT_TIMESTAMP) &&
	       same(e.v[EXT_SUITES], suites, 2) &&
	       ext_get_int(e.v[EXT_TIMESTAMP], &stamp) == MPP_OK &&
	       stamp == now_ms && written(&w, get("list"));
}

/* What a refusal begins with. */
static bool check_retry(void)
{
	uint8_t out[64];
	struct wr w = wr_init(out, sizeof(out));

	ext_put(&w, EXT_SUITES, "\x01\x02", 2);
	ext_put_int(&w, EXT_RETRY_AFTER, 10000);
	ext_put_end(&w);
	return written(&w, get("retry"));
}

static bool check_params(void)
{
	mpp_bytes in = get("params");
	struct params p;
	uint8_t out[64];
	struct wr w = wr_init(out, sizeof(out));

	if (params_read(in, &p) != MPP_OK || p.quantum != 64 ||
	    p.packet_size != 0 || p.idle_ms != 0 || !p.has_instance ||
	    memcmp(p.instance, instance, 8) != 0)
		return false;
	params_write(&w, &p); /* with its tag and length */
	return w.err == MPP_OK && w.n == in.len + 2 && out[0] == 141 &&
	       out[1] == in.len && same(in, out + 2, in.len);
}

/* ---- sections 4 and 5.2 ---- */

static bool opens_to_stream(mpp_bytes id)
{
	struct stream st;

	return id.len == 16 && streamid_usable(id.p) &&
	       streamid_open(&crypto, get("sid.key").p, id.p, &st) == MPP_OK &&
	       st.slot == 3 && st.generation == 0x01020304;
}

static bool check_streamid(void)
{
	mpp_bytes block = get("sid.block");
	const uint8_t *key = get("sid.key").p;
	uint8_t out[16];

	if (!opens_to_stream(get("sid.first")) ||
	    !opens_to_stream(get("sid.second")) || block.len != 16)
		return false;
	crypto_fixed_script(&crypto, (mpp_bytes){block.p + 8, 8});
	return streamid_issue(&crypto, key, (struct stream){3, 0x01020304},
			      out) == MPP_OK &&
	       same(get("sid.first"), out, 16) &&
	       crypto.ops->aes_encrypt(crypto.ctx, key, block.p, out) ==
		       MPP_OK &&
	       same(get("sid.first"), out, 16);
}

static bool is_pair(const char *name, int suite)
{
	mpp_bytes secret = get2(name, ".secret"), pub = get2(name, ".public");
	uint8_t out[MPP_DH_MAX];

	return secret.len == mpp_dh_len(suite) && secret.p[0] != 0 &&
	       crypto.ops->dh_public(crypto.ctx, suite, secret.p, out) ==
		       MPP_OK &&
	       same(pub, out, mpp_dh_len(suite));
}

static bool check_keys(void)
{
	return is_pair("service", 1) && is_pair("device", 1) &&
	       is_pair("ephemeral.initiator", 1) &&
	       is_pair("ephemeral.responder", 1) &&
	       is_pair("ephemeral.complete", 1) && is_pair("service448", 2);
}

static bool is_fingerprint(const char *name, int suite, mpp_bytes pub)
{
	uint8_t spki[MPP_SPKI_MAX], udf[MPP_UDF_LEN];
	char text[MPP_UDF_TEXT_MAX];
	mpp_bytes shown = get2(name, ".text");
	char spki_name[32];

	(void)snprintf(spki_name, sizeof(spki_name), "spki.%s", name + 4);
	return same(get(spki_name), spki, mpp_spki(suite, pub.p, spki)) &&
	       mpp_udf_key(&crypto, suite, pub.p, udf) == MPP_OK &&
	       same(get(name), udf, sizeof(udf)) &&
	       same(shown, text, mpp_udf_text(udf, MPP_UDF_PIN_BITS, text)) &&
	       mpp_udf_match(udf, shown, MPP_UDF_PIN_BITS) == MPP_OK;
}

static bool check_fingerprints(void)
{
	return is_fingerprint("udf.25519", 1, get("service.public")) &&
	       is_fingerprint("udf.448", 2, get("service448.public"));
}

static bool check_invitation(void)
{
	mpp_bytes uri = get("invitation.uri"), pin = get("udf.25519.text");
	mpp_bytes secret = get("invitation.secret");
	struct loop_invitation inv;
	mpp_loop_error e;
	char text[512];

	assert_true(uri.len < sizeof(text));
	memcpy(text, uri.p, uri.len);
	text[uri.len] = '\0';
	return loop_uri_parse(text, &inv, &e) == MPP_OK &&
	       strcmp(inv.account, account) == 0 && inv.n_pins == 1 &&
	       same(pin, inv.pins[0], strlen(inv.pins[0])) &&
	       same(secret, inv.secret, sizeof(inv.secret)) &&
	       inv.n_endpoints == 1 && inv.endpoints[0].port == 15099 &&
	       strcmp(inv.endpoints[0].host, "192.0.2.1") == 0 &&
	       memcmp(text, "mpp:", 4) == 0;
}

/* ---- section 5.3: in the clear ---- */

static void reply_id_of(uint8_t first, uint8_t out[16])
{
	unsigned i;

	for (i = 0; i < 16; i++)
		out[i] = (uint8_t)(first + i);
}

static bool check_hello(void)
{
	mpp_bytes in = get("hello");
	struct connect c;
	uint8_t out[1200], id[16];
	struct wr w = wr_init(out, sizeof(out));

	reply_id_of(0x50, id);
	connect_begin_initiator(&w, RUD_INIT_HELLO, 0, id);
	ext_put(&w, EXT_SUITES, "\x01", 1);
	ext_put_end(&w);
	wr_int(&w, 0);
	connect_pad(&w);
	return connect_read_initiator(in, &c) == MPP_OK &&
	       c.type == RUD_INIT_HELLO && c.version == 1 && c.suite == 0 &&
	       same(c.reply_id, id, 16) && c.noise.len == 0 &&
	       suites_contain(c.ext.v[EXT_SUITES], 1) &&
	       !suites_contain(c.ext.v[EXT_SUITES], 2) && written(&w, in);
}

static bool check_cookie(void)
{
	static const mpp_addr addr = {{192, 0, 2, 7}, 40000, 4, 0};
	mpp_bytes secret = get("challenge.secret");
	mpp_bytes value = get("challenge.value");
	mpp_time now = {UINT64_C(1000000000)};
	uint8_t out[COOKIE_LEN];

	return secret.len == 32 &&
	       cookie_make(&crypto, secret.p, &addr, now, out) == MPP_OK &&
	       same(value, out, sizeof(out)) &&
	       cookie_check(&crypto, secret.p, &addr, now, value) == MPP_OK;
}

static bool check_challenge(void)
{
	mpp_bytes in = get("challenge"), pub = get("service.public");
	mpp_bytes value = get("challenge.value");
	struct connect c;
	uint8_t out[1200], id[16];
	struct wr w = wr_init(out, sizeof(out));

	reply_id_of(0x50, id);
	connect_begin_responder(&w, RUD_RESP_CHALLENGE, 1, id);
	ext_put(&w, EXT_SUITES, "\x01\x02", 2);
	wr_u8(&w, 128 + EXT_PUBLIC_KEY);
	wr_int(&w, 1 + pub.len);
	wr_int(&w, 1);
	wr_raw(&w, pub.p, pub.len);
	ext_put(&w, EXT_CHALLENGE, value.p, value.len);
	ext_put_end(&w);
	wr_int(&w, 0);
	return connect_read_responder(in, &c) == MPP_OK &&
	       c.type == RUD_RESP_CHALLENGE && c.suite == 1 &&
	       same(c.ext.v[EXT_CHALLENGE], value.p, value.len) &&
	       c.ext.v[EXT_PUBLIC_KEY].len == 33 && written(&w, in);
}

static bool is_close(const struct ext *e, uint64_t code, const char *text)
{
	struct rd r = rd_init(e->v[EXT_CLOSE]);
	uint64_t got = rd_int(&r);
	mpp_bytes said = rd_bytes(&r);

	return ext_has(e, EXT_CLOSE) && rd_finish(&r) == MPP_OK &&
	       got == code && same(said, text, strlen(text));
}

/* What the service says to another version is this example, but for the
 * reply id and the text. */
static bool check_error(void)
{
	mpp_bytes in = get("error");
	struct connect c;
	uint8_t id[16];

	reply_id_of(0x50, id);
	return connect_read_responder(in, &c) == MPP_OK &&
	       c.type == RUD_RESP_ERROR && c.version == 1 && c.suite == 0 &&
	       same(c.reply_id, id, 16) && c.noise.len == 0 &&
	       c.ext.present == 1u << EXT_CLOSE &&
	       is_close(&c.ext, 400, "version 1 is spoken here");
}

/* ---- sections 5.5 to 5.7: the handshake ---- */

static struct noise_static static_of(const char *name)
{
	mpp_bytes secret = get2(name, ".secret"), pub = get2(name, ".public");
	struct noise_static s = {{0}, {0}};

	memcpy(s.secret, secret.p, secret.len < 32 ? secret.len : 32);
	memcpy(s.pub, pub.p, pub.len < 32 ? pub.len : 32);
	return s;
}

static bool begin(struct noise_ik *hs, const char *who, const uint8_t *rs,
		  mpp_bytes prologue)
{
	const mpp_bytes parts[2] = {{(const uint8_t *)"RUD/1", 5}, prologue};
	const struct noise_static s = static_of(who);

	return noise_ik_init(hs, &crypto, 1, &s, rs) == MPP_OK &&
	       noise_ik_prologue(hs, parts, 2) == MPP_OK;
}

/* The responder's side of a datagram; its payload into out. */
static bool answer(const char *name, struct noise_ik *hs, struct connect *c,
		   mpp_buf *out)
{
	mpp_bytes rest;

	return connect_read_initiator(get(name), c) == MPP_OK &&
	       c->suite == 1 && mem_is_zero(c->padding.p, c->padding.len) &&
	       same(c->ext.v[EXT_KEY_ID], get("udf.25519").p + 1, 16) &&
	       begin(hs, "service", NULL, c->prologue) &&
	       noise_ik_read1_static(hs, c->noise, &rest) == MPP_OK &&
	       same(get("device.public"), hs->rs, 32) &&
	       noise_ik_read1_payload(hs, rest, out) == MPP_OK;
}

/* The initiator's side of it: exactly the octets of the document. */
static bool ask(const char *name, mpp_bytes payload, const char *ephemeral,
		struct noise_ik *hs)
{
	struct connect c;
	uint8_t out[1200];
	struct wr w = wr_init(out, sizeof(out));
	mpp_buf noise;

	if (connect_read_initiator(get(name), &c) != MPP_OK)
		return false;
	wr_raw(&w, c.prologue.p, c.prologue.len);
	wr_int(&w, payload.len + noise_ik_overhead1(1));
	noise = (mpp_buf){out, sizeof(out), w.n};
	crypto_fixed_script(&crypto, get2(ephemeral, ".secret"));
	if (w.err != MPP_OK ||
	    !begin(hs, "device", get("service.public").p, c.prologue) ||
	    noise_ik_write1(hs, payload, &noise) != MPP_OK)
		return false;
	w.n = noise.len;
	connect_pad(&w);
	return written(&w, get(name));
}

/* The extensions of a first payload, and what is behind them. */
static bool is_first(mpp_bytes payload, uint64_t stamp, mpp_bytes token,
		     mpp_bytes credential, mpp_bytes message)
{
	struct params p = {.has_instance = true};
	uint8_t out[1152], id[16];
	struct wr w = wr_init(out, sizeof(out));

	reply_id_of(0x30, id);
	memcpy(p.instance, instance, sizeof(instance));
	if (token.len != 0)
		ext_put(&w, EXT_TOKEN, token.p, token.len);
	ext_put(&w, EXT_STREAM_ID, id, sizeof(id));
	ext_put(&w, EXT_SERVICE, "mmmpresence", 11);
	ext_put(&w, EXT_CLAIM, account, sizeof(account) - 1);
	if (credential.len != 0)
		ext_put(&w, EXT_CREDENTIAL, credential.p, credential.len);
	ext_put_int(&w, EXT_TIMESTAMP, stamp);
	params_write(&w, &p);
	ext_put_end(&w);
	wr_raw(&w, message.p, message.len);
	return written(&w, payload);
}

static bool head_is(const struct connect *c, uint8_t type, uint8_t first)
{
	uint8_t id[16];

	reply_id_of(first, id);
	return c->type == type && same(c->reply_id, id, 16);
}

static bool check_complete(void)
{
	mpp_bytes payload = get("complete.payload");
	mpp_bytes value = get("challenge.value"), none = {NULL, 0};
	uint8_t room[1200];
	mpp_buf out = {room, sizeof(room), 0};
	struct noise_ik hs;
	struct connect c;

	return is_first(payload, now_ms - 1000, get("invitation.secret"), none,
			none) &&
	       answer("complete", &hs, &c, &out) &&
	       head_is(&c, RUD_INIT_COMPLETE, 0x60) &&
	       same(c.ext.v[EXT_CHALLENGE], value.p, value.len) &&
	       same(payload, out.p, out.len) &&
	       ask("complete", payload, "ephemeral.complete", &hs);
}

static bool check_exchange(void)
{
	mpp_bytes payload = get("exchange.payload"), none = {NULL, 0};
	uint8_t room[1200];
	mpp_buf out = {room, sizeof(room), 0};
	struct noise_ik hs;
	struct connect c;

	return is_first(payload, now_ms, none, none,
			get("PresenceConnectRequest.jsonb")) &&
	       answer("exchange", &hs, &c, &out) &&
	       head_is(&c, RUD_INIT_EXCHANGE, 0x70) &&
	       same(payload, out.p, out.len) &&
	       ask("exchange", payload, "ephemeral.initiator", &hs);
}

/* Of slot 3, generation 0x01020304. */
static bool reset_token(uint8_t token[RESET_TOKEN_LEN])
{
	uint8_t number[8] = {0, 0, 0, 3, 1, 2, 3, 4}, key[32], mac[64];
	mpp_bytes part = {number, sizeof(number)};
	unsigned i;

	for (i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(0xc0 + i);
	if (crypto.ops->hmac(crypto.ctx, (mpp_bytes){key, 32}, &part, 1, mac) !=
	    MPP_OK)
		return false;
	memcpy(token, mac, RESET_TOKEN_LEN);
	return true;
}

static bool is_answer(mpp_bytes payload)
{
	mpp_bytes first = get("sid.first"), second = get("sid.second");
	mpp_bytes message = get("PresenceConnectResponse.jsonb");
	uint8_t out[1152], token[RESET_TOKEN_LEN];
	struct wr w = wr_init(out, sizeof(out));

	if (!reset_token(token))
		return false;
	ext_put(&w, EXT_SUITES, "\x01\x02", 2);
	wr_u8(&w, 128 + EXT_STREAM_ID);
	wr_int(&w, 32);
	wr_raw(&w, first.p, first.len);
	wr_raw(&w, second.p, second.len);
	ext_put(&w, EXT_RESET_TOKEN, token, sizeof(token));
	ext_put_end(&w);
	wr_raw(&w, message.p, message.len);
	return written(&w, payload);
}

/* Both sides of message 2; afterwards *i and *r are at the end. */
static bool finish_handshake(struct noise_ik *i, struct noise_ik *r)
{
	mpp_bytes payload = get("responder.payload");
	uint8_t room[1200], sealed[1200];
	mpp_buf out = {room, sizeof(room), 0};
	mpp_buf message = {sealed, sizeof(sealed), 0};
	struct connect asked, c;

	if (!ask("exchange", get("exchange.payload"), "ephemeral.initiator",
		 i) ||
	    !answer("exchange", r, &asked, &out) ||
	    connect_read_responder(get("responder"), &c) != MPP_OK ||
	    c.ext.present != 0 || !head_is(&asked, RUD_INIT_EXCHANGE, 0x70) ||
	    c.type != RUD_RESP_COMPLETE || c.suite != 1 ||
	    !same(c.reply_id, asked.reply_id.p, 16))
		return false;
	crypto_fixed_script(&crypto, get("ephemeral.responder.secret"));
	if (noise_ik_write2(r, payload, &message) != MPP_OK ||
	    !same(c.noise, message.p, message.len))
		return false;
	out.len = 0;
	return noise_ik_read2(i, c.noise, &out) == MPP_OK &&
	       same(payload, out.p, out.len);
}

static bool is_keys(const char *name, const uint8_t k[32])
{
	struct rud_keys keys;
	uint8_t all[52];

	if (rud_keys_derive(&crypto, k, &keys) != MPP_OK)
		return false;
	memcpy(all, keys.key, 32);
	memcpy(all + 32, keys.salt, 4);
	memcpy(all + 36, keys.hdr, 16);
	return same(get(name), all, sizeof(all));
}

static bool check_responder(void)
{
	struct noise_ik i, r;
	uint8_t up[32], down[32], up2[32], down2[32];

	return is_answer(get("responder.payload")) &&
	       finish_handshake(&i, &r) &&
	       same(get("handshake.hash"), i.noise.sym.h, 64) &&
	       same(get("handshake.hash"), r.noise.sym.h, 64) &&
	       noise_ik_split(&i, up, down) == MPP_OK &&
	       noise_ik_split(&r, up2, down2) == MPP_OK &&
	       memcmp(up, up2, 32) == 0 && memcmp(down, down2, 32) == 0 &&
	       same(get("split.to-service"), up, 32) &&
	       same(get("split.to-device"), down, 32) &&
	       is_keys("keys.to-service", up) &&
	       is_keys("keys.to-device", down);
}

/* ---- section 10: tokens ---- */

struct token_example {
	const char *name;
	uint8_t id;    /* first octet of the key's id; the others follow */
	uint8_t nonce; /* the same */
	uint64_t issued_ms, expires_ms, proven_ms;
};

static void count_up(uint8_t *p, size_t n, uint8_t first)
{
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = (uint8_t)(first + i);
}

/* It opens to the claims, and these are minted to the same octets. */
static bool is_token(const struct token_example *x)
{
	mpp_bytes key_octets = get2(x->name, ".key"), want = get(x->name);
	uint8_t nonce[24], room[MPP_TOKEN_MAX], secret[32];
	mpp_buf made = {room, sizeof(room), 0};
	mpp_token_key key;
	mpp_token t;

	assert_int_equal(key_octets.len, sizeof(key.key));
	memcpy(key.key, key_octets.p, key_octets.len);
	count_up(key.id, sizeof(key.id), x->id);
	count_up(nonce, sizeof(nonce), x->nonce);
	if (mpp_token_open(&crypto, &key, want, &t) != MPP_OK ||
	    !same(get2(x->name, ".claims"), t.plain,
		  want.len - 28 - MPP_TAG_LEN) ||
	    !same(get2(x->name, ".secret"), t.secret, sizeof(t.secret)))
		return false;
	crypto_fixed_script(&crypto, (mpp_bytes){nonce, sizeof(nonce)});
	return mpp_token_mint(&crypto, &key, &t.claims, &made, secret) ==
		       MPP_OK &&
	       same(want, room, made.len) &&
	       t.claims.issued_ms == x->issued_ms &&
	       t.claims.expires_ms == x->expires_ms &&
	       t.claims.proven_ms == x->proven_ms &&
	       t.claims.rights == MPP_RIGHT_SUBSCRIBE;
}

static bool check_token(void)
{
	const uint64_t day = 86400000;
	const struct token_example x = {
		"token",           0xd0,        0x98, now_ms - day,
		now_ms + 29 * day, now_ms - day};

	return is_token(&x);
}

static bool begin_ticket(struct noise *hs, bool initiator, mpp_bytes secret,
			 mpp_bytes prologue)
{
	const mpp_bytes parts[2] = {{(const uint8_t *)"RUD/1", 5}, prologue};
	const struct noise_setup setup = {
		.pattern = NOISE_NNPSK0,
		.suite = 1,
		.initiator = initiator,
		.psk = secret.p,
	};

	return noise_init(hs, &crypto, &setup) == MPP_OK &&
	       noise_prologue(hs, parts, 2) == MPP_OK;
}

/* The device's side: exactly the octets of the document. */
static bool ask_ticket(struct noise *hs, const char *token, uint8_t reply_id,
		       mpp_bytes payload, mpp_bytes want)
{
	mpp_bytes value = get(token);
	uint8_t out[1200], id[16];
	struct wr w = wr_init(out, sizeof(out));
	mpp_buf noise;

	reply_id_of(reply_id, id);
	connect_begin_initiator(&w, RUD_INIT_TICKET, 1, id);
	ext_put(&w, EXT_TOKEN, value.p, value.len);
	ext_put_end(&w);
	if (!begin_ticket(hs, true, get2(token, ".secret"),
			  (mpp_bytes){out, w.n}))
		return false;
	wr_int(&w, payload.len + noise_overhead(hs));
	noise = (mpp_buf){out, sizeof(out), w.n};
	crypto_fixed_script(&crypto, get("ephemeral.initiator.secret"));
	if (noise_write(hs, payload, &noise) != MPP_OK)
		return false;
	w.n = noise.len;
	connect_pad(&w);
	return written(&w, want);
}

/* The service's: it reads that, and answers as the document does. */
static bool answer_ticket(struct noise *hs)
{
	mpp_bytes payload = get("responder.payload");
	uint8_t room[1200], out[1200];
	mpp_buf plain = {room, sizeof(room), 0}, noise;
	struct wr w = wr_init(out, sizeof(out));
	struct connect c;

	if (connect_read_initiator(get("ticket"), &c) != MPP_OK ||
	    !begin_ticket(hs, false, get("token.secret"), c.prologue) ||
	    noise_read(hs, c.noise, &plain) != MPP_OK ||
	    !same(get("exchange.payload"), room, plain.len))
		return false;
	connect_begin_responder(&w, RUD_RESP_COMPLETE, 1, c.reply_id.p);
	ext_put_end(&w);
	wr_int(&w, payload.len + noise_overhead(hs));
	noise = (mpp_buf){out, sizeof(out), w.n};
	crypto_fixed_script(&crypto, get("ephemeral.responder.secret"));
	if (noise_write(hs, payload, &noise) != MPP_OK)
		return false;
	w.n = noise.len;
	return written(&w, get("ticket.responder"));
}

static bool check_ticket(void)
{
	struct noise i, r;
	uint8_t room[1200], up[32], down[32], up2[32], down2[32];
	mpp_buf out = {room, sizeof(room), 0};
	struct connect c;

	return ask_ticket(&i, "token", 0x20, get("exchange.payload"),
			  get("ticket")) &&
	       answer_ticket(&r) &&
	       connect_read_responder(get("ticket.responder"), &c) == MPP_OK &&
	       noise_read(&i, c.noise, &out) == MPP_OK &&
	       same(get("responder.payload"), room, out.len) &&
	       noise_split(&i, up, down) == MPP_OK &&
	       noise_split(&r, up2, down2) == MPP_OK &&
	       memcmp(up, up2, 32) == 0 && memcmp(down, down2, 32) == 0 &&
	       same(get("ticket.to-service"), up, 32) &&
	       same(get("ticket.to-device"), down, 32);
}

/* Does a service that trusts the minter, and knows the account only, let this
 * Ticket in? */
static bool is_let_in(mpp_service *s, mpp_bytes datagram)
{
	static mpp_datagram slots[4];
	mpp_outbox out = {slots, 4, 0};
	const mpp_addr from = {{192, 0, 2, 7}, 40000, 4, 0};
	const mpp_instant now = {{1000000}, {now_ms * 1000}};
	uint8_t copy[MPP_PACKET_MAX];
	mpp_commit c;

	memcpy(copy, datagram.p, datagram.len);
	if (mpp_service_account_add(s,
				    (mpp_bytes){(const uint8_t *)account,
						sizeof(account) - 1},
				    1) != MPP_OK ||
	    !mpp_service_commit(s, &c))
		return false;
	mpp_service_committed(s, c.id, MPP_OK, now);
	(void)mpp_service_receive(s,
				  (mpp_buf){copy, sizeof(copy), datagram.len},
				  &from, now, &out);
	return out.n == 1 && slots[0].data[16] == RUD_RESP_COMPLETE &&
	       mpp_service_count(s)->tickets == 1 &&
	       mpp_service_count(s)->refused == 0;
}

static bool minted_is_let_in(void)
{
	static const char accounts[] = "*@example.com";
	const mpp_service_config config = {.bindings = 4, .half_open = 4};
	mpp_service_secrets secrets = {.x25519 = {1}};
	mpp_token_minter minter = {
		.accounts = {(const uint8_t *)accounts, sizeof(accounts) - 1},
		.rights = MPP_RIGHT_SUBSCRIBE,
		.life_s = 3660,
	};
	const size_t n = mpp_service_size(&config);
	void *mem = calloc(1, n);
	mpp_service *s;
	bool good;

	memcpy(minter.key.key, get("minted.key").p, sizeof(minter.key.key));
	count_up(minter.key.id, sizeof(minter.key.id), 0xe1);
	assert_non_null(mem);
	assert_int_equal(mpp_service_init(mem, n, &config, &secrets, &crypto,
					  &s),
			 MPP_OK);
	good = mpp_service_minter_add(s, &minter) == MPP_OK &&
	       is_let_in(s, get("minted.ticket"));
	mpp_service_wipe(s);
	free(mem);
	return good;
}

static bool check_minted(void)
{
	const struct token_example x = {
		"minted", 0xe1, 0xb8, now_ms - 60000, now_ms + 3600000, 0};
	const mpp_bytes none = {NULL, 0};
	uint8_t credential[34] = {CREDENTIAL_RAW, 32};
	struct noise hs;

	memcpy(credential + 2, get("device.public").p, 32);
	return is_token(&x) &&
	       is_first(get("minted.payload"), now_ms, none,
			(mpp_bytes){credential, sizeof(credential)}, none) &&
	       ask_ticket(&hs, "minted", 0x80, get("minted.payload"),
			  get("minted.ticket")) &&
	       minted_is_let_in();
}

static bool check_reset(void)
{
	mpp_bytes reset = get("reset");
	uint8_t out[RESET_MAX];
	unsigned i;

	for (i = 0; i < 20; i++)
		out[i] = (uint8_t)(0x51 + i);
	return reset_token(out + 20) && same(reset, out, 36);
}

/* The service answers the request with the answer. */
static bool check_stun(void)
{
	static const mpp_addr from = {{192, 0, 2, 7}, 40000, 4, 0};
	const mpp_service_config config = {.bindings = 4, .half_open = 4};
	const mpp_service_secrets secrets = {.x25519 = {1}};
	const mpp_instant now = {{1000000}, {now_ms * 1000}};
	const mpp_bytes in = get("stun-request"), want = get("stun-answer");
	const size_t n = mpp_service_size(&config);
	void *mem = calloc(1, n);
	uint8_t copy[MPP_PACKET_MAX];
	mpp_datagram slot;
	mpp_outbox out = {&slot, 1, 0};
	mpp_service *s;

	assert_non_null(mem);
	assert_int_equal(mpp_service_init(mem, n, &config, &secrets, &crypto,
					  &s),
			 MPP_OK);
	memcpy(copy, in.p, in.len);
	(void)mpp_service_receive(s, (mpp_buf){copy, sizeof(copy), in.len},
				  &from, now, &out);
	mpp_service_wipe(s);
	free(mem);
	return out.n == 1 && same(want, slot.data, slot.len);
}

static bool check_refusal(void)
{
	static const mpp_addr addr = {{192, 0, 2, 7}, 40000, 4, 0};
	static const struct msg_common common = {
		401,   "Timestamp is not newer",
		&addr, {UINT64_C(1700000000000000)},
		1,     37,
	};
	uint8_t out[1152];
	struct wr w = wr_init(out, sizeof(out));
	mpp_json_writer j;

	ext_put(&w, EXT_SUITES, "\x01\x02", 2);
	ext_put_end(&w);
	mpp_json_writer_init(&j, MPP_JSON_B, out + w.n, sizeof(out) - w.n);
	msg_begin(&j, MSG_CONNECT_RESPONSE);
	mpp_json_uint(&j, "Newest", now_ms);
	msg_put_common(&j, &common);
	msg_end(&j);
	return mpp_json_finish(&j) == MPP_OK &&
	       same(get("refusal.payload"), out, w.n + j.n);
}

/* ---- section 6: data packets ---- */

enum {
	PATH_CHALLENGE = -2,
	PATH_RESPONSE = -3,
	MOVED = -4, /* the identifiers are those after a move */
	MOVED_RESPONSE = -5,
	REFILL = -6,
	RENEW = -7,
	PATH_LOST = -8,
};

static const struct packet_row {
	const char *name;
	bool up;
	struct rud_header h;
	const char *message; /* what the plaintext says, or NULL */
	int close; /* or Close with this code; -1: none, or as above */
} packet_rows[] = {
	{"confirm", true, {0, 9, 1, 0, 0, 0, 0}, "=held", -1},
	{"confirmed", false, {0, 5, 1, 0, 0, 0, 1}, NULL, -1},
	{"heartbeat", true, {1, 1, 1, 0, 0, 0, 0}, "PresenceHeartbeat", -1},
	{"notify", false, {2, 9, 1, 0, 0, 0, 0}, "PresenceNotify", -1},
	{"acknowledge", true, {2, 5, 1, 0, 0, 2, 1}, "PresenceAcknowledge", -1},
	{"probe", false, {3, 9, 1, 0, 0, 0, 0}, NULL, -1},
	{"missing", true, {7, 5, 1, 0, 0, 9, 5}, "=held", -1},
	{"close", true, {3, 1, 1, 0, 0, 0, 0}, NULL, 0},
	{"path-challenge", false, {5, 1, 1, 0, 0, 0, 0}, NULL, PATH_CHALLENGE},
	{"path-response", true, {4, 1, 1, 0, 0, 0, 0}, NULL, PATH_RESPONSE},
	{"renew", false, {6, 5, 1, 0, 0, 2, 1}, NULL, RENEW},
	{"moved", true, {5, 1, 1, 0, 0, 0, 0}, "PresenceHeartbeat", MOVED},
	{"moved-response",
	 true,
	 {6, 9, 1, 0, 0, 0, 0},
	 "PresenceAcknowledge",
	 MOVED_RESPONSE},
	{"refill", false, {7, 5, 1, 0, 0, 6, 1}, NULL, REFILL},
	{"keepalive-probe", true, {8, 1, 1, 0, 0, 0, 0}, "=probe", -1},
	{"path-lost", false, {10, 5, 1, 0, 0, 9, 1}, "=status", PATH_LOST},
	{"resolve", true, {9, 1, 1, 0, 0, 0, 0}, "PresenceResolveRequest", -1},
	{"resolved",
	 false,
	 {11, 1, 1, 0, 0, 0, 0},
	 "PresenceResolveResponse",
	 -1},
	{"web-status", true, {10, 1, 1, 0, 0, 0, 0}, "=waiting", -1},
	{"web-news", false, {12, 5, 1, 0, 0, 10, 1}, "=news", -1},
	{"removed", false, {4, 1, 1, 0, 0, 0, 0}, NULL, 403},
	{"fields",
	 false,
	 {UINT64_C(0x010203040506), 13, 5, 3, 2, 0x0a0b0c0d, 0x15},
	 NULL,
	 -1},
};

static struct rud_keys keys_of(bool up)
{
	mpp_bytes all = get(up ? "keys.to-service" : "keys.to-device");
	struct rud_keys k;

	memcpy(k.key, all.p, 32);
	memcpy(k.salt, all.p + 32, 4);
	memcpy(k.hdr, all.p + 36, 16);
	return k;
}

static bool is_header(mpp_bytes block, const struct rud_header *h)
{
	uint8_t out[16];
	struct wr w = wr_init(out, sizeof(out));

	wr_be(&w, h->index, 6);
	wr_u8(&w, h->flags);
	wr_u8(&w, h->count);
	wr_u8(&w, h->packet);
	wr_u8(&w, h->sequence);
	wr_u32(&w, h->ack_index);
	wr_u16(&w, h->ack_bits);
	return written(&w, block);
}

/* The confirming packet says what ResponderComplete brought. */
static bool is_held(mpp_bytes message)
{
	struct msg m;
	mpp_bytes rest;

	return msg_decode(message, &m, &rest) == MPP_OK && rest.len == 0 &&
	       m.type == MSG_ACKNOWLEDGE &&
	       m.present == 1u << FIELD_ACKNOWLEDGE &&
	       m.acknowledge == UINT64_C(1699999999000000);
}

/* A heartbeat that asks for a probe, and an answer without a vector. */
static bool is_probe(mpp_bytes message)
{
	struct msg m;
	mpp_bytes rest;

	return msg_decode(message, &m, &rest) == MPP_OK && rest.len == 0 &&
	       m.type == MSG_HEARTBEAT && m.probe_ms == 28000 &&
	       m.serial == 8 && m.acknowledge == UINT64_C(1700000000000001) &&
	       m.present == (1u << FIELD_PROBE | 1u << FIELD_SERIAL |
			     1u << FIELD_ACKNOWLEDGE);
}

static bool is_status(mpp_bytes message)
{
	struct msg m;
	mpp_bytes rest;

	return msg_decode(message, &m, &rest) == MPP_OK && rest.len == 0 &&
	       m.type == MSG_STATUS && m.acknowledge == 9 &&
	       m.now_s == UINT64_C(1700000000) && m.endpoint.port == 40000 &&
	       !msg_has(&m, FIELD_SERIAL);
}

/* By HTTP: a request that waits, and what it was told. */
static bool is_waiting(mpp_bytes message)
{
	struct msg m;
	mpp_bytes rest;

	return msg_decode(message, &m, &rest) == MPP_OK && rest.len == 0 &&
	       m.type == MSG_STATUS_REQUEST && m.serial == 10 &&
	       m.acknowledge == UINT64_C(1700000000000001) &&
	       m.present == (1u << FIELD_SERIAL | 1u << FIELD_ACKNOWLEDGE);
}

static bool is_news(mpp_bytes message)
{
	struct msg m;
	mpp_bytes rest;

	return msg_decode(message, &m, &rest) == MPP_OK && rest.len == 0 &&
	       m.type == MSG_STATUS && m.acknowledge == 10 &&
	       m.now_s == UINT64_C(1700000000) && m.endpoint.family == 0 &&
	       m.store_status.n == 1 && m.serial == UINT64_C(1700000000000006);
}

static bool is_named(const char *name, mpp_bytes message)
{
	if (strcmp(name, "=held") == 0)
		return is_held(message);
	if (strcmp(name, "=waiting") == 0)
		return is_waiting(message);
	if (strcmp(name, "=news") == 0)
		return is_news(message);
	return strcmp(name, "=probe") == 0 ? is_probe(message)
					   : is_status(message);
}

static bool names_device(const struct ext *e)
{
	uint8_t id[16];

	reply_id_of(0x90, id);
	return same(e->v[EXT_STREAM_ID], id, sizeof(id));
}

/* Two more of the same stream. */
static bool brings_ids(const struct ext *e)
{
	const mpp_bytes v = e->v[EXT_STREAM_ID];

	return v.len == 32 && memcmp(v.p, v.p + 16, 16) != 0 &&
	       opens_to_stream((mpp_bytes){v.p, 16}) &&
	       opens_to_stream((mpp_bytes){v.p + 16, 16});
}

/* The extensions that a row has, or none. */
static bool has_extension(const struct ext *e, int what)
{
	static const uint8_t data[8] = {0x81, 0x82, 0x83, 0x84,
					0x85, 0x86, 0x87, 0x88};
	const enum ext_number n = what == PATH_CHALLENGE  ? EXT_PATH_CHALLENGE
				  : what == PATH_RESPONSE ? EXT_PATH_RESPONSE
				  : what == RENEW         ? EXT_RENEW
				  : what == PATH_LOST     ? EXT_PATH_LOST
							  : EXT_CLOSE;
	uint64_t ms;

	if (what == -1)
		return e->present == 0;
	if (what == REFILL)
		return e->present == 1u << EXT_STREAM_ID && brings_ids(e);
	if (what == MOVED)
		return e->present == 1u << EXT_STREAM_ID && names_device(e);
	if (what == MOVED_RESPONSE)
		return e->present == (1u << EXT_STREAM_ID |
				      1u << EXT_PATH_RESPONSE) &&
		       names_device(e) &&
		       same(e->v[EXT_PATH_RESPONSE], data, sizeof(data));
	if (what == PATH_LOST)
		return e->present == 1u << n &&
		       ext_get_int(e->v[n], &ms) == MPP_OK && ms == 39980;
	return e->present == 1u << n &&
	       (n == EXT_CLOSE || (n == EXT_RENEW && e->v[n].len == 0) ||
		same(e->v[n], data, sizeof(data)));
}

/* Names, and packets of a device that has moved, are padded to more. */
static unsigned quantum_of(const struct packet_row *row)
{
	if (row->close == MOVED)
		return PACKET_PLAIN_MAX;
	if (strcmp(row->name, "resolve") == 0)
		return 128;
	return strcmp(row->name, "resolved") == 0 ? 468 : 0;
}

static bool says(mpp_bytes plain, const struct packet_row *row)
{
	struct rd r = rd_init(plain);
	struct msg m;
	mpp_bytes rest, start;
	struct ext e;

	if (ext_read(&r, &e) != MPP_OK || !has_extension(&e, row->close))
		return false;
	start = rest = rd_rest(&r);
	if (row->message != NULL && msg_decode(start, &m, &rest) != MPP_OK)
		return false;
	start.len -= rest.len;
	if (row->message != NULL && row->message[0] == '=' &&
	    !is_named(row->message, start))
		return false;
	if (row->message != NULL && row->message[0] != '=' &&
	    !same(get2(row->message, ".jsonb"), start.p, start.len))
		return false;
	if (row->close >= 0 &&
	    !is_close(&e, (uint64_t)row->close,
		      row->close == 0
			      ? ""
			      : "this device was removed from its account"))
		return false;
	return mem_is_zero(rest.p, rest.len) &&
	       plain.len ==
		       packet_padded(plain.len - rest.len, quantum_of(row));
}

static bool is_packet(const struct packet_row *row)
{
	mpp_bytes in = get(row->name), plain = get2(row->name, ".plain");
	struct rud_keys keys = keys_of(row->up);
	uint8_t p[MPP_PACKET_MAX], id[16];
	struct rud_header h;

	reply_id_of(row->close == REFILL ? 0x90 : 0x30, id);
	if (row->up)
		memcpy(id,
		       get(row->close == MOVED || row->close == MOVED_RESPONSE
				   ? "sid.second"
				   : "sid.first")
			       .p,
		       16);
	if (in.len != plain.len + PACKET_OVERHEAD || in.len > sizeof(p) ||
	    memcmp(in.p, id, 16) != 0)
		return false;
	memcpy(p, in.p, in.len);
	if (packet_header(&crypto, &keys, p, &h) != MPP_OK ||
	    !is_header(get2(row->name, ".header"), &h) ||
	    !is_header(get2(row->name, ".header"), &row->h) ||
	    packet_open(&crypto, &keys, &h, p, in.len) != MPP_OK ||
	    !same(plain, p + PACKET_HEAD, plain.len) || !says(plain, row))
		return false;
	return packet_seal(&crypto, &keys, id, &h, p, plain.len) == MPP_OK &&
	       same(in, p, in.len);
}

static bool check_packets(void)
{
	size_t i;

	for (i = 0; i < sizeof(packet_rows) / sizeof(packet_rows[0]); i++) {
		if (!is_packet(&packet_rows[i]))
			return false;
	}
	return true;
}

/* The nonce is not to be seen in the code: seal with it by hand. */
static bool seals(const char *name, bool up)
{
	mpp_bytes in = get(name), plain = get2(name, ".plain");
	mpp_bytes nonce = get2(name, ".nonce");
	struct rud_keys keys = keys_of(up);
	uint8_t out[MPP_PACKET_MAX];

	return nonce.len == 12 && in.len == plain.len + PACKET_OVERHEAD &&
	       crypto.ops->seal(crypto.ctx, keys.key, nonce.p,
				(mpp_bytes){in.p, PACKET_HEAD}, plain,
				out) == MPP_OK &&
	       memcmp(in.p + PACKET_HEAD, out, in.len - PACKET_HEAD) == 0;
}

static bool check_nonce(void)
{
	return seals("heartbeat", true) && seals("fields", false);
}

/* ---- section 6: datagrams of several packets ---- */

static const struct large_row {
	const char *name;
	mpp_json_encoding encoding;
	uint64_t index;
	unsigned count;
} large_rows[] = {
	{"two", MPP_JSON_B, 8, 2},
	{"three", MPP_JSON_TEXT, 9, 3},
};

/* The publication of 16 stores that both of them are, as this code writes it. */
static size_t write_large(mpp_json_encoding encoding, uint8_t *p, size_t cap)
{
	static const char *const names[] = {
		"Inbound", "Outbound",    "Archive",     "Notary",
		"Access",  "Application", "Bookmark",    "Callsign",
		"Carnet",  "Contact",     "Credential",  "Device",
		"Member",  "Network",     "Publication", "Task"};
	static const mpp_addr addr = {{192, 0, 2, 7}, 40000, 4, 0};
	static const struct msg_common common = {
		0, NULL, &addr, {UINT64_C(1700000000000000)}, 0, 37};
	uint8_t digest[64], bits[4] = {0};
	char name[32];
	mpp_store_status st;
	mpp_json_writer w;
	unsigned i, bit;

	mpp_json_writer_init(&w, encoding, p, cap);
	msg_begin(&w, MSG_NOTIFY);
	msg_put_common(&w, &common);
	mpp_json_array(&w, "StoreStatus");
	for (i = 0; i < 16; i++) {
		snprintf(name, sizeof(name), "mmm_%s", names[i]);
		st.store = (mpp_bytes){(const uint8_t *)name, strlen(name)};
		st.index = 1000 + i;
		if (crypto.ops->sha512(crypto.ctx, &st.store, 1, digest) !=
		    MPP_OK)
			return 0;
		st.digest = (mpp_bytes){digest, sizeof(digest)};
		msg_put_store(&w, &st);
		bit = msg_store_bit(st.store);
		bits[bit / 8] |= (uint8_t)(1u << bit % 8);
	}
	mpp_json_close(&w);
	mpp_json_data(&w, "Bitmask", (mpp_bytes){bits, sizeof(bits)});
	mpp_json_uint(&w, "Serial", UINT64_C(1700000000000001));
	msg_end(&w);
	return mpp_json_finish(&w) == MPP_OK ? w.n : 0;
}

static bool is_large_plain(const struct large_row *row, mpp_bytes plain)
{
	uint8_t out[DATAGRAM_MAX];
	size_t n = 1 + write_large(row->encoding, out + 1, sizeof(out) - 1);
	size_t padded = datagram_padded(n, 0, PACKET_PLAIN_MAX);

	out[0] = 255;
	memset(out + n, 0, sizeof(out) - n);
	return same(plain, out, padded);
}

/* Packet i in its next sending is this example. */
static bool is_part(const char *name, struct datagram_out *d, unsigned i,
		    mpp_bytes plain)
{
	struct rud_keys keys = keys_of(false);
	struct datagram_piece piece = datagram_piece(d, i);
	struct rud_header h = datagram_take(d, i);
	uint8_t p[MPP_PACKET_MAX], id[16];

	reply_id_of(0x30, id);
	h.flags = FLAG_FINAL | FLAG_ACK_WANTED;
	memcpy(p + PACKET_HEAD, plain.p + piece.at, piece.len);
	return is_header(get2(name, ".header"), &h) &&
	       packet_seal(&crypto, &keys, id, &h, p, piece.len) == MPP_OK &&
	       same(get(name), p, piece.len + PACKET_OVERHEAD);
}

/* Put together, in any order, the packets are the plaintext. */
static bool joins(const struct large_row *row, mpp_bytes plain)
{
	static uint8_t room[DATAGRAM_MAX];
	struct assemblies s = {.room = room, .buffers = 1};
	struct rud_keys keys = keys_of(false);
	struct assembled got = {.whole = false};
	uint64_t bits[2] = {0};
	struct replay window = {0, bits, 2};
	uint8_t p[MPP_PACKET_MAX];
	struct rud_header h;
	const struct arrival a = {1, &window, &h};
	char name[32];
	mpp_bytes in;
	size_t n;
	unsigned i;

	for (i = row->count; i-- > 0 && !got.whole;) {
		snprintf(name, sizeof(name), "%s.%u", row->name, i);
		in = get(name);
		n = in.len - PACKET_OVERHEAD;
		memcpy(p, in.p, in.len);
		if (packet_header(&crypto, &keys, p, &h) != MPP_OK ||
		    assembly_check(&s, &a, n) != MPP_OK ||
		    packet_open(&crypto, &keys, &h, p, in.len) != MPP_OK)
			return false;
		got = assembly_take(&s, &a, (mpp_bytes){p + PACKET_HEAD, n});
	}
	return got.whole && same(plain, got.plain.p, got.plain.len);
}

static bool check_large(void)
{
	struct datagram_out d;
	char name[32];
	size_t r;
	unsigned i;

	for (r = 0; r < 2; r++) {
		const struct large_row *row = &large_rows[r];
		mpp_bytes plain = get2(row->name, ".plain");

		datagram_cut(&d, row->index, plain.len, PACKET_PLAIN_MAX, true);
		if (!is_large_plain(row, plain) || d.count != row->count)
			return false;
		for (i = 0; i < row->count; i++) {
			snprintf(name, sizeof(name), "%s.%u", row->name, i);
			if (!is_part(name, &d, i, plain))
				return false;
		}
		if (!joins(row, plain))
			return false;
	}
	/* Of the newest one the device lacks the second packet. */
	(void)datagram_acked(&d, 5);
	return datagram_next(&d) == 1 &&
	       is_part("three.1.again", &d, 1, get("three.plain"));
}

/* ---- section 11: messages ---- */

#define SERIAL_1 UINT64_C(1699999999000000)
#define SERIAL_2 UINT64_C(1700000000000001)

static const struct message_row {
	enum msg_type type;
	uint64_t serial, acknowledge, status;
	uint8_t bitmask[4];
	uint16_t stores, store_status, skipped;
	bool service;
	size_t dns; /* octets of DnsRequest or DnsResponse */
} message_rows[] = {
	{MSG_CONNECT_REQUEST, 1, 0, 0, {0}, 2, 0, 0, false, 0},
	{MSG_DISCONNECT_REQUEST, 7, SERIAL_1, 0, {0}, 0, 0, 0, false, 0},
	{MSG_STATUS_REQUEST, 3, SERIAL_1, 0, {0}, 1, 0, 0, false, 0},
	{MSG_HEARTBEAT, 2, SERIAL_1, 0, {0}, 0, 0, 0, false, 0},
	{MSG_ENDPOINT_REQUEST, 4, SERIAL_1, 0, {0}, 0, 0, 0, false, 0},
	{MSG_PUBLISH_REQUEST, 5, SERIAL_1, 0, {0}, 0, 2, 0, false, 0},
	{MSG_RESOLVE_REQUEST, 10, SERIAL_1, 0, {0}, 0, 0, 0, false, 44},
	{MSG_ACKNOWLEDGE, 0, SERIAL_2, 0, {0}, 0, 0, 0, false, 0},
	{MSG_CONNECT_RESPONSE, SERIAL_1, 1, 0, {4}, 0, 1, 0, true, 0},
	{MSG_DISCONNECT_RESPONSE, 0, 7, 0, {0}, 0, 0, 0, true, 0},
	{MSG_STATUS, 0, 3, 0, {0, 8}, 0, 1, 0, true, 0},
	{MSG_ENDPOINT_RESPONSE, 0, 4, 0, {0}, 0, 0, 0, true, 0},
	{MSG_PUBLISH_RESPONSE, SERIAL_2, 5, 0, {0}, 0, 0, 1, true, 0},
	{MSG_RESOLVE_RESPONSE, 0, 10, 0, {0}, 0, 0, 0, true, 60},
	{MSG_NOTIFY, SERIAL_2, 0, 0, {4, 8}, 0, 2, 0, true, 0},
	{MSG_INVALID_SERIAL, 5, 4, 0, {0}, 0, 0, 0, true, 0},
	{MSG_ERROR, 0, 6, 400, {0}, 0, 0, 0, true, 0},
};

static bool is_common(const struct msg *m)
{
	static const uint8_t ip[16] = {192, 0, 2, 7};

	return m->now_s == now_ms / 1000 &&
	       m->ticks == UINT64_C(638355968000000000) &&
	       m->leap_seconds == 37 && m->endpoint.family == 4 &&
	       m->endpoint.port == 40000 && memcmp(m->endpoint.ip, ip, 16) == 0;
}

static bool is_dns(const struct msg *m, size_t len)
{
	static const uint8_t id[2] = {0x4d, 0x50};
	const mpp_json_text *member = m->type == MSG_RESOLVE_REQUEST
					      ? &m->dns_request
					      : &m->dns_response;
	uint8_t p[128];
	mpp_buf out = {p, sizeof(p), 0};

	return len == 0 || (msg_blob(member, &out) == MPP_OK &&
			    out.len == len && memcmp(p, id, 2) == 0);
}

static bool is_message(mpp_bytes in, const struct message_row *row, bool json)
{
	struct msg m;
	mpp_bytes rest;

	return msg_decode(in, &m, &rest) == MPP_OK && rest.len == 0 &&
	       m.json == json && m.type == row->type &&
	       m.serial == row->serial && m.acknowledge == row->acknowledge &&
	       m.status == row->status &&
	       memcmp(m.bitmask, row->bitmask, 4) == 0 &&
	       m.stores.n == row->stores && m.skipped.n == row->skipped &&
	       m.store_status.n == row->store_status && is_dns(&m, row->dns) &&
	       (!row->service || is_common(&m));
}

/* JSON-B and JSON say the same, and read the same. */
static bool check_messages(void)
{
	bool good = true;
	mpp_bytes b, text, again;
	size_t i;

	for (i = 0; i < sizeof(message_rows) / sizeof(message_rows[0]); i++) {
		const struct message_row *row = &message_rows[i];

		b = get2(msg_type_name(row->type), ".jsonb");
		text = get2(msg_type_name(row->type), ".json");
		good = good && is_message(b, row, false) &&
		       is_message(text, row, true) &&
		       rewrite_new(b, MPP_JSON_PRETTY, &again) == MPP_OK;
		if (!good)
			return false;
		good = same(text, again.p, again.len);
		free((void *)(uintptr_t)again.p);
	}
	return good;
}

/* What the entries of a list say, and which bits they set. */
static bool check_stores(void)
{
	uint8_t room[MPP_STORE_MAX + MPP_DIGEST_MAX];
	mpp_buf scratch = {room, sizeof(room), 0};
	mpp_store_status st;
	struct msg m;
	mpp_bytes rest;

	return msg_decode(get("PresenceNotify.jsonb"), &m, &rest) == MPP_OK &&
	       msg_next_store(&m.store_status, &scratch, &st) &&
	       same(st.store, "mmm_Contact", 11) && st.index == 7 &&
	       st.digest.len == 0 && msg_store_bit(st.store) == 11 &&
	       msg_next_store(&m.store_status, &scratch, &st) &&
	       same(st.store, "mmm_Inbound", 11) && st.index == 42 &&
	       st.digest.len == 32 && msg_store_bit(st.store) == 2 &&
	       !msg_next_store(&m.store_status, &scratch, &st);
}

/* ---- the real service, asked with the document's octets ---- */

static mpp_service *service_with_device(uint8_t *mem, size_t len,
					const mpp_service_config *config)
{
	mpp_bytes pub = get("device.public"), secret = get("service.secret");
	mpp_service_secrets secrets = {{0}, {7}, {1}, {1}, {{0}, {0}}};
	uint8_t key[1 + sizeof(account) + 1 + 32] = "a";
	static const uint8_t value[] = {1, MPP_RIGHT_SUBSCRIBE, 0};
	size_t n = sizeof(account) - 1;
	mpp_service *s;

	memcpy(secrets.x25519, secret.p, secret.len < 32 ? secret.len : 32);
	memcpy(key + 1, account, sizeof(account));
	key[n + 2] = 1; /* behind the zero: suite, key */
	memcpy(key + n + 3, pub.p, pub.len < 32 ? pub.len : 32);
	assert_int_equal(mpp_service_init(mem, len, config, &secrets, &crypto,
					  &s),
			 MPP_OK);
	assert_int_equal(mpp_service_load(s, (mpp_bytes){key, 1 + n},
					  (mpp_bytes){value, 1}),
			 MPP_OK);
	key[0] = 'd';
	assert_int_equal(mpp_service_load(s, (mpp_bytes){key, sizeof(key)},
					  (mpp_bytes){value, 3}),
			 MPP_OK);
	return s;
}

/* It answers the exchange with a ResponderComplete that the device opens. */
static bool service_answers(mpp_service *s)
{
	static const mpp_addr from = {{192, 0, 2, 7}, 40000, 4, 0};
	const mpp_instant now = {{1000000}, {now_ms * 1000}};
	mpp_bytes in = get("exchange"), rest;
	uint8_t copy[MPP_PACKET_MAX], room[1200];
	mpp_buf out = {room, sizeof(room), 0};
	mpp_datagram slot;
	mpp_outbox box = {&slot, 1, 0};
	struct noise_ik hs;
	struct connect c;
	struct msg m;
	struct ext e;
	struct rd r;

	if (!ask("exchange", get("exchange.payload"), "ephemeral.initiator",
		 &hs))
		return false;
	memcpy(copy, in.p, in.len);
	if (mpp_service_receive(s, (mpp_buf){copy, sizeof(copy), in.len}, &from,
				now, &box) != MPP_OK ||
	    box.n != 1 ||
	    connect_read_responder((mpp_bytes){slot.data, slot.len}, &c) !=
		    MPP_OK ||
	    noise_ik_read2(&hs, c.noise, &out) != MPP_OK)
		return false;
	r = rd_init((mpp_bytes){out.p, out.len});
	return c.type == RUD_RESP_COMPLETE && ext_read(&r, &e) == MPP_OK &&
	       ext_has(&e, EXT_STREAM_ID) && ext_has(&e, EXT_RESET_TOKEN) &&
	       msg_decode(rd_rest(&r), &m, &rest) == MPP_OK &&
	       m.type == MSG_CONNECT_RESPONSE && m.status == 0 &&
	       m.acknowledge == 1 && m.connection_timeout_ms == 60000;
}

static bool check_service(void)
{
	mpp_service_config config = {.bindings = 4, .half_open = 4};
	size_t len = mpp_service_size(&config);
	uint8_t *mem = calloc(1, len);
	mpp_service *s;
	bool good;

	assert_non_null(mem);
	s = service_with_device(mem, len, &config);
	good = service_answers(s);
	mpp_service_wipe(s);
	free(mem);
	return good;
}

/* ---- the tests ---- */

static bool (*const checks[])(void) = {
	check_ints,     check_list,         check_params,     check_streamid,
	check_keys,     check_fingerprints, check_invitation, check_hello,
	check_cookie,   check_challenge,    check_error,      check_complete,
	check_exchange, check_responder,    check_refusal,    check_packets,
	check_nonce,    check_messages,     check_stores,     check_service,
	check_reset,    check_token,        check_ticket,     check_large,
	check_minted,   check_retry,        check_stun,
};
enum { CHECKS = sizeof(checks) / sizeof(checks[0]) };

static void test_count(void **state)
{
	(void)state;
	assert_true(n_stated > 0);
	assert_int_equal(n_examples, n_stated);
}

#define TEST(name)                            \
	static void test_##name(void **state) \
	{                                     \
		(void)state;                  \
		assert_true(check_##name());  \
	}
TEST(ints)
TEST(list)
TEST(params)
TEST(streamid)
TEST(keys)
TEST(fingerprints)
TEST(invitation)
TEST(hello)
TEST(token)
TEST(ticket)
TEST(minted)
TEST(cookie)
TEST(challenge)
TEST(error)
TEST(complete)
TEST(exchange)
TEST(responder)
TEST(refusal)
TEST(retry)
TEST(reset)
TEST(stun)
TEST(packets)
TEST(nonce)
TEST(large)
TEST(messages)
TEST(stores)
TEST(service)

/* No example of the document is left out. */
static void test_every_example_is_checked(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < n_examples; i++) {
		if (!examples[i].used)
			fail_msg("nothing checks %s", examples[i].name);
	}
}

static bool all_good(void)
{
	size_t i;

	for (i = 0; i < CHECKS; i++) {
		if (!checks[i]())
			return false;
	}
	return true;
}

/* The control: whichever example is altered, in its first, middle or last
 * octet, some check fails. */
static void test_altered_examples_are_noticed(void **state)
{
	size_t i, k, at;

	(void)state;
	assert_true(all_good());
	for (i = 0; i < n_examples; i++) {
		for (k = 0; k < 3; k++) {
			at = (examples[i].len - 1) * k / 2;
			examples[i].p[at] ^= 0x10;
			if (all_good())
				fail_msg("%s: octet %u may be another",
					 examples[i].name, (unsigned)at);
			examples[i].p[at] ^= 0x10;
		}
	}
	assert_true(all_good());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_ints),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_params),
		cmocka_unit_test(test_streamid),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_fingerprints),
		cmocka_unit_test(test_invitation),
		cmocka_unit_test(test_hello),
		cmocka_unit_test(test_token),
		cmocka_unit_test(test_ticket),
		cmocka_unit_test(test_minted),
		cmocka_unit_test(test_cookie),
		cmocka_unit_test(test_challenge),
		cmocka_unit_test(test_error),
		cmocka_unit_test(test_complete),
		cmocka_unit_test(test_exchange),
		cmocka_unit_test(test_responder),
		cmocka_unit_test(test_refusal),
		cmocka_unit_test(test_retry),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_stun),
		cmocka_unit_test(test_packets),
		cmocka_unit_test(test_nonce),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_stores),
		cmocka_unit_test(test_service),
		cmocka_unit_test(test_every_example_is_checked),
		cmocka_unit_test(test_altered_examples_are_noticed),
	};

	return cmocka_run_group_tests(tests, read_document, end_document);
}
