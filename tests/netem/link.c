/* SPDX-License-Identifier: MIT */
/* link.c - a link with faults between two network namespaces, for tests and
 * bench/latency.py: a TUN device in each, and this program between them.
 *
 *   link NETNS ADDRESS/BITS NETNS ADDRESS/BITS [SETTING ...]
 *
 * A setting is name=value for both directions, or ab:name=value for packets
 * from the first namespace to the second, ba:name=value for the others:
 *
 *   delay, jitter    ms; jitter is added, evenly from 0 up to it
 *   loss             % of packets, each by itself
 *   burst, burst-end Gilbert and Elliott: % of packets with which a burst
 *                    begins, in which all is lost, and with which it ends
 *   duplicate, corrupt, reorder
 *                    % of packets; a corrupt one has one bit of its UDP
 *                    payload changed, one reordered is held back for `late`
 *   late             ms (10)
 *   mtu              octets; what is longer vanishes
 *   rate             kbit/s, with a queue of 200 ms
 *   seed             a number: the same one gives the n-th packet of a
 *                    direction the same fate
 *   faults           now, or signal: until SIGUSR1 there is only the delay
 *
 * Says "ready" when packets pass. SIGTERM ends it: then it prints what it did,
 * as one line of JSON. Only IPv4. Needs root. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
	ENDS = 2,
	PACKETS = 16384, /* on the way at a time */
	PACKET_MAX = 2048,
	BATCH = 64,
	DEVICE_MTU = 1500,
	DEVICE_QUEUE = 10000,
	QUEUE_US = 200000,
	IPV4_HEADER = 20,
	UDP_HEADER = 8,
};

/* Shares are of 2^32. */
struct faults {
	uint64_t delay_us, jitter_us, late_us;
	uint64_t loss, burst, burst_end, duplicate, corrupt, reorder;
	uint64_t mtu, rate_kbit;
};

struct counts {
	uint64_t packets, forwarded, lost, lost_in_bursts, bursts, duplicated;
	uint64_t reordered, corrupted, too_long, queue_full, not_written;
};

struct direction {
	struct faults f;
	struct counts n;
	uint64_t random;
	uint64_t busy_until; /* of a link with a rate */
	uint64_t newest;     /* number of the newest that came out */
	bool bursting;
};

struct packet {
	uint64_t at, number;
	uint16_t len;
	uint8_t to;
	uint8_t data[PACKET_MAX];
};

static struct direction way[ENDS]; /* from end 0, from end 1 */
static struct packet packets[PACKETS];
static uint32_t unused[PACKETS], waiting[PACKETS]; /* a heap by time */
static uint32_t n_unused, n_waiting;
static int tun[ENDS];
static bool later; /* faults begin with a signal */
static volatile sig_atomic_t ended, started;

static void die(const char *what)
{
	(void)fprintf(stderr, "link: %s: %s\n", what, strerror(errno));
	exit(71);
}

static uint64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* ---- settings ---- */

static const struct setting {
	const char *name;
	size_t at;
	double unit; /* of the value */
} settings[] = {
	{"delay", offsetof(struct faults, delay_us), 1000},
	{"jitter", offsetof(struct faults, jitter_us), 1000},
	{"late", offsetof(struct faults, late_us), 1000},
	{"loss", offsetof(struct faults, loss), 4294967296.0 / 100},
	{"burst", offsetof(struct faults, burst), 4294967296.0 / 100},
	{"burst-end", offsetof(struct faults, burst_end), 4294967296.0 / 100},
	{"duplicate", offsetof(struct faults, duplicate), 4294967296.0 / 100},
	{"corrupt", offsetof(struct faults, corrupt), 4294967296.0 / 100},
	{"reorder", offsetof(struct faults, reorder), 4294967296.0 / 100},
	{"mtu", offsetof(struct faults, mtu), 1},
	{"rate", offsetof(struct faults, rate_kbit), 1},
};

static _Noreturn void usage(const char *word)
{
	(void)fprintf(stderr,
		      "link: %s: not a setting; see the beginning of "
		      "tests/netem/link.c\n",
		      word);
	exit(64);
}

static void set_way(struct direction *d, const struct setting *s, double value)
{
	const uint64_t v = (uint64_t)(value * s->unit);

	memcpy((uint8_t *)&d->f + s->at, &v, sizeof(v));
}

static bool is(const char *word, const char *name)
{
	const size_t n = strlen(name);

	return strncmp(word, name, n) == 0 && word[n] == '=';
}

