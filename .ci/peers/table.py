"""The rows beside each other: so many times as fast as each peer, and whether that is as fast as it must be."""

import statistics

import machine

# Beyond this factor between before and after, the disk or somebody else on the machine changed while a row was measured.
NOISE = 2.0

OURS, OURS_ON_POSTGRES = ("ours", "default"), ("ours", "postgres")
DUROXIDE, DBOS = ("duroxide", "default"), ("dbos", "default")
NAMES = {OURS: "ours", OURS_ON_POSTGRES: "ours on PostgreSQL", DUROXIDE: "duroxide default", DBOS: "dbos default"}

# Workload, size, figure, ours, the peer, and how many times as fast ours must be, by the medians of the rounds.
BUDGETS = [
    ("w1", 256, "orchestrations/s", OURS, DUROXIDE, 200.0),
    ("w1", 256, "orchestrations/s", OURS_ON_POSTGRES, DBOS, 5.0),
]


def speeds(row):
    """What is compared: names and figures of which more is better. 0 is what came to no figure."""
    workload = row["workload"]
    if workload == "w1":
        return {"orchestrations/s": row.get("orch_per_s") or 0.0}
    if workload == "w4":
        return {"1/p50 (1/s)": 1e3 / row["p50_ms"] if row.get("p50_ms") else 0.0}
    if workload == "w5":
        return {f"{name}/s": row.get(f"{name}_per_s") or 0.0 for name in ("park", "raise")}
    if is_late(row):
        return {"activities/s": row["size"] / row["total_ms"] * 1e3}
    return {"activities/s": row.get("activities_per_s") or 0.0}


def is_late(row):
    """True for an instance that had not ended in time. It is compared as if it ended at that moment, which flatters it."""
    return "total_ms" in row and row.get("ended") is False


def is_noisy(row):
    before, after = row["disk_before_ms"], row["disk_after_ms"]
    return max(before, after) > NOISE * min(before, after) or row["busy_cores"] >= machine.IDLE_CORES


def table(rows):
    lines = [["", "size", "peer", "figure", "ours", "peer's", "times as fast"]]
    grouped = {}
    for row in rows:
        cell = grouped.setdefault((row["workload"], row["size"]), {})
        cell.setdefault((row["system"], row["config"]), []).append(row)
    for (workload, size), systems in grouped.items():
        ours, on_postgres = systems.pop(OURS), systems.pop(OURS_ON_POSTGRES, None)
        for (system, config), theirs in systems.items():
            sides = [("", ours)] if system != "dbos" or not on_postgres else [("", ours), (", ours on PostgreSQL", on_postgres)]
            for where, mine in sides:
                for name in speeds(mine[0]):
                    lines.append([workload, str(size), f"{system} {config}{where}", name, *compared(name, mine, theirs)])
    widths = [max(map(len, column)) for column in zip(*lines)]
    text = "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)
    return (
        f"\n{text}\n\n" + "\n".join(verdicts(rows)) + "\n\n~ noisy: the machine was not idle, or the disk changed meanwhile; measure again"
        "\n> not ended in time, and compared as if it had"
        "\nnone: the peer failed, or came to no figure in its time"
    )


def compared(name, ours, theirs):
    """The cells of a line: both speeds and the ratio, of each round."""
    pairs = [(speeds(mine)[name], speeds(other)[name]) for mine, other in zip(ours, theirs)]
    marks = ["~" if is_noisy(mine) or is_noisy(other) else "" for mine, other in zip(ours, theirs)]
    late = [">" if is_late(other) else "" for other in theirs]
    ratios = [
        f"{late}{number(mine / other)}{mark}" if other else "none"
        for (mine, other), mark, late in zip(pairs, marks, late)
    ]
    return [*(" ".join(number(pair[side]) for pair in pairs) for side in (0, 1)), " ".join(ratios)]


def verdicts(rows):
    """A line for each budget."""
    return [verdict(rows, *budget) for budget in BUDGETS]


def verdict(rows, workload, size, figure, ours, peer, limit):
    mine, theirs = (measured(rows, workload, size, side, figure) for side in (ours, peer))
    what = f"{workload}@{size} {figure}: {NAMES[ours]} at least {number(limit)} times {NAMES[peer]}"
    if missing := [NAMES[side] for side, found in ((ours, mine), (peer, theirs)) if not found]:
        return f"NOT MEASURED  {what}; there is no figure of {' and '.join(missing)}"
    one, other = (statistics.median(speeds(row)[figure] for row in found) for found in (mine, theirs))
    noisy = " ~" if any(map(is_noisy, mine + theirs)) else ""
    told = f"{number(one / other)} times: {number(one)} / {number(other)}, medians of {len(mine)} and {len(theirs)}{noisy}"
    return f"{'met' if one / other >= limit else 'MISSED':12}  {what}; {told}"


def measured(rows, workload, size, side, figure):
    """The rounds of a side that came to this figure."""
    wanted = (workload, size, *side)
    of_side = [row for row in rows if (row["workload"], row["size"], row["system"], row["config"]) == wanted]
    return [row for row in of_side if speeds(row).get(figure)]


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
