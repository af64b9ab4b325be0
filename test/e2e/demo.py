# SPDX-License-Identifier: Apache-2.0
"""A demo site made by `./dev up`."""
import os
import shutil
import ssl
import subprocess

from server import SANDBOX, SANDBOX_USER, TOP, Site, ended, wait_for

SHUT_IN = ["--as", SANDBOX_USER] if SANDBOX else []


class Demo(Site):
    """A site whose configuration, users and server are those of `./dev up --background`; in that folder, or a new one."""

    def __init__(self, *options, folder=None):  # pylint: disable=super-init-not-called
        self.make_folder(folder)
        self.site = folder or os.path.join(self.dir, "site")
        if folder is None:
            os.chmod(self.dir, 0o755)  # another user may have to pass
        self.conf = os.path.join(self.site, "turnstone.conf")
        self.logfile = os.path.join(self.site, "server.log")
        self.options = options
        self.env = {}

    def dev(self, *args):
        done = subprocess.run([os.path.join(TOP, "dev"), *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=600, stdin=subprocess.DEVNULL, check=False)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def up(self, *options):
        self.output = self.dev("up", "--dir", self.site, "--background", *SHUT_IN, *self.options, *options)
        self.read_env()
        return self

    def read_env(self):
        with open(os.path.join(self.site, "demo.env"), encoding="ascii") as f:
            self.env = dict(line.rstrip("\n").split("=", 1) for line in f)

    def down(self):
        return self.dev("down", "--dir", self.site)

    def kill(self):
        os.kill(self.pid, 9)
        wait_for(lambda: ended(self.pid))

    def remove(self):
        try:
            self.down()
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)

    def password(self, user):
        return self.env[("USER" if user.startswith("user") else user.upper()) + "_PASSWORD"]

    def port(self, name):
        return int(self.env[name + "_PORT"])

    @property
    def pid(self):
        return int(self.env["PID"])

    def deliveries(self):
        return [self.port("LMTP"), self.env["LMTP_SOCKET"]]

    @property
    def ca(self):
        return self.env["CA_FILE"]

    def context(self):
        return ssl.create_default_context(cafile=self.ca)
