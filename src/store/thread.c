/* SPDX-License-Identifier: MIT */
/* thread.c - see store_thread.h.
 *
 *   submit -> waiting -> (in the thread: one transaction) -> done -> next
 *
 * A batch counts against the bound until its result is taken, so a loop that
 * submits but never looks cannot fill the memory. A single batch that is
 * longer than the whole bound is accepted when nothing else waits: refusing it
 * for ever would help nobody. */
#include "store/store_thread.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	QUEUE_MAX = 1024,               /* batches whose result is not taken */
	QUEUE_BYTES = 64 * 1024 * 1024, /* of batches not yet committed */
};

struct item {
	struct item *next;
	struct store_result result;
	size_t len;
	uint8_t batch[];
};

struct list {
	struct item *head;
	struct item **tail;
};

struct store_thread {
	struct store *store;
	pthread_t thread;
	pthread_mutex_t mutex; /* for what follows */
	pthread_cond_t wake;
	struct list waiting;
	struct list done;
	size_t count;
	size_t bytes;
	bool stop;
	int fd;
	mpp_bytes group[QUEUE_MAX]; /* of the thread alone */
};

/* ---- lists ---- */

static void clear(struct list *l)
{
	l->head = NULL;
	l->tail = &l->head;
}

static void append(struct list *l, struct item *i)
{
	i->next = NULL;
	*l->tail = i;
	l->tail = &i->next;
}

static struct item *pop(struct list *l)
{
	struct item *i = l->head;

	if (i == NULL)
		return NULL;
	l->head = i->next;
	if (l->head == NULL)
		l->tail = &l->head;
	return i;
}

static void free_list(struct list *l)
{
	struct item *i;

	while ((i = pop(l)) != NULL)
		free(i);
}

/* ---- in the thread ---- */

static void commit_one(struct store_thread *t, struct item *i)
{
	mpp_bytes batch = {i->batch, i->len};

	i->result.err =
		t->store->ops->commit(t->store, &batch, 1, &i->result.text);
}

static void share_result(struct item *group, mpp_err err,
			 const struct store_error *text)
{
	struct item *i;

	for (i = group; i != NULL; i = i->next) {
		i->result.err = err;
		i->result.text = *text;
	}
}

/* One transaction. When one batch is malformed, the others must not suffer:
 * then each goes alone. */
static void commit_group(struct store_thread *t, struct item *group)
{
	struct store_error text = {""};
	struct item *i;
	size_t n = 0;
	mpp_err err;

	for (i = group; i != NULL; i = i->next)
		t->group[n++] = (mpp_bytes){i->batch, i->len};
	err = t->store->ops->commit(t->store, t->group, n, &text);
	if (err != MPP_ERR_SYNTAX || n == 1) {
		share_result(group, err, &text);
		return;
	}
	for (i = group; i != NULL; i = i->next)
		commit_one(t, i);
}

static void deliver(struct store_thread *t, struct list *group)
{
	struct item *i;

	if (t->done.head == NULL)
		eventfd_write(t->fd, 1);
	while ((i = pop(group)) != NULL) {
		t->bytes -= i->len;
		append(&t->done, i);
	}
}

/* Take everything that waits; false when there will be nothing more. */
static bool take(struct store_thread *t, struct list *group)
{
	struct item *i;

	while (t->waiting.head == NULL && !t->stop)
		pthread_cond_wait(&t->wake, &t->mutex);
	clear(group);
	while ((i = pop(&t->waiting)) != NULL)
		append(group, i);
	return group->head != NULL;
}

static void *run(void *arg)
{
	struct store_thread *t = arg;
	struct list group;

	pthread_setname_np(pthread_self(), "mpp-store");
	pthread_mutex_lock(&t->mutex);
	while (take(t, &group)) {
		pthread_mutex_unlock(&t->mutex);
		commit_group(t, group.head);
		pthread_mutex_lock(&t->mutex);
		deliver(t, &group);
	}
	pthread_mutex_unlock(&t->mutex);
	return NULL;
}

/* ---- in the loop ---- */

/* Signals are the business of the loop: the thread is born deaf. */
static int start_deaf(struct store_thread *t)
{
	sigset_t all, before;
	int e;

	sigfillset(&all);
	if ((e = pthread_sigmask(SIG_SETMASK, &all, &before)) != 0)
		return e;
	e = pthread_create(&t->thread, NULL, run, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return e;
}

static void release(struct store_thread *t)
{
	free_list(&t->waiting);
	free_list(&t->done);
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->mutex);
	if (t->fd >= 0)
		close(t->fd);
	free(t);
}

mpp_err store_thread_start(struct store *store, struct store_thread **out)
{
	struct store_thread *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return MPP_ERR_NOMEM;
	t->store = store;
	clear(&t->waiting);
	clear(&t->done);
	pthread_mutex_init(&t->mutex, NULL);
	pthread_cond_init(&t->wake, NULL);
	t->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (t->fd < 0 || start_deaf(t) != 0) {
		release(t);
		return MPP_ERR_IO;
	}
	*out = t;
	return MPP_OK;
}

int store_thread_fd(const struct store_thread *t)
{
	return t->fd;
}

static bool has_room(const struct store_thread *t, size_t len)
{
	if (t->count >= QUEUE_MAX)
		return false;
	return t->bytes == 0 ||
	       (t->bytes < QUEUE_BYTES && len <= QUEUE_BYTES - t->bytes);
}

mpp_err store_thread_submit(struct store_thread *t, uint64_t id,
			    mpp_bytes batch)
{
	struct item *i = malloc(sizeof(*i) + batch.len);
	bool fits;

	if (i == NULL)
		return MPP_ERR_NOMEM;
	i->result = (struct store_result){.id = id};
	i->len = batch.len;
	if (batch.len != 0)
		memcpy(i->batch, batch.p, batch.len);
	pthread_mutex_lock(&t->mutex);
	if ((fits = has_room(t, batch.len))) {
		append(&t->waiting, i);
		t->count++;
		t->bytes += batch.len;
		pthread_cond_signal(&t->wake);
	}
	pthread_mutex_unlock(&t->mutex);
	if (!fits)
		free(i);
	return fits ? MPP_OK : MPP_ERR_LIMIT;
}

bool store_thread_next(struct store_thread *t, struct store_result *out)
{
	struct item *i;
	eventfd_t ignored;

	pthread_mutex_lock(&t->mutex);
	if ((i = pop(&t->done)) != NULL) {
		t->count--;
		if (t->done.head == NULL)
			eventfd_read(t->fd, &ignored);
	}
	pthread_mutex_unlock(&t->mutex);
	if (i == NULL)
		return false;
	*out = i->result;
	free(i);
	return true;
}

void store_thread_stop(struct store_thread *t)
{
	pthread_mutex_lock(&t->mutex);
	t->stop = true;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->mutex);
	pthread_join(t->thread, NULL);
	release(t);
}
