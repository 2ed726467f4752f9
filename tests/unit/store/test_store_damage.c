/* SPDX-License-Identifier: MIT */
/* Damaged files: what is wrong is found, or does no harm, now and later; the
 * process that opens the store lives on. */
#include "unit/store/place.h"

#include <lmdb.h>

#include "store/record.h"
#include "store/tree.h"

static struct store *model_of(struct store *s)
{
	struct store *m = NULL;
	struct octets b = {0};
	struct dump d = must_dump(s);
	size_t at = 0;
	size_t klen, vlen;

	assert_int_equal(store_mem_open(&m), MPP_OK);
	while (at < d.all.len) {
		klen = (size_t)d.all.p[at] << 8 | d.all.p[at + 1];
		vlen = (size_t)d.all.p[at + klen + 4] << 8 |
		       d.all.p[at + klen + 5];
		batch_put(&b, (mpp_bytes){d.all.p + at + 2, klen},
			  (mpp_bytes){d.all.p + at + klen + 6, vlen});
		at += 6 + klen + vlen;
	}
	must_commit(m, &b);
	dump_free(&d);
	return m;
}

/* A store with every kind of page in it, closed; and its model. */
static struct store *make_sample(struct place *p, int commits)
{
	struct store *s = must_open(p->path, MAP_SIZE);
	struct octets b = {0};
	uint64_t seed = 7;
	struct store *m;

	while (commits-- > 0) {
		random_batch(&seed, &b);
		must_commit(s, &b);
	}
	m = model_of(s);
	assert_same(s, m);
	s->ops->close(s);
	return m;
}

static size_t find_in(const struct octets *o, const char *words)
{
	const uint8_t *at = memmem(o->p, o->len, words, strlen(words));

	assert_non_null(at);
	return (size_t)(at - o->p);
}

/* Damage is found, named, and left as it is. */
static void assert_damaged(const char *path, const struct octets *file,
			   const char *words)
{
	struct store_error err;

	write_file(path, file);
	assert_int_equal(try_open(path, &err), MPP_ERR_CHECKSUM);
	if (strstr(err.text, words) == NULL)
		fail_msg("\"%s\" not in \"%s\"", words, err.text);
	assert_non_null(strstr(err.text, "nothing was changed"));
	assert_null(strchr(err.text, '\n'));
	assert_true(file_is(path, file));
}

static void one_bit_in_a_record(void **state)
{
	struct place *p = *state;
	struct store *s = must_open(p->path, MAP_SIZE);
	struct store_error err;
	struct octets file;
	size_t at;

	must_put(s, "first", "1");
	must_put(s, "key", "the payload of the record");
	s->ops->close(s);
	file = read_file(p->path);
	at = find_in(&file, "the payload of");
	/* The older copy of the page is free by now and may say anything. */
	file.p[at + 4] ^= 0x10;
	assert_damaged(p->path, &file, "record 0x6b6579: checksum");
	file.p[at + 4] ^= 0x10;
	/* The key inside the record, and the one outside. */
	file.p[at - 1] ^= 1;
	assert_damaged(p->path, &file, "record 0x6b6579: checksum");
	file.p[at - 1] ^= 1;
	file.p[at - 1 - 3 - 1 - 2] ^= 1;
	assert_damaged(p->path, &file, "checksum");
	file.p[at - 1 - 3 - 1 - 2] ^= 1;
	/* The format number alone is no reason to believe the rest. */
	file.p[at - 6] = 2;
	assert_damaged(p->path, &file, "record 0x6b6579: checksum");
	file.p[at - 6] = 1;
	/* The control: without damage it opens. */
	write_file(p->path, &file);
	assert_int_equal(try_open(p->path, &err), MPP_OK);
	octets_free(&file);
}

struct tries {
	size_t found;
	size_t harmless;
};

/* After damage that was not noticed: everything is there, can be changed, and
 * is still right afterwards. */
