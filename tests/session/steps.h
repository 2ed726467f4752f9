/* SPDX-License-Identifier: MIT */
/* steps.h - programs of a session. The first octet says what the service is
 * like; then come steps: an octet that says what (STEPS, by its low five
 * bits), one that says how, and for some a length and that many octets.
 * tests/fuzz/session_corpus.py writes programs by these names. */
#ifndef SESSION_STEPS_H
#define SESSION_STEPS_H

#include "check.h"

/* A step is cut short by the end of the program. */
struct program {
	const uint8_t *p;
	size_t left;
};

enum session_service {
	SERVICE_CHALLENGES = 1, /* always proves addresses first */
	SERVICE_SMALL = 2,      /* has little room */
	SERVICE_ONE_SUITE = 4,
	SERVICE_NO_TOKENS = 8,
	SERVICE_RENEWS = 16, /* keys grow old quickly */
};

enum session_step {
	STEP_PASS = 0, /* time: see `spans` */
	STEP_CONNECT,  /* see connect_how */
	STEP_DELIVER,  /* one packet now, by its number: reordered */
	STEP_LOSE,
	STEP_DUPLICATE,
	STEP_CORRUPT, /* then: which octet (2), which bit of it */
	STEP_REPLAY,  /* an old one; 128: from somebody else's address */
	STEP_ASK,     /* low 2: device; then what, see `ask` */
	STEP_MOVE,    /* low 2: device; 12: its address; 16: it knows */
	STEP_DEVICE,  /* low 2: device; 4: cut, 8: deaf, 16: no disk */
	STEP_PUBLISH, /* 1: account, 2: same, 4: lower, 8: two, 16: Reset */
	STEP_STORE,   /* 1: fails, 2: stalls */
	STEP_REVOKE,  /* 1: account; 2: all of it, else the first device */
	STEP_REMOVE_DEVICE,
	STEP_REMOVE_ACCOUNT,
	STEP_ADD_ACCOUNT,
	STEP_RESTART,     /* 1: the batch under way got through */
	STEP_STRANGER,    /* to the service: see `forge` */
	STEP_ON_PATH,     /* to a client */
	STEP_ODD_CLIENT,  /* authentic octets from a client */
	STEP_ODD_SERVICE, /* and from the service */
	STEP_CLOCK,       /* the wall clock is set: see span() */
	STEP_MANY,        /* publish stores for two packets; 1: account */
	STEPS,
};

enum connect_how {
	HOW_DEVICE = 3,  /* which */
	HOW_MODE = 0x1c, /* mpp_client_mode - 1, modulo 5 */
	HOW_448 = 0x20,
	HOW_KNOWN = 0x40, /* the service's key and the token, if there are */
	HOW_INVITED = 0x80,
};

static inline uint8_t take(struct program *g)
{
	if (g->left == 0)
		return 0;
	g->left--;
	return *g->p++;
}

static inline mpp_bytes take_rest(struct program *g)
{
	size_t n = take(g);
	mpp_bytes b;

	n = n < g->left ? n : g->left;
	b = (mpp_bytes){g->p, n};
	g->p += n;
	g->left -= n;
	return b;
}

/* ---- beginning and end ---- */

static inline void session_limits(mpp_service_config *c, unsigned how)
{
	const bool small = (how & SERVICE_SMALL) != 0;

	*c = (mpp_service_config){
		.bindings = small ? 2 : 8,
		.half_open = small ? 1 : 6,
		.paths = small ? 1 : 4,
		.devices = small ? 2 : 8,
		.accounts = 2,
		.stores = small ? 6 : 96,
		.snapshots = small ? 1 : 3,
		.invitations = small ? 1 : 8,
		.operations = small ? 2 : 12,
		.commit_bytes = 32768,
		.lease_ms = 10000,
		.lease_min_ms = 10000,
		.lease_max_ms = 60000,
		.idle_ms = 30000,
		.token_life_s = 120,
		.renew_s = (how & SERVICE_RENEWS) != 0 ? 30 : 0,
		.always_challenge = (how & SERVICE_CHALLENGES) != 0,
	};
}

