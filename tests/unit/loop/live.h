/* SPDX-License-Identifier: MIT */
/* live.h - the real service engine behind a real UDP socket on the loopback,
 * in a thread of its own, for tests of the loop. What it stores it keeps in
 * its own memory. */
#ifndef TESTS_LOOP_LIVE_H
#define TESTS_LOOP_LIVE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <mpp/service.h>

enum {
	LIVE_SLOTS = 32,
	LIVE_STEP_MS = 5,
	LIVE_PIN_TEXT = 80,
	LIVE_TYPE_AT = 16, /* docs/protocol.md section 5.3 */
	LIVE_TYPES = 256,
	LIVE_HELLO = 2,
	LIVE_EXCHANGE = 3,
};

struct live {
	mpp_crypto crypto;
	void *mem;
	mpp_service *s; /* under lock */
	pthread_mutex_t lock;
	pthread_t thread;
	atomic_bool stop;
	atomic_bool deaf;             /* drop all that comes: a dead service */
	atomic_bool sham;             /* only Hello is answered */
	atomic_uint came[LIVE_TYPES]; /* connection datagrams, by type */
	int fd;
	uint16_t port;
	char pin[LIVE_PIN_TEXT];
	uint64_t ops;
	mpp_datagram slots[LIVE_SLOTS];
};

static mpp_instant live_now(void)
{
	struct timespec mono, wall;

	(void)clock_gettime(CLOCK_MONOTONIC, &mono);
	(void)clock_gettime(CLOCK_REALTIME, &wall);
	return (mpp_instant){{(uint64_t)mono.tv_sec * 1000000 +
			      (uint64_t)mono.tv_nsec / 1000},
			     {(uint64_t)wall.tv_sec * 1000000 +
			      (uint64_t)wall.tv_nsec / 1000}};
}

/* A socket on the loopback, on any port. */
static int live_bind(uint16_t *port)
{
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in sa = {.sin_family = AF_INET};
	socklen_t len = sizeof(sa);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) != 0)
		abort();
	*port = ntohs(sa.sin_port);
	return fd;
}

static void live_receive(struct live *v, mpp_outbox *out, mpp_instant now)
{
	uint8_t room[MPP_PACKET_MAX];
	mpp_buf in = {room, sizeof(room), 0};
	struct sockaddr_in sa;
	socklen_t len = sizeof(sa);
	mpp_addr from = {.family = 4};
	const ssize_t n = recvfrom(v->fd, room, sizeof(room), MSG_DONTWAIT,
				   (struct sockaddr *)&sa, &len);

	if (n <= LIVE_TYPE_AT || atomic_load(&v->deaf))
		return;
	atomic_fetch_add(&v->came[room[LIVE_TYPE_AT]], 1);
	if (atomic_load(&v->sham) && room[LIVE_TYPE_AT] != LIVE_HELLO)
		return;
	memcpy(from.ip, &sa.sin_addr, 4);
	from.port = ntohs(sa.sin_port);
	in.len = (size_t)n;
	(void)mpp_service_receive(v->s, in, &from, now, out);
}

static void live_send(const struct live *v, const mpp_outbox *out)
{
	struct sockaddr_in sa = {.sin_family = AF_INET};
	size_t i;

	for (i = 0; i < out->n && !atomic_load(&v->deaf); i++) {
		const mpp_datagram *d = &out->slots[i];

		memcpy(&sa.sin_addr, d->to.ip, 4);
		sa.sin_port = htons(d->to.port);
		(void)sendto(v->fd, d->data, d->len, 0, (struct sockaddr *)&sa,
			     sizeof(sa));
	}
}

static void live_turn(struct live *v)
{
	const mpp_instant now = live_now();
	mpp_outbox out = {v->slots, LIVE_SLOTS, 0};
	mpp_commit commit;
	mpp_result result;

	live_receive(v, &out, now);
	while (mpp_service_commit(v->s, &commit))
		mpp_service_committed(v->s, commit.id, MPP_OK, now);
	while (mpp_service_next_result(v->s, &result)) {
		if (result.err != MPP_OK)
			abort();
	}
	mpp_service_poll(v->s, now, &out);
	live_send(v, &out);
}

