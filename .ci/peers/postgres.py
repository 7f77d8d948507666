"""A PostgreSQL server for as long as it is measured: stock configuration, every commit flushed."""

import subprocess
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "durable-testing/src/postgres_server.sh"


def programs():
    """The directory of the server's programs, or None."""
    found = subprocess.run(["sh", SCRIPT, "--programs"], capture_output=True, text=True)
    return Path(found.stdout.strip()) if found.returncode == 0 else None


class Postgres:
    """Started on entry, stopped and removed on exit. Listens on a socket in its own directory only."""

    def __init__(self, parent):
        self.parent = parent
        self.databases = 0

    def __enter__(self):
        command = ["sh", SCRIPT, "--durable", "--dir", self.parent]
        # It ends when its standard input does.
        self.script = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.directory = self.script.stdout.readline().strip()
        if not self.directory:
            raise SystemExit("the PostgreSQL server does not start")
        durable = [self.ask(f"show {setting}") for setting in ("fsync", "synchronous_commit")]
        assert durable == ["on", "on"], "PostgreSQL does not flush its commits"
        return self

    def __exit__(self, *_):
        self.script.stdin.close()
        self.script.wait()

    def new_database(self):
        """The address of a database that is yet to be made."""
        self.databases += 1
        return f"postgres://durable@localhost/peer_{self.databases}?host={self.directory}"

    def made_database(self):
        """The address of a database that is there already."""
        self.new_database()
        self.ask(f"create database peer_{self.databases}")
        return f"postgres://durable@{self.directory.replace('/', '%2F')}/peer_{self.databases}"

    def drop_database(self):
        """Removes the newest database, and writes all that would otherwise be written while something else is measured."""
        self.ask(f"drop database if exists peer_{self.databases} with (force)")
        self.ask("checkpoint")

    def ask(self, sql):
        arguments = [f"--host={self.directory}", "--username=durable", "--no-align", "--tuples-only", f"--command={sql}"]
        done = subprocess.run(["psql", *arguments, "postgres"], capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"psql failed:\n{done.stderr}")
        return done.stdout.strip()