static inline void add_account(struct session *x, unsigned n)
{
	(void)!mpp_service_account_add(x->s, session_account(n), ++x->op);
	session_commits(x);
}

static inline void session_begin(struct session *x, unsigned how)
{
	memset(x, 0, offsetof(struct session, fly));
	x->n_fly = x->n_history = x->n_packets = 0;
	memset(x->arrived, 0, sizeof(*x) - offsetof(struct session, arrived));
	x->crypto = quick_crypto();
	session_need(store_mem_open(&x->store) == MPP_OK, "memory");
	x->now = 1000000;
	x->epoch = EPOCH_US;
	x->ends = x->now + SESSION_US_MAX;
	session_limits(&x->config, how);
	quick_fill(11, x->secrets.x25519, 32);
	if ((how & SERVICE_ONE_SUITE) == 0)
		quick_fill(12, x->secrets.x448, 56);
	quick_fill(13, x->secrets.sid_key, 16);
	quick_fill(14, x->secrets.reset_key, 32);
	if ((how & SERVICE_NO_TOKENS) == 0)
		quick_fill(15, x->secrets.token.key, MPP_TOKEN_KEY_LEN);
	session_start(x);
	add_account(x, 0);
	session_pass(x, 10 * COMMIT_US);
}

static inline void session_end(struct session *x)
{
	session_stop(x);
	x->store->ops->close(x->store);
}

/* ---- devices ---- */

static inline bool invite(struct session *x, mpp_client_config *k,
			  unsigned account)
{
	mpp_wall until = {x->now + x->epoch + UINT64_C(900000000)};

	if (quick_random(NULL, k->invitation, MPP_INVITATION_LEN) != MPP_OK)
		return false;
	return mpp_service_invite(x->s, session_account(account), k->invitation,
				  MPP_RIGHTS_ALL, until, ++x->op,
				  session_now(x).wall) == MPP_OK;
}

static inline void configure(struct session *x, mpp_client_config *k,
			     unsigned how)
{
	const unsigned i = (how & HOW_DEVICE) % DEVICES;
	struct session_device *d = &x->d[i];
	const struct kept *kept;

	memset(k, 0, sizeof(*k));
	d->suite = (how & HOW_448) != 0 ? MPP_SUITE_448 : MPP_SUITE_25519;
	kept = &d->kept[d->suite];
	k->mode = (mpp_client_mode)((how & HOW_MODE) / 4 % 5 + 1);
	k->account = session_account(i / 2);
	k->suite = d->suite;
	quick_fill(100 + i * 2 + (unsigned)d->suite, k->device_secret,
		   mpp_dh_len(d->suite));
	quick_fill(200 + i, k->instance, MPP_INSTANCE_LEN);
	k->timestamp_ms = kept->timestamp_ms;
	if ((how & HOW_KNOWN) != 0) {
		k->have_service_key = kept->have_key;
		memcpy(k->service_key, kept->key, MPP_DH_MAX);
		k->token = (mpp_bytes){kept->token, kept->token_len};
		memcpy(k->token_secret, kept->token_secret,
		       sizeof(k->token_secret));
		k->acknowledge = d->held;
	}
	k->have_invitation = (how & HOW_INVITED) != 0 && invite(x, k, i / 2);
}

static inline void step_connect(struct session *x, unsigned how)
{
	const unsigned i = (how & HOW_DEVICE) % DEVICES;
	struct session_device *d = &x->d[i];
	mpp_client_config k;

	configure(x, &k, how);
	if (session_room.client[i] == NULL)
		session_room.client[i] = malloc(mpp_client_size());
	session_need(session_room.client[i] != NULL, "memory");
	if (d->on)
		mpp_client_wipe(d->c);
	session_need(mpp_client_init(session_room.client[i], mpp_client_size(),
				     &k, &x->crypto, &d->c) == MPP_OK,
		     "a client starts");
	d->on = true;
	d->held = k.acknowledge;
	d->types = 0;
	d->tickets = 0;
	d->odd = false;
	session_reached.client[d->c->state]++;
	mpp_client_connect(d->c, session_now(x));
}

