/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_LOCKSTEP_SITES_H
#define TEST_LOCKSTEP_SITES_H
/* The two sites: users, mail and configurations, the same for both. */
#include "lockstep.h"
#include "site.h"

struct site_of_user {
	const char *name, *secret;
};

#define SITE_USERS 7
#define SITE_CONFS 4
extern const struct site_of_user site_users[SITE_USERS];
const char *site_secret(const char *user);
struct str site_conf(unsigned which);
/* Users, grants and mail. */
struct site *site_equal(void);
#endif
