/* SPDX-License-Identifier: MIT */
/* The store thread, over the real stores; between them stands a store that
 * counts transactions, can hold them back, and can fail. */
#include "unit/store/place.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "store/store_thread.h"

enum {
	QUEUE_MAX = 1024,
	QUEUE_BYTES = 64 << 20,
	PATIENCE_MS = 20000,
};

struct gate {
	struct store store;
	struct store *inner;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool shut;      /* transactions wait here */
	size_t inside;  /* how many came so far */
	size_t batches; /* of the last one */
	mpp_err fails;
	char name[16]; /* of the thread that came */
	sigset_t blocked;
};

static mpp_err gate_commit(struct store *s, const mpp_bytes *batches, size_t n,
			   struct store_error *err)
{
	struct gate *g = (struct gate *)s;
	mpp_err fails;

	pthread_mutex_lock(&g->mutex);
	g->inside++;
	g->batches = n;
	pthread_getname_np(pthread_self(), g->name, sizeof(g->name));
	pthread_sigmask(SIG_SETMASK, NULL, &g->blocked);
	pthread_cond_broadcast(&g->changed);
	while (g->shut)
		pthread_cond_wait(&g->changed, &g->mutex);
	fails = g->fails;
	pthread_mutex_unlock(&g->mutex);
	if (fails != MPP_OK) {
		snprintf(err->text, sizeof(err->text), "no luck today");
		return fails;
	}
	return g->inner->ops->commit(g->inner, batches, n, err);
}

static const struct store_ops gate_ops = {.name = "gate",
					  .commit = gate_commit};

static void set_shut(struct gate *g, bool shut)
{
	pthread_mutex_lock(&g->mutex);
	g->shut = shut;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->mutex);
}

/* Until n transactions have come. */
static void wait_inside(struct gate *g, size_t n)
{
	pthread_mutex_lock(&g->mutex);
	while (g->inside < n)
		pthread_cond_wait(&g->changed, &g->mutex);
	pthread_mutex_unlock(&g->mutex);
}

struct bench {
	struct place *place;
	struct gate gate;
	struct store_thread *thread;
	struct store *model;
};

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	void *place = NULL;

	assert_non_null(b);
	place_setup(&place);
	b->place = place;
	b->gate.store.ops = &gate_ops;
	b->gate.inner = must_open(b->place->path, MAP_SIZE);
	pthread_mutex_init(&b->gate.mutex, NULL);
	pthread_cond_init(&b->gate.changed, NULL);
	assert_int_equal(store_mem_open(&b->model), MPP_OK);
	assert_int_equal(store_thread_start(&b->gate.store, &b->thread),
			 MPP_OK);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;
	void *place = b->place;

	set_shut(&b->gate, false);
	if (b->thread != NULL)
		store_thread_stop(b->thread);
	b->gate.inner->ops->close(b->gate.inner);
	b->model->ops->close(b->model);
	pthread_cond_destroy(&b->gate.changed);
	pthread_mutex_destroy(&b->gate.mutex);
	free(b);
	return place_teardown(&place);
}

/* The same batch for the thread and for the model. */
static mpp_err submit(struct bench *b, uint64_t id)
{
	struct octets o = {0};
	char value[32];
	mpp_err rc;

	snprintf(value, sizeof(value), "%" PRIu64, id);
	batch_put(&o, text("last"), text(value));
	if (id % 3 == 0)
		batch_put(&o, text(value), text("third"));
	rc = store_thread_submit(b->thread, id, octets_view(&o));
	if (rc == MPP_OK)
		must_commit(b->model, &o);
	/* Copied: what happens to the octets now is of no interest. */
	if (o.p != NULL)
		memset(o.p, 0xff, o.len);
	octets_free(&o);
	return rc;
}

static bool readable(struct bench *b, int ms)
{
	struct pollfd p = {store_thread_fd(b->thread), POLLIN, 0};

	return poll(&p, 1, ms) == 1 && p.revents & POLLIN;
}