static void assert_harmless(struct place *p, struct store *s,
			    struct store *model)
{
	struct store *m = model_of(model);
	uint64_t seed = 99;
	struct octets b = {0};
	struct store_error err;
	int i;

	assert_same(s, model);
	for (i = 0; i < 3; i++) {
		random_batch(&seed, &b);
		assert_int_equal(commit_octets(s, &b, &err), MPP_OK);
		must_commit(m, &b);
	}
	s->ops->close(s);
	s = must_open(p->path, MAP_SIZE);
	assert_same(s, m);
	s->ops->close(s);
	m->ops->close(m);
}

/* Found and left alone, or harmless: nothing in between. */
static void try_file(struct place *p, const struct octets *file,
		     struct store *model, struct tries *t)
{
	struct store_error err = {""};
	struct store *s = NULL;
	mpp_err rc;

	write_file(p->path, file);
	rc = store_lmdb_open(p->path, MAP_SIZE, &s, &err);
	if (rc == MPP_ERR_CHECKSUM) {
		assert_true(file_is(p->path, file));
		t->found++;
		return;
	}
	if (rc != MPP_OK)
		fail_msg("%d %s", rc, err.text);
	assert_harmless(p, s, model);
	t->harmless++;
}

/* MPP_TRIES in the environment makes the long tests longer. */
static int tries(int n)
{
	const char *s = getenv("MPP_TRIES");

	return s != NULL ? n * atoi(s) : n;
}

static void report(const struct tries *t)
{
	print_message("%zu found, %zu harmless\n", t->found, t->harmless);
}

static void flip(struct place *p, struct octets *file, size_t bit,
		 struct store *model, struct tries *t)
{
	file->p[bit / 8] ^= (uint8_t)(1 << bit % 8);
	try_file(p, file, model, t);
	file->p[bit / 8] ^= (uint8_t)(1 << bit % 8);
}

static uint64_t txn_of(const struct octets *file, size_t meta)
{
	uint64_t txn;

	memcpy(&txn, file->p + meta * 4096 + 16 + 136 - 8, sizeof(txn));
	return txn;
}

static size_t newest_of(const struct octets *file)
{
	return txn_of(file, 1) > txn_of(file, 0);
}

/* A sample whose newest transaction is 3 modulo 4: then one wrong bit makes it
 * the predecessor of the one before, in a sequence without a gap. */
static struct store *make_treacherous_sample(struct place *p)
{
	struct store *s, *model = make_sample(p, 8);
	struct octets file = read_file(p->path);
	char value[16];
	int n = 0;

	while (txn_of(&file, newest_of(&file)) % 4 != 3) {
		octets_free(&file);
		s = must_open(p->path, MAP_SIZE);
		snprintf(value, sizeof(value), "%d", ++n);
		must_put(s, "one", value);
		must_put(model, "one", value);
		s->ops->close(s);
		file = read_file(p->path);
	}
	octets_free(&file);
	return model;
}

/* The two pages that say which state is the newest: one bit of each octet,
 * and every bit of the transaction number. */
static void bits_of_the_meta_pages(void **state)
{
	enum { META = 16 + 136, TXN = META - 8, PAGE = 4096 };
	struct place *p = *state;
	struct store *model = make_treacherous_sample(p);
	struct octets file = read_file(p->path);
	uint64_t seed = first_seed(3);
	struct tries t = {0};
	size_t i, k, bit;

	for (i = 0; i < 2 * META; i++) {
		for (k = 0; k < (i % META < TXN ? 1 : 8); k++) {
			bit = i % META < TXN ? rnd_below(&seed, 8) : k;
			flip(p, &file, 8 * (i / META * PAGE + i % META) + bit,
			     model, &t);
		}
	}
	report(&t);
	assert_int_equal(t.found + t.harmless, 2 * (TXN + 8 * 8));
	assert_true(t.found > 200);
	octets_free(&file);
	model->ops->close(model);
}

