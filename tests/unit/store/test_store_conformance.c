/* SPDX-License-Identifier: MIT */
/* One suite for every backend of the store, and the durable one against the
 * naive one. */
#include "unit/store/fixture.h"

struct backend {
	const char *name;
	bool durable;
};

struct place {
	const struct backend *backend;
	char dir[64];
	char path[80];
	struct store *store;
};

static struct store *open_store(struct place *p)
{
	struct store *s = NULL;

	if (p->backend->durable)
		return must_open(p->path, MAP_SIZE);
	assert_int_equal(store_mem_open(&s), MPP_OK);
	return s;
}

/* What a new process would see; the store in memory stays as it is. */
static void reopen(struct place *p)
{
	if (!p->backend->durable)
		return;
	p->store->ops->close(p->store);
	p->store = NULL;
	p->store = open_store(p);
}

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->backend = *state;
	make_dir(p->dir);
	snprintf(p->path, sizeof(p->path), "%s/store", p->dir);
	p->store = open_store(p);
	assert_string_equal(p->store->ops->name, p->backend->name);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	if (p->store != NULL)
		p->store->ops->close(p->store);
	remove_dir(p->dir);
	free(p);
	return 0;
}

static void assert_dump(struct place *p, const struct octets *want, size_t n)
{
	struct dump d = must_dump(p->store);

	assert_int_equal(d.records, n);
	assert_int_equal(d.all.len, want->len);
	assert_true(octets_eq(&d.all, want));
	dump_free(&d);
}

/* Exactly these records, in this order; now and after opening again. */
static void assert_holds(struct place *p, const char *const *pairs, size_t n)
{
	struct dump want = {0};
	size_t i;

	for (i = 0; i < n; i++)
		dump_one(&want, text(pairs[2 * i]), text(pairs[2 * i + 1]));
	assert_dump(p, &want.all, n);
	reopen(p);
	assert_dump(p, &want.all, n);
	dump_free(&want);
}

static void empty_at_first(void **state)
{
	struct place *p = *state;

	assert_holds(p, NULL, 0);
	must_put(p->store, "k", "v");
	assert_holds(p, (const char *[]){"k", "v"}, 1);
}

static void put_overwrite_delete(void **state)
{
	struct place *p = *state;
	struct octets b = {0};

	must_put(p->store, "b", "one");
	must_put(p->store, "a", "two");
	assert_holds(p, (const char *[]){"a", "two", "b", "one"}, 2);
	must_put(p->store, "b", "longer than before");
	assert_holds(p, (const char *[]){"a", "two", "b", "longer than before"},
		     2);
	must_put(p->store, "b", "");
	assert_holds(p, (const char *[]){"a", "two", "b", ""}, 2);
	batch_delete(&b, text("a"));
	must_commit(p->store, &b);
	assert_holds(p, (const char *[]){"b", ""}, 1);
	batch_delete(&b, text("b"));
	must_commit(p->store, &b);
	assert_holds(p, NULL, 0);
}

static void delete_of_nothing(void **state)
{
	struct place *p = *state;
	struct octets b = {0};

	batch_delete(&b, text("never"));
	must_commit(p->store, &b);
	assert_holds(p, NULL, 0);
	batch_put(&b, text("k"), text("v"));
	batch_delete(&b, text("kk"));
	batch_delete(&b, text("never"));
	must_commit(p->store, &b);
	assert_holds(p, (const char *[]){"k", "v"}, 1);
}

/* In one batch the later operation on a key wins. */
static void order_within_batch(void **state)
{
	struct place *p = *state;
	struct octets b = {0};

	batch_put(&b, text("a"), text("1"));
	batch_put(&b, text("a"), text("2"));
	batch_put(&b, text("b"), text("1"));
	batch_delete(&b, text("b"));
	batch_delete(&b, text("c"));
	batch_put(&b, text("c"), text("3"));
	must_commit(p->store, &b);
	assert_holds(p, (const char *[]){"a", "2", "c", "3"}, 2);
}

