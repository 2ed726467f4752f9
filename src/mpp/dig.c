/* SPDX-License-Identifier: MIT */
/* dig.c - mpp dig [-x] NAME [TYPE]: a name, resolved by the service. */
#include <arpa/inet.h>
#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sysexits.h>

#include "mpp/ask.h"
#include "mpp/commands.h"
#include "mpp/complain.h"
#include "mpp/dig_show.h"
#include "host/dnsmsg.h"

enum {
	ARGS_MAX = 2,
	FLAG_RD = 0x01, /* octet 2 of the header */
	FLAG_AD = 0x20, /* octet 3: the answer may say AD */
	FLAG_CD = 0x10,
	DO_BIT = 0x80,
	TYPE_ANY_ADDRESS = LDNS_RR_TYPE_A,
};

static const char forbidden[] =
	"it resolves no names: its operator can switch that on, in section "
	"[dns] of mppd.conf";

/* ---- what is asked ---- */

/* dig's own spelling of options, beside the usual one. */
static int read_plus(struct dig *g, const char *word)
{
	if (strcmp(word, "+short") == 0)
		g->brief = true;
	else if (strcmp(word, "+dnssec") == 0)
		g->dnssec = true;
	else if (strcmp(word, "+cd") == 0 || strcmp(word, "+cdflag") == 0)
		g->cd = true;
	else
		return complain(EX_USAGE,
				"dig: %s: only +short, +dnssec and +cd", word);
	return 0;
}

static int read_words(const struct options *o, struct dig *g,
		      const char *words[ARGS_MAX])
{
	int i, n = 0, code;

	for (i = 0; i < o->n_args - 1; i++) {
		const char *word = o->args[i];

		if (word[0] == '@')
			return complain(EX_USAGE,
					"dig: %s: it is the service of this "
					"device that is asked, and no other",
					word);
		if (word[0] == '+') {
			if ((code = read_plus(g, word)) != 0)
				return code;
			continue;
		}
		if (n == ARGS_MAX)
			return complain(EX_USAGE, "dig: too many arguments: %s",
					word);
		words[n++] = word;
	}
	return n > 0 ? 0
		     : complain(EX_USAGE,
				"dig: the name is missing: mpp dig NAME "
				"[TYPE]");
}

static int read_type(struct dig *g, const char *word)
{
	g->type = word == NULL ? TYPE_ANY_ADDRESS
			       : (unsigned)ldns_get_rr_type_by_name(word);
	if (g->type != 0)
		return 0;
	return complain(EX_USAGE,
			"dig: %s: no type: give one such as A, AAAA, MX, TXT, "
			"or TYPE65",
			word);
}

/* 192.0.2.1 becomes 1.2.0.192.in-addr.arpa. */
static ldns_rdf *reverse(const char *address)
{
	ldns_rdf *a = NULL, *name = NULL;

	if (ldns_str2rdf_a(&a, address) != LDNS_STATUS_OK &&
	    ldns_str2rdf_aaaa(&a, address) != LDNS_STATUS_OK)
		return NULL;
	name = ldns_rdf_address_reverse(a);
	ldns_rdf_deep_free(a);
	return name;
}

static int read_name(const struct options *o, struct dig *g, const char *word)
{
	ldns_rdf *name = o->reverse ? reverse(word)
				    : ldns_dname_new_frm_str(word);
	int code = 0;

	if (name == NULL && o->reverse)
		return complain(EX_USAGE, "dig: -x %s: no address", word);
	if (name == NULL || ldns_rdf_size(name) > sizeof(g->name))
		code = complain(EX_USAGE, "dig: %s: no name of the DNS", word);
	else {
		g->name_len = ldns_rdf_size(name);
		memcpy(g->name, ldns_rdf_data(name), g->name_len);
	}
	ldns_rdf_deep_free(name);
	return code;
}

static int read_question(const struct options *o, struct dig *g)
{
	const char *words[ARGS_MAX] = {NULL, NULL};
	int code = read_words(o, g, words);

	if (code != 0)
		return code;
	if (o->reverse && words[1] == NULL)
		words[1] = "PTR";
	if ((code = read_type(g, words[1])) != 0)
		return code;
	return read_name(o, g, words[0]);
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* One question of class IN, and an OPT record. @return its length */
static size_t put_query(const struct dig *g, uint8_t *p)
{
	static const uint8_t opt[11] = {0, 0, LDNS_RR_TYPE_OPT};
	size_t n = DNSMSG_HEADER;

	memset(p, 0, DNSMSG_HEADER);
	put16(p, g->id);
	p[2] = FLAG_RD;
	p[3] = (uint8_t)(FLAG_AD | (g->cd ? FLAG_CD : 0));
	p[5] = p[11] = 1;
	memcpy(p + n, g->name, g->name_len);
	n += g->name_len;
	put16(p + n, g->type);
	put16(p + n + 2, LDNS_RR_CLASS_IN);
	n += 4;
	memcpy(p + n, opt, sizeof(opt));
	put16(p + n + 3, DNSMSG_OUT_MAX);
	p[n + 7] = g->dnssec ? DO_BIT : 0;
	return n + sizeof(opt);
}

/* ---- asking ---- */

static uint8_t answer_room[MPP_DNS_ANSWER_MAX];

/* The answer, when it is one to this question. */
static int read_answer(struct dig *g, mpp_bytes query,
		       const mpp_client_event *ev)
{
	mpp_buf room = {answer_room, sizeof(answer_room), 0};
	struct dnsmsg q, a;

	if (mpp_client_dns(ev, &room) != MPP_OK)
		return complain(EX_DATAERR,
				"the service's answer holds no DNS message");
	g->answer = (mpp_bytes){room.p, room.len};
	(void)dnsmsg_read(query, &q);
	if (!dnsmsg_read(g->answer, &a) ||
	    !dnsmsg_answers(query, &q, g->id, g->answer, &a))
		return complain(EX_DATAERR,
				"the service answered something else than "
				"what was asked");
	g->shape = a;
	return 0;
}

static int dig(struct ask *a, struct dig *g)
{
	mpp_client *c = mpp_loop_client(a->loop);
	uint8_t query[DNSMSG_QUERY_MAX];
	const size_t n = put_query(g, query);
	mpp_client_event ev;
	mpp_time begin;
	mpp_err err;
	int code = ask_connect(a);

	if (code != 0)
		return code;
	begin = mpp_loop_now(a->loop).mono;
	err = mpp_client_resolve(c, (mpp_bytes){query, n},
				 mpp_loop_now(a->loop), &a->request);
	if (err != MPP_OK)
		return complain(EX_SOFTWARE, "cannot ask: %s",
				mpp_err_text(err));
	if ((code = ask_wait(a, forbidden, &ev)) != 0)
		return code;
	g->took_us = mpp_loop_now(a->loop).mono.us - begin.us;
	return read_answer(g, (mpp_bytes){query, n}, &ev);
}

int command_dig(const struct options *o)
{
	struct dig g = {.brief = o->brief, .dnssec = o->dnssec, .cd = o->cd};
	struct ask a;
	int code = read_question(o, &g);

	if (code == 0 &&
	    getrandom(&g.id, sizeof(g.id), 0) != (ssize_t)sizeof(g.id))
		code = complain(EX_OSERR, "no random octets");
	if (code == 0)
		code = ask_open(&a, o, MPP_MODE_ASK);
	if (code != 0)
		return code;
	code = dig(&a, &g);
	if (code == 0)
		code = o->json ? dig_show_json(&g) : dig_show(&g);
	ask_close(&a);
	return code;
}
