/* SPDX-License-Identifier: MIT */
/* fuzz_gateway.c - the kernel's tables of routes and neighbours. The first octet
 * says which family; the rest is two tables, the second behind a zero. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "loop/gateway.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char root[64];

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "fuzz_gateway: not so: %s\n", what);
	abort();
}

static void path_of(const char *name, char path[128])
{
	must(snprintf(path, 128, "%s%s", root, name) < 128, "a path");
}

static void put(const char *name, const uint8_t *p, size_t n)
{
	char path[128];
	int fd;

	path_of(name, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(fd >= 0 && write(fd, p, n) == (ssize_t)n, "a file");
	(void)close(fd);
}

static void clean(void)
{
	static const char *const names[] = {
		"/proc/net/route", "/proc/net/ipv6_route", "/proc/net/arp"};
	static const char *const folders[] = {"/proc/net", "/proc", ""};
	char path[128];
	size_t i;

	for (i = 0; i < 3; i++) {
		path_of(names[i], path);
		(void)unlink(path);
	}
	for (i = 0; i < 3; i++) {
		path_of(folders[i], path);
		(void)rmdir(path);
	}
}

static void make_root(void)
{
	char path[128];

	(void)snprintf(root, sizeof(root), "/dev/shm/fuzz-gateway-XXXXXX");
	must(mkdtemp(root) != NULL, "a folder");
	(void)atexit(clean);
	path_of("/proc", path);
	must(mkdir(path, 0700) == 0, "a folder");
	path_of("/proc/net", path);
	must(mkdir(path, 0700) == 0, "a folder");
}

static void check(const struct loop_gateway *g, int family, bool found)
{
	struct loop_gateway none;

	memset(&none, 0, sizeof(none));
	if (!found) {
		must(memcmp(g, &none, sizeof(none)) == 0, "zeros when none");
		return;
	}
	must(g->family == family, "the family that was asked");
	must(memchr(g->device, 0, sizeof(g->device)) != NULL, "a text");
	must(g->device[0] != '\0', "an interface");
	must(memchr(g->mac, 0, sizeof(g->mac)) != NULL, "a text");
	must(family == 4 || g->mac[0] == '\0', "neighbours of IPv4 only");
	must(family == 6 || mem_is_zero(g->address + 4, 12), "four octets");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const int family = size > 0 && (data[0] & 1) != 0 ? 6 : 4;
	struct loop_gateway g;
	const uint8_t *end;
	size_t first;

	if (root[0] == '\0')
		make_root();
	if (size == 0)
		return 0;
	data++;
	size--;
	end = size > 0 ? memchr(data, 0, size) : NULL;
	first = end != NULL ? (size_t)(end - data) : size;
	put(family == 6 ? "/proc/net/ipv6_route" : "/proc/net/route", data,
	    first);
	put("/proc/net/arp", data + first, size - first);
	memset(&g, 0xa5, sizeof(g));
	check(&g, family, loop_gateway_find(root, family, &g));
	return 0;
}