/* Ascending as memcmp has it, the shorter of equals first. */
static const struct {
	const char *key;
	size_t len;
} ordered[] = {
	{"\0", 1},        {"\0\0", 2},     {"\0\0\1", 3}, {"\0\1", 2},
	{"\0\377", 2},    {"\1", 1},       {"\1\0\0", 3}, {"A", 1},
	{"Z\377\377", 3}, {"a", 1},        {"a\0", 2},    {"a\0b", 3},
	{"ab", 2},        {"abc", 3},      {"b", 1},      {"\177", 1},
	{"\177\377", 2},  {"\200", 1},     {"\200\0", 2}, {"\377", 1},
	{"\377\0", 2},    {"\377\377", 2},
};

static void order_of_load(void **state)
{
	enum { N = sizeof(ordered) / sizeof(ordered[0]) };
	struct place *p = *state;
	struct dump want = {0};
	struct octets b = {0};
	mpp_bytes key;
	size_t i;

	for (i = 0; i < N; i++) { /* 7 and 22 have no common factor */
		key.p = (const uint8_t *)ordered[i * 7 % N].key;
		key.len = ordered[i * 7 % N].len;
		batch_put(&b, key, key);
		must_commit(p->store, &b);
	}
	for (i = 0; i < N; i++) {
		key.p = (const uint8_t *)ordered[i].key;
		key.len = ordered[i].len;
		dump_one(&want, key, key);
	}
	assert_dump(p, &want.all, N);
	reopen(p);
	assert_dump(p, &want.all, N);
	dump_free(&want);
}

static void largest_key_and_value(void **state)
{
	static uint8_t key[511];
	static uint8_t value[65535];
	struct place *p = *state;
	struct octets b = {0};
	struct dump want = {0};

	memset(key, 0xfe, sizeof(key));
	memset(value, 0xa5, sizeof(value));
	value[65534] = 1;
	batch_put(&b, text("x"), (mpp_bytes){value, 65535});
	batch_put(&b, (mpp_bytes){key, 511}, text(""));
	key[510] = 0xff;
	batch_put(&b, (mpp_bytes){key, 511}, (mpp_bytes){value, 65535});
	must_commit(p->store, &b);
	dump_one(&want, text("x"), (mpp_bytes){value, 65535});
	key[510] = 0xfe;
	dump_one(&want, (mpp_bytes){key, 511}, text(""));
	key[510] = 0xff;
	dump_one(&want, (mpp_bytes){key, 511}, (mpp_bytes){value, 65535});
	assert_dump(p, &want.all, 3);
	reopen(p);
	assert_dump(p, &want.all, 3);
	dump_free(&want);
}

/* Each is put behind a good operation, which must not be applied either. */
static const struct {
	const char *what;
	const char *octets;
	size_t len;
	size_t fill; /* as many more octets */
	size_t at;   /* where the bad operation begins */
} malformed[] = {
	{"operation 0 does not exist", "\0\0\1k\0\0\0\0", 8, 0, 0},
	{"operation 3 does not exist", "\3\0\1k\0\0\0\0", 8, 0, 0},
	{"a put with an empty key", "\1\0\0\0\0\0\1v", 8, 0, 0},
	{"a delete with an empty key", "\2\0\0\0\0\0\0", 7, 0, 0},
	{"a delete with a value", "\2\0\1k\0\0\0\1v", 9, 0, 0},
	{"only the operation", "\1", 1, 0, 0},
	{"half a key length", "\1\0", 2, 0, 0},
	{"no key", "\1\0\1", 3, 0, 0},
	{"half a key", "\1\0\2k", 4, 0, 0},
	{"no value length", "\1\0\1k", 4, 0, 0},
	{"half a value length", "\1\0\1k\0\0\0", 7, 0, 0},
	{"no value", "\1\0\1k\0\0\0\1", 8, 0, 0},
	{"half a value", "\1\0\1k\0\0\0\2v", 9, 0, 0},
	{"a value of 4 GiB that is not there", "\1\0\1k\377\377\377\377v", 9, 0,
	 0},
	{"a key of 512 octets", "\1\2\0", 3, 512 + 4, 0},
	{"a value of 65536 octets", "\1\0\1k\0\1\0\0", 8, 65536, 0},
	{"one octet behind a good operation", "\1\0\1k\0\0\0\0\1", 9, 0, 8},
};