static inline void publish_by_device(struct session *x,
				     struct session_device *d)
{
	static const uint8_t digest[32] = {1};
	mpp_store_status st[2] = {
		{{(const uint8_t *)"mail", 4}, ++x->index[0], {digest, 32}},
		{{(const uint8_t *)"contacts", 8}, 3, {NULL, 0}},
	};
	uint32_t request;

	(void)!mpp_client_publish(d->c, st, 2, session_now(x), &request);
}

static inline void step_ask(struct session *x, unsigned how)
{
	const unsigned i = (how & HOW_DEVICE) % DEVICES;
	struct session_device *d = &x->d[i];
	mpp_instant now = session_now(x);
	uint32_t request;

	if (!d->on)
		return;
	switch (how / 4 % 8) {
	case 0:
		(void)!mpp_client_status(d->c, now, &request);
		break;
	case 1:
		(void)!mpp_client_endpoint(d->c, now, &request);
		break;
	case 2:
		(void)!mpp_client_unsubscribe(d->c, now, &request);
		break;
	case 3:
		publish_by_device(x, d);
		break;
	case 4:
		mpp_client_close(d->c, now);
		break;
	case 5:
		mpp_client_connect(d->c, now);
		break;
	case 6: /* the application is gone, and says nothing */
		mpp_client_wipe(d->c);
		d->on = false;
		return;
	default: /* it has written at last */
		mpp_client_saved(d->c);
		break;
	}
	session_client(x, i);
}

static inline void step_device(struct session *x, unsigned how)
{
	struct session_device *d = &x->d[(how & HOW_DEVICE) % DEVICES];

	d->cut = (how & 4) != 0;
	d->deaf = (how & 8) != 0;
	d->no_disk = (how & 16) != 0;
}

/* ---- the network ---- */

static inline void step_corrupt(struct packet *p, size_t at, unsigned bit)
{
	/* Once: changed back they would be authentic. */
	if (p->forged)
		return;
	p->data[at % p->len] ^= (uint8_t)(1u << bit % 8);
	p->forged = true;
}

static inline void step_flying(struct session *x, unsigned step, unsigned how,
			       struct program *g)
{
	size_t at = 0;
	unsigned k, bit = 0;

	if (step == STEP_CORRUPT) {
		at = (size_t)take(g) << 8;
		at |= take(g);
		bit = take(g);
	}
	if (x->n_fly == 0)
		return;
	k = how % x->n_fly;
	switch (step) {
	case STEP_DELIVER:
		session_deliver(x, k);
		break;
	case STEP_LOSE:
		x->fly[k] = x->fly[--x->n_fly];
		break;
	case STEP_DUPLICATE:
		if (x->n_fly < FLIGHT)
			x->fly[x->n_fly++] = x->fly[k];
		break;
	default:
		step_corrupt(&x->fly[k], at, bit);
		break;
	}
}

static inline void step_replay(struct session *x, unsigned how)
{
	unsigned n = x->n_history < HISTORY ? x->n_history : HISTORY;
	struct packet *p;

	if (n == 0 || x->n_fly == FLIGHT)
		return;
	p = &x->fly[x->n_fly++];
	*p = x->history[how % 128 % n];
	p->at = x->now;
	if (p->to_service && (how & 128) != 0)
		p->peer = session_address(DEVICES, how);
}

/* ---- forged octets ----
 * 0: as they are; 1: as an initiator datagram, padded; 2: as the answer to
 * the newest attempt; 3: with a true stream identifier, as somebody on the
 * way sees it. */
static inline void forged_head(struct packet *p, const uint8_t *head, size_t n)
{
	memcpy(p->data, head, n);
	p->len = (uint16_t)n;
}

