# SPDX-License-Identifier: Apache-2.0
"""An LDAP directory on loopback for tests: slapd in a folder of its own, with TLS."""
import os
import pathlib
import signal
import subprocess
import time

from ca import Authority
from peer import connect, free_port
from server import wait_for

SLAPD = "/usr/sbin/slapd"
SUFFIX = "dc=site,dc=example"
SERVICE = f"cn=service,{SUFFIX}"
SECRET = "of the service"
# Its certificate is for the first name.
ADDRESSES = ("127.0.0.1", "127.0.0.2")

CONF = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile {dir}/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCACertificateFile {ca}
TLSCertificateFile {cert}
TLSCertificateKeyFile {key}
database mdb
suffix "{suffix}"
rootdn "cn=root,{suffix}"
rootpw "of root"
directory {dir}/db
access to attrs=userPassword by dn.exact="{service}" read by anonymous auth by * none
access to * by dn.exact="{service}" read by * none
"""


class Directory:
    def __init__(self, folder):
        self.dir = os.path.join(folder, "ldap")
        os.makedirs(self.dir + "/db")
        self.authority = Authority(self.dir + "/ca", "Directory CA")
        cert, key = self.authority.issue("directory", alt="IP:127.0.0.1", usage="serverAuth")
        with open(self.dir + "/slapd.conf", "w", encoding="utf-8") as f:
            f.write(CONF.format(dir=self.dir, ca=self.authority.ca, cert=cert, key=key, suffix=SUFFIX, service=SERVICE))
        with open(self.dir + "/secret", "w", encoding="utf-8") as f:
            f.write(SECRET + "\n")
        self.port, self.tls_port = free_port(), free_port()
        self.process = None
        self.entry(SUFFIX, objectClass=["organization", "dcObject"], o="Site", dc="site")
        self.entry(SERVICE, objectClass=["organizationalRole", "simpleSecurityObject"], cn="service",
                   userPassword=SECRET)
        self.start()

    @property
    def uri(self):
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def tls_uri(self):
        return f"ldaps://127.0.0.1:{self.tls_port}"

    def entry(self, dn, **attributes):
        """Adds an entry; before the first start with slapadd."""
        lines = [f"dn: {dn}"]
        for name, values in attributes.items():
            lines += [f"{name}: {v}" for v in (values if isinstance(values, list) else [values])]
        text = "\n".join(lines) + "\n"
        if self.process is None:
            self.run(["/usr/sbin/slapadd", "-f", self.dir + "/slapd.conf"], text)
        else:
            self.run(["ldapadd", *self.root()], text)

    def person(self, uid, password, **more):
        self.entry(f"uid={uid},{SUFFIX}", objectClass="inetOrgPerson", uid=uid, cn=uid, sn=uid, userPassword=password,
                   **more)

    def modify(self, dn, name, value):
        self.run(["ldapmodify", *self.root()], f"dn: {dn}\nchangetype: modify\nreplace: {name}\n{name}: {value}\n")

    def delete(self, uid):
        self.run(["ldapdelete", *self.root(), f"uid={uid},{SUFFIX}"])

    def search(self, text):
        """The output of ldapsearch, bound as the service."""
        return self.run(["ldapsearch", "-LLL", "-x", "-H", self.uri, "-D", SERVICE, "-w", SECRET, "-b", SUFFIX, text])

    def root(self):
        return ["-x", "-H", self.uri, "-D", f"cn=root,{SUFFIX}", "-w", "of root"]

    def run(self, command, text=""):
        done = subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=60, check=False, env={**os.environ, "LDAPNOINIT": "1"})
        assert done.returncode == 0, (command, done.stdout)
        return done.stdout

    def start(self):
        with open(self.dir + "/log", "ab") as log:
            # -d: stays in the foreground.
            self.process = subprocess.Popen(
                [SLAPD, "-f", self.dir + "/slapd.conf", "-d", "256", "-h",
                 " ".join(f"ldap://{a}:{self.port} ldaps://{a}:{self.tls_port}" for a in ADDRESSES)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        while True:
            assert self.process.poll() is None, self.log()
            try:
                connect(self.tls_port).close()
                return self
            except OSError:
                time.sleep(0.02)

    def log(self):
        with open(self.dir + "/log", encoding="utf-8", errors="replace") as f:
            return f.read()

    def pause(self):
        """It accepts connections, but does not answer."""
        self.process.send_signal(signal.SIGSTOP)
        # Its threads stop one by one, some time after the signal: until then they answer.
        wait_for(lambda: all(state == "T" for state in self.states()))

    def states(self):
        """Of all its threads (proc(5): stat, behind the name in parentheses)."""
        try:
            tasks = pathlib.Path("/proc", str(self.process.pid), "task").iterdir()
            return [(task / "stat").read_text().rpartition(")")[2].split()[0] for task in tasks]
        except (FileNotFoundError, ProcessLookupError):  # one has just ended
            return [""]

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        self.process.wait(30)
