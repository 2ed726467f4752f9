/* SPDX-License-Identifier: MIT */
/* zone.c - answers of the DNS (RFC 1035). Contract: zone.h. */
#include "loop/zone.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "base/rd.h"
#include "loop/names.h"

enum {
	HEADER_LEN = 12,
	NAME_MAX_LEN = 255, /* on the wire, with the root */
	LABEL_MAX = 63,
	POINTER = 0xc0,
	ALIASES_MAX = 8,
	TYPE_CNAME = 5,
	TYPE_TXT = 16,
	TYPE_SRV = 33,
	CLASS_IN = 1,
	FLAG_RESPONSE = 0x8000,
	FLAG_OPCODE = 0x7800,
	FLAG_TRUNCATED = 0x0200,
	FLAG_RCODE = 0x000f,
	RCODE_NXDOMAIN = 3,
};

/* As on the wire, in lower case. */
struct name {
	uint8_t p[NAME_MAX_LEN];
	size_t len;
};

struct message {
	mpp_bytes all;
	size_t at;
};

struct record {
	struct name owner;
	unsigned type, class;
	size_t data, len; /* place of the data in the message */
};

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

static bool add_label(struct name *n, const uint8_t *p, size_t len)
{
	size_t i;

	/* One octet is kept for the root. */
	if (len > LABEL_MAX || n->len + 1 + len + 1 > NAME_MAX_LEN)
		return false;
	n->p[n->len++] = (uint8_t)len;
	for (i = 0; i < len; i++)
		n->p[n->len++] = lower(p[i]);
	return true;
}

/* A pointer must lead before the piece that it ends, so that each step is
 * another one and there is no loop. */
static bool read_name(struct message *m, struct name *out)
{
	const uint8_t *p = m->all.p;
	size_t at = m->at, piece = m->at;
	bool jumped = false;

	out->len = 0;
	while (at < m->all.len && p[at] != 0) {
		if (p[at] >= POINTER) {
			if (at + 1 >= m->all.len)
				return false;
			if (!jumped)
				m->at = at + 2;
			jumped = true;
			at = (size_t)(p[at] & ~POINTER) << 8 | p[at + 1];
			if (at >= piece)
				return false;
			piece = at;
			continue;
		}
		if (m->all.len - at - 1 < p[at] ||
		    !add_label(out, p + at + 1, p[at]))
			return false;
		at += 1 + (size_t)p[at];
	}
	if (at >= m->all.len)
		return false;
	out->p[out->len++] = 0;
	if (!jumped)
		m->at = at + 1;
	return true;
}

/* What is asked for, from text. */
static bool name_of(const char *text, struct name *out)
{
	size_t n;

	out->len = 0;
	for (;;) {
		n = strcspn(text, ".");
		if (n == 0 || !add_label(out, (const uint8_t *)text, n))
			return false;
		text += n;
		if (*text == '\0' || text[1] == '\0')
			break;
		text++;
	}
	out->p[out->len++] = 0;
	return true;
}

static bool same_name(const struct name *a, const struct name *b)
{
	return a->len == b->len && memcmp(a->p, b->p, a->len) == 0;
}

static bool read_u16(struct message *m, unsigned *out)
{
	if (m->all.len - m->at < 2)
		return false;
	*out = (unsigned)m->all.p[m->at] << 8 | m->all.p[m->at + 1];
	m->at += 2;
	return true;
}

static bool read_record(struct message *m, struct record *out)
{
	unsigned ignored, len;

	if (!read_name(m, &out->owner) || !read_u16(m, &out->type) ||
	    !read_u16(m, &out->class) || !read_u16(m, &ignored) ||
	    !read_u16(m, &ignored) || !read_u16(m, &len) ||
	    m->all.len - m->at < len)
		return false;
	out->data = m->at;
	out->len = len;
	m->at += len;
	return true;
}

/* An answer, and where its records begin. */
struct section {
	struct message m;
	unsigned records;
	struct name owner; /* whose records are looked at */
	unsigned type;
};

/* The header and the one question, which must be ours. */
static enum zone_result open_answer(struct section *s, const char *name)
{
	unsigned flags, questions, type, class;
	struct name asked;
	struct message *m = &s->m;

	if (m->all.len < HEADER_LEN || !name_of(name, &s->owner))
		return ZONE_MALFORMED;
	m->at = 2;
	(void)(read_u16(m, &flags) && read_u16(m, &questions) &&
	       read_u16(m, &s->records));
	m->at = HEADER_LEN;
	if ((flags & FLAG_RESPONSE) == 0 || (flags & FLAG_OPCODE) != 0 ||
	    (flags & FLAG_TRUNCATED) != 0 || questions != 1)
		return ZONE_MALFORMED;
	if (!read_name(m, &asked) || !read_u16(m, &type) ||
	    !read_u16(m, &class) || !same_name(&asked, &s->owner) ||
	    type != s->type || class != CLASS_IN)
		return ZONE_MALFORMED;
	if ((flags & FLAG_RCODE) == RCODE_NXDOMAIN)
		return ZONE_NONE;
	return (flags & FLAG_RCODE) == 0 ? ZONE_FOUND : ZONE_FAILED;
}

