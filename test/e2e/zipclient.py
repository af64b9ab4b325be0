# SPDX-License-Identifier: Apache-2.0
"""A client within COMPRESS=DEFLATE, above a SASL layer if there is one."""
import zlib

from peer import octets
from saslmech import LayerClient

# How a client may end its stream (RFC 8437 section 4 leaves it open): the flush, and what is behind it.
WAYS = {"finish": (zlib.Z_FINISH, b""), "sync": (zlib.Z_SYNC_FLUSH, b""), "full": (zlib.Z_FULL_FLUSH, b""),
        "empty": (zlib.Z_SYNC_FLUSH, b"\x03\x00")}


class ZipClient(LayerClient):
    """Within COMPRESS until the server's stream ends; its own ends with end()."""

    zip = unzip = None
    wire = b""  # all that came while `record` is set
    record = False

    def compress(self, level=6):
        self.ok("COMPRESS DEFLATE")
        assert not self.buf
        self.begin(level)

    def begin(self, level=6):
        self.zip, self.unzip = zlib.compressobj(level, zlib.DEFLATED, -15), zlib.decompressobj(-15)

    def send(self, data):
        super().send(self.zip.compress(octets(data)) + self.zip.flush(zlib.Z_SYNC_FLUSH) if self.zip else data)

    def end(self, line, way="sync", bare=b""):
        """The line, the end of the stream, and what is bare behind it, in one write."""
        flush, behind = WAYS[way]
        data = self.zip.compress(octets(line)) + self.zip.flush(flush) + behind
        self.zip = None
        super().send(data + octets(bare))

    def receive(self):
        got = super().receive()
        if self.record:
            self.wire += got
        if self.unzip is None or not got:
            return got
        got = self.unzip.decompress(got)
        if self.unzip.eof:
            got += self.unzip.unused_data
            self.unzip = None
        return got