static inline void forge(struct session *x, struct packet *p, unsigned how,
			 mpp_bytes b)
{
	static const uint8_t zero[16];
	const struct session_device *d = &x->d[p->device];
	const struct link *l = d->on ? link_cur(d->c) : NULL;

	if (how == 1)
		forged_head(p, zero, 16);
	else if (how == 2 && d->on)
		forged_head(p, d->c->attempts[d->c->newest].reply_id, 16);
	else if (how == 3 && l != NULL)
		forged_head(p, p->to_service ? l->service_id : l->client_ids[0],
			    16);
	memset(p->data + p->len, 0, sizeof(p->data) - p->len);
	memcpy(p->data + p->len, b.p, b.len);
	p->len = (uint16_t)(p->len + b.len);
	if (how == 1)
		p->len = MPP_PACKET_SIZE;
}

static inline void step_forge(struct session *x, bool to_service, unsigned how,
			      struct program *g)
{
	mpp_bytes b = take_rest(g);
	struct packet *p = session_fly(x);

	if (p == NULL)
		return;
	p->device = (uint8_t)((how & HOW_DEVICE) % DEVICES);
	p->to_service = to_service;
	p->forged = true;
	p->at = x->now;
	p->peer = session_address(p->device, x->d[p->device].address);
	if (to_service && (how & 128) != 0)
		p->peer = session_address(DEVICES, how >> 4);
	forge(x, p, how / 4 % 4, b);
}

/* ---- authentic octets that no program of ours would send ---- */

static inline struct packet *sealed(struct session *x, const uint8_t *id,
				    const struct rud_keys *keys,
				    const struct rud_header *h, mpp_bytes b)
{
	struct packet *p = session_fly(x);

	if (p == NULL)
		return NULL;
	memset(p->data, 0, sizeof(p->data));
	if (b.len != 0)
		memcpy(p->data + PACKET_HEAD, b.p, b.len);
	session_need(packet_seal(&x->crypto, keys, id, h, p->data, b.len) ==
			     MPP_OK,
		     "a packet is sealed");
	p->len = (uint16_t)(b.len + PACKET_OVERHEAD);
	p->at = x->now;
	return p;
}

static inline void odd_client(struct session *x, unsigned i, uint8_t flags,
			      mpp_bytes b)
{
	struct link *l = link_cur(x->d[i].c);
	struct rud_header h = {.index = l->tx_next++, .count = 1};
	struct packet *p;

	h.flags = (uint8_t)(FLAG_FINAL | (flags & 0xc));
	h.ack_index = (uint32_t)(l->rx_top - flags / 16u);
	h.ack_bits = (flags & FLAG_ACK) != 0;
	p = sealed(x, l->service_id, &l->tx, &h, b);
	if (p == NULL)
		return;
	p->to_service = true;
	p->device = (uint8_t)i;
	p->peer = session_address(i, x->d[i].address);
}

static inline bool is_ours(const struct link *l, const uint8_t *id)
{
	unsigned i;

	for (i = 0; i < l->n_ids; i++) {
		if (memcmp(l->client_ids[i], id, STREAM_ID_LEN) == 0)
			return true;
	}
	return false;
}

static inline struct binding *binding_of(struct session *x,
					 const struct link *l)
{
	struct presence *s = &x->s->state;
	uint32_t i;

	for (i = 0; i < s->bindings.fresh; i++) {
		struct binding *b = binding_at(s, i);

		if (b->state != BINDING_FREE && is_ours(l, b->client_id))
			return b;
	}
	return NULL;
}

static inline void odd_service(struct session *x, unsigned i, uint8_t flags,
			       mpp_bytes b)
{
	struct link *l = link_cur(x->d[i].c);
	struct binding *k = binding_of(x, l);
	struct rud_header h = {.count = 1};
	struct packet *p;

	if (k == NULL)
		return;
	h.index = k->tx_next++;
	h.flags = (uint8_t)(FLAG_FINAL | (flags & 0xc));
	h.ack_index = (uint32_t)(k->rx_top - flags / 16u);
	h.ack_bits = (flags & FLAG_ACK) != 0;
	p = sealed(x, k->client_id, &k->tx, &h, b);
	if (p == NULL)
		return;
	p->device = (uint8_t)i;
	p->peer = session_address(i, x->d[i].address);
	x->d[i].odd = true;
}

