/* SPDX-License-Identifier: MIT */
/* memory.c - see memory.h. */
#include "mppd/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>

#include "host/log.h"

mpp_service_config memory_config(const struct conf *c)
{
	return (mpp_service_config){
		.bindings = (uint32_t)c->bindings,
		.half_open = (uint32_t)c->half_open,
		.paths = (uint32_t)c->paths,
		.snapshots = c->snapshots != 0 ? (uint32_t)c->snapshots
					       : MPP_NO_SNAPSHOTS,
		.probes = (uint32_t)c->probes,
		.held = (uint32_t)c->held,
		.resolves = c->dns_enabled ? (uint32_t)c->resolves
					   : MPP_NO_RESOLVES,
		/* The resolver says by itself that it is too late. */
		.resolve_ms = (uint32_t)c->dns_deadline_ms + 1000,
		.resolves_per_device = (uint32_t)c->resolves_per_device,
		.resolves_per_s = (uint32_t)c->resolves_per_s,
		.devices = (uint32_t)c->devices,
		.accounts = (uint32_t)c->accounts,
		.stores = (uint32_t)c->stores,
		.invitations = (uint32_t)c->invitations,
		.operations = (uint32_t)c->operations,
		.devices_per_account = (uint32_t)c->devices_per_account,
		.stores_per_account = (uint32_t)c->stores_per_account,
		.lease_ms = (uint32_t)c->lease_ms,
		.lease_min_ms = (uint32_t)c->lease_min_ms,
		.lease_max_ms = (uint32_t)c->lease_max_ms,
		.idle_ms = (uint32_t)c->idle_ms,
		.renew_s = (uint32_t)(c->renew_ms / 1000),
		.renew_packets = (uint32_t)c->renew_packets,
		.token_life_s = (uint32_t)(c->token_life_ms / 1000),
		.reconnect_rate = (uint32_t)c->reconnect_rate,
		.handshakes = (uint32_t)c->handshakes,
		.requests_per_s = (uint32_t)c->requests_per_s,
		.request_burst = (uint32_t)c->request_burst,
		.instances_allowed = (uint32_t)c->instances_allowed,
		.dh_percent = (uint32_t)c->unproved_percent,
		.stun_address = (uint32_t)c->stun_address,
		.stun_prefix = (uint32_t)c->stun_prefix,
		.stun_off = c->stun_enabled == 0,
		.always_challenge = c->always_challenge != 0,
	};
}

/* Locked page by page as they are used: locking all at once would fill memory
 * that may never be needed. Without the permission keys can reach the swap
 * space, which is the operator's choice. */
static mpp_err reserve(size_t len, struct memory *out, struct fault *f)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return fault_set(f, MPP_ERR_NOMEM, EX_OSERR,
				 "cannot reserve %zu octets of memory: %s; "
				 "lower the [limits]",
				 len, strerror(errno));
	(void)madvise(p, len, MADV_DONTDUMP);
	if (mlock2(p, len, MLOCK_ONFAULT) != 0)
		log_write(LOG_LEVEL_DEBUG, "memory is not locked", "why",
			  strerror(errno), LOG_END);
	*out = (struct memory){p, len};
	return MPP_OK;
}

static mpp_err fail(mpp_err err, struct fault *f)
{
	if (err == MPP_ERR_INVALID)
		return fault_set(f, err, EX_CONFIG,
				 "the configuration's limits do not go "
				 "together, or the service key is empty");
	return fault_set(f, err, EX_SOFTWARE, "cannot make the service: %s",
			 mpp_err_text(err));
}

mpp_err memory_service(const mpp_service_config *config,
		       const mpp_service_secrets *secrets,
		       const mpp_crypto *crypto, struct memory *m,
		       struct fault *f)
{
	const size_t len = mpp_service_size(config);
	struct memory made;
	mpp_service *service;
	mpp_err err;

	if (len == 0)
		return fail(MPP_ERR_INVALID, f);
	if ((err = reserve(len, &made, f)) != MPP_OK)
		return err;
	err = mpp_service_init(made.p, len, config, secrets, crypto, &service);
	if (err != MPP_OK) {
		(void)munmap(made.p, len);
		return fail(err, f);
	}
	*m = made;
	return MPP_OK;
}

/* The service begins where its memory does. */
mpp_service *memory_get(const struct memory *m)
{
	return m->p;
}

void memory_free(struct memory *m)
{
	if (m->p == NULL)
		return;
	mpp_service_wipe(memory_get(m));
	(void)munmap(m->p, m->len);
	m->p = NULL;
}

void memory_print(const struct memory *m, FILE *to)
{
	uint64_t sum = 0, octets;
	mpp_pool_info p;
	unsigned i;

	(void)fprintf(to, "%-12s %10s %12s %16s\n", "POOL", "LIMIT",
		      "BYTES EACH", "BYTES");
	for (i = 0; mpp_service_pool(memory_get(m), i, &p); i++) {
		octets = (uint64_t)p.limit * p.bytes_each;
		sum += octets;
		(void)fprintf(to, "%-12s %10u %12u %16llu\n", p.name, p.limit,
			      p.bytes_each, (unsigned long long)octets);
	}
	(void)fprintf(to, "%-12s %10s %12s %16llu\n", "other", "", "",
		      (unsigned long long)(m->len - sum));
	(void)fprintf(to, "%-12s %10s %12s %16zu\n", "total", "", "", m->len);
}