static void random_bits(void **state)
{
	struct place *p = *state;
	struct store *model = make_sample(p, 16);
	struct octets file = read_file(p->path);
	uint64_t seed = first_seed(4711);
	struct tries t = {0};
	int i, n = tries(150);

	for (i = 0; i < n; i++)
		flip(p, &file, rnd_below(&seed, 8 * file.len), model, &t);
	report(&t);
	assert_true((int)t.found > n / 5);
	assert_true(t.harmless > 0);
	octets_free(&file);
	model->ops->close(model);
}

/* Headers and offsets of pages, where LMDB itself looks at nothing. */
static void bits_in_page_headers(void **state)
{
	enum { HEAD = 64, PAGE = 4096 };
	struct place *p = *state;
	struct store *model = make_sample(p, 16);
	struct octets file = read_file(p->path);
	uint64_t seed = first_seed(815);
	struct tries t = {0};
	size_t page;
	int i, n = tries(150);

	for (i = 0; i < n; i++) {
		page = rnd_below(&seed, file.len / PAGE);
		flip(p, &file, 8 * PAGE * page + rnd_below(&seed, 8 * HEAD),
		     model, &t);
	}
	report(&t);
	assert_true((int)t.found > n / 5);
	octets_free(&file);
	model->ops->close(model);
}

/* Whole sectors of zeros, or of another place: torn and stray writes. */
static void lost_sectors(void **state)
{
	enum { SECTOR = 512 };
	struct place *p = *state;
	struct store *model = make_sample(p, 16);
	struct octets good = read_file(p->path);
	uint64_t seed = first_seed(31);
	struct octets file = {0};
	struct tries t = {0};
	size_t to, from;
	int i, n = tries(60);

	for (i = 0; i < n; i++) {
		file.len = 0;
		octets_add(&file, good.p, good.len);
		to = rnd_below(&seed, good.len / SECTOR) * SECTOR;
		from = rnd_below(&seed, good.len / SECTOR) * SECTOR;
		if (i % 2 == 0)
			memset(file.p + to, 0, SECTOR);
		else
			memcpy(file.p + to, good.p + from, SECTOR);
		try_file(p, &file, model, &t);
	}
	report(&t);
	assert_true((int)t.found > n / 5);
	octets_free(&file);
	octets_free(&good);
	model->ops->close(model);
}

/* Any length of file: damage, or all that was in it. */
static void cut_short(void **state)
{
	struct place *p = *state;
	struct store *model = make_sample(p, 16);
	struct octets file = read_file(p->path);
	uint64_t seed = first_seed(5);
	size_t whole = file.len;
	struct tries t = {0};
	int i;

	for (i = 0; i < 60; i++) {
		file.len = i < 20 ? (size_t)i * 700 : rnd_below(&seed, whole);
		try_file(p, &file, model, &t);
	}
	report(&t);
	assert_true(t.found >= 20);
	file.len = 0;
	assert_damaged(p->path, &file, "it is empty");
	file.len = 4096 + 100;
	assert_damaged(p->path, &file, "the file ends");
	file.len = whole;
	t.harmless = 0;
	try_file(p, &file, model, &t);
	assert_int_equal(t.harmless, 1);
	octets_free(&file);
	model->ops->close(model);
}

/* One page as it was two transactions ago, whole in itself: a write that was
 * confirmed and lost. Only the newest meta page cannot show that: then the
 * file is what it was before the last commit, to the last bit. */
