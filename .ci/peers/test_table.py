#!/usr/bin/env python3
"""The speeds that are compared, and the verdicts over the medians of the rounds. Needs nothing but Python."""

import sys
import unittest

sys.dont_write_bytecode = True

from table import table, verdicts

QUIET = {"disk_before_ms": 0.1, "disk_after_ms": 0.1, "busy_cores": 0.0}


def rounds(system, config, *rates, **more):
    cell = {"workload": "w1", "size": 256, "system": system, "config": config, **QUIET, **more}
    return [cell | ({"orch_per_s": rate} if rate is not None else {"ended": False, "error": "it failed"}) for rate in rates]


def lines(*sides):
    return verdicts([row for side in sides for row in side])


class Verdicts(unittest.TestCase):
    def test_the_medians_of_the_rounds_decide(self):
        ours, postgres = rounds("ours", "default", 9_000, 1, 10_000), rounds("ours", "postgres", 4_000, 4_000, 9_000)
        met = lines(ours, postgres, rounds("duroxide", "default", 45, 45, 9_000), rounds("dbos", "default", 800, 800, 1))
        self.assertEqual([line.split()[0] for line in met], ["met", "met"])
        self.assertIn("ours at least 200 times duroxide default; 200 times: 9,000 / 45, medians of 3 and 3", met[0])
        self.assertIn("ours on PostgreSQL at least 5 times dbos default; 5 times: 4,000 / 800,", met[1])
        missed = lines(ours, postgres, rounds("duroxide", "default", 46, 46, 1), rounds("dbos", "default", 801, 801, 1))
        self.assertEqual([line.split()[0] for line in missed], ["MISSED", "MISSED"])

    def test_what_was_not_measured_is_not_met(self):
        ours, duroxide = rounds("ours", "default", 9_000), rounds("duroxide", "default", 1)
        for theirs in ([], rounds("duroxide", "default", None), rounds("duroxide", "default", 0.0)):
            line, other = lines(ours, theirs)
            self.assertTrue(line.startswith("NOT MEASURED"), line)
            self.assertTrue(line.endswith("no figure of duroxide default"), line)
            self.assertTrue(other.endswith("no figure of ours on PostgreSQL and dbos default"), other)
        self.assertTrue(lines(duroxide)[0].endswith("no figure of ours"))
        # The file is not what stands beside DBOS, and another configuration of duroxide is not its default.
        both = lines(ours, rounds("dbos", "default", 1), rounds("duroxide", "full", 1))
        self.assertTrue(all(line.startswith("NOT MEASURED") for line in both), both)

    def test_a_round_that_failed_does_not_count(self):
        line = lines(rounds("ours", "default", 9_000, 9_000), rounds("duroxide", "default", 45, None))[0]
        self.assertTrue(line.startswith("met") and "medians of 2 and 1" in line, line)

    def test_noise_is_told(self):
        line = lines(rounds("ours", "default", 9_000), rounds("duroxide", "default", 1, busy_cores=1.0))[0]
        self.assertTrue(line.endswith("medians of 1 and 1 ~"), line)

    def test_they_stand_below_the_table(self):
        rows = rounds("ours", "default", 9_000) + rounds("duroxide", "default", 45)
        self.assertIn("ours at least 200 times duroxide default", table(rows).split("\n\n")[1])

    def test_a_long_instance_of_ours_tells_its_own_speed(self):
        cell = {"workload": "w3", "size": 250, "config": "default", **QUIET, "activities_per_s": 1_000.0}
        rows = [{"system": "ours", **cell}, {"system": "dbos", **cell, "activities_per_s": 500.0, "total_ms": 500.0, "ended": True}]
        self.assertRegex(table(rows), r"w3 .*activities/s +1,000 +500 +2\n")


if __name__ == "__main__":
    unittest.main()