static void add_malformed(struct octets *b, size_t i)
{
	static const uint8_t zero[65536];

	octets_add(b, malformed[i].octets, malformed[i].len);
	octets_add(b, zero, malformed[i].fill);
}

static void malformed_alone(struct place *p, size_t i)
{
	struct store_error err;
	struct octets b = {0};
	char where[64];
	mpp_err rc;

	batch_put(&b, text("new"), text("must not appear"));
	batch_delete(&b, text("old"));
	snprintf(where, sizeof(where), "malformed at octet %zu of",
		 b.len + malformed[i].at);
	add_malformed(&b, i);
	rc = commit_octets(p->store, &b, &err);
	if (rc != MPP_ERR_SYNTAX)
		fail_msg("%s: %d", malformed[i].what, rc);
	assert_non_null(strstr(err.text, where));
	octets_free(&b);
}

static void malformed_among_good(struct place *p, size_t i)
{
	struct octets good = {0};
	struct octets b = {0};
	struct store_error err;
	mpp_bytes v[3];

	batch_put(&good, text("new"), text("must not appear"));
	add_malformed(&b, i);
	v[0] = v[1] = octets_view(&good);
	v[2] = octets_view(&b);
	assert_int_equal(p->store->ops->commit(p->store, v, 3, &err),
			 MPP_ERR_SYNTAX);
	assert_non_null(strstr(err.text, "batch 3 of 3"));
	octets_free(&good);
	octets_free(&b);
}

static void malformed_applies_nothing(void **state)
{
	struct place *p = *state;
	size_t i;

	must_put(p->store, "old", "stays");
	for (i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		malformed_alone(p, i);
		malformed_among_good(p, i);
	}
	assert_holds(p, (const char *[]){"old", "stays"}, 1);
	must_put(p->store, "new", "appears");
	assert_holds(p, (const char *[]){"new", "appears", "old", "stays"}, 2);
}

struct stopper {
	size_t calls;
	size_t stop_at;
	mpp_err err;
};

static mpp_err stop_one(void *arg, mpp_bytes key, mpp_bytes value)
{
	struct stopper *s = arg;

	(void)key;
	(void)value;
	return ++s->calls == s->stop_at ? s->err : MPP_OK;
}

static void callback_stops_load(void **state)
{
	struct place *p = *state;
	struct stopper s = {0, 2, MPP_ERR_LIMIT};
	struct store_error err = {""};

	must_put(p->store, "a", "");
	must_put(p->store, "b", "");
	must_put(p->store, "c", "");
	assert_int_equal(p->store->ops->load(p->store, stop_one, &s, &err),
			 MPP_ERR_LIMIT);
	assert_int_equal(s.calls, 2);
	assert_true(err.text[0] != '\0');
	/* An error of damage from fn is passed on as well. */
	s = (struct stopper){0, 3, MPP_ERR_VERSION};
	assert_int_equal(p->store->ops->load(p->store, stop_one, &s, &err),
			 MPP_ERR_VERSION);
	s = (struct stopper){0, 4, MPP_ERR_LIMIT};
	assert_int_equal(p->store->ops->load(p->store, stop_one, &s, &err),
			 MPP_OK);
	assert_int_equal(s.calls, 3);
	must_put(p->store, "d", "");
}