static void set(const char *word)
{
	const bool ab = strncmp(word, "ab:", 3) == 0;
	const bool ba = strncmp(word, "ba:", 3) == 0;
	const char *name = ab || ba ? word + 3 : word;
	const char *text = strchr(word, '=');
	char *end = NULL;
	double value;
	size_t i;

	if (strcmp(word, "faults=signal") == 0 ||
	    strcmp(word, "faults=now") == 0) {
		later = word[7] == 's';
		return;
	}
	value = text == NULL ? -1 : strtod(text + 1, &end);
	if (text == NULL || end == text + 1 || *end != '\0' || value < 0)
		usage(word);
	if (is(word, "seed")) {
		way[0].random = (uint64_t)value * 2;
		way[1].random = (uint64_t)value * 2 + 1;
		return;
	}
	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		if (!is(name, settings[i].name))
			continue;
		if (!ba)
			set_way(&way[0], &settings[i], value);
		if (!ab)
			set_way(&way[1], &settings[i], value);
		return;
	}
	usage(word);
}

/* ---- devices ---- */

static void give_address(int s, struct ifreq *r, const char *text)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	char host[INET_ADDRSTRLEN + 1] = "";
	unsigned bits = 0;

	if (sscanf(text, "%16[0-9.]/%u", host, &bits) != 2 || bits < 1 ||
	    bits > 32 || inet_pton(AF_INET, host, &a.sin_addr) != 1)
		usage(text);
	memcpy(&r->ifr_addr, &a, sizeof(a));
	if (ioctl(s, SIOCSIFADDR, r) != 0)
		die(text);
	a.sin_addr.s_addr = htonl(UINT32_MAX << (32 - bits));
	memcpy(&r->ifr_netmask, &a, sizeof(a));
	if (ioctl(s, SIOCSIFNETMASK, r) != 0)
		die(text);
}

static void raise_device(const char *name, const char *address)
{
	const int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r;

	memset(&r, 0, sizeof(r));
	(void)snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (s < 0)
		die("socket");
	if (address != NULL) {
		give_address(s, &r, address);
		r.ifr_mtu = DEVICE_MTU;
		if (ioctl(s, SIOCSIFMTU, &r) != 0)
			die("SIOCSIFMTU");
		r.ifr_qlen = DEVICE_QUEUE;
		if (ioctl(s, SIOCSIFTXQLEN, &r) != 0)
			die("SIOCSIFTXQLEN");
	}
	if (ioctl(s, SIOCGIFFLAGS, &r) != 0)
		die(name);
	r.ifr_flags = (short)(r.ifr_flags | IFF_UP);
	if (ioctl(s, SIOCSIFFLAGS, &r) != 0)
		die(name);
	(void)close(s);
}

/* No router is asked for: its packets would be counted. */
static void no_ipv6(void)
{
	const int f = open("/proc/sys/net/ipv6/conf/all/disable_ipv6",
			   O_WRONLY | O_CLOEXEC);

	if (f < 0)
		return;
	if (write(f, "1", 1) != 1)
		die("disable_ipv6");
	(void)close(f);
}

static int open_end(const char *netns, const char *address)
{
	const int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct ifreq r;
	char path[256];
	int there, device;

	(void)snprintf(path, sizeof(path), "/var/run/netns/%s", netns);
	there = open(path, O_RDONLY | O_CLOEXEC);
	if (home < 0 || there < 0 || setns(there, CLONE_NEWNET) != 0)
		die(netns);
	device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (device < 0)
		die("/dev/net/tun");
	memset(&r, 0, sizeof(r));
	r.ifr_flags = IFF_TUN | IFF_NO_PI;
	(void)snprintf(r.ifr_name, sizeof(r.ifr_name), "link");
	if (ioctl(device, TUNSETIFF, &r) != 0)
		die("TUNSETIFF");
	no_ipv6();
	raise_device("lo", NULL);
	raise_device("link", address);
	if (setns(home, CLONE_NEWNET) != 0)
		die("setns");
	(void)close(home);
	(void)close(there);
	return device;
}

/* ---- what is on the way ---- */

static bool sooner(uint32_t a, uint32_t b)
{
	return packets[a].at != packets[b].at
		       ? packets[a].at < packets[b].at
		       : packets[a].number < packets[b].number;
}

static void heap_push(uint32_t p)
{
	uint32_t i = n_waiting++;

	for (; i != 0 && sooner(p, waiting[(i - 1) / 2]); i = (i - 1) / 2)
		waiting[i] = waiting[(i - 1) / 2];
	waiting[i] = p;
}

