/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H
#define PROGRAM_VERSION TURNSTONE_VERSION /* from meson.build */
#endif