static inline void step_odd(struct session *x, unsigned step, unsigned how,
			    struct program *g)
{
	const unsigned i = (how & HOW_DEVICE) % DEVICES;
	mpp_bytes b = take_rest(g);

	if (!x->d[i].on || !link_cur(x->d[i].c)->on)
		return;
	if (step == STEP_ODD_CLIENT)
		odd_client(x, i, (uint8_t)how, b);
	else
		odd_service(x, i, (uint8_t)how, b);
}

/* ---- the operator ---- */

static inline void results(struct session *x)
{
	mpp_result r;

	while (mpp_service_next_result(x->s, &r)) {
		session_need(r.op != 0 && r.op <= x->op,
			     "a result is that of a call");
		if (r.err == MPP_OK && r.serial != 0 &&
		    r.serial > x->promised[r.op & 1])
			x->promised[r.op & 1] = r.serial;
	}
}

static inline void step_publish(struct session *x, unsigned how)
{
	const unsigned n = how & 1;
	uint64_t index = ++x->index[n];
	mpp_store_status st[2] = {
		{{(const uint8_t *)"calendar", 8}, 1, {NULL, 0}},
		{{(const uint8_t *)"mail", 4}, 1, {NULL, 0}},
	};
	mpp_published done;

	if ((how & 2) != 0)
		index--;
	if ((how & 4) != 0)
		index /= 2;
	st[0].index = st[1].index = index;
	if ((how & 32) != 0)
		st[0].store.len = 1 + how / 64u;
	/* Its lowest bit says which account. */
	x->op += ((x->op ^ n) & 1) != 0 ? 1 : 2;
	if (mpp_service_publish(x->s, session_account(n), st,
				(how & 8) != 0 ? 2 : 1, (how & 16) != 0, x->op,
				session_now(x).wall, &done) == MPP_OK &&
	    !done.waiting && done.serial > x->promised[n])
		x->promised[n] = done.serial;
}

/* State that does not fit one packet. */
static inline void step_many(struct session *x, unsigned how)
{
	enum { MANY = 20, NAME = 60 };
	static const uint8_t digest[32] = {7};
	static uint8_t name[MANY][NAME];
	mpp_store_status st[MANY];
	const unsigned n = how & 1;
	mpp_published done;
	unsigned i;

	x->op += ((x->op ^ n) & 1) != 0 ? 1 : 2;
	x->index[n]++;
	for (i = 0; i < MANY; i++) {
		memset(name[i], 'a' + (int)i, NAME);
		st[i] = (mpp_store_status){
			{name[i], NAME}, x->index[n], {digest, sizeof(digest)}};
	}
	if (mpp_service_publish(x->s, session_account(n), st, MANY, false,
				x->op, session_now(x).wall, &done) == MPP_OK &&
	    !done.waiting && done.serial > x->promised[n])
		x->promised[n] = done.serial;
}

/* The n-th device of an account, as text; empty: there is none. */
static inline mpp_bytes device_name(struct session *x, unsigned account,
				    char text[MPP_UDF_TEXT_MAX])
{
	mpp_account_info a;
	mpp_device_info d;
	uint32_t cursor = 0;
	size_t n = 0;

	if (mpp_service_account_find(x->s, session_account(account), &a) &&
	    mpp_service_device_next(x->s, &a, &cursor, &d))
		n = mpp_udf_text(d.udf, MPP_UDF_BITS, text);
	return (mpp_bytes){(const uint8_t *)text, n};
}

static inline void step_operator(struct session *x, unsigned step, unsigned how)
{
	mpp_bytes account = session_account(how & 1);
	char text[MPP_UDF_TEXT_MAX];
	mpp_bytes id = device_name(x, how & 1, text);
	uint64_t op = ++x->op;

	switch (step) {
	case STEP_REVOKE:
		if ((how & 2) != 0)
			id.len = 0;
		(void)!mpp_service_token_revoke(x->s, account, id, op,
						session_now(x).wall);
		break;
	case STEP_REMOVE_DEVICE:
		(void)!mpp_service_device_remove(x->s, account, id, op,
						 session_now(x).wall);
		break;
	case STEP_REMOVE_ACCOUNT:
		(void)!mpp_service_account_remove(x->s, account, op,
						  session_now(x).wall);
		break;
	default:
		add_account(x, how & 1);
		break;
	}
}

