/* SPDX-License-Identifier: MIT */
/* private.c - private addresses and special names. Contract: private.h. */
#include "dns/private.h"

#include <string.h>

#include "base/rd.h"

/* A network; bits is the length of its prefix. */
struct net {
	uint8_t ip[16];
	uint8_t bits;
};

static const struct net nets4[] = {
	{{0}, 8},         {{10}, 8},        {{100, 64}, 10},
	{{127}, 8},       {{169, 254}, 16}, {{172, 16}, 12},
	{{192, 168}, 16}, {{198, 18}, 15},  {{255, 255, 255, 255}, 32},
};

static const struct net nets6[] = {
	{{0}, 128},
	{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128},
	{{0xfc}, 7},
	{{0xfe, 0x80}, 10},
	{{0xfe, 0xc0}, 10},
	{{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48},
};

/* Are all addresses that begin with these `known` bits in the network? */
static bool is_in(const uint8_t *ip, unsigned known, const struct net *net)
{
	const unsigned whole = net->bits / 8, rest = net->bits % 8;
	const uint8_t mask = (uint8_t)(0xff00u >> rest);

	return known >= net->bits && memcmp(ip, net->ip, whole) == 0 &&
	       (rest == 0 || ((ip[whole] ^ net->ip[whole]) & mask) == 0);
}

static bool is_in_any(const uint8_t *ip, unsigned known, const struct net *nets,
		      size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (is_in(ip, known, &nets[i]))
			return true;
	}
	return false;
}

static bool private4(const uint8_t *ip, unsigned known)
{
	return is_in_any(ip, known, nets4, sizeof(nets4) / sizeof(nets4[0]));
}

static bool private6(const uint8_t *ip, unsigned known)
{
	return is_in_any(ip, known, nets6, sizeof(nets6) / sizeof(nets6[0]));
}

bool dns_private4(const uint8_t ip[4])
{
	return private4(ip, 32);
}

/* An IPv4 address that is written within one of IPv6. */
struct spelling {
	struct net net;
	uint8_t at;
	uint8_t flip; /* each octet was flipped with it */
};