static void *live_run(void *arg)
{
	struct live *v = arg;

	while (!atomic_load(&v->stop)) {
		struct pollfd p = {.fd = v->fd, .events = POLLIN};

		(void)poll(&p, 1, LIVE_STEP_MS);
		(void)pthread_mutex_lock(&v->lock);
		live_turn(v);
		(void)pthread_mutex_unlock(&v->lock);
	}
	return NULL;
}

static void live_go(struct live *v)
{
	atomic_store(&v->stop, false);
	if (pthread_create(&v->thread, NULL, live_run, v) != 0)
		abort();
}

static void live_halt(struct live *v)
{
	atomic_store(&v->stop, true);
	(void)pthread_join(v->thread, NULL);
}

/* A service whose key is made from @p seed; on @p fd, or a port of its own
 * when fd is -1. */
static void live_start(struct live *v, uint8_t seed, int fd)
{
	const mpp_service_config config = {.lease_ms = 10000,
					   .lease_min_ms = 1000};
	const size_t size = mpp_service_size(&config);
	mpp_service_secrets secrets;
	uint8_t udf[MPP_UDF_LEN];
	char text[MPP_UDF_TEXT_MAX];

	memset(v, 0, sizeof(*v));
	memset(&secrets, 0, sizeof(secrets));
	memset(secrets.x25519, seed, sizeof(secrets.x25519));
	memset(secrets.sid_key, seed, sizeof(secrets.sid_key));
	memset(secrets.reset_key, seed, sizeof(secrets.reset_key));
	v->mem = calloc(1, size);
	if (size == 0 || v->mem == NULL ||
	    pthread_mutex_init(&v->lock, NULL) != 0 ||
	    mpp_crypto_new(&v->crypto) != MPP_OK ||
	    mpp_service_init(v->mem, size, &config, &secrets, &v->crypto,
			     &v->s) != MPP_OK ||
	    mpp_service_fingerprint(v->s, MPP_SUITE_25519, udf) != MPP_OK)
		abort();
	(void)mpp_udf_text(udf, MPP_UDF_PIN_BITS, text);
	(void)snprintf(v->pin, sizeof(v->pin), "%.79s", text);
	v->fd = fd >= 0 ? fd : live_bind(&v->port);
	live_go(v);
}

/* End it; the socket stays open for the next one. @return the socket */
static int live_end(struct live *v)
{
	live_halt(v);
	mpp_service_wipe(v->s);
	mpp_crypto_free(&v->crypto);
	(void)pthread_mutex_destroy(&v->lock);
	free(v->mem);
	return v->fd;
}

static mpp_bytes live_bytes(const char *text)
{
	return (mpp_bytes){(const uint8_t *)text, strlen(text)};
}

static void live_account(struct live *v, const char *name)
{
	(void)pthread_mutex_lock(&v->lock);
	if (mpp_service_account_add(v->s, live_bytes(name), ++v->ops) != MPP_OK)
		abort();
	live_turn(v); /* so that it is there at once */
	(void)pthread_mutex_unlock(&v->lock);
}

/* Mint an invitation; its secret is all @p octet. */
static void live_invite(struct live *v, const char *account, uint8_t octet,
			unsigned life_ms)
{
	uint8_t secret[MPP_INVITATION_LEN];
	mpp_wall wall = live_now().wall, end = wall;

	end.us += (uint64_t)life_ms * 1000;
	memset(secret, octet, sizeof(secret));
	(void)pthread_mutex_lock(&v->lock);
	if (mpp_service_invite(v->s, live_bytes(account), secret,
			       MPP_RIGHT_SUBSCRIBE, end, ++v->ops,
			       wall) != MPP_OK)
		abort();
	live_turn(v);
	(void)pthread_mutex_unlock(&v->lock);
}

static inline uint64_t live_publish(struct live *v, const char *account,
				    const char *store, uint64_t index)
{
	const mpp_store_status status = {live_bytes(store), index, {NULL, 0}};
	mpp_published done;

	(void)pthread_mutex_lock(&v->lock);
	if (mpp_service_publish(v->s, live_bytes(account), &status, 1, false,
				++v->ops, live_now().wall, &done) != MPP_OK)
		abort();
	live_turn(v);
	(void)pthread_mutex_unlock(&v->lock);
	return done.serial;
}

static mpp_service_counters live_count(struct live *v)
{
	mpp_service_counters c;

	(void)pthread_mutex_lock(&v->lock);
	c = *mpp_service_count(v->s);
	(void)pthread_mutex_unlock(&v->lock);
	return c;
}

#endif
