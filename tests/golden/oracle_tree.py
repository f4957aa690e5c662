"""What the oracles share that look at every capture of a tree of folders: which captures there are, times, the list of
explained differences and the verdict."""
import calendar
import os
import time

import oracle


def nanoseconds(seconds):
    """"1700000000.123456789" → ns"""
    whole, _, part = seconds.partition(".")
    return int(whole) * 10**9 + int((part + "0" * 9)[:9])


def stamp(text):
    """"2026-11-23T11:25:00.123456789Z" → ns"""
    whole, _, part = text.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) * 10**9 + int((part + "0" * 9)[:9])


def captures(folder, wanted):
    """Paths of the captures, or of those with a wanted name."""
    return sorted(os.path.join(at, name) for at, _, names in os.walk(folder) for name in names
                  if name.endswith((".pcap", ".pcapng", ".cap")) and (not wanted or name in wanted))


class Differences:
    """Differences on their way to a verdict: each is explained in the table or a failure, and so is a line of the table
    that explains nothing (of a run over all captures)."""

    def __init__(self, table, columns):
        self.known, self.used, self.failures = oracle.read_differences(table, columns), set(), 0

    def add(self, text, *keys):
        """keys: the lines that may explain it."""
        hits = [key for key in keys if key in self.known]
        self.used.update(hits)
        if not hits:
            self.failures += 1
            print(text)

    def add_counted(self, name, ours, theirs):
        """Two Counters of messages; how many are the same. A message `*` in the table stands for all of the file."""
        for sign, rest in (("ours", ours - theirs), ("theirs", theirs - ours)):
            for message in rest:
                what = f"{sign} {message}"
                self.add(f"{name}\t{what}", (name, what), (name, "*"))
        return sum((ours & theirs).values())

    def verdict(self, text, same, stale_too):
        """The exit code: 0 when something was the same and nothing else."""
        for key in sorted(set(self.known) - self.used if stale_too else ()):
            self.failures += 1
            print("explains nothing any more:", *key, sep="\t")
        print(f"{text}, {len(self.used)} differences explained, {self.failures} failures")
        return 1 if self.failures or not same else 0
