/* SPDX-License-Identifier: MIT */
/* start.c - from the configuration to "ready", and back. Contract: daemon.h. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/mem.h"
#include "conf/alternate.h"
#include "host/clock.h"
#include "host/keyfile.h"
#include "host/leap.h"
#include "mppd/daemon.h"
#include "mppd/resolve.h"
#include "mppd/measure.h"
#include "mppd/statedir.h"

void daemon_init(struct daemon *d, const struct conf *c, const char *key_log)
{
	memset(d, 0, sizeof(*d));
	d->conf = *c;
	d->key_log_name = key_log;
	d->key_log.fd = -1;
	d->state_fd = -1;
	d->epoll = -1;
	d->signals = -1;
	d->out = (mpp_outbox){d->slots, DAEMON_OUTBOX, 0};
	udp_init(&d->udp);
}

/* ---- steps ---- */

static mpp_err take_crypto(struct daemon *d, struct fault *f)
{
	const mpp_err err = mpp_crypto_new(&d->crypto);

	return err == MPP_OK
		       ? err
		       : fault_set(f, err, EX_SOFTWARE,
				   "cannot use the cryptographic libraries: "
				   "%s",
				   mpp_err_text(err));
}

/* Asked for by name on the command line, and never by the configuration. */
static mpp_err open_key_log(struct daemon *d, struct fault *f)
{
	mpp_err err;

	if (d->key_log_name == NULL)
		return MPP_OK;
	err = keylog_open(d->key_log_name, &d->key_log, f);
	if (err == MPP_OK)
		log_write(LOG_LEVEL_WARN,
			  "INSECURE: the keys of all connections are written; "
			  "whoever reads that file reads what they say",
			  "file", d->key_log_name, LOG_END);
	return err;
}

static void tell_keys(void *arg, const mpp_key_entry *e)
{
	struct daemon *d = arg;
	const bool failed = d->key_log.failed;

	if (!keylog_write(&d->key_log, e) && !failed)
		log_write(LOG_LEVEL_ERROR, "cannot write the key log", "file",
			  d->key_log_name, "why", strerror(errno), LOG_END);
}

static mpp_err take_names(struct daemon *d, struct fault *f)
{
	return names_make(&d->conf, &d->names, f);
}

static mpp_err take_state(struct daemon *d, struct fault *f)
{
	return statedir_take(d->conf.state.s, &d->state_fd, f);
}

static void path_in_state(const struct daemon *d, const char *name,
			  char out[PATH_MAX])
{
	(void)snprintf(out, PATH_MAX, "%s/%s", d->conf.state.s, name);
}

static int exit_code_of(mpp_err err)
{
	return err == MPP_ERR_CHECKSUM ? EX_DATAERR
	       : err == MPP_ERR_NOMEM  ? EX_OSERR
				       : EX_IOERR;
}

static mpp_err open_store(struct daemon *d, struct fault *f)
{
	struct store_error why = {""};
	char path[PATH_MAX];
	mpp_err err;

	path_in_state(d, "store.mdb", path);
	err = store_lmdb_open(path, (size_t)d->conf.store_size, &d->store,
			      &why);
	return err == MPP_OK
		       ? err
		       : fault_set(f, err, exit_code_of(err), "%s", why.text);
}

static mpp_err read_key(struct daemon *d, struct fault *f)
{
	char path[PATH_MAX];
	bool created;
	mpp_err err;

	path_in_state(d, "service.key", path);
	err = keyfile_load(path, &d->crypto, &d->secrets, &created, f);
	if (err == MPP_OK && created)
		log_write(LOG_LEVEL_INFO, "service key made", "file", path,
			  LOG_END);
	return err;
}

static mpp_err make_service(struct daemon *d, struct fault *f)
{
	mpp_service_config config = memory_config(&d->conf);
	mpp_err err;

	if (d->key_log.fd >= 0)
		config.key_log = (mpp_key_log){tell_keys, d};
	config.dh25519_us = measure_dh(&d->crypto, MPP_SUITE_25519);
	config.dh448_us = measure_dh(&d->crypto, MPP_SUITE_448);
	err = memory_service(&config, &d->secrets, &d->crypto, &d->memory, f);

	d->key_names[0].name = CONF_OWN_KEY;
	memcpy(d->key_names[0].id, d->secrets.token.id,
	       sizeof(d->key_names[0].id));
	mem_wipe(&d->secrets, sizeof(d->secrets));
	if (err == MPP_OK)
		d->service = memory_get(&d->memory);
	return err;
}