typedef bool record_fn(const struct section *s, const struct record *r,
		       void *arg);

/* Give each record of the owner with this type to fn, which says whether it is
 * well formed. */
static bool each_record(const struct section *s, unsigned type, record_fn *fn,
			void *arg)
{
	struct message m = s->m;
	struct record r;
	unsigned i;

	for (i = 0; i < s->records; i++) {
		if (!read_record(&m, &r))
			return false;
		if (r.type == type && r.class == CLASS_IN &&
		    same_name(&r.owner, &s->owner) && !fn(s, &r, arg))
			return false;
	}
	return true;
}

static bool take_alias(const struct section *s, const struct record *r,
		       void *arg)
{
	struct message m = {s->m.all, r->data};

	return read_name(&m, arg) && m.at == r->data + r->len;
}

/* Go to the end of the chain of aliases. */
static bool follow(struct section *s)
{
	struct name alias;
	int i;

	for (i = 0; i < ALIASES_MAX; i++) {
		alias.len = 0;
		if (!each_record(s, TYPE_CNAME, take_alias, &alias))
			return false;
		if (alias.len == 0)
			return true;
		s->owner = alias;
	}
	return false;
}

static enum zone_result begin(struct section *s, mpp_bytes answer,
			      const char *name, unsigned type)
{
	enum zone_result result;

	memset(s, 0, sizeof(*s));
	s->m.all = answer;
	s->type = type;
	result = open_answer(s, name);
	if (result == ZONE_FOUND && !follow(s))
		return ZONE_MALFORMED;
	return result;
}

/* ---- SRV ---- */

/* With dots; false when a label holds what hosts' names do not, dots too. */
static bool host_text(const struct name *n, char out[ZONE_NAME_TEXT])
{
	size_t at = 0, used = 0, i;

	while (n->p[at] != 0) {
		if (used > 0)
			out[used++] = '.';
		for (i = 1; i <= n->p[at]; i++) {
			if (n->p[at + i] == '.' || n->p[at + i] == ':' ||
			    n->p[at + i] == '[' || n->p[at + i] == 0)
				return false;
			out[used++] = (char)n->p[at + i];
		}
		at += 1 + (size_t)n->p[at];
	}
	out[used] = '\0';
	return true;
}

/* An SRV record names a host; what reads as an address would be taken for one
 * by the resolver. */
static bool is_host(const char *text)
{
	const mpp_bytes name = {(const uint8_t *)text, strlen(text)};
	struct loop_endpoint ignored;
	struct in_addr v4;

	return inet_pton(AF_INET, text, &v4) != 1 &&
	       loop_endpoint_wrong(name, &ignored) == NULL;
}

static bool is_root(const struct name *n)
{
	return n->len == 1;
}

struct srv_arg {
	struct zone_services *out;
	bool too_many;
};

static bool take_srv(const struct section *s, const struct record *r, void *arg)
{
	struct srv_arg *a = arg;
	struct message m = {s->m.all, r->data};
	unsigned priority, weight, port;
	struct zone_srv *srv = &a->out->list[a->out->n];
	struct name target;

	if (r->len < 7 || !read_u16(&m, &priority) || !read_u16(&m, &weight) ||
	    !read_u16(&m, &port) || !read_name(&m, &target) ||
	    m.at != r->data + r->len)
		return false;
	if (a->out->n + a->out->skipped >= ZONE_RECORDS_MAX) {
		a->too_many = true;
		return true;
	}
	srv->priority = (uint16_t)priority;
	srv->weight = (uint16_t)weight;
	srv->at.port = (uint16_t)port;
	if (is_root(&target)) {
		srv->at.host[0] = '\0';
		a->out->n++;
	} else if (port != 0 && host_text(&target, srv->at.host) &&
		   is_host(srv->at.host)) {
		a->out->n++;
	} else {
		memset(srv, 0, sizeof(*srv));
		a->out->skipped++;
	}
	return true;
}

enum zone_result zone_read_srv(mpp_bytes answer, const char *name,
			       struct zone_services *out)
{
	struct srv_arg a = {out, false};
	struct section s;
	enum zone_result result = begin(&s, answer, name, TYPE_SRV);

	memset(out, 0, sizeof(*out));
	if (result == ZONE_FOUND && !each_record(&s, TYPE_SRV, take_srv, &a))
		result = ZONE_MALFORMED;
	if (result == ZONE_FOUND && a.too_many)
		result = ZONE_TOO_MANY;
	if (result == ZONE_FOUND && out->n + out->skipped == 0)
		result = ZONE_NONE;
	if (result != ZONE_FOUND)
		memset(out, 0, sizeof(*out));
	return result;
}

/* ---- TXT ---- */

static void take_pin(struct zone_text *out, mpp_bytes value)
{
	const char *wrong = loop_fingerprint_wrong(value);
	size_t i;

	if (wrong == NULL && value.len >= MPP_UDF_TEXT_MAX)
		wrong = "the fingerprint is too long";
	for (i = 0; wrong == NULL && i < out->n_pins; i++) {
		if (strlen(out->pins[i]) == value.len &&
		    memcmp(out->pins[i], value.p, value.len) == 0)
			return;
	}
	if (wrong == NULL && out->n_pins == MPP_PINS_MAX)
		wrong = "it has more than 4 fingerprints";
	if (wrong != NULL)
		out->wrong = wrong;
	else
		memcpy(out->pins[out->n_pins++], value.p, value.len);
}

