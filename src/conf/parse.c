/* SPDX-License-Identifier: MIT */
/* parse.c - reading the file. Contract: conf.h.
 *
 * libinih takes the lines apart; but it does not say on which line it is, cuts
 * what is long, joins indented lines, takes ':' for '=', and drops what stands
 * behind " ;" or ']'. So each line is judged here first, on its way to it, and
 * only lines on which there are no two opinions get there. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "conf/alternate.h"
#include "conf/resolver.h"
#include "conf/tokenkey.h"
#include "jsonbcd/utf8.h"

enum { NAME_MAX_LEN = 40 }; /* libinih cuts names at 49 */

struct parsing {
	const char *name;
	mpp_bytes left;
	unsigned line;
	bool failed;
	struct conf conf;
	/* Where each token key begins, and its items stand; 0: nowhere. */
	unsigned key_line[MPP_TOKEN_MINTERS_MAX];
	unsigned key_items[MPP_TOKEN_MINTERS_MAX][TOKEN_KEY_ITEMS];
	struct fault *fault;
};

static bool fail(struct parsing *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* @return false, for the callers that say so in turn */
static bool fail(struct parsing *p, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	(void)fault_set(p->fault, MPP_ERR_SYNTAX, EX_CONFIG, "%.200s:%u: %s",
			p->name, p->line, text);
	p->failed = true;
	return false;
}

/* ---- lines ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool check_characters(struct parsing *p, mpp_bytes line)
{
	struct utf8 u = {0, 0, 0};
	size_t i;

	for (i = 0; i < line.len; i++) {
		const uint8_t c = line.p[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return fail(p,
				    "control character 0x%02x; only text is "
				    "allowed",
				    c);
		if (!utf8_feed(&u, c))
			break;
	}
	if (i < line.len || u.more != 0)
		return fail(p, "not UTF-8; save the file as UTF-8");
	if (line.len >= 3 && memcmp(line.p, "\xef\xbb\xbf", 3) == 0)
		return fail(p, "a byte order mark; save the file without one");
	return true;
}

/* Cut the next line off, without its end. */
static bool take_line(struct parsing *p, mpp_bytes *out)
{
	const uint8_t *end;

	if (p->left.len == 0)
		return false;
	p->line++;
	end = memchr(p->left.p, '\n', p->left.len);
	out->p = p->left.p;
	out->len = end != NULL ? (size_t)(end - p->left.p) : p->left.len;
	p->left.p += out->len + (end != NULL);
	p->left.len -= out->len + (end != NULL);
	if (out->len > 0 && out->p[out->len - 1] == '\r')
		out->len--;
	return true;
}

static bool known_section(const char *name, size_t n)
{
	size_t i;

	for (i = 0; i < CONF_ITEMS; i++) {
		if (strlen(conf_rows[i].section) == n &&
		    memcmp(conf_rows[i].section, name, n) == 0)
			return true;
	}
	return false;
}

/* A section without items is one too: its key has no file then. */
static bool check_token_key(struct parsing *p, const char *name)
{
	char why[CONF_WHY];
	const int key = token_key_open(&p->conf, name, why);

	if (key < 0)
		return fail(p, "[token-key %s]; %s", name, why);
	if (p->key_line[key] == 0)
		p->key_line[key] = p->line;
	return true;
}

/* "[service], [limits] ..." */
static void list_sections(char *out, size_t cap)
{
	const char *section = "";
	size_t i, n = 0;

	out[0] = '\0';
	for (i = 0; i < CONF_ITEMS && n < cap; i++) {
		if (strcmp(section, conf_rows[i].section) == 0)
			continue;
		section = conf_rows[i].section;
		n += (size_t)snprintf(out + n, cap - n, "%s[%s]",
				      n == 0 ? "" : ", ", section);
	}
}

static bool check_section(struct parsing *p, const char *line)
{
	const size_t n = strlen(line);
	char section[CONF_LINE + 1], sections[128];
	const char *name;

	if (n < 2 || line[n - 1] != ']')
		return fail(p, "%s; a section stands alone as [name]", line);
	memcpy(section, line + 1, n - 2);
	section[n - 2] = '\0';
	if ((name = token_key_section(section)) != NULL)
		return check_token_key(p, name);
	if (known_section(section, n - 2))
		return true;
	list_sections(sections, sizeof(sections));
	return fail(p,
		    "unknown section %s; %s are allowed, and [token-key NAME]",
		    line, sections);
}

static bool check_value(struct parsing *p, const char *value)
{
	size_t i;

	if (value[strspn(value, " \t")] == '\0')
		return fail(p, "nothing behind '='; leave the line out for "
			       "the default");
	for (i = 0; value[i] != '\0'; i++) {
		if ((i == 0 || is_blank(value[i - 1])) &&
		    (value[i] == ';' || value[i] == '#'))
			return fail(p, "%s; a comment needs a line of its own",
				    value + i);
	}
	return true;
}

static bool check_item(struct parsing *p, const char *line)
{
	const char *equals = strchr(line, '=');
	size_t n;

	if (equals == NULL)
		return fail(p, "no '=' in \"%s\"; name = value is allowed",
			    line);
	n = (size_t)(equals - line);
	while (n > 0 && is_blank(line[n - 1]))
		n--;
	if (n == 0)
		return fail(p, "no name before '='; name = value is allowed");
	if (n > NAME_MAX_LEN || memchr(line, ':', n) != NULL)
		return fail(p, "unknown item %.*s; see mppd --check-config",
			    (int)n, line);
	return check_value(p, equals + 1);
}

/* The line, trimmed, in str; empty for a comment. */
static bool judge(struct parsing *p, mpp_bytes line, char *str, size_t cap)
{
	if (line.len > CONF_LINE || line.len + 2 > cap)
		return fail(p, "a line of %zu octets; at most %d are allowed",
			    line.len, CONF_LINE);
	if (!check_characters(p, line))
		return false;
	while (line.len > 0 && is_blank((char)line.p[line.len - 1]))
		line.len--;
	for (; line.len > 0 && is_blank((char)line.p[0]); line.p++)
		line.len--;
	if (line.len > 0)
		memcpy(str, line.p, line.len);
	str[line.len] = '\0';
	if (str[0] == '\0' || str[0] == '#' || str[0] == ';')
		str[0] = '\0';
	else if (str[0] == '[')
		return check_section(p, str);
	else
		return check_item(p, str);
	return true;
}

/* What libinih calls for each line; as fgets(3). */
static char *read_line(char *str, int num, void *stream)
{
	struct parsing *p = stream;
	mpp_bytes line;
	size_t n;

	if (num < 2 || p->failed || !take_line(p, &line) ||
	    !judge(p, line, str, (size_t)num))
		return NULL;
	n = strlen(str);
	str[n] = '\n';
	str[n + 1] = '\0';
	return str;
}

/* ---- items ---- */

static const struct conf_row *find(const char *section, const char *name)
{
	size_t i;

	for (i = 0; i < CONF_ITEMS; i++) {
		if ((section == NULL ||
		     strcmp(conf_rows[i].section, section) == 0) &&
		    strcmp(conf_rows[i].name, name) == 0)
			return &conf_rows[i];
	}
	return NULL;
}

static void list_names(const char *section, char *out, size_t cap)
{
	size_t i, n = 0;

	out[0] = '\0';
	for (i = 0; i < CONF_ITEMS && n < cap; i++) {
		if (strcmp(conf_rows[i].section, section) == 0)
			n += (size_t)snprintf(out + n, cap - n, "%s%s",
					      n == 0 ? "" : ", ",
					      conf_rows[i].name);
	}
}

static bool fail_unknown(struct parsing *p, const char *section,
			 const char *name)
{
	const struct conf_row *elsewhere = find(NULL, name);
	char names[320];

	if (elsewhere != NULL)
		return fail(p, "%s stands in [%s]; it belongs into [%s]", name,
			    section, elsewhere->section);
	list_names(section, names, sizeof(names));
	return fail(p, "unknown item %s in [%s]; allowed are %s", name, section,
		    names);
}

static int find_token_item(const char *name)
{
	int i = 0;

	while (i < TOKEN_KEY_ITEMS && strcmp(token_key_items[i], name) != 0)
		i++;
	return i;
}

static bool take_token_item(struct parsing *p, const char *key_name,
			    const char *name, const char *value)
{
	const int item = find_token_item(name);
	char why[CONF_WHY];
	const int key = token_key_open(&p->conf, key_name, why);
	unsigned *line;

	if (item == TOKEN_KEY_ITEMS)
		return fail(p,
			    "unknown item %s in [token-key %s]; allowed are "
			    "file, accounts, rights, life",
			    name, key_name);
	line = &p->key_items[key][item];
	if (*line != 0 && item != TOKEN_KEY_ACCOUNTS)
		return fail(p, "%s again; it stands on line %u already", name,
			    *line);
	if (!token_key_set(&p->conf, key, (enum token_key_item)item, value,
			   why))
		return fail(p, "%s = %s; %s", name, value, why);
	*line = p->line;
	return true;
}

/* What libinih calls for each item. @return 0 when it is wrong */
static int take_item(void *user, const char *section, const char *name,
		     const char *value)
{
	struct parsing *p = user;
	const struct conf_row *row = find(section, name);
	const char *key = token_key_section(section);
	char why[CONF_WHY];
	unsigned *line;

	if (p->failed)
		return 0;
	if (key != NULL)
		return take_token_item(p, key, name, value);
	if (section[0] == '\0')
		return fail(p,
			    "%s stands before any section; one such as "
			    "[service] must come first",
			    name);
	if (row == NULL)
		return fail_unknown(p, section, name);
	line = &p->conf.line[row - conf_rows];
	if (*line != 0)
		return fail(p, "%s again; it stands on line %u already", name,
			    *line);
	if (!conf_value_set(&p->conf, row, value, why))
		return fail(p, "%s = %s; %s", name, value, why);
	*line = p->line;
	return 1;
}

/* ---- rules between items ---- */

static bool check_leases(struct parsing *p)
{
	const struct conf *c = &p->conf;
	const unsigned *l = c->line;

	if (c->lease_min_ms <= c->lease_ms && c->lease_ms <= c->lease_max_ms)
		return true;
	/* The last of them that somebody wrote. */
	p->line = l[CONF_lease_ms];
	if (l[CONF_lease_min_ms] > p->line)
		p->line = l[CONF_lease_min_ms];
	if (l[CONF_lease_max_ms] > p->line)
		p->line = l[CONF_lease_max_ms];
	return fail(p,
		    "lease is %llus with lease-min %llus and lease-max "
		    "%llus; lease-min <= lease <= lease-max is allowed",
		    (unsigned long long)c->lease_ms / 1000,
		    (unsigned long long)c->lease_min_ms / 1000,
		    (unsigned long long)c->lease_max_ms / 1000);
}

static bool check_token_keys(struct parsing *p)
{
	size_t i, k;

	for (i = 0; i < p->conf.n_token_keys; i++) {
		const struct conf_token_key *key = &p->conf.token_keys[i];

		p->line = p->key_line[i];
		if (key->file.s[0] == '\0')
			return fail(p,
				    "[token-key %s] has no file; it must "
				    "have one",
				    key->name);
		for (k = 0; k < i; k++) {
			if (strcmp(key->file.s, p->conf.token_keys[k].file.s) ==
			    0)
				return fail(p,
					    "[token-key %s] has the file of "
					    "[token-key %s]; give each its own",
					    key->name,
					    p->conf.token_keys[k].name);
		}
	}
	return true;
}

static bool is_loopback(const mpp_addr *a)
{
	static const uint8_t v6[16] = {[15] = 1};

	return a->family == 4 ? a->ip[0] == 127
			      : memcmp(a->ip, v6, sizeof(v6)) == 0;
}

/* Keys and devices are protected without TLS, but not who speaks when. */
static bool check_web(struct parsing *p)
{
	const struct conf *c = &p->conf;
	const bool tls = c->web_certificate.s[0] != '\0';
	size_t i;

	if (tls != (c->web_key.s[0] != '\0')) {
		p->line = c->line[tls ? CONF_web_certificate : CONF_web_key];
		return fail(p, "[web] certificate and key go together; say "
			       "both or none");
	}
	for (i = 0; i < c->web_listen.n && !tls && !c->web_behind_proxy; i++) {
		if (is_loopback(&c->web_listen.at[i]))
			continue;
		p->line = c->line[CONF_web_listen];
		return fail(p,
			    "[web] listen beyond this machine without TLS; "
			    "say certificate and key, or behind-proxy = yes");
	}
	return true;
}

static bool check_dns(struct parsing *p)
{
	enum conf_item item;
	const char *wrong = resolver_wrong(&p->conf, &item);

	if (wrong == NULL)
		return true;
	p->line = p->conf.line[item];
	return fail(p, "%s", wrong);
}

static bool check_alternates(struct parsing *p)
{
	const struct conf_addresses *list = &p->conf.alternate;
	char text[ADDR_TEXT];
	struct conf_four four;
	const char *wrong;
	size_t i;

	p->line = p->conf.line[CONF_alternate];
	for (i = 0; i < list->n; i++) {
		wrong = conf_four_wrong(&p->conf, i, &four);
		if (wrong == NULL)
			continue;
		addr_text(&list->at[i], text);
		return fail(p, "alternate %s: %s", text, wrong);
	}
	return true;
}

mpp_err conf_parse(mpp_bytes text, const char *name, struct conf *out,
		   struct fault *f)
{
	struct parsing p = {.name = name, .left = text, .fault = f};
	int bad;

	conf_defaults(&p.conf);
	bad = ini_parse_stream(read_line, &p, take_item, &p);
	if (bad != 0 && !p.failed) {
		p.line = bad > 0 ? (unsigned)bad : p.line;
		(void)fail(&p, "not understood; name = value is allowed");
	}
	if (p.failed || !check_leases(&p) || !check_token_keys(&p) ||
	    !check_dns(&p) || !check_alternates(&p) || !check_web(&p))
		return MPP_ERR_SYNTAX;
	*out = p.conf;
	return MPP_OK;
}

/* ---- files ---- */

static mpp_err fail_file(const char *path, struct fault *f)
{
	const int e = errno;

	return fault_set(f, e == ENOENT ? MPP_ERR_NOTFOUND : MPP_ERR_IO,
			 EX_CONFIG, "cannot read the configuration %.300s: %s",
			 path, strerror(e));
}

static ssize_t slurp(int fd, uint8_t *room, size_t cap)
{
	size_t n = 0;
	ssize_t got = 1;

	while (n < cap && got != 0) {
		got = read(fd, room + n, cap - n);
		if (got < 0 && errno != EINTR)
			return -1;
		if (got > 0)
			n += (size_t)got;
	}
	return (ssize_t)n;
}

static mpp_err load_from(int fd, const char *path, struct conf *out,
			 struct fault *f)
{
	uint8_t *room = malloc(CONF_FILE + 1);
	mpp_err err;
	ssize_t n;

	if (room == NULL)
		return fault_set(f, MPP_ERR_NOMEM, EX_OSERR, "out of memory");
	n = slurp(fd, room, CONF_FILE + 1);
	if (n < 0)
		err = fail_file(path, f);
	else if (n > CONF_FILE)
		err = fault_set(f, MPP_ERR_SYNTAX, EX_CONFIG,
				"%s: longer than %d octets; that is no "
				"configuration of mppd",
				path, CONF_FILE);
	else
		err = conf_parse((mpp_bytes){room, (size_t)n}, path, out, f);
	free(room);
	return err;
}

mpp_err conf_load(const char *path, struct conf *out, struct fault *f)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	mpp_err err;

	if (fd < 0)
		return fail_file(path, f);
	err = load_from(fd, path, out, f);
	(void)close(fd);
	return err;
}

mpp_err conf_check_machine(const struct conf *c, const char *name,
			   struct fault *f)
{
	if (c->control_group.s[0] == '\0' ||
	    getgrnam(c->control_group.s) != NULL)
		return MPP_OK;
	return fault_set(f, MPP_ERR_NOTFOUND, EX_CONFIG,
			 "%.200s:%u: control-group = %s; a group of this "
			 "machine is allowed",
			 name, c->line[CONF_control_group], c->control_group.s);
}
