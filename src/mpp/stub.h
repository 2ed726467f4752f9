/* SPDX-License-Identifier: MIT */
/* stub.h - mpp dns-stub: ordinary programs ask it, and the service answers.
 *
 *   stub.c      the command, its loop, and what the service says
 *   stub_ask.c  questions on their way, and their answers
 *   stub_net.c  where it listens; UDP
 *   stub_tcp.c  TCP (RFC 7766)
 *
 * Everything is bounded: questions, connections, what each of them may have
 * waiting, and for how long. One thread. */
#ifndef MPP_STUB_H
#define MPP_STUB_H

#include <sys/socket.h>

#include "host/dnsmsg.h"
#include "mpp/options.h"

enum {
	STUB_LISTENERS = 8,
	STUB_QUESTIONS = 256, /* at a time */
	STUB_CONNECTIONS = 64,
	STUB_PIPELINED = 16,   /* of one connection, at a time */
	STUB_TCP_QUERY = 4096, /* a longer one ends its connection */
	STUB_TCP_OUT = 128 * 1024,
	STUB_IDLE_MS = 10000, /* of a connection (RFC 7766 section 6.2.3) */
	STUB_LIFE_MS = 10000, /* of a question; no asker waits longer */
	STUB_AWAY_MS = 2000,  /* while the service is away */
};

/* Who asked. */
struct asker {
	unsigned listener; /* UDP: over this one */
	struct sockaddr_storage peer;
	socklen_t peer_len;
	int connection; /* TCP: over this one; -1: UDP */
	uint32_t use;   /* of the connection */
};

struct question {
	bool on;
	uint32_t request; /* of the client; 0: not asked yet */
	uint16_t id;      /* with which it is asked */
	uint64_t number;  /* they are asked in this order */
	uint64_t ends_us;
	struct asker asker;
	struct dnsmsg shape; /* of the query */
	size_t len;
	uint8_t query[DNSMSG_QUERY_MAX];
};

struct listener {
	int udp, tcp;
	char text[64];
};

struct connection {
	int fd; /* -1: free */
	uint32_t use;
	uint64_t ends_us; /* when it was idle for so long */
	unsigned waiting; /* its questions */
	uint32_t events;  /* of epoll, that are waited for */
	bool ended;       /* the peer sends no more */
	size_t in_len, out_len, out_at;
	uint8_t in[2 + STUB_TCP_QUERY];
	uint8_t *out; /* STUB_TCP_OUT */
};

struct stub {
	const struct options *o;
	mpp_loop *loop;
	int signals, epoll;
	bool here; /* the service answers */
	uint64_t now_us;
	uint64_t numbers;
	struct listener listeners[STUB_LISTENERS];
	unsigned n_listeners;
	struct question questions[STUB_QUESTIONS];
	struct connection connections[STUB_CONNECTIONS];
	uint8_t room[MPP_DNS_ANSWER_MAX]; /* an answer of the service, */
	uint8_t out[2 + DNSMSG_OUT_MAX];  /* and as it goes to the asker */
};

/* What a descriptor is, in the events of the loop. */
enum stub_kind {
	STUB_LOOP = 1,
	STUB_SIGNALS,
	STUB_UDP,
	STUB_TCP,
	STUB_CONNECTION,
};

/* ---- stub.c ---- */
/* again: other events of one that is watched. */
bool stub_watch(const struct stub *s, int fd, enum stub_kind kind, uint32_t i,
		uint32_t events, bool again);

/* ---- stub_net.c ---- */
/* Listen where the options say. @return 0, or an exit code having complained */
int stub_listen(struct stub *s);
void stub_unlisten(struct stub *s);
/* Queries are to be read. */
void stub_udp(struct stub *s, unsigned listener);

/* ---- stub_tcp.c ---- */
void stub_tcp_init(struct stub *s);
void stub_accept(struct stub *s, unsigned listener);
/* Something happened to a connection; gone: it cannot be used any more. */
void stub_connection(struct stub *s, unsigned i, bool gone);
/* Take what came, and close what is over; in every turn. */
void stub_tcp_run(struct stub *s);
void stub_tcp_close(struct stub *s);
uint64_t stub_tcp_due(const struct stub *s);
/* n octets of answer stand at s->out + 2. */
void stub_tcp_answer(struct stub *s, const struct asker *a, size_t n);
/* A question of it has ended. */
void stub_tcp_done(struct stub *s, const struct asker *a);

/* ---- stub_ask.c ---- */
/* A message came. @return false: it is nothing to be answered */
bool stub_query(struct stub *s, mpp_bytes query, const struct asker *a);
/* Ask what waits, as far as the client takes it. @return true: it took some */
bool stub_ask(struct stub *s);
/* The service answered. */
void stub_answered(struct stub *s, const mpp_client_event *ev);
/* It is away: nobody shall wait long. */
void stub_away(struct stub *s);
void stub_expire(struct stub *s);
uint64_t stub_due(const struct stub *s);

#endif
