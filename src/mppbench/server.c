/* SPDX-License-Identifier: MIT */
/* server.c - see server.h.
 *
 * The turn of the service is that of mppd (src/mppd/loop.c) with two
 * differences: it begins when the load rings and not when the first datagram
 * of a burst has come, and a batch for the store is answered at once, from
 * memory, because the disk is not what is measured here.
 *
 * Processor time is taken from the kernel's account of this process at the
 * begin and the end of each turn; what lies between turns is waiting. */
#include "mppbench/server.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "host/clock.h"
#include "mppbench/resolver.h"

enum {
	OUTBOX = 256,    /* as in mppd */
	FLUSH = 32,      /* as in mppd */
	POLL_ROUNDS = 8, /* as in mppd */
	LOOKS = 64,      /* for the bell, between two looks at anything else */
	LEASE_MS = 3600000, /* nobody goes offline during a floor */
	FORGE_EVERY = 997,
	DIGEST_LEN = 32,
	FLOOR = 0,
	SERVICE = 1,
};
#define DAY_US UINT64_C(86400000000)

/* Both kinds of turn are seen by callgrind under names of their own. */
#define NOINLINE __attribute__((noinline))

struct name {
	uint8_t len;
	char text[ACCOUNT_TEXT];
};

struct server {
	const struct plan *plan;
	struct link *link;
	mpp_crypto crypto;
	struct name *names;
	uint32_t *order; /* of the accounts */
	uint32_t next;
	mpp_service *service;
	struct udp udp[2];
	int epoll[2];
	struct resolver resolver; /* dns only */
	uint64_t turned;          /* turns */
	uint64_t looked;          /* in vain */
	uint64_t cpu_ns;
	enum work work;
	uint16_t answer_len;
	uint64_t batches, heard, index, rss;
	mpp_instant now;
	mpp_datagram slots[OUTBOX];
	mpp_outbox out;
	bool stop, failed;
	struct fault fault;
};

/* ---- looking ---- */