static void older_pages_brought_back(void **state)
{
	enum { PAGE = 4096 };
	struct place *p = *state;
	struct store *before, *model = make_sample(p, 15);
	struct octets older = read_file(p->path);
	struct store *s = must_open(p->path, MAP_SIZE);
	struct octets newer, mix = {0};
	struct tries t = {0};
	size_t i, newest;

	model->ops->close(model);
	must_put(s, "one", "more");
	before = model_of(s);
	must_put(s, "and", "another");
	model = model_of(s);
	s->ops->close(s);
	newer = read_file(p->path);
	newest = newest_of(&newer);
	for (i = 0; i < older.len / PAGE; i++) {
		mix.len = 0;
		octets_add(&mix, newer.p, newer.len);
		memcpy(mix.p + i * PAGE, older.p + i * PAGE, PAGE);
		try_file(p, &mix, i == newest ? before : model, &t);
	}
	report(&t);
	assert_true(t.found > 2);
	assert_true(t.harmless > 2);
	octets_free(&mix);
	octets_free(&older);
	octets_free(&newer);
	before->ops->close(before);
	model->ops->close(model);
}

/* ---- faults that one bit does not make ---- */

static void swap(uint8_t *a, uint8_t *b, size_t n)
{
	uint8_t t;

	while (n-- > 0) {
		t = a[n];
		a[n] = b[n];
		b[n] = t;
	}
}

static void meta_pages_by_hand(void **state)
{
	struct place *p = *state;
	struct octets fresh, file;
	struct store *model;
	size_t older;

	put_and_close(p->path);
	fresh = read_file(p->path);
	assert_int_equal(txn_of(&fresh, 1), 1); /* the empty store */
	assert_int_equal(txn_of(&fresh, 0), 2); /* one record */
	assert_int_equal(unlink(p->path), 0);
	model = make_sample(p, 8);
	model->ops->close(model);
	file = read_file(p->path);
	/* Each in the place of the other: the next commit would overwrite the
	 * newest state. */
	swap(file.p + 8, file.p + 4096 + 8, 4088);
	assert_damaged(p->path, &file, "in sequence");
	swap(file.p + 8, file.p + 4096 + 8, 4088);
	/* The older one from the beginning of the file's life. */
	older = !newest_of(&file);
	memcpy(file.p + 4096 * older, fresh.p + 4096 * older, 4096);
	assert_damaged(p->path, &file, "in sequence");
	octets_free(&fresh);
	octets_free(&file);
}

/* LMDB takes a page that is marked dirty for one in memory of its own, and
 * writes into the mapping, which is read-only. */
static void dirty_branches(void **state)
{
	struct place *p = *state;
	struct store *model = make_sample(p, 16);
	struct octets file = read_file(p->path);
	size_t i, n = 0;

	for (i = 2; i < file.len / 4096; i++) {
		if (file.p[4096 * i + 10] == 1 && file.p[4096 * i] == i) {
			file.p[4096 * i + 10] |= 0x10;
			n++;
		}
	}
	assert_true(n > 0);
	assert_damaged(p->path, &file, "unexpected kind");
	octets_free(&file);
	model->ops->close(model);
}

struct free_list {
	size_t *pages; /* count, then numbers, falling */
	size_t len;    /* octets */
};

/* The longest record of the free list, as LMDB reads it. */
static struct free_list read_free_list(const char *path)
{
	struct free_list l = {NULL, 0};
	MDB_cursor *cur;
	MDB_env *env;
	MDB_txn *txn;
	MDB_val k, v;

	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_open(env, path,
				      MDB_RDONLY | MDB_NOSUBDIR | MDB_NOLOCK,
				      0600),
			 0);
	assert_int_equal(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), 0);
	assert_int_equal(mdb_cursor_open(txn, 0, &cur), 0);
	while (mdb_cursor_get(cur, &k, &v, MDB_NEXT) == 0) {
		if (v.mv_size <= l.len)
			continue;
		free(l.pages);
		l.len = v.mv_size;
		l.pages = malloc(l.len);
		assert_non_null(l.pages);
		memcpy(l.pages, v.mv_data, l.len);
	}
	mdb_cursor_close(cur);
	mdb_txn_abort(txn);
	mdb_env_close(env);
	assert_non_null(l.pages);
	assert_true(l.pages[0] >= 2);
	return l;
}

