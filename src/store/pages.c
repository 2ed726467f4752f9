/* SPDX-License-Identifier: MIT */
/* pages.c - see pages.h. The layout is that of LMDB 0.9, data version 1, in
 * the byte order and word size of the machine:
 *
 *   page 0, 1   meta pages; transaction N wrote page N % 2
 *   branch      header, offsets of nodes, ..., nodes {child page, key}
 *   leaf        the same, nodes {key, data}; long data is on overflow pages
 *   overflow    header with the number of pages, data
 *
 * A meta page has the roots of two trees: free pages by transaction, and
 * "main", where the root of "records" is one entry beside "summary". */
#include "store/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/batch.h"
#include "store/error.h"
#include "store/tree.h"

enum {
	META_MAGIC_LOW = 0xc0de,
	META_MAGIC_HIGH = 0xbeef,
	META_VERSION = 1,
	PAGE_BRANCH = 1,
	PAGE_LEAF = 2,
	PAGE_OVERFLOW = 4,
	PAGE_META = 8,
	NODE_BIGDATA = 1,
	NODE_SUBDATA = 2,
	FREE_FLAGS = 0x4008, /* MDB_INTEGERKEY, and MDB_NOSUBDIR of the file */
	WORD = sizeof(size_t),
	PAGE_HEAD = WORD + 8,
	NODE_HEAD = 8,
	PAGE_SIZE_MIN = 512,
	PAGE_SIZE_MAX = 65536,
	DEPTH_MAX = 32,
};

#define NO_PAGE SIZE_MAX

struct tree {
	uint32_t pad; /* in the free tree: the page size */
	uint16_t flags;
	uint16_t depth;
	size_t branches;
	size_t leaves;
	size_t overflows;
	size_t entries;
	size_t root;
};

struct meta {
	uint32_t magic;
	uint32_t version;
	size_t address;
	size_t map_size;
	struct tree free;
	struct tree main;
	size_t last_page;
	size_t txn;
};

struct file {
	const char *path;
	struct store_error *err;
	struct hasher *hasher;
	const uint8_t *map;
	size_t len;
	size_t page_size;
	size_t pages;     /* whole ones in the file */
	uint8_t *seen;    /* one bit a page: already has a purpose */
	struct meta meta; /* the newest */
	struct tree records;
};

struct page {
	const uint8_t *p;
	size_t number;
	size_t nodes;
	size_t upper; /* where nodes begin */
	uint16_t flags;
};

struct node {
	mpp_bytes key;
	const uint8_t *data;
	size_t low; /* length of data, or low half of the child's number */
	uint16_t flags;
	size_t used; /* octets on its page */
};

static mpp_err bad(struct file *f, size_t page, const char *why)
{
	store_damaged(f->err, f->path, "page %zu: %s", page, why);
	return MPP_ERR_CHECKSUM;
}

