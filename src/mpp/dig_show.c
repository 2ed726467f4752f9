/* SPDX-License-Identifier: MIT */
/* dig_show.c - an answer of the DNS in words. Contract: dig_show.h. */
#include "mpp/dig_show.h"

#include <inttypes.h>
#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "loop/names.h"
#include "mpp/complain.h"
#include "mpp/show.h"

enum {
	OPTION_EDE = 15,
	OPTIONS_AT = 11, /* in an OPT record */
	EDE_TEXT = 256,
	DATA_TEXT = 140000, /* the longest record, all of it escaped */
};

/* RFC 8914 and the registry. */
static const char *const ede_names[] = {
	"Other",
	"Unsupported DNSKEY Algorithm",
	"Unsupported DS Digest Type",
	"Stale Answer",
	"Forged Answer",
	"DNSSEC Indeterminate",
	"DNSSEC Bogus",
	"Signature Expired",
	"Signature Not Yet Valid",
	"DNSKEY Missing",
	"RRSIGs Missing",
	"No Zone Key Bit Set",
	"NSEC Missing",
	"Cached Error",
	"Not Ready",
	"Blocked",
	"Censored",
	"Filtered",
	"Prohibited",
	"Stale NXDOMAIN Answer",
	"Not Authoritative",
	"Not Supported",
	"No Reachable Authority",
	"Network Error",
	"Invalid Data",
};

static const char *ede_name(unsigned code)
{
	return code < sizeof(ede_names) / sizeof(ede_names[0]) ? ede_names[code]
							       : "unknown";
}

struct ede {
	unsigned code;
	char text[EDE_TEXT];
};

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* The next Extended DNS Error; *at is 0 for the first. */
static bool next_ede(const struct dig *g, size_t *at, struct ede *out)
{
	const uint8_t *p = g->answer.p;
	size_t i = *at != 0 ? *at : g->shape.opt + OPTIONS_AT, len;

	while (g->shape.opt != 0 && i + 4 <= g->shape.opt_end) {
		const unsigned option = get16(p + i);

		len = get16(p + i + 2);
		i += 4;
		if (len > g->shape.opt_end - i)
			return false;
		*at = i + len;
		if (option == OPTION_EDE && len >= 2) {
			out->code = get16(p + i);
			loop_printable((mpp_bytes){p + i + 2, len - 2},
				       out->text, sizeof(out->text));
			return true;
		}
		i += len;
	}
	return false;
}

/* ---- names of what the header says ---- */

static unsigned full_rcode(const struct dig *g)
{
	const unsigned high = g->shape.opt == 0 ? 0
						: g->answer.p[g->shape.opt + 5];

	return high << 4 | g->shape.rcode;
}

static const char *look_up(ldns_lookup_table *table, unsigned id, char *room)
{
	const ldns_lookup_table *t = ldns_lookup_by_id(table, (int)id);

	if (t != NULL)
		return t->name;
	(void)snprintf(room, 16, "RESERVED%u", id);
	return room;
}

static const struct flag {
	unsigned at; /* octet of the header */
	unsigned bit;
	const char *name;
} flags[] = {
	{2, 0x80, "qr"}, {2, 0x04, "aa"}, {2, 0x02, "tc"}, {2, 0x01, "rd"},
	{3, 0x80, "ra"}, {3, 0x20, "ad"}, {3, 0x10, "cd"},
};
enum { FLAGS = sizeof(flags) / sizeof(flags[0]) };

static bool has_flag(const struct dig *g, const struct flag *f)
{
	return (g->answer.p[f->at] & f->bit) != 0;
}

static bool is_dnssec(const struct dig *g)
{
	return (g->answer.p[g->shape.opt + 7] & 0x80) != 0;
}

/* ---- records ---- */

/* The data of a record, its fields with a blank between. */
static const char *data_of(const ldns_rr *rr, char *room, size_t cap)
{
	size_t i, n = 0;
	char *field;

	room[0] = '\0';
	for (i = 0; i < ldns_rr_rd_count(rr); i++) {
		field = ldns_rdf2str(ldns_rr_rdf(rr, i));
		if (field == NULL)
			continue;
		n += (size_t)snprintf(room + n, cap - n, "%s%s",
				      n == 0 ? "" : " ", field);
		free(field);
		if (n >= cap)
			break;
	}
	return room;
}

