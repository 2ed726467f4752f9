/* SPDX-License-Identifier: MIT */
/* load_connect.c - memory for the devices, and their connections; nothing of
 * this is measured. Contract: load.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

#include "host/clock.h"
#include "mppbench/device.h"

enum {
	GROUP = 32, /* devices that connect at a time */
	GROUP_US = 30000000,
	PAUSE_US = 200,
	SERVICE = 1,
	ALIGN = 64,
};

/* ---- memory ---- */

static mpp_err fail_memory(const struct load *l, struct fault *f)
{
	return fault_set(f, MPP_ERR_NOMEM, EX_OSERR,
			 "no memory for %u devices of %zu octets each: give "
			 "fewer --devices",
			 l->plan->devices, l->each);
}

/* Reserving is not having: the kernel gives pages as they are touched. */
static bool enough_memory(const struct load *l)
{
	unsigned long long kb = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "re");

	if (f == NULL)
		return true;
	while (fgets(line, sizeof(line), f) != NULL &&
	       sscanf(line, "MemAvailable: %llu kB", &kb) != 1)
		continue;
	(void)fclose(f);
	return kb == 0 || l->each * l->plan->devices / 1024 < kb / 10 * 9;
}

static mpp_err take_memory(struct load *l, struct fault *f)
{
	const uint32_t n = l->plan->devices;

	l->each = (mpp_client_size_for(1) + ALIGN - 1) / ALIGN * ALIGN;
	if (!enough_memory(l))
		return fail_memory(l, f);
	l->memory = mmap(NULL, l->each * n, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (l->memory == MAP_FAILED)
		return fail_memory(l, f);
	l->burst_of = calloc(n, sizeof(*l->burst_of));
	l->order = plan_order(n);
	return l->burst_of == NULL || l->order == NULL ? fail_memory(l, f)
						       : MPP_OK;
}

mpp_err load_open(struct load *l, const struct plan *plan, struct link *link,
		  struct fault *f)
{
	mpp_err err;

	memset(l, 0, sizeof(*l));
	l->plan = plan;
	l->link = link;
	l->kind = WORK_CONNECT;
	l->wire.fd = -1;
	err = mpp_crypto_new(&l->crypto);
	if (err == MPP_OK)
		err = l->crypto.ops->dh_public(l->crypto.ctx, MPP_SUITE_25519,
					       plan->secrets.x25519,
					       l->service_key);
	if (err != MPP_OK)
		return fault_set(f, err, EX_SOFTWARE,
				 "cannot use the cryptographic libraries: %s",
				 mpp_err_text(err));
	err = take_memory(l, f);
	return err == MPP_OK ? wire_open(&l->wire, f) : err;
}

void load_close(struct load *l)
{
	wire_close(&l->wire);
	free(l->burst_of);
	free(l->order);
	mpp_crypto_free(&l->crypto);
}

/* ---- connecting ---- */

/* burst_of is 1 for those that are connected. */
static void take(void *arg, uint32_t device, mpp_buf in)
{
	struct load *l = arg;
	bool news = false;

	if (device >= l->plan->devices)
		return;
	(void)mpp_client_receive(device_client(l, device), in, device_now(l));
	device_events(l, device, &news);
	if (!news || l->burst_of[device] != 0)
		return;
	l->burst_of[device] = 1;
	l->done++;
}

static mpp_err send_group(struct load *l, uint32_t first, uint32_t n,
			  struct fault *f)
{
	mpp_err err = MPP_OK;
	bool news;
	uint32_t i;

	for (i = first; i < first + n && err == MPP_OK; i++) {
		if (l->burst_of[i] != 0)
			continue;
		/* Twice: what is sent first may have to be saved before. */
		err = device_send(l, i, f);
		device_events(l, i, &news);
		if (err == MPP_OK)
			err = device_send(l, i, f);
	}
	return err == MPP_OK ? wire_flush(&l->wire, f) : err;
}

static mpp_err connect_group(struct load *l, uint32_t first, uint32_t n,
			     struct fault *f)
{
	const uint64_t until = clock_now().mono.us + GROUP_US;
	mpp_err err = MPP_OK;
	uint32_t i;

	for (i = first; i < first + n; i++) {
		if ((err = device_init(l, i, f)) != MPP_OK)
			return err;
		mpp_client_connect(device_client(l, i), device_now(l));
	}
	l->done = 0;
	while (l->done < n && err == MPP_OK && l->err == MPP_OK) {
		if (clock_now().mono.us > until)
			return fault_set(f, MPP_ERR_TIMEOUT, EX_SOFTWARE,
					 "%u of %u devices did not connect "
					 "within %d s",
					 n - l->done, n, GROUP_US / 1000000);
		if ((err = send_group(l, first, n, f)) == MPP_OK)
			err = link_turn(l->link, f);
		if (wire_receive(&l->wire, take, l) == 0)
			(void)usleep(PAUSE_US);
	}
	if (err == MPP_OK && l->err != MPP_OK)
		*f = l->fault;
	return err == MPP_OK ? l->err : err;
}

static void show(const struct load *l, uint32_t n)
{
	if (!isatty(STDERR_FILENO))
		return;
	(void)fprintf(stderr, "\rconnecting: %u of %u devices%s", n,
		      l->plan->devices,
		      n == l->plan->devices ? "\r\033[K" : "");
	(void)fflush(stderr);
}

mpp_err load_connect(struct load *l, struct fault *f)
{
	const uint32_t all = l->plan->devices;
	uint32_t at, n;
	mpp_err err;

	wire_to(&l->wire, l->port[SERVICE]);
	for (at = 0; at < all; at += n) {
		n = all - at < GROUP ? all - at : GROUP;
		if ((err = connect_group(l, at, n, f)) != MPP_OK)
			return err;
		if (at / GROUP % 16 == 0 || at + n == all)
			show(l, at + n);
	}
	memset(l->burst_of, 0, all * sizeof(*l->burst_of));
	return MPP_OK;
}