static const struct spelling spellings[] = {
	{{{0}, 96}, 12, 0},
	{{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96}, 12, 0},
	{{{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96}, 12, 0}, /* SIIT */
	{{{0x20, 0x02}, 16}, 2, 0},
	{{{0x00, 0x64, 0xff, 0x9b}, 96}, 12, 0},
	{{{0x20, 0x01}, 32}, 12, 0xff}, /* Teredo: the client's */
};

static bool holds_private4(const uint8_t *ip, size_t at, uint8_t flip)
{
	uint8_t v4[4];
	size_t i;

	for (i = 0; i < 4; i++)
		v4[i] = ip[at + i] ^ flip;
	return private4(v4, 32);
}

static bool is_isatap(const uint8_t ip[16])
{
	return (ip[8] & 0xfd) == 0 && ip[9] == 0 && ip[10] == 0x5e &&
	       ip[11] == 0xfe;
}

bool dns_private6(const uint8_t ip[16])
{
	size_t i;

	if (private6(ip, 128))
		return true;
	for (i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
		const struct spelling *s = &spellings[i];

		if (is_in(ip, 128, &s->net) &&
		    holds_private4(ip, s->at, s->flip))
			return true;
	}
	return is_isatap(ip) && holds_private4(ip, 12, 0);
}

/* ---- records ---- */

static enum dns_sight sight_of_list(mpp_bytes list, size_t each)
{
	size_t at;

	if (list.len == 0 || list.len % each != 0)
		return DNS_SIGHT_BROKEN;
	for (at = 0; at < list.len; at += each) {
		if (each == 4 ? dns_private4(list.p + at)
			      : dns_private6(list.p + at))
			return DNS_SIGHT_PRIVATE;
	}
	return DNS_SIGHT_PUBLIC;
}

/* RFC 9460 section 2.2: priority, target, then keys with values. A target with
 * a pointer is not allowed, and would mean something else in the answer, where
 * these octets stand as they are: so it is read from its own octets only. */
static enum dns_sight sight_of_svcb(mpp_bytes rdata)
{
	enum { IPV4HINT = 4, IPV6HINT = 6, PRIORITY = 2 };
	enum dns_sight sight = DNS_SIGHT_PUBLIC;
	struct rd r = rd_init(rdata);
	struct dns_name target;
	size_t at = 0;
	mpp_bytes in;

	(void)rd_slice(&r, PRIORITY);
	in = (mpp_bytes){r.p, r.left};
	if (r.err != MPP_OK || dns_name_read(in, &at, &target) != MPP_OK)
		return DNS_SIGHT_BROKEN;
	(void)rd_slice(&r, at);
	while (r.left > 0 && sight == DNS_SIGHT_PUBLIC) {
		const uint16_t key = rd_u16(&r);
		const mpp_bytes value = rd_slice(&r, rd_u16(&r));

		if (r.err == MPP_OK && key == IPV4HINT)
			sight = sight_of_list(value, 4);
		else if (r.err == MPP_OK && key == IPV6HINT)
			sight = sight_of_list(value, 16);
	}
	return r.err == MPP_OK ? sight : DNS_SIGHT_BROKEN;
}

enum dns_sight dns_record_sight(mpp_bytes message, const struct dns_record *r)
{
	const mpp_bytes rdata = {message.p + r->rdata, r->rdlen};

	switch (r->type) {
	case DNS_A:
		return rdata.len == 4 ? sight_of_list(rdata, 4)
				      : DNS_SIGHT_BROKEN;
	case DNS_AAAA:
		return rdata.len == 16 ? sight_of_list(rdata, 16)
				       : DNS_SIGHT_BROKEN;
	case DNS_SVCB:
	case DNS_HTTPS:
		return sight_of_svcb(rdata);
	default:
		return DNS_SIGHT_PUBLIC;
	}
}

/* ---- names ---- */

static const char *const specials[] = {
	"localhost", "local", "onion", "invalid", "test", "alt", "home.arpa",
};

/* The labels of a name from its end: where each begins. */
struct labels {
	uint8_t at[DNS_NAME];
	size_t n;
};

static void split(const struct dns_name *name, struct labels *out)
{
	size_t at = 0;

	out->n = 0;
	while (name->p[at] != 0) {
		out->at[out->n++] = (uint8_t)at;
		at += (size_t)name->p[at] + 1;
	}
}

/* A label as an octet in decimal; -1: it is none. */
static int decimal(const uint8_t *label)
{
	int i, v = 0;

	if (label[0] == 0 || label[0] > 3)
		return -1;
	for (i = 1; i <= label[0]; i++) {
		if (label[i] < '0' || label[i] > '9')
			return -1;
		v = v * 10 + (label[i] - '0');
	}
	return v <= 255 ? v : -1;
}

/* A label as a hexadecimal digit; -1: it is none. */
static int nibble(const uint8_t *label)
{
	const uint8_t c = label[1];

	if (label[0] != 1)
		return -1;
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

/* Reverse names, as far as they say an address: 16.172.in-addr.arpa. is of
 * private addresses only, 172.in-addr.arpa. is not. */
static bool is_private_reverse4(const struct dns_name *name,
				const struct labels *l)
{
	uint8_t ip[4] = {0};
	unsigned known = 0;
	int v;

	while (known < 4 && known + 2 < l->n) {
		v = decimal(name->p + l->at[l->n - 3 - known]);
		if (v < 0)
			break;
		ip[known++] = (uint8_t)v;
	}
	return private4(ip, known * 8);
}

static bool is_private_reverse6(const struct dns_name *name,
				const struct labels *l)
{
	uint8_t ip[16] = {0};
	unsigned known = 0;
	int v;

	while (known < 32 && known + 2 < l->n) {
		v = nibble(name->p + l->at[l->n - 3 - known]);
		if (v < 0)
			break;
		ip[known / 2] |= (uint8_t)(known % 2 == 0 ? v << 4 : v);
		known++;
	}
	return known == 32 ? dns_private6(ip) : private6(ip, known * 4);
}

static bool is_below(const struct dns_name *name, const char *text)
{
	struct dns_name zone;

	return dns_name_parse(text, &zone) && dns_name_in(name, &zone);
}

bool dns_name_is_special(const struct dns_name *name)
{
	struct labels l;
	size_t i;

	for (i = 0; i < sizeof(specials) / sizeof(specials[0]); i++) {
		if (is_below(name, specials[i]))
			return true;
	}
	split(name, &l);
	if (is_below(name, "in-addr.arpa"))
		return is_private_reverse4(name, &l);
	return is_below(name, "ip6.arpa") && is_private_reverse6(name, &l);
}
