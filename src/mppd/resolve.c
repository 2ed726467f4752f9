/* SPDX-License-Identifier: MIT */
/* resolve.c - see resolve.h. */
#include "mppd/resolve.h"

#include "host/log.h"

mpp_err resolve_start(struct daemon *d, struct fault *f)
{
	struct dns_config k;
	mpp_err err;

	if (!d->conf.dns_enabled)
		return MPP_OK;
	conf_dns(&d->conf, &k);
	err = dns_open(&k, &d->dns, f);
	if (err == MPP_OK)
		log_write(LOG_LEVEL_INFO, "names are resolved for devices",
			  "from",
			  k.forward.n == 0 ? "the root" : "other resolvers",
			  LOG_END);
	return err;
}

/* What the resolver does not take, its device asks again. */
static void ask_all(struct daemon *d)
{
	mpp_resolve r;

	while (mpp_service_next_resolve(d->service, &r)) {
		if (dns_ask(d->dns, r.id, r.query, d->now.mono) != MPP_OK)
			mpp_service_resolved(d->service, r.id,
					     (mpp_bytes){NULL, 0}, d->now,
					     &d->out);
	}
}

void resolve_run(struct daemon *d)
{
	mpp_bytes answer;
	uint32_t id;

	if (d->dns == NULL)
		return;
	ask_all(d);
	dns_run(d->dns, d->now.mono);
	while (d->out.cap - d->out.n >= DAEMON_FLUSH &&
	       dns_next(d->dns, &id, &answer))
		mpp_service_resolved(d->service, id, answer, d->now, &d->out);
}

mpp_time resolve_deadline(const struct daemon *d)
{
	return d->dns == NULL ? MPP_TIME_NEVER : dns_deadline(d->dns);
}

void resolve_status(mpp_json_writer *w, const void *arg)
{
	const struct daemon *d = arg;
	struct dns_counters c;

	if (d->dns == NULL)
		return;
	dns_count(d->dns, &c);
	mpp_json_object(w, "dns");
#define WRITE(name, text) mpp_json_uint(w, #name, c.name);
	DNS_COUNTERS(WRITE)
#undef WRITE
	mpp_json_close(w);
}
