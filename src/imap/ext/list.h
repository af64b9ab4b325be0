/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_EXT_LIST_H
#define IMAP_EXT_LIST_H
/*
 * Every file of imap/cmd and imap/ext, one line each, in the order in which
 * capabilities are shown.  NAME stands for `imap_ext_NAME`.
 */
#include "imap/cmd.h"

#define IMAP_EXTENSIONS(EXT)                                                                       \
	EXT(any)                                                                                   \
	EXT(literal_plus)                                                                          \
	EXT(auth)                                                                                  \
	EXT(namespace)                                                                             \
	EXT(mailbox)                                                                               \
	EXT(special_use)                                                                           \
	EXT(unselect)                                                                              \
	EXT(select)                                                                                \
	EXT(list_extended)                                                                         \
	EXT(list_status)                                                                           \
	EXT(list_myrights)                                                                         \
	EXT(children)                                                                              \
	EXT(status_size)                                                                           \
	EXT(list)                                                                                  \
	EXT(append)                                                                                \
	EXT(append_limit)                                                                          \
	EXT(uidplus)                                                                               \
	EXT(move)                                                                                  \
	EXT(message)                                                                               \
	EXT(binary)                                                                                \
	EXT(fetch)                                                                                 \
	EXT(esearch)                                                                               \
	EXT(searchres)                                                                             \
	EXT(partial)                                                                               \
	EXT(uidbatches)                                                                            \
	EXT(uidonly)                                                                               \
	EXT(within)                                                                                \
	EXT(search)                                                                                \
	EXT(sort)                                                                                  \
	EXT(thread)                                                                                \
	EXT(i18nlevel)                                                                             \
	EXT(utf8)                                                                                  \
	EXT(idle)                                                                                  \
	EXT(id)                                                                                    \
	EXT(savedate)                                                                              \
	EXT(preview)                                                                               \
	EXT(condstore)                                                                             \
	EXT(qresync)                                                                               \
	EXT(objectid)                                                                              \
	EXT(acl)                                                                                   \
	EXT(quota)                                                                                 \
	EXT(x_unauthenticate)                                                                      \
	EXT(compress)                                                                              \
	EXT(enable)                                                                                \
	EXT(proxyauth)                                                                             \
	EXT(unauthenticate)

#define EXT(name) extern const struct imap_ext imap_ext_##name;
IMAP_EXTENSIONS(EXT)
#undef EXT

extern const struct imap_ext *const imap_all_extensions[];
extern const size_t imap_all_extensions_count;
#endif