/* Put changed in the place of pages, wherever it stands. */
static void replace(struct octets *file, const struct free_list *l,
		    const size_t *changed)
{
	uint8_t *at = file->p;
	size_t n = 0;

	while ((at = memmem(at, file->len - (size_t)(at - file->p), l->pages,
			    l->len)) != NULL) {
		memcpy(at, changed, l->len);
		at += l->len;
		n++;
	}
	assert_true(n > 0);
}

static void change_free_list(struct place *p, const struct octets *good,
			     const struct free_list *l, const size_t *changed,
			     const char *words)
{
	struct octets file = {0};

	octets_add(&file, good->p, good->len);
	replace(&file, l, changed);
	assert_damaged(p->path, &file, words);
	octets_free(&file);
}

/* A free list that names a page in use is harmless until the page is given
 * away: then good records are gone. */
static void free_lists_by_hand(void **state)
{
	struct place *p = *state;
	struct store *model = make_sample(p, 16);
	struct octets file = read_file(p->path);
	struct free_list l = read_free_list(p->path);
	size_t *c = malloc(l.len);
	size_t i, n = l.pages[0];
	size_t root;

	assert_non_null(c);
	memcpy(&root, file.p + 4096 * newest_of(&file) + 16 + 136 - 24,
	       sizeof(root));
	/* In the place of the nearest number, so that they still fall. */
	memcpy(c, l.pages, l.len);
	for (i = 1; i < n && c[i] > root; i++)
		;
	c[i] = root;
	change_free_list(p, &file, &l, c, "is used twice");
	memcpy(c, l.pages, l.len);
	c[1] = l.pages[2];
	c[2] = l.pages[1];
	change_free_list(p, &file, &l, c, "out of order");
	memcpy(c, l.pages, l.len);
	c[1] = l.pages[1] + 1000000;
	change_free_list(p, &file, &l, c, "no such page");
	memcpy(c, l.pages, l.len);
	c[n] = 1;
	change_free_list(p, &file, &l, c, "no such page");
	memcpy(c, l.pages, l.len);
	c[0] = l.len;
	change_free_list(p, &file, &l, c, "too long");
	free(c);
	free(l.pages);
	octets_free(&file);
	model->ops->close(model);
}

static void other_files(void **state)
{
	struct place *p = *state;
	struct octets o = {0};
	uint64_t seed = 1;
	size_t i;

	octets_add(&o, "not a store at all\n", 19);
	assert_damaged(p->path, &o, "page 0");
	while (o.len < 20000) {
		i = (size_t)rnd(&seed);
		octets_add(&o, &i, sizeof(i));
	}
	assert_damaged(p->path, &o, "page");
	memset(o.p, 0, o.len);
	assert_damaged(p->path, &o, "page");
	octets_free(&o);
}

/* ---- a file that LMDB finds flawless ---- */

static MDB_val val(const void *p, size_t n)
{
	return (MDB_val){n, (void *)(uintptr_t)p};
}

/* What another program could do to the file, in one transaction: put or
 * delete a record, and seal a summary that claims this tally. */
struct meddling {
	const char *key;
	const mpp_bytes *record; /* NULL: delete */
	int64_t txn_off;         /* from the right number */
	uint64_t count;
};

static struct tally tally_now(struct hasher *h, MDB_txn *txn, MDB_dbi top)
{
	MDB_val k = val(TREE_SUMMARY, strlen(TREE_SUMMARY));
	struct summary s;
	MDB_val v;

	assert_int_equal(mdb_get(txn, top, &k, &v), 0);
	assert_int_equal(summary_open(h, (mpp_bytes){v.mv_data, v.mv_size}, &s),
			 MPP_OK);
	return s.tally;
}

