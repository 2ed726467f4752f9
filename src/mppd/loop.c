/* SPDX-License-Identifier: MIT */
/* loop.c - the one thread that serves. Contract: daemon.h.
 *
 * A turn: wait; take what the network brought; let the control API run; take
 * what the store says; do what is due; send; answer; give the store what
 * gathered. Each part is bounded, so that a flood of one kind does not starve
 * the others. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

#include "host/addr.h"
#include "host/clock.h"
#include "mppd/daemon.h"
#include "mppd/resolve.h"

enum {
	WAIT_MAX_MS = 60000,
	BATCHES = 8,     /* of datagrams, from one socket in one turn */
	POLL_ROUNDS = 8, /* outboxes in one turn */
};

static void send_out(struct daemon *d)
{
	if (d->out.n > 0)
		udp_send(&d->udp, &d->out);
}

/* ---- in ---- */

static void take_datagram(void *arg, mpp_buf in, const mpp_addr *from)
{
	struct daemon *d = arg;

	if (d->out.cap - d->out.n < DAEMON_FLUSH)
		send_out(d);
	/* Why it was dropped is counted by the service. */
	(void)mpp_service_receive(d->service, in, from, d->now, &d->out);
}

static void receive_from(struct daemon *d, size_t i)
{
	unsigned batches = 0;

	while (udp_receive(&d->udp, i, take_datagram, d) == UDP_BATCH &&
	       ++batches < BATCHES)
		continue;
}

/* ---- store ---- */

/* The first failure of a row is said, and the end of the row. */
static void note_store(struct daemon *d, const struct store_result *r)
{
	const bool failed = r->err != MPP_OK;

	if (failed)
		d->store_text = r->text;
	if (failed && !d->store_failed)
		log_write(LOG_LEVEL_ERROR, "store failed", "why", r->text.text,
			  LOG_END);
	else if (!failed && d->store_failed)
		log_write(LOG_LEVEL_INFO, "store works again", LOG_END);
	d->store_failed = failed;
}

static void give_results(struct daemon *d)
{
	mpp_result r;

	while (mpp_service_next_result(d->service, &r)) {
		web_result(d->web, &r,
			   d->store_failed ? d->store_text.text : NULL);
		d->unanswered = true;
	}
}

static void finish_batch(struct daemon *d, const struct store_result *r)
{
	d->store_busy = false;
	note_store(d, r);
	mpp_service_committed(d->service, r->id, r->err, d->now);
	give_results(d);
}

static void take_results(struct daemon *d)
{
	struct store_result r;

	while (store_thread_next(d->thread, &r))
		finish_batch(d, &r);
}

/* A batch that the thread does not take has failed like any other. */
static void submit_batch(struct daemon *d)
{
	struct store_result r = {.err = MPP_OK};
	mpp_commit c;

	if (!mpp_service_commit(d->service, &c))
		return;
	r.id = c.id;
	r.err = store_thread_submit(d->thread, c.id, c.batch);
	d->store_busy = true;
	if (r.err == MPP_OK)
		return;
	(void)snprintf(r.text.text, sizeof(r.text.text), "%s",
		       mpp_err_text(r.err));
	finish_batch(d, &r);
}

/* ---- out ---- */

static void run_service(struct daemon *d)
{
	unsigned rounds = 0;

	do {
		mpp_service_poll(d->service, d->now, &d->out);
		send_out(d);
	} while (mpp_service_deadline(d->service).us <= d->now.mono.us &&
		 ++rounds < POLL_ROUNDS);
}

/* ---- alarms ---- */

static void hex(const uint8_t *p, size_t n, char *out)
{
	for (; n > 0; n--, p++, out += 2)
		(void)snprintf(out, 3, "%02x", *p);
}

