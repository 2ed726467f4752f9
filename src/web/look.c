/* SPDX-License-Identifier: MIT */
/* look.c - answers to GET. Contract: request.h. */
#include <string.h>

#include "host/addr.h"
#include "web/request.h"

static void write_hex(mpp_json_writer *w, const char *name, const uint8_t *p,
		      size_t n)
{
	static const char digits[] = "0123456789abcdef";
	char text[2 * MPP_INSTANCE_LEN + 1] = "";
	size_t i;

	for (i = 0; i < n && i < MPP_INSTANCE_LEN; i++) {
		text[2 * i] = digits[p[i] >> 4];
		text[2 * i + 1] = digits[p[i] & 15];
	}
	text[2 * i] = '\0';
	mpp_json_cstring(w, name, text);
}

/* ---- one account ---- */

static void write_stores(mpp_json_writer *w, const mpp_service *s,
			 const mpp_account_info *a)
{
	mpp_store_status st;
	uint32_t cursor = 0;
	uint64_t serial;

	mpp_json_array(w, "stores");
	while (mpp_service_store_next(s, a, &cursor, &st, &serial)) {
		mpp_json_object(w, NULL);
		mpp_json_string(w, "store", st.store);
		mpp_json_uint(w, "index", st.index);
		if (st.digest.len > 0)
			mpp_json_data(w, "digest", st.digest);
		mpp_json_uint(w, "serial", serial);
		mpp_json_close(w);
	}
	mpp_json_close(w);
}

static void write_connection(mpp_json_writer *w, const mpp_connection_info *c)
{
	char endpoint[ADDR_TEXT] = "";

	/* One that HTTP made may have no path. */
	if (c->endpoint.family != 0)
		addr_text(&c->endpoint, endpoint);
	mpp_json_object(w, NULL);
	write_hex(w, "instance", c->instance, sizeof(c->instance));
	mpp_json_cstring(w, "state", c->state);
	mpp_json_bool(w, "subscribed", c->subscribed);
	mpp_json_uint(w, "acknowledged", c->acknowledged);
	mpp_json_cstring(w, "endpoint", endpoint);
	mpp_json_uint(w, "rtt_us", c->rtt_us);
	mpp_json_uint(w, "silent_ms", c->silent_ms);
	mpp_json_uint(w, "lease_ms", c->lease_ms);
	mpp_json_close(w);
}

static void write_rights(mpp_json_writer *w, unsigned rights)
{
	mpp_json_array(w, "rights");
	if ((rights & MPP_RIGHT_SUBSCRIBE) != 0)
		mpp_json_cstring(w, NULL, "subscribe");
	if ((rights & MPP_RIGHT_PUBLISH) != 0)
		mpp_json_cstring(w, NULL, "publish");
	if ((rights & MPP_RIGHT_RESET) != 0)
		mpp_json_cstring(w, NULL, "reset");
	mpp_json_close(w);
}

static void write_alarms(mpp_json_writer *w, unsigned alarms)
{
	mpp_json_array(w, "alarms");
	if ((alarms & MPP_ALARM_INSTANCES) != 0)
		mpp_json_cstring(w, NULL, "instances");
	if ((alarms & MPP_ALARM_REPLACED) != 0)
		mpp_json_cstring(w, NULL, "replaced");
	mpp_json_close(w);
}

static void write_device(mpp_json_writer *w, const struct web *web,
			 const mpp_device_info *d)
{
	char udf[MPP_UDF_TEXT_MAX];
	mpp_connection_info c;
	uint32_t cursor = 0;

	(void)mpp_udf_text(d->udf, MPP_UDF_BITS, udf);
	mpp_json_object(w, NULL);
	mpp_json_cstring(w, "device", udf);
	mpp_json_int(w, "suite", d->suite);
	write_rights(w, d->rights);
	write_alarms(w, d->alarms);
	mpp_json_array(w, "connections");
	while (mpp_service_connection_next(web->config.service, d, &cursor,
					   web->now, &c))
		write_connection(w, &c);
	mpp_json_close(w);
	mpp_json_close(w);
}

static void write_account(mpp_json_writer *w, const struct web *web,
			  const mpp_account_info *a)
{
	mpp_device_info d;
	uint32_t cursor = 0;

	mpp_json_object(w, NULL);
	mpp_json_string(w, "account", a->name);
	mpp_json_uint(w, "serial", a->serial);
	write_stores(w, web->config.service, a);
	mpp_json_array(w, "devices");
	while (mpp_service_device_next(web->config.service, a, &cursor, &d))
		write_device(w, web, &d);
	mpp_json_close(w);
	mpp_json_close(w);
}

struct one_account {
	const struct web *web;
	mpp_account_info info;
};

static void write_one(mpp_json_writer *w, const void *arg)
{
	const struct one_account *one = arg;

	write_account(w, one->web, &one->info);
}

void look_account(struct request *q)
{
	struct one_account one = {.web = q->web};

	if (mpp_service_account_find(q->web->config.service, q->args[0],
				     &one.info))
		answer_json(q, MHD_HTTP_OK, write_one, &one);
	else
		answer_no_account(q);
}

