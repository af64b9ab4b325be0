/* SPDX-License-Identifier: Apache-2.0 */
/* Examples for all commands. */
#include "cli/examples.h"

#include <stddef.h>

const struct example examples[] = {
    {"version", "Which version is this?", "turnstone version"},
    {"config defaults", "A file with every option, to start from.",
        "turnstone config defaults > turnstone.conf.sample"},
    {"config check", "Before a start or a reload: is the configuration valid?",
        "turnstone config check"},
    {"config show", "The settings in force, without comments.", "turnstone config show"},
    {"domain-help", "What to publish in the DNS of a new domain.",
        "turnstone domain-help example.org --host mail.example.org --address 203.0.113.25"},
    {"domain-help", "The file that configures Thunderbird.",
        "turnstone domain-help example.org --host mail.example.org --autoconfig > "
        "config-v1.1.xml"},
    {"demo-site", "A folder with users and mail to try things out.",
        "turnstone demo-site site --users 10"},
    {"user add", "A user; the password is asked for.", "turnstone user add alice"},
    {"user add", "The same in a script.", "turnstone user add bob --password-file password.txt"},
    {"user add", "A webmail that may act for everyone in a domain.",
        "turnstone user add webmail --password-file password.txt --acts-for '*@example.org'"},
    {"passwd", "A hash for --hash, or for a passwd-file.",
        "turnstone passwd --scheme bcrypt --cost 10 --password-file password.txt"},
    {"user bulk", "A hundred users for a test: test0001 to test0100.",
        "turnstone user bulk --prefix test --to 100 --password-file password.txt"},
    {"user list", "All users, for a program.", "turnstone user list --json"},
    {"user show", "What is known about one.", "turnstone user show alice"},
    {"user passwd", "A new password.", "turnstone user passwd bob --password-file password.txt"},
    {"serve", "The server in the foreground; it writes a file when it is ready.",
        "turnstone serve --ready-file ports.env"},
    {"status", "How is it?", "turnstone status"},
    {"status", "Every figure, for a program.", "turnstone status --json"},
    {"reload", "After a change to the configuration, or with a new certificate.",
        "turnstone reload"},
    {"who", "Who is there?", "turnstone who"},
    {"who", "Who has the most connections?", "turnstone who --by address"},
    {"mailbox create", "A mailbox that alice is subscribed to.",
        "turnstone mailbox create Projects/2027 --user alice --subscribe"},
    {"mailbox list", "Her mailboxes.", "turnstone mailbox list --user alice"},
    {"mailbox status", "How much is in one?", "turnstone mailbox status INBOX --user alice"},
    {"quota set", "Alice may keep 10 GiB.", "turnstone quota set alice --storage 10G"},
    {"quota set", "Of these, 2,000 messages in one mailbox.",
        "turnstone quota set alice --mailbox Projects/2027 --messages 2000"},
    {"quota show", "Her limits, and what she uses.", "turnstone quota show alice"},
    {"quota list", "Who has used 80 percent of a limit, or more?",
        "turnstone quota list --over 80"},
    {"quota remove", "What the configuration says applies to her again.",
        "turnstone quota remove alice"},
    {"quota remove", "The mailbox has no limits of its own any more.",
        "turnstone quota remove alice --mailbox Projects/2027"},
    {"alias add", "Mail for sales goes to two users.", "turnstone alias add sales alice bob"},
    {"alias add", "Mail for unknown names in a domain goes to alice.",
        "turnstone alias add @example.org alice"},
    {"alias list", "All aliases.", "turnstone alias list"},
    {"alias remove", "One less.", "turnstone alias remove sales"},
    {"grant add", "A gateway may read one mailbox of some users, from its own network.",
        "turnstone grant add webmail --for 'test*' --mailboxes INBOX --read-only --from "
        "10.0.0.0/8 --name readers"},
    {"grant list", "All grants, in the order in which they are checked.", "turnstone grant list"},
    {"grant explain", "May it, from there, and by which grant?",
        "turnstone grant explain webmail test0001 --from 10.1.2.3"},
    {"grant remove", "By its name, which `grant list` shows.", "turnstone grant remove readers"},
    {"export maildir", "All of alice's mail as a Maildir.",
        "turnstone export maildir Maildir --user alice"},
    {"export mbox", "The same as mbox files.", "turnstone export mbox mbox --user alice"},
    {"import maildir", "A Maildir, below a mailbox of bob's.",
        "turnstone import maildir Maildir --user bob --mailbox 'From alice'"},
    {"import mbox", "A folder of mbox files.",
        "turnstone import mbox mbox --user bob --mailbox Old"},
    {"backup", "Everything into a folder; run daily, it writes only what is new.",
        "turnstone backup saved"},
    {"backup list", "The existing runs.", "turnstone backup list saved"},
    {"backup verify", "Is every byte intact?", "turnstone backup verify saved"},
    {"backup prune", "The last thirty runs are enough.", "turnstone backup prune saved --keep 30"},
    {"restore", "Alice's mail as it was, alongside what she has now.",
        "turnstone restore saved --user alice --into Restored"},
    {"mailbox delete", "With everything in it.",
        "turnstone mailbox delete Projects/2027 --user alice"},
    {"mailbox fsck", "Check one mailbox for damage.", "turnstone mailbox fsck INBOX --user alice"},
    {"check", "The whole store, without the bytes of messages.", "turnstone check --quick"},
    {"kick", "End alice's connections; she may log in again.", "turnstone kick alice"},
    {"user disable", "From now on she may not log in.", "turnstone user disable alice"},
    {"user enable", "Now she may again.", "turnstone user enable alice"},
    {"user delete", "Delete bob and his mail.", "turnstone user delete bob --purge"},
    {"stop", "Stop the server and wait for it to end.", "turnstone stop"},
    {NULL, NULL, NULL},
};

const char examples_conf[] =
    "A server for the users of one domain. Mail arrives by LMTP from this machine only, and a "
    "webmail\non the host 10.0.0.5 may act for everyone, reusing its connections for one user "
    "after another:\n\n  default_domain = example.org\n  server.data = /var/lib/turnstone\n  tls "
    "{\n    certificate = /etc/turnstone/cert.pem\n    key = /etc/turnstone/key.pem\n  }\n  "
    "listener imap { port = 143; tls = starttls }\n  listener imaps { port = 993; tls = imaps }\n  "
    "listener lmtp { protocol = lmtp; address = 127.0.0.1; port = 10024 }\n  grant webmail { who = "
    "webmail; for = \"*@example.org\"; from = [10.0.0.5] }\n  limits.append = 64M\n";
