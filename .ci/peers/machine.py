"""Whether the machine is quiet enough to measure on it."""

import os
import statistics
import tempfile
import time

# Above so many busy cores, somebody else is measured.
IDLE_CORES = 0.3


def busy_cores(seconds):
    """How many cores all processes together keep busy."""

    def busy():
        with open("/proc/stat") as stat:
            user, nice, system, _idle, _wait, irq, softirq, steal = map(int, stat.readline().split()[1:9])
        return user + nice + system + irq + softirq + steal

    before, begun = busy(), time.monotonic()
    time.sleep(seconds)
    return (busy() - before) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - begun)


def wait_until_idle(seconds):
    """Returns how many cores are busy, when they are few or the time is over."""
    os.sync()
    end = time.monotonic() + seconds
    while True:
        cores = busy_cores(1)
        if cores < IDLE_CORES or time.monotonic() >= end:
            return cores


def commit_ms(directory, commits=200):
    """The canary: the median time to write a page and have it on the disk."""
    page = os.urandom(4096)
    with tempfile.NamedTemporaryFile(dir=directory) as file:
        file.write(page * commits)
        file.flush()
        os.fsync(file.fileno())
        times = []
        for number in range(commits):
            begun = time.perf_counter()
            os.pwrite(file.fileno(), page, number * len(page))
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1e3
