/* SPDX-License-Identifier: Apache-2.0 */
#ifndef APP_ASK_H
#define APP_ASK_H
/* Has a request carried out: by the server that runs, else here on the store itself. */
#include "app/args.h"
#include "base/buf.h"

/* Prints what comes back.  wire is wiped.  Gives the exit code. */
int ask(const struct args *args, struct buf *wire);
/* The same with the text in out instead of printed, when it was done. */
int ask_quiet(const struct args *args, struct buf *wire, struct buf *out);
#endif