static void many_batches_at_once(void **state)
{
	enum { N = 40 };
	struct place *p = *state;
	struct octets b[N] = {{0}};
	struct store_error err;
	char key[8], value[8];
	mpp_bytes v[N];
	size_t i;

	for (i = 0; i < N; i++) {
		snprintf(key, sizeof(key), "k%zu", i % 2);
		snprintf(value, sizeof(value), "%zu", i);
		if (i != 20) /* an empty batch is one too */
			batch_put(&b[i], text(key), text(value));
		v[i] = octets_view(&b[i]);
	}
	assert_int_equal(p->store->ops->commit(p->store, v, N, &err), MPP_OK);
	assert_holds(p, (const char *[]){"k0", "38", "k1", "39"}, 2);
	assert_int_equal(p->store->ops->commit(p->store, NULL, 0, &err),
			 MPP_OK);
	assert_int_equal(p->store->ops->commit(p->store, &v[20], 1, &err),
			 MPP_OK);
	assert_holds(p, (const char *[]){"k0", "38", "k1", "39"}, 2);
	for (i = 0; i < N; i++)
		octets_free(&b[i]);
}

/* ---- the durable one against the naive one ---- */

static void commit_both(struct store *a, struct store *b, uint64_t *seed)
{
	struct octets batch[4] = {{0}};
	size_t n = 1 + rnd_below(seed, 4);
	struct store_error err = {""};
	mpp_bytes v[4];
	size_t i;

	for (i = 0; i < n; i++) {
		random_batch(seed, &batch[i]);
		v[i] = octets_view(&batch[i]);
	}
	if (a->ops->commit(a, v, n, &err) != MPP_OK ||
	    b->ops->commit(b, v, n, &err) != MPP_OK)
		fail_msg("commit: %s", err.text);
	for (i = 0; i < n; i++)
		octets_free(&batch[i]);
}

static void random_operations(void **state)
{
	struct place *p = *state;
	uint64_t seed = first_seed(20240611);
	struct store *model = NULL;
	struct dump d;
	int i;

	assert_int_equal(store_mem_open(&model), MPP_OK);
	for (i = 0; i < 1200; i++) {
		commit_both(p->store, model, &seed);
		if (i % 20 == 0)
			assert_same(p->store, model);
		if (i % 60 == 0)
			reopen(p);
	}
	reopen(p);
	assert_same(p->store, model);
	d = must_dump(model);
	assert_in_range(d.records, 100, RANDOM_KEYS);
	dump_free(&d);
	model->ops->close(model);
}

/* Many small records, put and taken away in waves: the tree of the file gets
 * several levels and loses them again. */
static void wave(struct store *s, size_t from, size_t to, bool there)
{
	struct octets b = {0};
	char key[32];
	size_t i;

	for (i = from; i < to; i++) {
		snprintf(key, sizeof(key), "%zu/%zu", i * 7919 % 10007, i);
		if (there)
			batch_put(&b, text(key), text("some 20 octets here."));
		else
			batch_delete(&b, text(key));
	}
	must_commit(s, &b);
}

static void waves(void **state)
{
	enum { STEP = 500, TOP = 20000 };
	struct place *p = *state;
	struct store *model = NULL;
	size_t i;

	assert_int_equal(store_mem_open(&model), MPP_OK);
	for (i = 0; i < TOP; i += STEP)
		wave(p->store, i, i + STEP, true);
	reopen(p);
	for (i = 0; i + STEP < TOP; i += STEP) {
		wave(p->store, i, i + STEP, false);
		if (i % (10 * STEP) == 0)
			reopen(p);
	}
	wave(model, TOP - STEP, TOP, true);
	reopen(p);
	assert_same(p->store, model);
	model->ops->close(model);
}

static struct backend mem = {"mem", false};
static struct backend lmdb = {"lmdb", true};

#define ON(fn, backend)                                              \
	{                                                            \
#fn " on " #backend, fn, setup, teardown, &(backend) \
	}
#define ON_ALL(fn) ON(fn, mem), ON(fn, lmdb)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_ALL(empty_at_first),
		ON_ALL(put_overwrite_delete),
		ON_ALL(delete_of_nothing),
		ON_ALL(order_within_batch),
		ON_ALL(order_of_load),
		ON_ALL(largest_key_and_value),
		ON_ALL(malformed_applies_nothing),
		ON_ALL(callback_stops_load),
		ON_ALL(many_batches_at_once),
		ON(random_operations, lmdb),
		ON(waves, lmdb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
