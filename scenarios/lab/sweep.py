"""The mark of what a run starts on machines of a lab, and what finds it again when the run was killed."""

from __future__ import annotations

# Every process that this program starts on a machine of a lab carries this variable, so that what a killed run left
# running is found by the next one.
MARK = "FAULTWIRE_RUN"
JOURNAL = "/run/faults"  # on a machine: a file for each fault in force, whose lines undo it
COMPOSITION_LABEL = "faultwire.composition"  # on all that is made for a composition of the user's own
# The files that programs leave which did not end by themselves: libfaketime's, which a wrong clock is made with.
LEFT_FILES = "/dev/shm/faketime_shm_* /dev/shm/sem.faketime_sem_* /tmp/faultwire-clock-*"  # noqa: S108 (a host's own)
# Kills every process whose environment has a variable, as `name=value`, that the first word, a pattern, finds.
SWEEP = """
for process in /proc/[0-9]*; do
    if tr '\\0' '\\n' <"$process/environ" 2>/dev/null | grep -q -e "$0"; then
        kill -KILL "${process#/proc/}" 2>/dev/null && echo "${process#/proc/}"
    fi
done
true
"""
