/* SPDX-License-Identifier: Apache-2.0 */
/* The table for imap_registry_build(). */
#include "imap/ext/list.h"

const struct imap_ext *const imap_all_extensions[] = {
#define EXT(name) &imap_ext_##name,
    IMAP_EXTENSIONS(EXT)
#undef EXT
};
const size_t imap_all_extensions_count = sizeof(imap_all_extensions) / sizeof(*imap_all_extensions);
