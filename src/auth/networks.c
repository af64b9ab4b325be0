/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/networks.h"

#include "net/network.h"

void
auth_networks_check(
    const struct conf_report *report, const char *option, const struct conf_list *list)
{
	struct net_network network;

	for (size_t i = 0; i < list->n; i++) {
		const char *why = net_network_parse(list->items[i], &network);

		if (why != NULL)
			conf_report_item(report, option, i, "%s", why);
	}
}
