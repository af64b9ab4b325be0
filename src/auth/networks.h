/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_NETWORKS_H
#define AUTH_NETWORKS_H
/* Options whose values are lists of addresses and networks (net/network.h). */
#include "conf/conf.h"

/* For checks of option tables: reports each item that is neither, with its line. */
void auth_networks_check(
    const struct conf_report *report, const char *option, const struct conf_list *list);
#endif