static void meddle_in(MDB_txn *txn, const struct meddling *m)
{
	MDB_val sk = val(TREE_SUMMARY, strlen(TREE_SUMMARY));
	MDB_val k = val(m->key, strlen(m->key));
	uint8_t sealed[SUMMARY_LEN];
	MDB_val sv = val(sealed, SUMMARY_LEN);
	struct summary s = {0};
	MDB_dbi top, records;
	struct hasher h;
	MDB_val v;

	assert_int_equal(hasher_init(&h), MPP_OK);
	assert_int_equal(mdb_dbi_open(txn, NULL, 0, &top), 0);
	assert_int_equal(mdb_dbi_open(txn, TREE_RECORDS, 0, &records), 0);
	if (m->record == NULL) {
		assert_int_equal(mdb_del(txn, records, &k, NULL), 0);
	} else {
		v = val(m->record->p, m->record->len);
		assert_int_equal(mdb_put(txn, records, &k, &v, 0), 0);
	}
	s.txn = mdb_txn_id(txn) + (uint64_t)m->txn_off;
	s.tally = tally_now(&h, txn, top);
	s.tally.count = m->count;
	assert_int_equal(summary_seal(&h, &s, sealed), MPP_OK);
	assert_int_equal(mdb_put(txn, top, &sk, &sv, 0), 0);
	hasher_free(&h);
}

static void meddle(const char *path, const struct meddling *m)
{
	MDB_env *env;
	MDB_txn *txn;

	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 1), 0);
	assert_int_equal(
		mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	meddle_in(txn, m);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

/* Sealed as record "b" with value "2", so that it is right as such. */
static mpp_bytes sealed_b(uint8_t room[64])
{
	mpp_buf out = {room, 64, 0};
	struct hasher h;

	assert_int_equal(hasher_init(&h), MPP_OK);
	assert_int_equal(record_seal(&h, text("b"), text("2"), &out), MPP_OK);
	hasher_free(&h);
	return (mpp_bytes){room, out.len};
}

static void assert_meddled(struct place *p, const struct octets *good,
			   const struct meddling *m, const char *words)
{
	struct octets file;

	write_file(p->path, good);
	meddle(p->path, m);
	file = read_file(p->path);
	assert_damaged(p->path, &file, words);
	octets_free(&file);
}

/* Every page and record is right, but the whole is not. */
static void the_whole_is_checked(void **state)
{
	struct place *p = *state;
	struct store *s = must_open(p->path, MAP_SIZE);
	struct store_error err;
	uint8_t room[64];
	mpp_bytes b = sealed_b(room);
	struct octets good;

	must_put(s, "a", "1");
	must_put(s, "b", "2");
	s->ops->close(s);
	good = read_file(p->path);
	/* The control: the same record again, and the right summary. */
	meddle(p->path, &(struct meddling){"b", &b, 0, 2});
	assert_int_equal(try_open(p->path, &err), MPP_OK);
	/* One is missing, with the old count and with the right one. */
	assert_meddled(p, &good, &(struct meddling){"a", NULL, 0, 2},
		       "1 records stand there where 2 belong");
	assert_meddled(p, &good, &(struct meddling){"a", NULL, 0, 1},
		       "records stand there");
	/* One under the key of another. */
	assert_meddled(p, &good, &(struct meddling){"a", &b, 0, 2},
		       "record 0x61: checksum");
	/* A summary of an earlier and of a later transaction. */
	assert_meddled(p, &good, &(struct meddling){"b", &b, -1, 2},
		       "transaction");
	assert_meddled(p, &good, &(struct meddling){"b", &b, 1, 2},
		       "transaction");
	octets_free(&good);
}

#define FAST(fn) \
	cmocka_unit_test_setup_teardown(fn, place_setup_fast, place_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAST(one_bit_in_a_record),
		FAST(bits_of_the_meta_pages),
		FAST(random_bits),
		FAST(bits_in_page_headers),
		FAST(lost_sectors),
		FAST(cut_short),
		FAST(older_pages_brought_back),
		FAST(meta_pages_by_hand),
		FAST(dirty_branches),
		FAST(free_lists_by_hand),
		FAST(other_files),
		FAST(the_whole_is_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