static uint32_t heap_pop(void)
{
	const uint32_t first = waiting[0], p = waiting[--n_waiting];
	uint32_t i = 0, child;

	while ((child = 2 * i + 1) < n_waiting) {
		if (child + 1 < n_waiting &&
		    sooner(waiting[child + 1], waiting[child]))
			child++;
		if (!sooner(waiting[child], p))
			break;
		waiting[i] = waiting[child];
		i = child;
	}
	waiting[i] = p;
	return first;
}

/* ---- fates ---- */

static uint64_t draw(struct direction *d)
{
	uint64_t z = d->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static bool chance(struct direction *d, uint64_t share)
{
	return draw(d) >> 32 < share;
}

/* Everything that one packet's fate hangs on; always drawn, and in the same
 * order, so that the fate of the n-th depends on the seed alone. */
struct fate {
	bool lost, bursts, ends, twice, late, corrupt;
	uint64_t jitter[2], bit;
};

static struct fate draw_fate(struct direction *d)
{
	struct fate x;

	x.lost = chance(d, d->f.loss);
	x.bursts = chance(d, d->f.burst);
	x.ends = chance(d, d->f.burst_end);
	x.twice = chance(d, d->f.duplicate);
	x.late = chance(d, d->f.reorder);
	x.corrupt = chance(d, d->f.corrupt);
	x.jitter[0] = draw(d) % (d->f.jitter_us + 1);
	x.jitter[1] = draw(d) % (d->f.jitter_us + 1);
	x.bit = draw(d);
	return x;
}

static bool survives(struct direction *d, const struct fate *x, size_t len)
{
	if (d->bursting && x->ends) {
		d->bursting = false;
	} else if (!d->bursting && x->bursts) {
		d->bursting = true;
		d->n.bursts++;
	}
	if (d->f.mtu != 0 && len > d->f.mtu)
		d->n.too_long++;
	else if (d->bursting)
		d->n.lost_in_bursts++;
	else if (x->lost)
		d->n.lost++;
	else
		return true;
	return false;
}

/* One bit of the payload; without a checksum it gets as far as the program. */
static void corrupt(struct direction *d, uint8_t *p, size_t len, uint64_t bit)
{
	const size_t head = IPV4_HEADER + UDP_HEADER;

	if (len <= head || p[0] != 0x45 || p[9] != IPPROTO_UDP)
		return;
	p[head + (bit >> 3) % (len - head)] ^= (uint8_t)(1u << (bit & 7));
	p[head - 2] = p[head - 1] = 0;
	d->n.corrupted++;
}

/* When a link with a rate has sent it; 0: its queue is full. */
static uint64_t leaves(struct direction *d, size_t len, uint64_t now)
{
	uint64_t begin = d->busy_until > now ? d->busy_until : now;

	if (d->f.rate_kbit == 0)
		return now;
	if (begin - now > QUEUE_US)
		return 0;
	d->busy_until = begin + len * 8000 / d->f.rate_kbit;
	return d->busy_until;
}

static void put(unsigned from, const uint8_t *data, size_t len, uint64_t at)
{
	struct direction *d = &way[from];
	struct packet *p;

	if (at == 0 || n_unused == 0) {
		d->n.queue_full++;
		return;
	}
	p = &packets[unused[--n_unused]];
	p->at = at;
	p->number = d->n.packets;
	p->len = (uint16_t)len;
	p->to = (uint8_t)(1 - from);
	memcpy(p->data, data, len);
	heap_push((uint32_t)(p - packets));
}

static void take(unsigned from, uint8_t *data, size_t len, uint64_t now)
{
	struct direction *d = &way[from];
	const bool clean = later && started == 0;
	struct fate x = {0};
	uint64_t at;

	if (clean) {
		put(from, data, len, now + d->f.delay_us);
		return;
	}
	d->n.packets++;
	x = draw_fate(d);
	if (!survives(d, &x, len))
		return;
	if (x.corrupt)
		corrupt(d, data, len, x.bit);
	at = leaves(d, len, now);
	if (at != 0)
		at += d->f.delay_us + (x.late ? d->f.late_us : 0);
	put(from, data, len, at == 0 ? 0 : at + x.jitter[0]);
	if (x.twice && at != 0) {
		d->n.duplicated++;
		put(from, data, len, at + x.jitter[1]);
	}
}

/* ---- input and output ---- */

static void receive(unsigned from)
{
	static uint8_t data[PACKET_MAX];
	ssize_t n;
	unsigned i;

	for (i = 0; i < BATCH; i++) {
		n = read(tun[from], data, sizeof(data));
		if (n <= 0)
			return;
		if (data[0] >> 4 == 4)
			take(from, data, (size_t)n, now_us());
	}
}

static void deliver(uint64_t now)
{
	while (n_waiting != 0 && packets[waiting[0]].at <= now) {
		const uint32_t i = heap_pop();
		struct packet *p = &packets[i];
		struct direction *d = &way[1 - p->to];

		if (write(tun[p->to], p->data, p->len) == p->len)
			d->n.forwarded++;
		else
			d->n.not_written++;
		if (p->number < d->newest)
			d->n.reordered++;
		else
			d->newest = p->number;
		unused[n_unused++] = i;
	}
}

static void run(const sigset_t *unblocked)
{
	struct pollfd p[ENDS] = {{tun[0], POLLIN, 0}, {tun[1], POLLIN, 0}};
	struct timespec wait;
	uint64_t now, at;
	unsigned i;

	while (ended == 0) {
		now = now_us();
		deliver(now);
		at = n_waiting != 0 ? packets[waiting[0]].at : now + 1000000;
		wait.tv_sec = (time_t)((at - now) / 1000000);
		wait.tv_nsec = (long)((at - now) % 1000000 * 1000);
		if (ppoll(p, ENDS, &wait, unblocked) <= 0)
			continue;
		for (i = 0; i < ENDS; i++) {
			if ((p[i].revents & POLLIN) != 0)
				receive(i);
		}
	}
}

static void print_way(const char *name, const struct direction *d)
{
	const struct counts *n = &d->n;

	(void)printf("\"%s\":{\"packets\":%llu,\"forwarded\":%llu,"
		     "\"lost\":%llu,\"lost_in_bursts\":%llu,\"bursts\":%llu,",
		     name, (unsigned long long)n->packets,
		     (unsigned long long)n->forwarded,
		     (unsigned long long)n->lost,
		     (unsigned long long)n->lost_in_bursts,
		     (unsigned long long)n->bursts);
	(void)printf("\"duplicated\":%llu,\"reordered\":%llu,"
		     "\"corrupted\":%llu,\"too_long\":%llu,"
		     "\"queue_full\":%llu,\"not_written\":%llu},",
		     (unsigned long long)n->duplicated,
		     (unsigned long long)n->reordered,
		     (unsigned long long)n->corrupted,
		     (unsigned long long)n->too_long,
		     (unsigned long long)n->queue_full,
		     (unsigned long long)n->not_written);
}

static void print_counts(void)
{
	struct rusage u;
	double us, all = (double)(way[0].n.packets + way[1].n.packets);

	(void)getrusage(RUSAGE_SELF, &u);
	us = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
	     (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
	(void)printf("{");
	print_way("ab", &way[0]);
	print_way("ba", &way[1]);
	(void)printf("\"cpu_us_per_packet\":%.2f}\n", all > 0 ? us / all : 0);
	(void)fflush(stdout);
}

static void on_signal(int number)
{
	if (number == SIGUSR1)
		started = 1;
	else
		ended = 1;
}

/* Signals come only while it waits. */
static void catch_signals(sigset_t *unblocked)
{
	struct sigaction a = {.sa_handler = on_signal};
	sigset_t block;

	(void)sigemptyset(&block);
	(void)sigaddset(&block, SIGUSR1);
	(void)sigaddset(&block, SIGTERM);
	(void)sigaddset(&block, SIGINT);
	if (sigprocmask(SIG_BLOCK, &block, unblocked) != 0 ||
	    sigaction(SIGUSR1, &a, NULL) != 0 ||
	    sigaction(SIGTERM, &a, NULL) != 0 ||
	    sigaction(SIGINT, &a, NULL) != 0)
		die("signals");
}

int main(int argc, char **argv)
{
	sigset_t unblocked;
	int i;

	if (argc < 5)
		usage("too few words");
	way[0].f.late_us = way[1].f.late_us = 10000;
	for (i = 5; i < argc; i++)
		set(argv[i]);
	for (n_unused = 0; n_unused < PACKETS; n_unused++)
		unused[n_unused] = n_unused;
	catch_signals(&unblocked);
	tun[0] = open_end(argv[1], argv[2]);
	tun[1] = open_end(argv[3], argv[4]);
	/* What it is late is taken for delay: a wish, not a need. */
	(void)setpriority(PRIO_PROCESS, 0, -15);
	(void)printf("ready\n");
	(void)fflush(stdout);
	run(&unblocked);
	print_counts();
	return 0;
}
