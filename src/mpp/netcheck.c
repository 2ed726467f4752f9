/* SPDX-License-Identifier: MIT */
/* netcheck.c - mpp netcheck: what this network does to presence.
 *
 * The server is that of the enrolment, or one that is named, which may be any
 * STUN server. Names are resolved; then both address families are checked at
 * once (netcheck/path.h), and an enrolled device connects beside them, which
 * tells whether it can, and what time it is there; and its Web Service is
 * asked. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/addr.h"
#include "host/clock.h"
#include "loop/gateway.h"
#include "loop/resolve.h"
#include "loop/state.h"
#include "mpp/commands.h"
#include "mpp/complain.h"
#include "mpp/netcheck_io.h"
#include "mpp/netcheck_show.h"
#include "mpp/netcheck_web.h"

enum {
	FAMILIES = 2,
	STEP_MAX_MS = 1000,
	FDS_MAX = FAMILIES * PATH_SOCKETS + 1,
	HALF_SECOND_MS = 500, /* the service's clock is told in seconds */
};

struct netcheck {
	const struct options *o;
	mpp_crypto crypto;
	struct loop_endpoint endpoints[LOOP_ENDPOINTS_MAX];
	size_t n_endpoints;
	struct netcheck_io v4, v6;
	struct netcheck_web web;
	mpp_loop *loop; /* NULL: not enrolled, or over */
	mpp_time started;
	mpp_loop_error why; /* the connection fails */
	uint8_t network_key[LOOP_NETWORK_KEY_LEN];
	mpp_client_learnt learnt[MPP_NETWORKS_MAX];
	struct report report;
};

/* Long, and there is one. */
static struct netcheck check;

static void progress(const struct netcheck *n, const char *text)
{
	if (!n->o->json && isatty(STDERR_FILENO))
		(void)fprintf(stderr, "\r\033[K%s", text);
}

/* Where a domain said last that the service is, or an invitation. */
static void copy_endpoints(struct netcheck *n, const struct loop_state *s)
{
	const bool found = s->n_found > 0;
	const struct loop_endpoint *from = found ? s->found : s->endpoints;
	const size_t many = found ? s->n_found : s->n_endpoints;

	n->n_endpoints = many < LOOP_ENDPOINTS_MAX ? many : LOOP_ENDPOINTS_MAX;
	memcpy(n->endpoints, from, n->n_endpoints * sizeof(*from));
}

static int from_state(struct netcheck *n)
{
	struct loop_state s;
	mpp_loop_error e = {.exit_code = 0};
	const mpp_err err = loop_state_load(n->o->state, &s, &e);
	int code = 0;

	if (err != MPP_OK)
		return complain_loop(err, &e);
	copy_endpoints(n, &s);
	if (s.account[0] == '\0' || n->n_endpoints == 0)
		code = complain(EX_NOINPUT,
				"%s: not enrolled: enrol first, or name a "
				"server: mpp netcheck SERVER",
				n->o->state);
	memcpy(n->network_key, s.network_key, sizeof(n->network_key));
	memcpy(n->learnt, s.learnt, sizeof(n->learnt));
	if (code == 0)
		netcheck_web_open(&n->web, &s, (uint32_t)n->o->timeout_ms);
	mem_wipe(&s, sizeof(s));
	return code;
}

static int from_argument(struct netcheck *n, const char *text)
{
	const char *wrong = loop_endpoint_wrong(
		(mpp_bytes){(const uint8_t *)text, strlen(text)},
		&n->endpoints[0]);

	if (wrong != NULL)
		return complain(EX_USAGE, "%s: %s", text, wrong);
	n->n_endpoints = 1;
	return 0;
}

static void sort_address(struct netcheck *n, const struct loop_address *a)
{
	struct netcheck_io *io;
	mpp_addr addr;

	if (!addr_from_sockaddr(&a->sa, &addr))
		return;
	if ((addr.family == 4 && n->o->family == 6) ||
	    (addr.family == 6 && n->o->family == 4))
		return;
	io = addr.family == 6 ? &n->v6 : &n->v4;
	if (io->n_servers == PATH_SERVERS_MAX)
		return;
	io->used = true;
	io->servers[io->n_servers++] = addr;
}