static struct store_result next(struct bench *b)
{
	struct store_result r = {0};

	assert_true(readable(b, PATIENCE_MS));
	assert_true(store_thread_next(b->thread, &r));
	return r;
}

static void assert_next(struct bench *b, uint64_t id, mpp_err err)
{
	struct store_result r = next(b);

	assert_int_equal(r.id, id);
	assert_int_equal(r.err, err);
}

static void results_in_order(void **state)
{
	struct bench *b = *state;
	uint64_t got = 0, id = 0;
	uint64_t seed = 9;
	struct store_result r;
	mpp_err err;

	while (got < 2000) {
		if (id < 2000 && rnd_below(&seed, 2) == 0) {
			err = submit(b, id * 5 + 1);
			assert_true(err == MPP_OK || err == MPP_ERR_LIMIT);
			id += err == MPP_OK;
		} else if (store_thread_next(b->thread, &r)) {
			assert_int_equal(r.id, got * 5 + 1);
			assert_int_equal(r.err, MPP_OK);
			got++;
		}
		if (id == 2000)
			readable(b, 10);
	}
	assert_false(store_thread_next(b->thread, &r));
	assert_same(b->gate.inner, b->model);
}

static void one_transaction_for_all_that_waits(void **state)
{
	enum { N = 500 };
	struct bench *b = *state;
	uint64_t id;

	set_shut(&b->gate, true);
	assert_int_equal(submit(b, 0), MPP_OK);
	wait_inside(&b->gate, 1);
	for (id = 1; id <= N; id++)
		assert_int_equal(submit(b, id), MPP_OK);
	assert_false(readable(b, 0));
	set_shut(&b->gate, false);
	for (id = 0; id <= N; id++)
		assert_next(b, id, MPP_OK);
	assert_int_equal(b->gate.inside, 2);
	assert_int_equal(b->gate.batches, N);
	assert_same(b->gate.inner, b->model);
}

/* The control: without a queue, one transaction each. */
static void one_by_one(void **state)
{
	struct bench *b = *state;
	uint64_t id;

	for (id = 0; id < 20; id++) {
		assert_int_equal(submit(b, id), MPP_OK);
		assert_next(b, id, MPP_OK);
	}
	assert_int_equal(b->gate.inside, 20);
	assert_int_equal(b->gate.batches, 1);
}

static void eventfd_tells(void **state)
{
	struct bench *b = *state;
	struct store_result r;

	assert_false(readable(b, 0));
	assert_false(store_thread_next(b->thread, &r));
	set_shut(&b->gate, true);
	submit(b, 1);
	wait_inside(&b->gate, 1);
	submit(b, 2);
	submit(b, 3);
	assert_false(readable(b, 0));
	set_shut(&b->gate, false);
	wait_inside(&b->gate, 2);
	assert_next(b, 1, MPP_OK);
	assert_next(b, 2, MPP_OK);
	/* One is left, so it stays readable without being written again. */
	assert_true(readable(b, 0));
	assert_next(b, 3, MPP_OK);
	assert_false(readable(b, 0));
	assert_false(store_thread_next(b->thread, &r));
	assert_true(fcntl(store_thread_fd(b->thread), F_GETFD) & FD_CLOEXEC);
}

static void queue_is_bounded_by_number(void **state)
{
	struct bench *b = *state;
	uint64_t id;

	set_shut(&b->gate, true);
	for (id = 0; id < QUEUE_MAX; id++)
		assert_int_equal(submit(b, id), MPP_OK);
	assert_int_equal(submit(b, id), MPP_ERR_LIMIT);
	assert_int_equal(submit(b, id), MPP_ERR_LIMIT);
	set_shut(&b->gate, false);
	/* Each result that is taken makes room for one. */
	assert_next(b, 0, MPP_OK);
	assert_int_equal(submit(b, id), MPP_OK);
	for (id = 1; id <= QUEUE_MAX; id++)
		assert_next(b, id, MPP_OK);
	assert_int_equal(submit(b, id), MPP_OK);
	assert_next(b, id, MPP_OK);
	assert_same(b->gate.inner, b->model);
}