/* ---- all accounts ---- */

static void write_accounts(mpp_json_writer *w, const void *arg)
{
	const struct web *web = arg;
	mpp_account_info a;
	uint32_t cursor = 0;

	mpp_json_object(w, NULL);
	mpp_json_array(w, "accounts");
	while (mpp_service_account_next(web->config.service, &cursor, &a)) {
		mpp_json_object(w, NULL);
		mpp_json_string(w, "account", a.name);
		mpp_json_uint(w, "serial", a.serial);
		mpp_json_uint(w, "stores", a.stores);
		mpp_json_uint(w, "devices", a.devices);
		mpp_json_close(w);
	}
	mpp_json_close(w);
	mpp_json_close(w);
}

void look_accounts(struct request *q)
{
	answer_json(q, MHD_HTTP_OK, write_accounts, q->web);
}

/* ---- status ---- */

static void write_suites(mpp_json_writer *w, const mpp_service *s)
{
	uint8_t udf[MPP_UDF_LEN];
	char text[MPP_UDF_TEXT_MAX];
	int suite;

	mpp_json_array(w, "suites");
	for (suite = MPP_SUITE_25519; suite <= MPP_SUITE_448; suite++) {
		if (mpp_service_fingerprint(s, suite, udf) != MPP_OK)
			continue;
		(void)mpp_udf_text(udf, MPP_UDF_PIN_BITS, text);
		mpp_json_object(w, NULL);
		mpp_json_int(w, "suite", suite);
		mpp_json_cstring(w, "fingerprint", text);
		mpp_json_close(w);
	}
	mpp_json_close(w);
}

static void write_list(mpp_json_writer *w, const char *name,
		       const char *const *list)
{
	mpp_json_array(w, name);
	for (; *list != NULL; list++)
		mpp_json_cstring(w, NULL, *list);
	mpp_json_close(w);
}

static void write_counters(mpp_json_writer *w, const struct web_config *k)
{
	const mpp_service_counters *c = mpp_service_count(k->service);

	mpp_json_object(w, "counters");
#define WRITE(name, text) mpp_json_uint(w, #name, c->name);
	MPP_SERVICE_COUNTERS(WRITE)
#undef WRITE
	mpp_json_close(w);
	mpp_json_object(w, "udp");
	mpp_json_uint(w, "received", k->udp->received);
	mpp_json_uint(w, "sent", k->udp->sent);
	mpp_json_uint(w, "too_long", k->udp->too_long);
	mpp_json_uint(w, "receive_errors", k->udp->receive_errors);
	mpp_json_uint(w, "send_errors", k->udp->send_errors);
	mpp_json_uint(w, "send_full", k->udp->send_full);
	mpp_json_close(w);
	if (k->carrier == NULL)
		return;
	mpp_json_object(w, "web");
#define WRITE(name, text) mpp_json_uint(w, #name, k->carrier->name);
	CARRIER_COUNTERS(WRITE)
#undef WRITE
	mpp_json_close(w);
}

static void write_pools(mpp_json_writer *w, const mpp_service *s)
{
	mpp_pool_info p;
	unsigned i;

	mpp_json_array(w, "pools");
	for (i = 0; mpp_service_pool(s, i, &p); i++) {
		mpp_json_object(w, NULL);
		mpp_json_cstring(w, "name", p.name);
		mpp_json_uint(w, "used", p.used);
		mpp_json_uint(w, "limit", p.limit);
		mpp_json_uint(w, "bytes_each", p.bytes_each);
		mpp_json_close(w);
	}
	mpp_json_close(w);
}

static void write_some_accounts(mpp_json_writer *w, const struct web *web)
{
	mpp_account_info a;
	uint32_t cursor = 0;
	unsigned n = 0;
	bool more;

	mpp_json_array(w, "accounts");
	while ((more = mpp_service_account_next(web->config.service, &cursor,
						&a)) &&
	       n++ < WEB_ACCOUNTS_MAX)
		write_account(w, web, &a);
	mpp_json_close(w);
	mpp_json_bool(w, "truncated", more);
}

static void write_status(mpp_json_writer *w, const void *arg)
{
	const struct web *web = arg;
	const struct web_config *k = &web->config;

	mpp_json_object(w, NULL);
	mpp_json_cstring(w, "version", k->version);
	mpp_json_uint(w, "uptime_s",
		      (web->now.mono.us - k->started.us) / 1000000);
	mpp_json_cstring(w, "crypto", k->crypto->ops->name);
	mpp_json_cstring(w, "aead", k->crypto->ops->aead_name);
	write_suites(w, k->service);
	write_list(w, "listen", k->listen);
	write_list(w, "endpoints", k->endpoints);
	write_list(w, "urls", k->urls);
	mpp_json_cstring(w, "store", k->store);
	write_counters(w, k);
	write_pools(w, k->service);
	if (k->more != NULL)
		k->more(w, k->more_arg);
	write_some_accounts(w, web);
	mpp_json_close(w);
}

void look_status(struct request *q)
{
	answer_json(q, MHD_HTTP_OK, write_status, q->web);
}