/* @return 0 or an exit code, having complained */
static int resolve(struct netcheck *n)
{
	struct loop_addresses found = {.n = 0};
	struct loop_resolve *r;
	struct pollfd fd;
	size_t i;
	bool done;

	if (loop_resolve_start(n->endpoints, n->n_endpoints, &r) != MPP_OK)
		return complain(EX_OSERR, "cannot resolve names: no "
					  "descriptors or threads left");
	fd = (struct pollfd){.fd = loop_resolve_fd(r), .events = POLLIN};
	(void)poll(&fd, 1, n->o->timeout_ms);
	done = loop_resolve_take(r, &found);
	loop_resolve_drop(r);
	if (!done)
		return complain(EX_TEMPFAIL,
				"the name servers do not answer: is this "
				"machine connected?");
	if (found.n == 0)
		return complain(found.all_unknown ? EX_NOHOST : EX_TEMPFAIL,
				"%s", found.why);
	for (i = 0; i < found.n; i++)
		sort_address(n, &found.list[i]);
	if (!n->v4.used && !n->v6.used)
		return complain(EX_NOHOST, "the service has no IPv%d address",
				n->o->family);
	return 0;
}

static void connection_over(struct netcheck *n, enum connection how)
{
	n->report.connection = how;
	if (how == CONNECTION_FAILS) {
		n->why = *mpp_loop_last_error(n->loop);
		n->report.connection_text = n->why.text;
	}
	mpp_loop_close(n->loop);
	n->loop = NULL;
}

static void connect_begin(struct netcheck *n)
{
	const mpp_loop_config config = {
		.state_dir = n->o->state,
		.mode = MPP_MODE_ENDPOINT,
		.transport = MPP_TRANSPORT_UDP, /* what is asked about */
		.timeout_ms = n->o->timeout_ms,
	};

	n->report.connection = CONNECTION_NOT_TRIED;
	if (n->o->args[0] != NULL)
		return;
	if (mpp_loop_open(&config, &n->loop, &n->why) == MPP_OK)
		return;
	n->loop = NULL;
	n->report.connection = CONNECTION_FAILS;
	n->report.connection_text = n->why.text;
}

static void take_clock(struct netcheck *n, const mpp_client_event *ev)
{
	const mpp_wall here = clock_now().wall;

	if (ev->now_s == 0)
		return;
	n->report.have_clock = true;
	n->report.clock_ms = (int64_t)(ev->now_s * 1000 + HALF_SECOND_MS) -
			     (int64_t)(here.us / 1000);
}

static void connect_step(struct netcheck *n)
{
	mpp_client_event ev;
	mpp_err err;

	while (n->loop != NULL) {
		err = mpp_loop_wait(n->loop, 0, &ev);
		if (err == MPP_ERR_AGAIN)
			return;
		if (err != MPP_OK || ev.kind == MPP_EV_KEY_CHANGED ||
		    ev.kind == MPP_EV_REFUSED) {
			connection_over(n, CONNECTION_FAILS);
		} else if (ev.kind == MPP_EV_RESPONSE) {
			n->report.connection_us =
				(uint32_t)(clock_now().mono.us - n->started.us);
			take_clock(n, &ev);
			connection_over(n, CONNECTION_WORKS);
		}
	}
}

static size_t add_fds(const struct netcheck_io *io, struct pollfd *fds)
{
	size_t i;

	for (i = 0; i < io->n_fd; i++)
		fds[i] = (struct pollfd){.fd = io->fd[i], .events = POLLIN};
	return io->n_fd;
}

static void sleep_until_something(struct netcheck *n)
{
	struct pollfd fds[FDS_MAX];
	mpp_time at = netcheck_io_deadline(&n->v4);
	size_t count = add_fds(&n->v4, fds);

	count += add_fds(&n->v6, fds + count);
	if (n->loop != NULL)
		fds[count++] = (struct pollfd){.fd = mpp_loop_fd(n->loop),
					       .events = POLLIN};
	if (netcheck_io_deadline(&n->v6).us < at.us)
		at = netcheck_io_deadline(&n->v6);
	netcheck_web_poll(&n->web, fds, count,
			  clock_wait_ms(clock_now().mono, at, STEP_MAX_MS));
}

static bool over(const struct netcheck *n)
{
	return n->loop == NULL && netcheck_web_done(&n->web) &&
	       netcheck_io_done(&n->v4) && netcheck_io_done(&n->v6);
}