/* A batch of about 1 MiB: 16 values of 65,000 octets. */
static void add_megabyte(struct octets *o)
{
	static const uint8_t value[65000];
	char key[16];
	int i;

	for (i = 0; i < 16; i++) {
		snprintf(key, sizeof(key), "m%d", i);
		batch_put(o, text(key), (mpp_bytes){value, sizeof(value)});
	}
}

static void queue_is_bounded_by_octets(void **state)
{
	struct bench *b = *state;
	struct octets o = {0};
	uint64_t id = 0, took;

	add_megabyte(&o);
	set_shut(&b->gate, true);
	while (store_thread_submit(b->thread, id, octets_view(&o)) == MPP_OK)
		id++;
	assert_int_equal(id, QUEUE_BYTES / o.len);
	assert_int_equal(store_thread_submit(b->thread, id, octets_view(&o)),
			 MPP_ERR_LIMIT);
	set_shut(&b->gate, false);
	for (took = 0; took < id; took++)
		assert_next(b, took, MPP_OK);
	assert_int_equal(store_thread_submit(b->thread, id, octets_view(&o)),
			 MPP_OK);
	assert_next(b, id, MPP_OK);
	octets_free(&o);
}

/* One that is longer than the queue goes alone rather than never. */
static void giant_goes_alone(void **state)
{
	struct bench *b = *state;
	struct octets o = {0};

	while (o.len <= QUEUE_BYTES)
		add_megabyte(&o);
	set_shut(&b->gate, true);
	assert_int_equal(submit(b, 1), MPP_OK);
	assert_int_equal(store_thread_submit(b->thread, 2, octets_view(&o)),
			 MPP_ERR_LIMIT);
	set_shut(&b->gate, false);
	assert_next(b, 1, MPP_OK);
	assert_int_equal(store_thread_submit(b->thread, 2, octets_view(&o)),
			 MPP_OK);
	assert_next(b, 2, MPP_OK);
	octets_free(&o);
}

static void each_gets_the_error(void **state)
{
	struct bench *b = *state;
	struct store_result r;
	uint64_t id;

	set_shut(&b->gate, true);
	b->gate.fails = MPP_ERR_STORE;
	for (id = 0; id < 10; id++)
		assert_int_equal(submit(b, id), MPP_OK);
	set_shut(&b->gate, false);
	for (id = 0; id < 10; id++) {
		r = next(b);
		assert_int_equal(r.id, id);
		assert_int_equal(r.err, MPP_ERR_STORE);
		assert_string_equal(r.text.text, "no luck today");
	}
	/* All in one or two transactions: they are not tried one by one. */
	assert_in_range(b->gate.inside, 1, 2);
	pthread_mutex_lock(&b->gate.mutex);
	b->gate.fails = MPP_OK;
	pthread_mutex_unlock(&b->gate.mutex);
	assert_int_equal(submit(b, 10), MPP_OK);
	r = next(b);
	assert_int_equal(r.err, MPP_OK);
	assert_string_equal(r.text.text, "");
}

static void only_the_malformed_fails(void **state)
{
	struct bench *b = *state;
	struct store_result r;
	uint64_t id;

	set_shut(&b->gate, true);
	assert_int_equal(submit(b, 0), MPP_OK);
	wait_inside(&b->gate, 1);
	for (id = 1; id < 10; id++) {
		if (id == 4)
			assert_int_equal(store_thread_submit(b->thread, id,
							     text("\1\0")),
					 MPP_OK);
		else
			assert_int_equal(submit(b, id), MPP_OK);
	}
	set_shut(&b->gate, false);
	for (id = 0; id < 10; id++) {
		r = next(b);
		assert_int_equal(r.id, id);
		assert_int_equal(r.err, id == 4 ? MPP_ERR_SYNTAX : MPP_OK);
		assert_int_equal(strstr(r.text.text, "malformed") != NULL,
				 id == 4);
	}
	assert_int_equal(b->gate.inside, 1 + 1 + 9);
	assert_same(b->gate.inner, b->model);
	/* Alone, too. */
	assert_int_equal(store_thread_submit(b->thread, 20, text("\3")),
			 MPP_OK);
	assert_next(b, 20, MPP_ERR_SYNTAX);
}

