# SPDX-License-Identifier: Apache-2.0
"""Thunderbird without a screen, spoken to by Marionette: scripts run with all rights of the program."""
import base64
import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess

from server import wait_for

THUNDERBIRD = shutil.which("thunderbird")
# Nothing that asks a person, and nothing that looks for another machine.
PREFS = {
    "marionette.port": 0, "app.update.enabled": False, "app.update.auto": False, "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False, "extensions.update.enabled": False, "mail.rights.version": 1, "mail.shell.checkDefaultClient": False,
    "mail.provider.enabled": False, "mailnews.start_page.enabled": False, "mailnews.start_page_override.mstone": "ignore",
    "mail.spotlight.firstRunDone": True, "mail.winsearch.firstRunDone": True, "browser.safebrowsing.enabled": False,
    "network.captive-portal-service.enabled": False, "network.connectivity-service.enabled": False, "network.dns.disablePrefetch": True,
    "extensions.getAddons.cache.enabled": False, "services.settings.server": "data:,", "mail.accounthub.enabled": False,
    "mail.inappnotifications.enabled": False, "mail.inappnotifications.url": "", "app.donation.eoy.version": 9999,
    "mail.biff.play_sound": False, "mail.biff.show_alert": False, "mail.chat.enabled": False, "calendar.timezone.useSystemTimezone": True,
    "mailnews.auto_config_url": "", "intl.locale.requested": "en-US",
}


class Thunderbird:
    """One program with a profile of its own in the folder.  It ends with its processes."""

    def __init__(self, folder, **prefs):
        self.folder = pathlib.Path(folder)
        profile = self.folder / "profile"
        profile.mkdir(parents=True)
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in {**PREFS, **prefs}.items()]
        (profile / "user.js").write_text("".join(lines), encoding="utf-8")
        env = dict(os.environ, HOME=str(self.folder), XDG_CONFIG_HOME=str(self.folder), XDG_CACHE_HOME=str(self.folder),
                   MOZ_DISABLE_CONTENT_SANDBOX="1", MOZ_HEADLESS_WIDTH="1400", MOZ_HEADLESS_HEIGHT="900")
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS"):
            env.pop(name, None)
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen([THUNDERBIRD, "--headless", "--marionette", "--remote-allow-system-access", "--no-remote", "--profile", str(profile)],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=env)
        self.number, self.rest, self.socket = 0, b"", None
        try:
            where = profile / "MarionetteActivePort"
            wait_for(lambda: self.lives() and where.exists() and where.read_text().strip(), 120, self.said)
            self.socket = socket.create_connection(("127.0.0.1", int(where.read_text())), 120)
            self.read()
            self.call("WebDriver:NewSession", capabilities={"alwaysMatch": {}})
            self.call("Marionette:SetContext", value="chrome")
            self.call("WebDriver:SetTimeouts", script=120000)
        except BaseException:
            self.close()
            raise

    def said(self):
        return (self.folder / "log").read_text("utf-8", "replace")

    def lives(self):
        assert self.process.poll() is None, self.said()
        return True

    def more(self):
        bytes_ = self.socket.recv(1 << 20)
        assert bytes_, self.said()
        self.rest += bytes_

    def read(self):
        """A message: its length in decimal, a colon, JSON."""
        while b":" not in self.rest:
            self.more()
        head, self.rest = self.rest.split(b":", 1)
        while len(self.rest) < int(head):
            self.more()
        one, self.rest = self.rest[:int(head)], self.rest[int(head):]
        return json.loads(one)

    def call(self, name, **params):
        self.number += 1
        bytes_ = json.dumps([0, self.number, name, params]).encode()
        self.socket.sendall(b"%d:%s" % (len(bytes_), bytes_))
        kind, number, error, result = self.read()
        assert (kind, number) == (1, self.number)
        assert error is None, (name, error)
        return result

    def run(self, script, *args):
        """What the script, the body of an async function, returns."""
        whole = ("const done = arguments[arguments.length - 1];"
                 f"(async (...args) => {{ {script} }})(...arguments)"
                 ".then(value => done({value}), error => done({error: String(error) + (error.stack || '')}));")
        got = self.call("WebDriver:ExecuteAsyncScript", script=whole, args=list(args), sandbox="system", newSandbox=False)["value"]
        assert "error" not in got, got["error"]
        return got.get("value")

    def picture(self, path):
        with open(path, "wb") as f:
            f.write(base64.b64decode(self.call("WebDriver:TakeScreenshot", full=False)["value"]))

    def close(self):
        with contextlib.suppress(AssertionError, OSError):
            if self.socket is not None:
                self.call("Marionette:Quit", flags=["eForceQuit"])
        if self.socket is not None:
            self.socket.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, 9)
            self.process.wait()