static char data_room[DATA_TEXT];

struct record {
	char *name;
	char *type;
	const char *data;
	uint32_t ttl;
};

static struct record record_of(const ldns_rr *rr)
{
	return (struct record){
		.name = ldns_rdf2str(ldns_rr_owner(rr)),
		.type = ldns_rr_type2str(ldns_rr_get_type(rr)),
		.data = data_of(rr, data_room, sizeof(data_room)),
		.ttl = ldns_rr_ttl(rr),
	};
}

static void free_record(struct record *r)
{
	free(r->name);
	free(r->type);
}

static const char *or_nothing(const char *s)
{
	return s != NULL ? s : "?";
}

/* ---- for people ---- */

static void print_record(const ldns_rr *rr)
{
	struct record r = record_of(rr);

	(void)printf("%s\t%" PRIu32 "\tIN\t%s\t%s\n", or_nothing(r.name), r.ttl,
		     or_nothing(r.type), r.data);
	free_record(&r);
}

static void print_section(const char *title, const ldns_rr_list *list)
{
	size_t i;

	if (ldns_rr_list_rr_count(list) == 0)
		return;
	(void)printf("\n;; %s SECTION:\n", title);
	for (i = 0; i < ldns_rr_list_rr_count(list); i++)
		print_record(ldns_rr_list_rr(list, i));
}

static void print_question(const ldns_rr_list *list)
{
	struct record r;
	size_t i;

	(void)printf("\n;; QUESTION SECTION:\n");
	for (i = 0; i < ldns_rr_list_rr_count(list); i++) {
		r = record_of(ldns_rr_list_rr(list, i));
		(void)printf(";%s\t\tIN\t%s\n", or_nothing(r.name),
			     or_nothing(r.type));
		free_record(&r);
	}
}

static void print_header(const struct dig *g, const ldns_pkt *pkt)
{
	char opcode[16], rcode[16];
	unsigned i;

	(void)printf(";; ->>HEADER<<- opcode: %s, status: %s, id: %u\n"
		     ";; flags:",
		     look_up(ldns_opcodes, g->shape.opcode, opcode),
		     look_up(ldns_rcodes, full_rcode(g), rcode), g->id);
	for (i = 0; i < FLAGS; i++) {
		if (has_flag(g, &flags[i]))
			(void)printf(" %s", flags[i].name);
	}
	(void)printf("; QUERY: %u, ANSWER: %u, AUTHORITY: %u, ADDITIONAL: %u\n",
		     ldns_pkt_qdcount(pkt), ldns_pkt_ancount(pkt),
		     ldns_pkt_nscount(pkt), get16(g->answer.p + 10));
}

static void print_opt(const struct dig *g)
{
	struct ede e;
	size_t at = 0;

	if (g->shape.opt == 0)
		return;
	(void)printf("\n;; OPT PSEUDOSECTION:\n"
		     "; EDNS: version: %u, flags:%s; udp: %u\n",
		     g->answer.p[g->shape.opt + 6], is_dnssec(g) ? " do" : "",
		     g->shape.udp_size);
	while (next_ede(g, &at, &e))
		(void)printf("; EDE: %u (%s)%s%s%s\n", e.code, ede_name(e.code),
			     e.text[0] != '\0' ? ": (" : "", e.text,
			     e.text[0] != '\0' ? ")" : "");
}

static void print_brief(const ldns_rr_list *list)
{
	struct record r;
	size_t i;

	for (i = 0; i < ldns_rr_list_rr_count(list); i++) {
		r = record_of(ldns_rr_list_rr(list, i));
		(void)printf("%s\n", r.data);
		free_record(&r);
	}
}

static void print_all(const struct dig *g, const ldns_pkt *pkt)
{
	(void)printf("; <<>> mpp dig " MPP_VERSION " <<>>\n;; Got answer:\n");
	print_header(g, pkt);
	print_opt(g);
	print_question(ldns_pkt_question(pkt));
	print_section("ANSWER", ldns_pkt_answer(pkt));
	print_section("AUTHORITY", ldns_pkt_authority(pkt));
	print_section("ADDITIONAL", ldns_pkt_additional(pkt));
	(void)printf("\n;; Query time: %" PRIu64 " msec\n"
		     ";; SERVER: the presence service of this device\n"
		     ";; MSG SIZE  rcvd: %zu\n\n",
		     g->took_us / 1000, g->answer.len);
}

