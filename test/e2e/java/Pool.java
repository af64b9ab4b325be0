// SPDX-License-Identifier: Apache-2.0
// usage: [-Dcompress=true] Pool PORT ADMIN PASSWORD ROUNDS USER...
// JavaMail's pool of one IMAPStore, in which the user that the administrator acts for changes. Opens
// each user's INBOX in turn and prints what is in it; one line "USER COUNT SUBJECT".  With compress, it
// asks for COMPRESS=DEFLATE, and prints "USER lost" where its connection was closed.
import com.sun.mail.imap.IMAPStore;
import java.util.Properties;
import javax.mail.Folder;
import javax.mail.MessagingException;
import javax.mail.Session;

class Pool {
    public static void main(String[] args) throws Exception {
        int rounds = Integer.parseInt(args[3]);
        Properties p = new Properties();
        p.setProperty("mail.imap.host", "127.0.0.1");
        p.setProperty("mail.imap.port", args[0]);
        p.setProperty("mail.imap.timeout", "60000");
        p.setProperty("mail.imap.connectionpoolsize", "2");
        p.setProperty("mail.imap.proxyauth.user", args[4]);
        p.setProperty("mail.imap.compress.enable", System.getProperty("compress", "false"));
        Session session = Session.getInstance(p);
        IMAPStore store = (IMAPStore) session.getStore("imap");
        store.connect(args[1], args[2]);
        System.out.println("pool " + store.hasCapability("X-UNAUTHENTICATE"));
        for (int r = 0; r < rounds; r++)
            for (int i = 4; i < args.length; i++) {
                store.setProxyAuthUser(args[i]);
                try {
                    Folder f = store.getFolder("INBOX");
                    f.open(Folder.READ_WRITE);
                    int n = f.getMessageCount();
                    System.out.println(args[i] + " " + n + " " + f.getMessage(n).getSubject());
                    f.close(false);
                } catch (MessagingException e) {
                    if (!Boolean.getBoolean("compress"))
                        throw e;
                    System.out.println(args[i] + " lost");
                }
            }
        store.close();
    }
}
