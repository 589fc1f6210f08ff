"""A whole Milvus server of an older release, for as long as a command runs: python -m tests.milvus_server COMMAND...

It listens on every address, so this is run in a network of its own: `unshare --net`.
"""

import os
import socket
import subprocess
import sys
import tempfile

from tests.milvus_engines import AT


def main(command: list[str]) -> int:
    """Start a server, run the command with its address, and stop it."""
    # Only make milvus installs it.
    from milvus import MilvusServer

    if [name for _, name in socket.if_nameindex() if name != "lo"]:
        print("there is more than a loopback here: run this in a network of its own", file=sys.stderr)
        return 2
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory(prefix="filrouge-milvus-") as folder:
        server = MilvusServer()
        server.set_base_dir(folder)
        server.start()
        try:
            address = f"http://127.0.0.1:{server.listen_port}"
            return subprocess.run(command, env={**os.environ, AT: address}, check=False).returncode
        finally:
            server.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