/* Before anything is loaded: marks of their tokens are. */
static mpp_err add_minters(struct daemon *d, struct fault *f)
{
	struct minters m;
	mpp_err err = minters_load(&d->conf, &m, f);
	size_t i;

	if (err != MPP_OK)
		return err;
	for (i = 0; i < m.n; i++) {
		d->key_names[1 + i].name = d->conf.token_keys[i].name;
		memcpy(d->key_names[1 + i].id, m.keys[i].id,
		       sizeof(m.keys[i].id));
	}
	err = minters_add(&m, &d->conf, d->service, f);
	mem_wipe(&m, sizeof(m));
	return err;
}

/* The draft's "ticks and leap seconds". Without the file, or when it is too
 * old, LeapSeconds is left out: that is no failure. */
static mpp_err read_leap(struct daemon *d, struct fault *f)
{
	const mpp_wall now = clock_now().wall;
	mpp_wall until = {0};
	unsigned tai_utc = 0;
	const mpp_err err = leap_read(LEAP_FILE, now, &tai_utc, &until);

	(void)f;
	if (err == MPP_OK)
		mpp_service_leap_seconds(d->service, tai_utc, until);
	else
		log_write(LOG_LEVEL_WARN, "leap seconds unknown", "file",
			  LEAP_FILE, "why",
			  err == MPP_ERR_REPLAY
				  ? "expired; install a newer tzdata"
				  : mpp_err_text(err),
			  LOG_END);
	return MPP_OK;
}

/* ---- loading ---- */

struct loading {
	struct daemon *d;
	uint64_t n;
	uint8_t kind; /* first octet of the key that was refused */
	mpp_err refused;
};

static mpp_err load_record(void *arg, mpp_bytes key, mpp_bytes value)
{
	struct loading *l = arg;
	const mpp_err err = mpp_service_load(l->d->service, key, value);

	if (err == MPP_OK) {
		l->n++;
		return err;
	}
	l->refused = err;
	l->kind = key.len > 0 ? key.p[0] : 0;
	return err;
}

static const char *limit_of(uint8_t kind)
{
	switch (kind) {
	case 'a':
		return "accounts";
	case 'd':
		return "devices and devices-per-account";
	case 'i':
		return "invitations";
	default:
		return "stores and stores-per-account";
	}
}

static mpp_err fail_load(const struct loading *l, mpp_err err, const char *why,
			 struct fault *f)
{
	if (l->refused == MPP_ERR_LIMIT)
		return fault_set(f, err, EX_CONFIG,
				 "the store holds more than the configuration "
				 "allows: raise [limits] %s",
				 limit_of(l->kind));
	if (l->refused != MPP_OK)
		return fault_set(f, err, EX_DATAERR,
				 "record %llu of the store is none of this "
				 "version: %s; put back a copy, or use the "
				 "version that wrote it",
				 (unsigned long long)l->n + 1,
				 mpp_err_text(l->refused));
	return fault_set(f, err, exit_code_of(err), "%s", why);
}

static mpp_err load_all(struct daemon *d, struct fault *f)
{
	struct loading l = {.d = d};
	struct store_error why = {""};
	char n[LOG_NUMBER];
	const mpp_err err =
		d->store->ops->load(d->store, load_record, &l, &why);

	if (err != MPP_OK)
		return fail_load(&l, err, why.text, f);
	log_write(LOG_LEVEL_INFO, "loaded", "records", log_number(n, l.n),
		  LOG_END);
	return MPP_OK;
}

static mpp_err start_thread(struct daemon *d, struct fault *f)
{
	const mpp_err err = store_thread_start(d->store, &d->thread);

	return err == MPP_OK ? err
			     : fault_set(f, err, EX_OSERR,
					 "cannot start the store's thread: %s",
					 mpp_err_text(err));
}

static mpp_err bind_all(struct daemon *d, struct fault *f)
{
	mpp_err err = MPP_OK;
	size_t i;

	for (i = 0; i < d->conf.listen.n && err == MPP_OK; i++)
		err = udp_listen(&d->udp, &d->conf.listen.at[i], f);
	return err;
}

/* RFC 5780: three sockets more, for each family. */
static mpp_err bind_four(struct daemon *d, struct conf_four *four,
			 struct fault *f)
{
	char text[ADDR_TEXT];
	mpp_err err = MPP_OK;
	size_t i;

	four->at[0].socket = (uint8_t)four->listen;
	for (i = 1; i < 4 && err == MPP_OK; i++) {
		four->at[i].socket = (uint8_t)d->udp.n;
		err = udp_listen(&d->udp, &four->at[i], f);
	}
	if (err != MPP_OK)
		return err;
	if ((err = mpp_service_stun_four(d->service, four->at)) != MPP_OK)
		return fault_set(f, err, EX_SOFTWARE, "[stun] alternate: %s",
				 mpp_err_text(err));
	addr_text(&four->at[3], text);
	log_write(LOG_LEVEL_INFO, "NAT behaviour discovery", "alternate", text,
		  LOG_END);
	return MPP_OK;
}

