/* SPDX-License-Identifier: MIT */
/* place.h - a directory and a path for one durable store. */
#ifndef UNIT_STORE_PLACE_H
#define UNIT_STORE_PLACE_H

#include <sys/mount.h>

#include "unit/store/fixture.h"

struct place {
	char dir[64];
	char path[80];
};

static inline int place_with(void **state, void (*make)(char dir[64]))
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	make(p->dir);
	snprintf(p->path, sizeof(p->path), "%s/store", p->dir);
	*state = p;
	return 0;
}

static inline int place_setup(void **state)
{
	return place_with(state, make_dir);
}

static inline int place_setup_fast(void **state)
{
	return place_with(state, make_fast_dir);
}

static inline int place_teardown(void **state)
{
	struct place *p = *state;

	umount2(p->dir, MNT_DETACH); /* if it is a small disk */
	remove_dir(p->dir);
	free(p);
	return 0;
}

static inline void put_and_close(const char *path)
{
	struct store *s = must_open(path, MAP_SIZE);

	must_put(s, "k", "v");
	s->ops->close(s);
}

static inline mpp_err try_open(const char *path, struct store_error *err)
{
	struct store *s = NULL;
	mpp_err rc;

	err->text[0] = '\0';
	rc = store_lmdb_open(path, MAP_SIZE, &s, err);
	if (rc == MPP_OK)
		s->ops->close(s);
	else
		assert_null(s);
	return rc;
}

#endif
