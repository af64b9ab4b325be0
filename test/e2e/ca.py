# SPDX-License-Identifier: Apache-2.0
"""A certificate authority for tests, made with the openssl program: certificates, revocation lists, OCSP
responses."""
import os
import subprocess
import time

CONF = """\
[ca]
default_ca = d
[d]
dir = {dir}
database = {dir}/index.txt
new_certs_dir = {dir}
certificate = {dir}/ca.pem
private_key = {dir}/ca.key
serial = {dir}/serial
crlnumber = {dir}/crlnumber
default_md = sha256
default_days = 30
default_crl_days = 30
policy = p
unique_subject = no
copy_extensions = copy
x509_extensions = leaf
[p]
commonName = supplied
organizationName = optional
emailAddress = optional
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
authorityKeyIdentifier = keyid
[sub]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[req]
distinguished_name = dn
[dn]
"""


def stamp(seconds):
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(seconds))


def self_signed(cert, key, name="localhost", *more, kind=("ec", "-pkeyopt", "ec_paramgen_curve:P-256")):
    """A certificate and its key; more: options of `openssl req`."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", *kind, *(more or ["-nodes"]), "-subj", f"/CN={name}", "-days", "2",
                    "-keyout", key, "-out", cert], check=True, capture_output=True, timeout=60)


class Authority:
    def __init__(self, folder, name="Test CA"):
        self.dir = folder
        os.makedirs(folder)
        for file, text in (("index.txt", ""), ("serial", "1000\n"), ("crlnumber", "01\n"),
                           ("ca.cnf", CONF.format(dir=folder))):
            with open(self.path(file), "w", encoding="ascii") as f:
                f.write(text)
        self.key("ca.key")
        self.run("req", "-new", "-x509", "-config", self.path("ca.cnf"), "-key", self.path("ca.key"), "-days", "30",
                 "-subj", f"/CN={name}", "-out", self.path("ca.pem"), "-extensions", "sub")

    def path(self, name):
        return os.path.join(self.dir, name)

    @property
    def ca(self):
        return self.path("ca.pem")

    @staticmethod
    def run(*args):
        done = subprocess.run(["openssl", *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
        assert done.returncode == 0, (args, done.stdout)
        return done.stdout

    def key(self, name):
        self.run("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.path(name))

    def issue(self, name, subject=None, alt="", usage="clientAuth", start=None, end=None, sub=False):
        """NAME.pem, NAME.key; subject: "/CN=…" (CN=NAME); start, end: seconds since 1970."""
        self.key(name + ".key")
        request = ["req", "-new", "-config", self.path("ca.cnf"), "-key", self.path(name + ".key"), "-subj",
                   subject or f"/CN={name}", "-out", self.path(name + ".csr")]
        if alt:
            request += ["-addext", f"subjectAltName={alt}"]
        if usage and not sub:
            request += ["-addext", f"extendedKeyUsage={usage}"]
        self.run(*request)
        now = time.time()
        self.run("ca", "-batch", "-notext", "-config", self.path("ca.cnf"), "-in", self.path(name + ".csr"), "-out",
                 self.path(name + ".pem"), "-startdate", stamp(now - 3600 if start is None else start), "-enddate",
                 stamp(now + 86400 if end is None else end), *(["-extensions", "sub"] if sub else []))
        return self.path(name + ".pem"), self.path(name + ".key")

    def revoke(self, name):
        self.run("ca", "-config", self.path("ca.cnf"), "-revoke", self.path(name + ".pem"))

    def crl(self, out="crl.pem"):
        self.run("ca", "-config", self.path("ca.cnf"), "-gencrl", "-out", self.path(out + ".new"))
        os.rename(self.path(out + ".new"), self.path(out))
        return self.path(out)

    def ocsp(self, name, out, signer=None, *more):
        """A response for NAME.pem, signed by the CA or by SIGNER.pem."""
        by = self.path(signer) if signer else self.path("ca")
        self.run("ocsp", "-issuer", self.ca, "-cert", self.path(name + ".pem"), "-no_nonce", "-reqout",
                 self.path(out + ".req"))
        self.run("ocsp", "-index", self.path("index.txt"), "-CA", self.ca, "-rsigner", by + ".pem", "-rkey",
                 by + ".key", "-reqin", self.path(out + ".req"), "-respout", self.path(out), *more)
        return self.path(out)