/* A path of RFC 3986, without query or fragment. */
static bool is_path(mpp_bytes v)
{
	size_t i;

	if (v.len == 0 || v.len > ZONE_PATH_MAX || v.p[0] != '/')
		return false;
	for (i = 0; i < v.len; i++) {
		if (v.p[i] <= ' ' || v.p[i] >= 0x7f ||
		    strchr("?#\"<>\\^`{|}", v.p[i]) != NULL)
			return false;
	}
	return true;
}

static void take_path(struct zone_text *out, mpp_bytes value)
{
	if (!is_path(value) || (out->path[0] != '\0' &&
				(strlen(out->path) != value.len ||
				 memcmp(out->path, value.p, value.len) != 0)))
		out->wrong = "path is not one path of up to 127 characters";
	else
		memcpy(out->path, value.p, value.len);
}

static void take_pair(struct zone_text *out, mpp_bytes pair)
{
	const uint8_t *mark = pair.len == 0 ? NULL
					    : memchr(pair.p, '=', pair.len);
	mpp_bytes value;
	size_t key;

	if (mark == NULL)
		return;
	key = (size_t)(mark - pair.p);
	value = (mpp_bytes){mark + 1, pair.len - key - 1};
	if (key == 3 && strncasecmp((const char *)pair.p, "udf", key) == 0)
		take_pin(out, value);
	else if (key == 4 &&
		 strncasecmp((const char *)pair.p, "path", key) == 0)
		take_path(out, value);
}

/* One string: a pair (RFC 6763), or several with spaces between, as
 * draft-hallambaker-web-service-discovery has it. */
static void take_string(struct zone_text *out, mpp_bytes string)
{
	size_t from = 0, to;

	while (from < string.len) {
		to = from;
		while (to < string.len && string.p[to] != ' ')
			to++;
		take_pair(out, (mpp_bytes){string.p + from, to - from});
		from = to + 1;
	}
}

struct txt_arg {
	struct zone_text *out;
	size_t n;
};

static bool take_txt(const struct section *s, const struct record *r, void *arg)
{
	struct rd rd = rd_init((mpp_bytes){s->m.all.p + r->data, r->len});
	struct txt_arg *a = arg;

	a->n++;
	while (rd.left > 0)
		take_string(a->out, rd_slice(&rd, rd_u8(&rd)));
	return rd.err == MPP_OK;
}

enum zone_result zone_read_txt(mpp_bytes answer, const char *name,
			       struct zone_text *out)
{
	struct txt_arg a = {out, 0};
	struct section s;
	enum zone_result result = begin(&s, answer, name, TYPE_TXT);

	memset(out, 0, sizeof(*out));
	if (result == ZONE_FOUND && !each_record(&s, TYPE_TXT, take_txt, &a))
		result = ZONE_MALFORMED;
	if (result == ZONE_FOUND && a.n == 0)
		result = ZONE_NONE;
	if (result != ZONE_FOUND)
		memset(out, 0, sizeof(*out));
	return result;
}

/* ---- the order ---- */

static uint16_t lowest_priority(const struct zone_services *s)
{
	uint16_t least = UINT16_MAX;
	size_t i;

	for (i = 0; i < s->n; i++) {
		if (s->list[i].priority < least)
			least = s->list[i].priority;
	}
	return least;
}

/* RFC 2782: those of weight 0 first, then the first whose running sum is not
 * less than a number from 0 to the whole sum. */
static size_t draw_one(const struct zone_services *s, uint16_t priority,
		       uint32_t draw)
{
	uint64_t whole = 0, sum = 0, mark;
	size_t i, last = 0;
	int pass;

	for (i = 0; i < s->n; i++) {
		if (s->list[i].priority == priority)
			whole += s->list[i].weight;
	}
	mark = draw * (whole + 1) >> 32;
	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < s->n; i++) {
			const struct zone_srv *srv = &s->list[i];

			if (srv->priority != priority ||
			    (srv->weight != 0) != (pass == 1))
				continue;
			last = i;
			sum += srv->weight;
			if (sum >= mark)
				return i;
		}
	}
	return last;
}

size_t zone_order(struct zone_services *s,
		  const uint32_t draws[ZONE_TARGETS_MAX],
		  struct zone_srv out[ZONE_TARGETS_MAX])
{
	size_t n = 0, i;

	for (i = 0; i < s->n;) {
		if (s->list[i].at.host[0] != '\0')
			i++;
		else
			s->list[i] = s->list[--s->n];
	}
	while (s->n > 0 && n < ZONE_TARGETS_MAX) {
		i = draw_one(s, lowest_priority(s), draws[n]);
		out[n++] = s->list[i];
		for (s->n--; i < s->n; i++)
			s->list[i] = s->list[i + 1];
	}
	return n;
}