static inline void step_store(struct session *x, unsigned how)
{
	x->commit_result = (how & 1) != 0 ? MPP_ERR_STORE : MPP_OK;
	x->store_stalls = (how & 2) != 0;
}

static inline void step_restart(struct session *x, unsigned how)
{
	mpp_bytes batch = {session_room.commit, x->commit_len};
	struct store_error e;

	if (x->commit_id != 0 && (how & 1) != 0)
		session_need(x->store->ops->commit(x->store, &batch, 1, &e) ==
				     MPP_OK,
			     "a batch can be stored");
	session_stop(x);
	session_start(x);
}

/* ---- the program ---- */

static bool session_traced;

static inline uint64_t span(unsigned how)
{
	static const uint64_t spans[8] = {1000,    20000,   41000,    250000,
					  1100000, 4000000, 11000000, 36000000};

	return spans[how % 8];
}

static inline void step_clock(struct session *x, unsigned how)
{
	const uint64_t by = span(how) * 100;

	if ((how & 128) == 0)
		x->epoch += by;
	else if (x->epoch + x->now > by + EPOCH_US / 2)
		x->epoch -= by;
}

static inline void session_step(struct session *x, struct program *g)
{
	const unsigned step = take(g) & 31u, how = take(g);
	struct session_device *d = &x->d[(how & HOW_DEVICE) % DEVICES];

	session_reached.op[step]++;
	if (session_traced)
		(void)fprintf(stderr, "%10.3f ms: step %u, how %u\n",
			      (double)x->now / 1000, step, how);
	switch (step) {
	case STEP_PASS:
		session_pass(x, span(how));
		break;
	case STEP_CONNECT:
		step_connect(x, how);
		break;
	case STEP_DELIVER:
	case STEP_LOSE:
	case STEP_DUPLICATE:
	case STEP_CORRUPT:
		step_flying(x, step, how, g);
		break;
	case STEP_REPLAY:
		step_replay(x, how);
		break;
	case STEP_ASK:
		step_ask(x, how);
		break;
	case STEP_MOVE:
		d->address = how / 4 % ADDRESSES;
		if (d->on && (how & 16) != 0)
			mpp_client_moved(d->c, session_now(x));
		break;
	case STEP_DEVICE:
		step_device(x, how);
		break;
	case STEP_PUBLISH:
		step_publish(x, how);
		break;
	case STEP_MANY:
		step_many(x, how);
		break;
	case STEP_STORE:
		step_store(x, how);
		break;
	case STEP_RESTART:
		step_restart(x, how);
		break;
	case STEP_STRANGER:
	case STEP_ON_PATH:
		step_forge(x, step == STEP_STRANGER, how, g);
		break;
	case STEP_ODD_CLIENT:
	case STEP_ODD_SERVICE:
		step_odd(x, step, how, g);
		break;
	case STEP_CLOCK:
		step_clock(x, how);
		break;
	case STEP_REVOKE:
	case STEP_REMOVE_DEVICE:
	case STEP_REMOVE_ACCOUNT:
	case STEP_ADD_ACCOUNT:
		step_operator(x, step, how);
		break;
	default:
		break;
	}
}

/* To see what an input does: fuzz_session INPUT with MPP_TRACE=1. */
static inline void session_run(const uint8_t *data, size_t size)
{
	static struct session x;
	struct program g = {data, size};
	unsigned n = 0;

	session_reached.programs++;
	session_traced = getenv("MPP_TRACE") != NULL;
	session_begin(&x, take(&g));
	while (g.left != 0 && !x.over && n++ < STEPS_MAX) {
		session_step(&x, &g);
		session_settle(&x);
		results(&x);
		session_check(&x);
		session_reached.steps++;
	}
	session_end(&x);
}

#endif