static mpp_err bind_alternates(struct daemon *d, struct fault *f)
{
	struct conf_four four;
	const char *wrong;
	mpp_err err = MPP_OK;
	size_t i;

	for (i = 0; i < d->conf.alternate.n && err == MPP_OK; i++) {
		wrong = conf_four_wrong(&d->conf, i, &four);
		err = wrong == NULL ? bind_four(d, &four, f)
				    : fault_set(f, MPP_ERR_INVALID, EX_CONFIG,
						"[stun] alternate: %s", wrong);
	}
	return err;
}

static mpp_err open_carrier(struct daemon *d, struct fault *f)
{
	const struct carrier_config config = {
		.service = d->service,
		.listen = d->conf.web_listen.at,
		.n = d->conf.web_listen.n,
		.certificate = d->conf.web_certificate.s,
		.key = d->conf.web_key.s,
		.behind_proxy = d->conf.web_behind_proxy != 0,
		.trusted = d->conf.web_trust.at,
		.n_trusted = d->conf.web_trust.n,
		.connections = (uint32_t)d->conf.web_connections,
		.timeout_ms = (uint32_t)d->conf.web_timeout_ms,
	};

	if (config.n == 0)
		return MPP_OK;
	return carrier_open(&config, clock_now().mono, &d->carrier, f);
}

static mpp_err open_control(struct daemon *d, struct fault *f)
{
	const struct web_config config = {
		.service = d->service,
		.crypto = &d->crypto,
		.udp = &d->udp.count,
		.version = MPP_VERSION,
		.store = d->store->ops->name,
		.listen = d->names.listen,
		.endpoints = d->names.endpoint,
		.urls = d->names.url,
		.carrier = d->carrier != NULL ? carrier_count(d->carrier)
					      : NULL,
		.token_keys = d->key_names,
		.started = clock_now().mono,
		.more = resolve_status,
		.more_arg = d,
	};
	int fd;
	mpp_err err = control_open(&d->conf, &d->control, &fd, f);

	return err == MPP_OK ? web_open(&config, fd, &d->web, f) : err;
}

static bool watch(const struct daemon *d, int fd)
{
	struct epoll_event e = {.events = EPOLLIN, .data = {.fd = fd}};

	return epoll_ctl(d->epoll, EPOLL_CTL_ADD, fd, &e) == 0;
}

static mpp_err watch_all(struct daemon *d, struct fault *f)
{
	bool well;
	sigset_t set;
	size_t i;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	d->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	d->epoll = epoll_create1(EPOLL_CLOEXEC);
	well = d->signals >= 0 && d->epoll >= 0 && watch(d, d->signals) &&
	       watch(d, store_thread_fd(d->thread)) && watch(d, web_fd(d->web));
	if (d->dns != NULL && well)
		well = watch(d, dns_fd(d->dns));
	for (i = 0; i < d->udp.n && well; i++)
		well = watch(d, d->udp.fd[i]);
	if (well && d->carrier != NULL)
		well = watch(d, carrier_fd(d->carrier));
	return well ? MPP_OK
		    : fault_set(f, MPP_ERR_IO, EX_OSERR,
				"cannot watch descriptors: %s",
				strerror(errno));
}

mpp_err daemon_start(struct daemon *d, struct fault *f)
{
	static mpp_err (*const steps[])(struct daemon * d, struct fault * f) = {
		take_crypto,     take_names,   open_key_log, take_state,
		open_store,      read_key,     make_service, add_minters,
		read_leap,       load_all,     start_thread, bind_all,
		bind_alternates, open_carrier, open_control, resolve_start,
		watch_all,
	};
	mpp_err err = MPP_OK;
	size_t i;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if ((err = steps[i](d, f)) != MPP_OK)
			return err;
	}
	return err;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

/* In the reverse order; the lock goes last. */
void daemon_end(struct daemon *d)
{
	control_remove(&d->control);
	web_close(d->web);
	d->web = NULL;
	carrier_close(d->carrier);
	d->carrier = NULL;
	udp_close(&d->udp);
	if (d->dns != NULL)
		dns_close(d->dns);
	d->dns = NULL;
	if (d->thread != NULL)
		store_thread_stop(d->thread);
	d->thread = NULL;
	memory_free(&d->memory);
	if (d->store != NULL)
		d->store->ops->close(d->store);
	d->store = NULL;
	mem_wipe(&d->secrets, sizeof(d->secrets));
	mpp_crypto_free(&d->crypto);
	keylog_close(&d->key_log);
	close_fd(&d->epoll);
	close_fd(&d->signals);
	close_fd(&d->state_fd);
}
