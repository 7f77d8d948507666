"""A PostgreSQL server for as long as it is measured: stock configuration, every commit flushed."""

import glob
import os
import shutil
import subprocess
import tempfile


def programs():
    """The directory of the newest server that is installed, or None. Debian keeps it out of the PATH."""
    found = glob.glob("/usr/lib/postgresql/*/bin/initdb")
    if found:
        return os.path.dirname(max(found, key=lambda path: float(path.split("/")[4])))
    initdb = shutil.which("initdb")
    return initdb and os.path.dirname(os.path.realpath(initdb))


class Postgres:
    """Started on entry, stopped and removed on exit. Listens on a socket in its own directory only."""

    def __init__(self, parent):
        self.programs = programs()
        self.directory = tempfile.mkdtemp(prefix="postgres-", dir=parent)
        self.databases = 0

    def __enter__(self):
        if os.geteuid() == 0:  # The server refuses to run as root.
            shutil.chown(self.directory, "postgres")
        try:
            self.run("initdb", "--auth=trust", "--username=postgres", f"--pgdata={self.directory}/data")
            options = f"-c listen_addresses='' -c unix_socket_directories={self.directory}"
            self.control("start", f"--log={self.directory}/log", f"--options={options}")
            durable = [self.ask(f"show {setting}") for setting in ("fsync", "synchronous_commit")]
            assert durable == ["on", "on"], "PostgreSQL does not flush its commits"
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if os.path.exists(f"{self.directory}/data/postmaster.pid"):
            self.control("stop", "--mode=fast")
        shutil.rmtree(self.directory)

    def new_database(self):
        """The address of a database that is yet to be made."""
        self.databases += 1
        return f"postgres://postgres@localhost/peer_{self.databases}?host={self.directory}"

    def made_database(self):
        """The address of a database that is there already."""
        self.new_database()
        self.ask(f"create database peer_{self.databases}")
        return f"postgres://postgres@{self.directory.replace('/', '%2F')}/peer_{self.databases}"

    def drop_database(self):
        """Removes the newest database, and writes all that would otherwise be written while something else is measured."""
        self.ask(f"drop database if exists peer_{self.databases} with (force)")
        self.ask("checkpoint")

    def ask(self, sql):
        arguments = [f"--host={self.directory}", "--username=postgres", "--no-align", "--tuples-only", f"--command={sql}"]
        return self.run("psql", *arguments, "postgres").strip()

    def control(self, action, *arguments):
        self.run("pg_ctl", action, "--wait", "--silent", f"--pgdata={self.directory}/data", *arguments)

    def run(self, program, *arguments):
        command = [f"{self.programs}/{program}", *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        # Output goes to a file, since the server keeps what it inherits from pg_ctl open.
        with tempfile.TemporaryFile("w+") as out:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.directory)
            out.seek(0)
            if done.returncode != 0:
                raise SystemExit(f"{program} failed:\n{out.read()}")
            return out.read()