static uint16_t u16_at(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static size_t word_at(const uint8_t *p)
{
	size_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* ---- pages and nodes ---- */

static mpp_err page_at(struct file *f, size_t number, struct page *out)
{
	if (number < 2 || number > f->meta.last_page)
		return bad(f, number, "no such page");
	if (number >= f->pages)
		return bad(f, number, "the file ends before it");
	out->p = f->map + number * f->page_size;
	out->number = number;
	out->flags = u16_at(out->p + WORD + 2);
	if (word_at(out->p) != number)
		return bad(f, number, "has another page's number");
	return MPP_OK;
}

/* Header of a branch or leaf. */
static mpp_err page_head(struct file *f, struct page *pg)
{
	size_t lower = u16_at(pg->p + WORD + 4);

	pg->upper = u16_at(pg->p + WORD + 6);
	if (pg->flags != PAGE_BRANCH && pg->flags != PAGE_LEAF)
		return bad(f, pg->number, "is of an unexpected kind");
	if (lower < PAGE_HEAD || lower % 2 != 0 || lower > pg->upper ||
	    pg->upper > f->page_size)
		return bad(f, pg->number, "has impossible bounds");
	pg->nodes = (lower - PAGE_HEAD) / 2;
	return MPP_OK;
}

/* Give a page its one purpose. */
static mpp_err claim(struct file *f, size_t number)
{
	uint8_t bit = (uint8_t)(1 << number % 8);

	if (number < 2 || number > f->meta.last_page)
		return bad(f, number, "no such page");
	/* A free page at the end may never have been written. */
	if (number >= f->pages)
		return MPP_OK;
	if (f->seen[number / 8] & bit)
		return bad(f, number, "is used twice");
	f->seen[number / 8] |= bit;
	return MPP_OK;
}

static size_t even(size_t n)
{
	return (n + 1) & ~(size_t)1;
}

static size_t node_low(const uint8_t *p)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return u16_at(p) | (size_t)u16_at(p + 2) << 16;
#else
	return u16_at(p + 2) | (size_t)u16_at(p) << 16;
#endif
}

static mpp_err node_at(struct file *f, const struct page *pg, size_t i,
		       struct node *out)
{
	size_t at = u16_at(pg->p + PAGE_HEAD + 2 * i);
	const uint8_t *p = pg->p + at;
	size_t room = f->page_size;
	size_t used;

	if (at < pg->upper || at % 2 != 0 || at + NODE_HEAD > room)
		return bad(f, pg->number, "has a node outside");
	out->low = node_low(p);
	out->flags = u16_at(p + 4);
	out->key = (mpp_bytes){p + NODE_HEAD, u16_at(p + 6)};
	out->data = p + NODE_HEAD + out->key.len;
	used = NODE_HEAD + out->key.len;
	if (pg->flags == PAGE_LEAF)
		used += out->flags & NODE_BIGDATA ? WORD : out->low;
	if (used > room - at)
		return bad(f, pg->number, "has a node that is too long");
	out->used = even(used);
	return MPP_OK;
}

/* Nodes fill the page from `upper` to its end without gaps. */
static mpp_err page_is_full(struct file *f, const struct page *pg)
{
	struct node n;
	size_t sum = 0;
	mpp_err err;
	size_t i;

	for (i = 0; i < pg->nodes; i++) {
		if ((err = node_at(f, pg, i, &n)) != MPP_OK)
			return err;
		sum += n.used;
	}
	if (sum != f->page_size - pg->upper)
		return bad(f, pg->number, "has gaps between its nodes");
	return MPP_OK;
}

static size_t child_of(const struct node *n)
{
#if SIZE_MAX > UINT32_MAX
	return n->low | (size_t)n->flags << 32;
#else
	return n->low;
#endif
}

/* ---- walking one tree ---- */

struct level {
	struct page page;
	size_t next;
};

struct walk {
	struct file *f;
	const struct tree *tree;
	int (*compare)(mpp_bytes a, mpp_bytes b);
	mpp_err (*leaf)(struct file *f, size_t page, const struct node *n,
			mpp_bytes data);
	struct tree seen; /* counted on the way */
	mpp_bytes last;   /* key of the last leaf node */
	mpp_bytes low;    /* no key after this may be lower */
	struct level path[DEPTH_MAX];
	size_t depth;
};

static int compare_bytes(mpp_bytes a, mpp_bytes b)
{
	int c = memcmp(a.p, b.p, a.len < b.len ? a.len : b.len);

	return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

static int compare_words(mpp_bytes a, mpp_bytes b)
{
	size_t x = word_at(a.p);
	size_t y = word_at(b.p);

	return (x > y) - (x < y);
}

static mpp_err enter(struct walk *w, size_t number)
{
	struct file *f = w->f;
	struct level *l = &w->path[w->depth];
	bool bottom = w->depth + 1 == w->tree->depth;
	mpp_err err;

	if ((err = page_at(f, number, &l->page)) != MPP_OK ||
	    (err = claim(f, number)) != MPP_OK ||
	    (err = page_head(f, &l->page)) != MPP_OK ||
	    (err = page_is_full(f, &l->page)) != MPP_OK)
		return err;
	if ((l->page.flags == PAGE_LEAF) != bottom)
		return bad(f, number, "is at the wrong depth");
	if (l->page.nodes == 0)
		return bad(f, number, "is empty");
	if (bottom)
		w->seen.leaves++;
	else
		w->seen.branches++;
	l->next = 0;
	w->depth++;
	return MPP_OK;
}

/* Data that does not fit a page. */
static mpp_err overflow(struct walk *w, size_t number, size_t len,
			mpp_bytes *data)
{
	struct file *f = w->f;
	size_t need = (PAGE_HEAD - 1 + len) / f->page_size + 1;
	uint32_t pages;
	struct page pg;
	mpp_err err;
	size_t i;

	if ((err = page_at(f, number, &pg)) != MPP_OK)
		return err;
	memcpy(&pages, pg.p + WORD + 4, sizeof(pages));
	/* Data that became shorter within one transaction leaves more. */
	if (pg.flags != PAGE_OVERFLOW || pages < need)
		return bad(f, number, "is not the overflow page it should be");
	if (pages > f->pages - number)
		return bad(f, number, "the file ends inside its data");
	for (i = 0; i < pages; i++)
		if ((err = claim(f, number + i)) != MPP_OK)
			return err;
	w->seen.overflows += pages;
	*data = (mpp_bytes){pg.p + PAGE_HEAD, len};
	return MPP_OK;
}

static mpp_err check_order(struct walk *w, mpp_bytes key, size_t page)
{
	if (w->compare == compare_words && key.len != WORD)
		return bad(w->f, page, "has a key of the wrong length");
	if (key.len == 0 || key.len > BATCH_KEY_MAX)
		return bad(w->f, page, "has a key of the wrong length");
	if (w->last.p != NULL && w->compare(w->last, key) >= 0)
		return bad(w->f, page, "has keys out of order");
	if (w->low.p != NULL && w->compare(w->low, key) > 0)
		return bad(w->f, page, "has a key that belongs elsewhere");
	return MPP_OK;
}

static mpp_err leaf_node(struct walk *w, size_t page, const struct node *n)
{
	mpp_bytes data = {n->data, n->low};
	mpp_err err;

	if ((err = check_order(w, n->key, page)) != MPP_OK)
		return err;
	w->last = n->key;
	w->seen.entries++;
	if (n->flags & NODE_BIGDATA) {
		err = overflow(w, word_at(n->data), n->low, &data);
		if (err != MPP_OK)
			return err;
	}
	return w->leaf(w->f, page, n, data);
}

static mpp_err branch_node(struct walk *w, size_t page, const struct node *n,
			   bool first)
{
	mpp_err err;

	/* The first key of a branch is not looked at by anybody. */
	if (!first) {
		if ((err = check_order(w, n->key, page)) != MPP_OK)
			return err;
		w->low = n->key;
	}
	return enter(w, child_of(n));
}

static mpp_err step(struct walk *w)
{
	struct level *l = &w->path[w->depth - 1];
	struct node n;
	size_t i = l->next;
	mpp_err err;

	if (i == l->page.nodes) {
		w->depth--;
		return MPP_OK;
	}
	l->next++;
	if ((err = node_at(w->f, &l->page, i, &n)) != MPP_OK)
		return err;
	if (l->page.flags == PAGE_LEAF)
		return leaf_node(w, l->page.number, &n);
	return branch_node(w, l->page.number, &n, i == 0);
}

static mpp_err walk(struct walk *w)
{
	const struct tree *t = w->tree;
	mpp_err err = MPP_OK;

	if (t->root != NO_PAGE) {
		if (t->depth == 0 || t->depth > DEPTH_MAX)
			return bad(w->f, t->root, "has an impossible depth");
		err = enter(w, t->root);
	} else if (t->depth != 0) {
		return bad(w->f, 0, "has the depth of a tree without root");
	}
	while (err == MPP_OK && w->depth > 0)
		err = step(w);
	if (err != MPP_OK)
		return err;
	if (w->seen.branches != t->branches || w->seen.leaves != t->leaves ||
	    w->seen.overflows != t->overflows || w->seen.entries != t->entries)
		return bad(w->f, t->root, "has a tree with wrong counts");
	return MPP_OK;
}

/* ---- the three trees ---- */

/* {number of pages, their numbers falling}, all free since transaction key. */
static mpp_err leaf_free(struct file *f, size_t page, const struct node *n,
			 mpp_bytes data)
{
	size_t room = data.len / WORD;
	size_t before = SIZE_MAX;
	size_t count, i, number;
	mpp_err err;

	if (n->flags & ~NODE_BIGDATA || word_at(n->key.p) > f->meta.txn)
		return bad(f, page, "has an impossible free list");
	if (room == 0 || (count = word_at(data.p)) > room - 1)
		return bad(f, page, "has a free list that is too long");
	for (i = 1; i <= count; i++) {
		number = word_at(data.p + i * WORD);
		if (number >= before)
			return bad(f, page, "has a free list out of order");
		if ((err = claim(f, number)) != MPP_OK)
			return err;
		before = number;
	}
	return MPP_OK;
}

static bool named(const struct node *n, const char *name)
{
	return bytes_eq(n->key,
			(mpp_bytes){(const uint8_t *)name, strlen(name)});
}

static mpp_err leaf_main(struct file *f, size_t page, const struct node *n,
			 mpp_bytes data)
{
	if (named(n, TREE_SUMMARY) && n->flags == 0)
		return MPP_OK;
	if (!named(n, TREE_RECORDS) || n->flags != NODE_SUBDATA ||
	    data.len != sizeof(f->records))
		return bad(f, page, "has an unknown entry");
	memcpy(&f->records, data.p, sizeof(f->records));
	if (f->records.flags != 0)
		return bad(f, page, "has unknown flags");
	return MPP_OK;
}

static mpp_err leaf_records(struct file *f, size_t page, const struct node *n,
			    mpp_bytes data)
{
	(void)data;
	if (n->flags & ~NODE_BIGDATA)
		return bad(f, page, "has unknown flags");
	return MPP_OK;
}

static mpp_err walk_all(struct file *f)
{
	struct walk main_tree = {.f = f,
				 .tree = &f->meta.main,
				 .compare = compare_bytes,
				 .leaf = leaf_main};
	struct walk records = {.f = f,
			       .tree = &f->records,
			       .compare = compare_bytes,
			       .leaf = leaf_records};
	struct walk free_tree = {.f = f,
				 .tree = &f->meta.free,
				 .compare = compare_words,
				 .leaf = leaf_free};
	mpp_err err;

	f->records.root = NO_PAGE;
	if ((err = walk(&main_tree)) != MPP_OK)
		return err;
	if (main_tree.seen.entries != 2)
		return bad(f, f->meta.main.root, "has not both its entries");
	if ((err = walk(&records)) != MPP_OK)
		return err;
	return walk(&free_tree);
}

/* ---- meta pages ---- */

static void read_meta(const struct file *f, size_t i, struct meta *m)
{
	memcpy(m, f->map + i * f->page_size + PAGE_HEAD, sizeof(*m));
}

static mpp_err check_meta(struct file *f, size_t i, const struct meta *m)
{
	const uint8_t *p = f->map + i * f->page_size;

	if (word_at(p) != i || u16_at(p + WORD + 2) != PAGE_META)
		return bad(f, i, "is not a meta page");
	if (m->magic != ((uint32_t)META_MAGIC_HIGH << 16 | META_MAGIC_LOW) ||
	    m->version != META_VERSION)
		return bad(f, i, "is not of a known format");
	if (m->free.pad != f->page_size || m->address != 0 ||
	    m->free.flags != FREE_FLAGS || m->main.flags != 0)
		return bad(f, i, "has unknown flags");
	if (m->last_page >= m->map_size / f->page_size)
		return bad(f, i, "speaks of pages beyond the largest size");
	return MPP_OK;
}

/* The summary that a meta page leads to must be of its own transaction. */
static mpp_err check_summary(struct file *f, size_t i, const struct meta *m)
{
	struct summary s;
	struct page pg;
	struct node n;
	mpp_err err;
	size_t k;

	if (m->main.depth != 1)
		return bad(f, i, "has an impossible depth");
	if ((err = page_at(f, m->main.root, &pg)) != MPP_OK ||
	    (err = page_head(f, &pg)) != MPP_OK)
		return err;
	for (k = 0; k < pg.nodes; k++) {
		if ((err = node_at(f, &pg, k, &n)) != MPP_OK)
			return err;
		if (!named(&n, TREE_SUMMARY) || n.flags != 0)
			continue;
		err = summary_open(f->hasher, (mpp_bytes){n.data, n.low}, &s);
		if (err == MPP_ERR_VERSION) /* db_open() says that better */
			return MPP_OK;
		if (err != MPP_OK || s.txn != m->txn)
			break;
		return MPP_OK;
	}
	return bad(f, i, "leads to a transaction that is not its own");
}

/* Both meta pages tell what they should, so the one with the higher number is
 * the newest, and no bit has hidden a newer one. */
static mpp_err check_metas(struct file *f)
{
	struct meta m[2];
	size_t newest;
	mpp_err err;
	size_t i;

	read_meta(f, 0, &m[0]);
	read_meta(f, 1, &m[1]);
	newest = m[1].txn > m[0].txn;
	if (m[newest].txn != m[!newest].txn + 1 || m[newest].txn % 2 != newest)
		return bad(f, 0,
			   "and page 1 are not of two transactions in "
			   "sequence");
	f->meta = m[newest];
	for (i = 0; i < 2; i++) {
		if ((err = check_meta(f, i, &m[i])) != MPP_OK)
			return err;
		/* "Transaction 0" is the file as it was made. */
		if (m[i].txn == 0 && m[i].main.root == NO_PAGE)
			continue;
		if ((err = check_summary(f, i, &m[i])) != MPP_OK)
			return err;
	}
	return MPP_OK;
}

/* ---- the file ---- */

static mpp_err check_pages(struct file *f)
{
	struct meta first;
	mpp_err err;

	if (f->len < PAGE_HEAD + sizeof(first))
		return bad(f, 0, "the file ends inside it");
	read_meta(f, 0, &first);
	f->page_size = first.free.pad;
	if (f->page_size < PAGE_SIZE_MIN || f->page_size > PAGE_SIZE_MAX ||
	    (f->page_size & (f->page_size - 1)) != 0)
		return bad(f, 0, "has an impossible page size");
	f->pages = f->len / f->page_size;
	if (f->pages < 2)
		return bad(f, 1, "the file ends before it");
	if ((err = check_metas(f)) != MPP_OK)
		return err;
	f->seen = calloc(f->pages / 8 + 1, 1);
	if (f->seen == NULL)
		return store_fail(f->err, MPP_ERR_NOMEM, "out of memory");
	err = walk_all(f);
	free(f->seen);
	return err;
}

static mpp_err map_file(struct file *f, int fd)
{
	struct stat st;
	void *map;
	mpp_err err;

	if (fstat(fd, &st) != 0)
		return store_fail_rc(f->err, f->path, "read", errno);
	if (st.st_size <= 0)
		return store_damaged(f->err, f->path, "it is empty");
	f->len = (size_t)st.st_size;
	map = mmap(NULL, f->len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return store_fail_rc(f->err, f->path, "read", errno);
	f->map = map;
	err = check_pages(f);
	munmap(map, f->len);
	return err;
}

mpp_err pages_check(const char *path, struct hasher *h, struct store_error *err)
{
	struct file f = {.path = path, .err = err, .hasher = h};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	mpp_err rc;

	if (fd < 0)
		return store_fail_rc(err, path, "read", errno);
	rc = map_file(&f, fd);
	close(fd);
	return rc;
}