static int read_packet(const struct dig *g, ldns_pkt **pkt)
{
	const ldns_status s = ldns_wire2pkt(pkt, g->answer.p, g->answer.len);

	return s == LDNS_STATUS_OK
		       ? 0
		       : complain(EX_DATAERR, "the answer cannot be read: %s",
				  ldns_get_errorstr_by_id(s));
}

int dig_show(const struct dig *g)
{
	ldns_pkt *pkt = NULL;
	const int code = read_packet(g, &pkt);

	if (code != 0)
		return code;
	if (g->brief)
		print_brief(ldns_pkt_answer(pkt));
	else
		print_all(g, pkt);
	ldns_pkt_free(pkt);
	return complain_stdout();
}

/* ---- for programs ---- */

static void write_section(mpp_json_writer *w, const char *name,
			  const ldns_rr_list *list, bool question)
{
	struct record r;
	size_t i;

	mpp_json_array(w, name);
	for (i = 0; i < ldns_rr_list_rr_count(list); i++) {
		r = record_of(ldns_rr_list_rr(list, i));
		mpp_json_object(w, NULL);
		mpp_json_cstring(w, "name", or_nothing(r.name));
		mpp_json_cstring(w, "type", or_nothing(r.type));
		if (!question) {
			mpp_json_uint(w, "ttl", r.ttl);
			mpp_json_cstring(w, "data", r.data);
		}
		mpp_json_close(w);
		free_record(&r);
	}
	mpp_json_close(w);
}

static void write_opt(mpp_json_writer *w, const struct dig *g)
{
	struct ede e;
	size_t at = 0;

	if (g->shape.opt == 0)
		return;
	mpp_json_object(w, "edns");
	mpp_json_uint(w, "version", g->answer.p[g->shape.opt + 6]);
	mpp_json_bool(w, "do", is_dnssec(g));
	mpp_json_uint(w, "udp", g->shape.udp_size);
	mpp_json_array(w, "ede");
	while (next_ede(g, &at, &e)) {
		mpp_json_object(w, NULL);
		mpp_json_uint(w, "code", e.code);
		mpp_json_cstring(w, "name", ede_name(e.code));
		mpp_json_cstring(w, "text", e.text);
		mpp_json_close(w);
	}
	mpp_json_close(w);
	mpp_json_close(w);
}

static void write_header(mpp_json_writer *w, const struct dig *g)
{
	char opcode[16], rcode[16];
	unsigned i;

	mpp_json_cstring(w, "event", "resolved");
	mpp_json_uint(w, "id", g->id);
	mpp_json_cstring(w, "opcode",
			 look_up(ldns_opcodes, g->shape.opcode, opcode));
	mpp_json_cstring(w, "status",
			 look_up(ldns_rcodes, full_rcode(g), rcode));
	mpp_json_array(w, "flags");
	for (i = 0; i < FLAGS; i++) {
		if (has_flag(g, &flags[i]))
			mpp_json_cstring(w, NULL, flags[i].name);
	}
	mpp_json_close(w);
}

int dig_show_json(const struct dig *g)
{
	ldns_pkt *pkt = NULL;
	mpp_json_writer w;
	const int code = read_packet(g, &pkt);

	if (code != 0)
		return code;
	show_json_begin(&w);
	write_header(&w, g);
	write_opt(&w, g);
	write_section(&w, "question", ldns_pkt_question(pkt), true);
	write_section(&w, "answer", ldns_pkt_answer(pkt), false);
	write_section(&w, "authority", ldns_pkt_authority(pkt), false);
	write_section(&w, "additional", ldns_pkt_additional(pkt), false);
	mpp_json_uint(&w, "query_us", g->took_us);
	mpp_json_uint(&w, "octets", g->answer.len);
	ldns_pkt_free(pkt);
	return show_json_end(&w);
}