static uint64_t cpu_ns(void)
{
	struct timespec t = {0, 0};

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static uint64_t rss(void)
{
	unsigned long long size, pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f == NULL)
		return 0;
	if (fscanf(f, "%llu %llu", &size, &pages) != 2)
		pages = 0;
	(void)fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* ---- in ---- */

static void send_out(struct server *v, int which)
{
	if (v->out.n > 0)
		udp_send(&v->udp[which], &v->out);
}

/* The floor: an answer of the right length. */
static void echo(void *arg, mpp_buf in, const mpp_addr *from)
{
	struct server *v = arg;
	mpp_datagram *d;

	if (v->out.cap - v->out.n < FLUSH)
		send_out(v, FLOOR);
	d = &v->out.slots[v->out.n++];
	d->to = *from;
	d->len = v->answer_len;
	memcpy(d->data, in.p, in.len < d->len ? in.len : d->len);
}

/* Is this one lost, by the wish of a test? It may be changed as well. */
static bool damage(struct server *v, mpp_buf in)
{
	if (v->work == WORK_CONNECT)
		return false;
	if (v->plan->broken == BREAK_FORGE && v->work != WORK_DNS &&
	    ++v->heard % FORGE_EVERY == 0)
		in.p[in.len - 1] ^= 1;
	return v->plan->broken == BREAK_DEAF;
}

static void take_datagram(void *arg, mpp_buf in, const mpp_addr *from)
{
	struct server *v = arg;

	if (v->plan->broken != BREAK_NONE && damage(v, in))
		return;
	if (v->out.cap - v->out.n < FLUSH)
		send_out(v, SERVICE);
	(void)mpp_service_receive(v->service, in, from, v->now, &v->out);
}

/* Something is there already: asking costs what it costs mppd. */
static void receive(struct server *v, int which, udp_datagram_fn *fn)
{
	struct epoll_event e;
	size_t n;

	if (epoll_wait(v->epoll[which], &e, 1, 0) != 1)
		return;
	if (which == SERVICE)
		v->now = clock_now();
	do {
		n = udp_receive(&v->udp[which], 0, fn, v);
		v->batches += n > 0;
	} while (n == UDP_BATCH);
}

/* ---- the service ---- */

static void fail(struct server *v, mpp_err err, const char *what)
{
	if (!v->failed)
		(void)fault_set(&v->fault, err, EX_SOFTWARE, "%s: %s", what,
				mpp_err_text(err));
	v->failed = true;
}

/* The store says at once that it has it. */
static void commit(struct server *v)
{
	mpp_commit c;
	mpp_result r;

	while (mpp_service_commit(v->service, &c))
		mpp_service_committed(v->service, c.id, MPP_OK, v->now);
	while (mpp_service_next_result(v->service, &r)) {
		if (r.err != MPP_OK)
			fail(v, r.err, "a change failed");
	}
}

static void publish_one(struct server *v)
{
	static uint8_t digest[DIGEST_LEN];
	static const char store[] = "mmm_Inbound";
	const struct name *name = &v->names[v->order[v->next]];
	const mpp_store_status st = {
		{(const uint8_t *)store, sizeof(store) - 1},
		++v->index,
		{digest, sizeof(digest)},
	};
	mpp_published out;
	mpp_err err;

	memcpy(digest, &v->index, sizeof(v->index));
	err = mpp_service_publish(
		v->service, (mpp_bytes){(const uint8_t *)name->text, name->len},
		&st, 1, false, v->index, v->now.wall, &out);
	if (err != MPP_OK)
		fail(v, err, "cannot publish");
	v->next = (v->next + 1) % plan_accounts(v->plan);
}

/* As many as make one burst of notifications. */
static void publish(struct server *v)
{
	uint32_t n = v->plan->window / v->plan->fanout;

	if (atomic_load(&v->link->shared->last))
		return;
	atomic_store(&v->link->shared->published, v->now.mono.us);
	while (n-- > 0)
		publish_one(v);
}

static void run_service(struct server *v)
{
	unsigned rounds = 0;

	do {
		mpp_service_poll(v->service, v->now, &v->out);
		send_out(v, SERVICE);
	} while (mpp_service_deadline(v->service).us <= v->now.mono.us &&
		 ++rounds < POLL_ROUNDS);
}

static void turn_service(struct server *v)
{
	receive(v, SERVICE, take_datagram);
	if (v->work == WORK_PUBLISH)
		publish(v);
	commit(v);
	run_service(v);
	atomic_store(&v->link->shared->done,
		     mpp_service_count(v->service)->acknowledged);
}

static NOINLINE void measured_turn(struct server *v)
{
	turn_service(v);
}

static NOINLINE void floor_turn(struct server *v)
{
	receive(v, FLOOR, echo);
	send_out(v, FLOOR);
}

/* Sleep until there is something to do, and do it: like mppd. */
static void dns_turn(struct server *v)
{
	const mpp_time due = mpp_service_deadline(v->service);

	resolver_wait(&v->resolver, due, clock_now().mono);
	v->now = clock_now();
	while (udp_receive(&v->udp[SERVICE], 0, take_datagram, v) == UDP_BATCH)
		continue;
	resolver_ask(&v->resolver, v->service, v->now, &v->out);
	do {
		if (v->out.cap - v->out.n < FLUSH)
			send_out(v, SERVICE);
	} while (resolver_answer(&v->resolver, v->service, v->now, &v->out));
	commit(v);
	run_service(v);
}

static void connect_turn(struct server *v)
{
	turn_service(v);
}

/* ---- start ---- */

static mpp_err make_service(struct server *v)
{
	const struct plan *p = v->plan;
	const mpp_service_config config = {
		.bindings = p->devices + 64,
		.devices = p->devices,
		.accounts = plan_accounts(p),
		.stores = plan_accounts(p) + 4096,
		.invitations = p->devices,
		.lease_ms = LEASE_MS,
		.lease_max_ms = LEASE_MS,
		/* What an operation costs, not how it is refused. */
		.handshakes = 10000,
		.requests_per_s = 1000,
		.request_burst = 100000,
		.resolves_per_device = 64,
		.resolves_per_s = 1000,
		.stun_address = 100000,
		.stun_prefix = 1000000,
	};
	const size_t len = mpp_service_size(&config);
	void *memory = mmap(NULL, len, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (len == 0 || memory == MAP_FAILED)
		return MPP_ERR_NOMEM;
	return mpp_service_init(memory, len, &config, &p->secrets, &v->crypto,
				&v->service);
}

static mpp_err add_account(struct server *v, uint32_t i)
{
	const struct name *n = &v->names[i];
	const mpp_bytes name = {(const uint8_t *)n->text, n->len};

	return mpp_service_account_add(v->service, name, 0);
}

static mpp_err add_invitation(struct server *v, uint32_t i)
{
	const struct name *n = &v->names[i / v->plan->fanout];
	const mpp_bytes name = {(const uint8_t *)n->text, n->len};
	const mpp_wall expires = {v->now.wall.us + DAY_US};
	uint8_t secret[MPP_INVITATION_LEN];

	plan_invitation(v->plan, i, secret);
	return mpp_service_invite(v->service, name, secret, MPP_RIGHT_SUBSCRIBE,
				  expires, 0, v->now.wall);
}

/* When what waits for the store has used up its room, the store says yes. */
static mpp_err add_all(struct server *v, uint32_t n,
		       mpp_err (*add)(struct server *v, uint32_t i))
{
	mpp_err err = MPP_OK;
	uint32_t i;

	for (i = 0; i < n && err == MPP_OK; i++) {
		err = add(v, i);
		if (err != MPP_ERR_LIMIT)
			continue;
		commit(v);
		err = add(v, i);
	}
	commit(v);
	return err;
}

static mpp_err make_names(struct server *v)
{
	const uint32_t n = plan_accounts(v->plan);
	uint32_t i;

	v->names = calloc(n, sizeof(*v->names));
	v->order = plan_order(n);
	if (v->names == NULL || v->order == NULL)
		return MPP_ERR_NOMEM;
	for (i = 0; i < n; i++)
		v->names[i].len = (uint8_t)plan_account(i, v->names[i].text);
	return MPP_OK;
}

/* What the invitations cost is not counted: once they are used they wait for
 * the end of their time, which in life is minutes. */
static mpp_err fill_service(struct server *v)
{
	uint64_t before;
	mpp_err err;

	v->rss = rss();
	err = make_service(v);
	if (err == MPP_OK)
		err = add_all(v, plan_accounts(v->plan), add_account);
	before = rss();
	if (err == MPP_OK)
		err = add_all(v, v->plan->devices, add_invitation);
	v->rss += rss() - before;
	return err;
}

static mpp_err listen_on(struct udp *u, struct fault *f)
{
	const mpp_addr at = {{127, 0, 0, 1}, 0, 4, 0};

	udp_init(u);
	return udp_listen(u, &at, f);
}

static void watch(struct server *v, int which)
{
	struct epoll_event e = {.events = EPOLLIN};

	v->epoll[which] = epoll_create1(EPOLL_CLOEXEC);
	if (v->epoll[which] < 0 || epoll_ctl(v->epoll[which], EPOLL_CTL_ADD,
					     v->udp[which].fd[0], &e) != 0)
		fail(v, MPP_ERR_IO, "cannot watch a socket");
}

static void start(struct server *v)
{
	mpp_err err = mpp_crypto_new(&v->crypto);

	if (err != MPP_OK) {
		fail(v, err, "cannot use the cryptographic libraries");
		return;
	}
	v->failed = listen_on(&v->udp[FLOOR], &v->fault) != MPP_OK ||
		    listen_on(&v->udp[SERVICE], &v->fault) != MPP_OK;
	v->now = clock_now();
	if ((err = make_names(v)) != MPP_OK ||
	    (err = fill_service(v)) != MPP_OK)
		fail(v, err, "cannot make the service");
	watch(v, FLOOR);
	watch(v, SERVICE);
	if (!v->failed && v->plan->scenario == SCENARIO_DNS)
		v->failed = resolver_open(&v->resolver, v->plan,
					  v->udp[SERVICE].fd[0],
					  v->link->orders, &v->fault) != MPP_OK;
}

/* ---- orders ---- */

static uint16_t port_of(const struct udp *u)
{
	struct sockaddr_in a = {0};
	socklen_t len = sizeof(a);

	(void)getsockname(u->fd[0], (struct sockaddr *)&a, &len);
	return ntohs(a.sin_port);
}

static void fill_report(const struct server *v, struct report *r)
{
	memset(r, 0, sizeof(*r));
	r->failed = v->failed;
	r->fault = v->fault;
	if (v->failed)
		return;
	r->port[FLOOR] = port_of(&v->udp[FLOOR]);
	r->port[SERVICE] = port_of(&v->udp[SERVICE]);
	r->rss = rss() - v->rss;
	r->batches = v->batches;
	r->floor = v->udp[FLOOR].count;
	r->udp = v->udp[SERVICE].count;
	r->count = *mpp_service_count(v->service);
	r->cpu_ns = v->cpu_ns;
}

/* By the wish of a test. */
static void miscount(struct report *r)
{
	r->count.requests++;
	r->count.acknowledged++;
	r->count.stun++;
	r->count.resolves_answered += 1000000; /* more than repetitions */
	r->floor.received++;
}

static void take_order(struct server *v)
{
	struct command c;
	struct report r;

	if (recv(v->link->orders, &c, sizeof(c), 0) != sizeof(c) ||
	    c.order == ORDER_STOP) {
		v->stop = true;
		return;
	}
	if (c.order == ORDER_BEGIN) {
		v->work = c.work;
		v->answer_len = c.answer_len;
	}
	fill_report(v, &r);
	if (v->plan->broken == BREAK_MISCOUNT && c.order == ORDER_REPORT &&
	    v->work != WORK_CONNECT)
		miscount(&r);
	if (send(v->link->orders, &r, sizeof(r), MSG_NOSIGNAL) != sizeof(r))
		v->stop = true;
}

/* ---- turns ---- */

static void turn(struct server *v)
{
	const uint64_t before = cpu_ns();

	if (v->work == WORK_FLOOR)
		floor_turn(v);
	else if (v->work == WORK_CONNECT)
		connect_turn(v);
	else
		measured_turn(v);
	v->cpu_ns += cpu_ns() - before;
	atomic_store(&v->link->shared->turns, ++v->turned);
}

/* What may come between two turns. */
static void look_around(struct server *v)
{
	struct pollfd p = {.fd = v->link->orders, .events = POLLIN};

	if (poll(&p, 1, 0) == 1)
		take_order(v);
	if (v->failed || v->stop)
		return;
	v->now = clock_now();
	if (mpp_service_deadline(v->service).us <= v->now.mono.us)
		run_service(v);
}

static void serve(struct server *v)
{
	while (!v->stop) {
		if (v->work == WORK_DNS) {
			dns_turn(v);
			look_around(v);
			continue;
		}
		if (atomic_load(&v->link->shared->rung) > v->turned) {
			turn(v);
			continue;
		}
		(void)sched_yield();
		if (++v->looked % LOOKS == 0)
			look_around(v);
	}
}

void server_run(const struct plan *plan, struct link *link)
{
	struct server *v = calloc(1, sizeof(*v));

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGINT, SIG_IGN);
	if (v == NULL)
		_exit(EX_OSERR);
	plan_pin(plan->server_cpu);
	v->plan = plan;
	v->link = link;
	v->work = WORK_CONNECT;
	v->out = (mpp_outbox){v->slots, OUTBOX, 0};
	start(v);
	serve(v);
	resolver_close(&v->resolver);
	if (v->service != NULL)
		mpp_service_wipe(v->service);
	mpp_crypto_free(&v->crypto);
	_exit(0);
}