static void log_alarms(struct daemon *d)
{
	char udf[MPP_UDF_TEXT_MAX], instance[2 * MPP_INSTANCE_LEN + 1];
	char account[MPP_ACCOUNT_MAX + 1], endpoint[ADDR_TEXT];
	mpp_alarm a;

	while (mpp_service_next_alarm(d->service, &a)) {
		(void)mpp_udf_text(a.udf, MPP_UDF_BITS, udf);
		endpoint[0] = '\0';
		if (a.endpoint.family != 0)
			addr_text(&a.endpoint, endpoint);
		hex(a.instance, sizeof(a.instance), instance);
		memcpy(account, a.account, a.account_len);
		account[a.account_len] = '\0';
		log_write(LOG_LEVEL_WARN, "device key seems to be copied",
			  "account", account, "device", udf, "instance",
			  instance, "endpoint", endpoint, "why",
			  a.kind == MPP_ALARM_INSTANCES
				  ? "more live instances than allowed"
				  : "replaces itself from changing addresses",
			  LOG_END);
	}
}

/* ---- signals ---- */

static void take_signals(struct daemon *d)
{
	struct signalfd_siginfo info;
	int fd;

	while (read(d->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP) {
			log_write(LOG_LEVEL_WARN,
				  "SIGHUP changes nothing; stop and start to "
				  "read a new configuration",
				  LOG_END);
			continue;
		}
		if (d->stopping)
			continue;
		log_write(LOG_LEVEL_INFO, "stopping", "signal",
			  sigabbrev_np((int)info.ssi_signo), LOG_END);
		d->stopping = true;
		d->stop_by.us =
			d->now.mono.us + DAEMON_STOP_MS * UINT64_C(1000);
		control_remove(&d->control);
		fd = web_drain(d->web);
		if (fd >= 0)
			(void)close(fd);
		if (d->carrier != NULL)
			carrier_drain(d->carrier);
	}
}

/* Nothing is on its way any more, or it takes too long. */
static bool is_done(const struct daemon *d)
{
	if (!d->stopping)
		return false;
	return (!d->store_busy && web_busy(d->web) == 0 &&
		(d->carrier == NULL || carrier_busy(d->carrier) == 0)) ||
	       d->now.mono.us >= d->stop_by.us;
}

/* ---- turns ---- */

static int wait_ms(const struct daemon *d)
{
	mpp_time due = mpp_service_deadline(d->service);
	const mpp_time names = resolve_deadline(d);
	const int web = web_wait_ms(d->web);
	const int carrier = d->carrier != NULL ? carrier_wait_ms(d->carrier)
					       : -1;
	int ms;

	if (d->unanswered)
		return 0;
	if (names.us < due.us)
		due = names;
	if (d->stopping && d->stop_by.us < due.us)
		due = d->stop_by;
	ms = clock_wait_ms(d->now.mono, due, WAIT_MAX_MS);
	if (carrier >= 0 && carrier < ms)
		ms = carrier;
	return web >= 0 && web < ms ? web : ms;
}

static void take_event(struct daemon *d, int fd)
{
	size_t i;

	if (fd == d->signals)
		take_signals(d);
	for (i = 0; i < d->udp.n; i++) {
		if (fd == d->udp.fd[i])
			receive_from(d, i);
	}
}

static void run_http(struct daemon *d)
{
	web_run(d->web, d->now);
	if (d->carrier != NULL)
		carrier_run(d->carrier, d->now);
}

static void turn(struct daemon *d, const struct epoll_event *e, int n)
{
	int i;

	for (i = 0; i < n; i++)
		take_event(d, e[i].data.fd);
	run_http(d);
	take_results(d);
	resolve_run(d);
	run_service(d);
	log_alarms(d);
	/* What the results woke, and what libmicrohttpd only now reads of the
	 * connections it took before: so the batch comes last. When the thread
	 * does not take it, there are answers at once, for the next turn. */
	d->unanswered = false;
	run_http(d);
	submit_batch(d);
}

mpp_err daemon_run(struct daemon *d, struct fault *f)
{
	struct epoll_event e[UDP_SOCKETS_MAX + 4];
	int n;

	d->now = clock_now();
	do {
		n = epoll_wait(d->epoll, e, UDP_SOCKETS_MAX + 4, wait_ms(d));
		if (n < 0 && errno != EINTR)
			return fault_set(f, MPP_ERR_IO, EX_OSERR,
					 "cannot wait for events: %s",
					 strerror(errno));
		d->now = clock_now();
		turn(d, e, n);
	} while (!is_done(d));
	if (d->store_busy)
		log_write(LOG_LEVEL_WARN, "stopped while the store was busy",
			  LOG_END);
	return MPP_OK;
}
