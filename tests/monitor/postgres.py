"""A PostgreSQL server of one's own in a temporary folder, that can be killed and started again."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from tests.needs import missing


class Server:
    """`initdb`, started on a free port of the loopback; as root it runs as the user postgres."""

    def __init__(self, binaries: Path) -> None:
        self.binaries = binaries
        self.root = Path(tempfile.mkdtemp(prefix="kill-pg-"))
        self.data = self.root / "data"
        self.prefix: list[str] = []
        if os.geteuid() == 0:
            try:
                user = pwd.getpwnam("postgres")
            except KeyError:
                missing("PostgreSQL refuses to run as root and there is no user postgres")
            os.chown(self.root, user.pw_uid, user.pw_gid)
            ids = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
            self.prefix = ["setpriv", *ids]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._run("initdb", "-D", str(self.data), "-U", "audit", "-A", "trust", "-E", "UTF8")
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://audit@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.root}"
        for _ in range(20):
            done = self._run(
                "pg_ctl",
                "-D",
                str(self.data),
                "-w",
                "-o",
                options,
                "-l",
                f"{self.root}/log",
                "start",
                check=False,
            )
            if done.returncode == 0:
                return
            time.sleep(0.5)
        raise RuntimeError((self.root / "log").read_text()[-2_000:])

    def kill(self) -> None:
        """kill -9 of the server's first process; the others find out by themselves."""
        os.kill(int((self.data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        time.sleep(0.5)

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.data), "-m", "immediate", "stop", check=False)
        shutil.rmtree(self.root, ignore_errors=True)

    def _run(self, name: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        command = [*self.prefix, str(self.binaries / name), *arguments]
        # pg_ctl's server keeps what it inherits: pipes would never end.
        return subprocess.run(
            command, check=check, cwd=self.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