static void stop_commits_what_waits(void **state)
{
	struct bench *b = *state;
	uint64_t id;

	set_shut(&b->gate, true);
	assert_int_equal(submit(b, 0), MPP_OK);
	wait_inside(&b->gate, 1);
	for (id = 1; id < 100; id++)
		assert_int_equal(submit(b, id), MPP_OK);
	set_shut(&b->gate, false);
	store_thread_stop(b->thread);
	b->thread = NULL;
	assert_int_equal(b->gate.inside, 2);
	assert_same(b->gate.inner, b->model);
}

static void stop_of_an_idle_thread(void **state)
{
	struct bench *b = *state;

	store_thread_stop(b->thread);
	b->thread = NULL;
	assert_int_equal(b->gate.inside, 0);
	must_put(b->gate.inner, "the store", "stays open");
}

/* Each signal but those that cannot be blocked. */
static void thread_is_deaf_and_named(void **state)
{
	struct bench *b = *state;
	sigset_t mine;
	int sig;

	assert_int_equal(submit(b, 1), MPP_OK);
	assert_next(b, 1, MPP_OK);
	assert_string_equal(b->gate.name, "mpp-store");
	for (sig = 1; sig < SIGSYS; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			assert_int_equal(sigismember(&b->gate.blocked, sig), 1);
	/* The loop's own thread hears as before. */
	assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &mine), 0);
	assert_int_equal(sigismember(&mine, SIGTERM), 0);
}

/* A result means that it is on disk: another process finds it, even though
 * this one is killed right afterwards. */
static _Noreturn void commit_and_die(const char *path)
{
	struct store_thread *t = NULL;
	struct store_error err;
	struct store_result r;
	struct octets o = {0};
	struct pollfd fd;
	struct store *s;

	batch_put(&o, text("k"), text("v"));
	if (store_lmdb_open(path, MAP_SIZE, &s, &err) != MPP_OK ||
	    store_thread_start(s, &t) != MPP_OK ||
	    store_thread_submit(t, 1, octets_view(&o)) != MPP_OK)
		_exit(1);
	fd = (struct pollfd){store_thread_fd(t), POLLIN, 0};
	poll(&fd, 1, PATIENCE_MS);
	if (!store_thread_next(t, &r) || r.err != MPP_OK)
		_exit(2);
	kill(getpid(), SIGKILL);
	_exit(3);
}

static void result_means_durable(void **state)
{
	struct place *p = *state;
	struct store *s;
	struct dump d;
	int status;
	pid_t pid;

	if ((pid = fork()) == 0)
		commit_and_die(p->path);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	s = must_open(p->path, MAP_SIZE);
	d = must_dump(s);
	assert_int_equal(d.records, 1);
	dump_free(&d);
	s->ops->close(s);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First, since it forks before there are threads. */
		cmocka_unit_test_setup_teardown(result_means_durable,
						place_setup, place_teardown),
		CASE(results_in_order),
		CASE(one_transaction_for_all_that_waits),
		CASE(one_by_one),
		CASE(eventfd_tells),
		CASE(queue_is_bounded_by_number),
		CASE(queue_is_bounded_by_octets),
		CASE(giant_goes_alone),
		CASE(each_gets_the_error),
		CASE(only_the_malformed_fails),
		CASE(stop_commits_what_waits),
		CASE(stop_of_an_idle_thread),
		CASE(thread_is_deaf_and_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
