/* SPDX-License-Identifier: MIT */
/* minters.c - see minters.h. */
#include "mppd/minters.h"

#include <string.h>
#include <sysexits.h>

#include "base/mem.h"
#include "host/keyfile.h"

static mpp_err fail_twice(const char *a, const char *b, struct fault *f)
{
	return fault_set(f, MPP_ERR_EXISTS, EX_CONFIG,
			 "[token-key %s] and %s have the same id: make another "
			 "key with mppctl token key",
			 a, b);
}

static mpp_err check_id(const struct minters *m, const struct conf *c,
			struct fault *f)
{
	const uint8_t *id = m->keys[m->n].id;
	size_t i;

	for (i = 0; i < m->n; i++) {
		if (memcmp(m->keys[i].id, id, MPP_TOKEN_KEY_ID_LEN) == 0)
			return fail_twice(c->token_keys[m->n].name,
					  c->token_keys[i].name, f);
	}
	return MPP_OK;
}

mpp_err minters_load(const struct conf *c, struct minters *out, struct fault *f)
{
	mpp_err err = MPP_OK;

	for (out->n = 0; out->n < c->n_token_keys; out->n++) {
		err = keyfile_token_load(c->token_keys[out->n].file.s,
					 &out->keys[out->n], f);
		if (err == MPP_OK)
			err = check_id(out, c, f);
		if (err != MPP_OK)
			break;
	}
	if (err != MPP_OK)
		mem_wipe(out, sizeof(*out));
	return err;
}

mpp_err minters_add(const struct minters *m, const struct conf *c,
		    mpp_service *s, struct fault *f)
{
	mpp_err err = MPP_OK;
	size_t i;

	for (i = 0; i < m->n && err == MPP_OK; i++) {
		const struct conf_token_key *k = &c->token_keys[i];
		mpp_token_minter minter = {
			.key = m->keys[i],
			.accounts = {(const uint8_t *)k->accounts,
				     strlen(k->accounts)},
			.rights = (unsigned)k->rights,
			.life_s = (uint32_t)(k->life_ms / 1000),
		};

		err = mpp_service_minter_add(s, &minter);
		mem_wipe(&minter, sizeof(minter));
		if (err == MPP_ERR_EXISTS)
			return fail_twice(k->name, "the service's own", f);
		if (err != MPP_OK)
			return fault_set(f, err, EX_CONFIG,
					 "[token-key %s] cannot be used: %s",
					 k->name, mpp_err_text(err));
	}
	return err;
}