/* @return 0 or an exit code, having complained */
static int run(struct netcheck *n)
{
	char text[80];
	unsigned shown = 0;

	while (!over(n)) {
		const unsigned gone_s =
			(unsigned)((clock_now().mono.us - n->started.us) /
				   1000000);

		if (netcheck_io_step(&n->v4) != MPP_OK ||
		    netcheck_io_step(&n->v6) != MPP_OK)
			return complain(EX_SOFTWARE, "no randomness available");
		connect_step(n);
		netcheck_web_step(&n->web);
		if (gone_s != shown) {
			(void)snprintf(text, sizeof(text), "checking, %u s ...",
				       gone_s);
			progress(n, text);
			shown = gone_s;
		}
		if (!over(n))
			sleep_until_something(n);
	}
	return 0;
}

/* What this device found out before by its heartbeats, in this network. */
static void take_learnt(const struct netcheck *n, int family,
			struct path_report *p)
{
	const mpp_bytes key = {n->network_key, sizeof(n->network_key)};
	uint8_t print[MPP_NETWORK_LEN];
	struct loop_gateway g;
	size_t i;

	if (!p->answered || p->lifetime.method != METHOD_NOT_TESTED ||
	    mem_is_zero(n->network_key, sizeof(n->network_key)) ||
	    !loop_gateway_find("", family, &g) ||
	    loop_gateway_print(&g, &n->crypto, key, print) != MPP_OK)
		return;
	for (i = 0; i < MPP_NETWORKS_MAX; i++) {
		const mpp_client_learnt *l = &n->learnt[i];

		if (memcmp(l->network, print, sizeof(print)) == 0 &&
		    l->low_ms != 0)
			p->lifetime = (struct lifetime_report){
				METHOD_LEARNT, l->low_ms, l->high_ms};
	}
}

static int show(struct netcheck *n)
{
	char server[LOOP_ENDPOINT_TEXT];
	struct report *r = &n->report;
	int code;

	netcheck_io_report(&n->v4, &r->v4);
	netcheck_io_report(&n->v6, &r->v6);
	netcheck_web_report(&n->web, r);
	take_learnt(n, 4, &r->v4);
	take_learnt(n, 6, &r->v6);
	loop_endpoint_text(&n->endpoints[0], server);
	progress(n, "");
	code = n->o->json ? netcheck_show_json(r, server)
			  : netcheck_show_text(r, server);
	if (code != 0)
		return code;
	return r->v4.answered || r->v6.answered ||
			       r->connection == CONNECTION_WORKS ||
			       r->web == WEB_WORKS
		       ? EX_OK
		       : EX_TEMPFAIL;
}

static int check_all(struct netcheck *n)
{
	const uint32_t timeout_ms = (uint32_t)n->o->timeout_ms;
	int code;

	progress(n, "looking for the service's addresses ...");
	if ((code = resolve(n)) != 0)
		return code;
	n->started = clock_now().mono;
	connect_begin(n);
	if (n->v4.used)
		(void)netcheck_io_open(&n->v4, n->o->lifetime, timeout_ms,
				       &n->crypto);
	if (n->v6.used)
		(void)netcheck_io_open(&n->v6, n->o->lifetime, timeout_ms,
				       &n->crypto);
	code = run(n);
	return code != 0 ? code : show(n);
}

int command_netcheck(const struct options *o)
{
	struct netcheck *n = &check;
	const char *server = o->args[0];
	mpp_err err;
	int code;

	n->o = o;
	if (server != NULL && (o->given & OPT_STATE) != 0)
		return complain(EX_USAGE, "name a server or give --state, not "
					  "both");
	if (o->timeout_ms == 0)
		return complain(EX_USAGE, "--timeout 0: a check must end: give "
					  "a time");
	code = server != NULL ? from_argument(n, server) : from_state(n);
	if (code != 0)
		return code;
	if ((err = mpp_crypto_new(&n->crypto)) != MPP_OK)
		return complain(EX_SOFTWARE,
				"the cryptographic library cannot be used: %s",
				mpp_err_text(err));
	code = check_all(n);
	if (n->loop != NULL)
		mpp_loop_close(n->loop);
	netcheck_io_close(&n->v4);
	netcheck_io_close(&n->v6);
	netcheck_web_close(&n->web);
	mpp_crypto_free(&n->crypto);
	mem_wipe(n->network_key, sizeof(n->network_key));
	return code;
}
