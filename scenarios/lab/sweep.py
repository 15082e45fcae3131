"""The mark of what a run starts on machines of a lab, and what finds it again when the run was killed."""

from __future__ import annotations

# Every process that this program starts on a machine of a lab carries this variable, so that what a killed run left
# running is found by the next one.
MARK = "FAULTWIRE_RUN"
JOURNAL = "/run/faults"  # on a machine: a file for each fault in force, whose lines undo it
COMPOSITION_LABEL = "faultwire.composition"  # on all that is made for a composition of the user's own
# The files that programs leave which did not end by themselves: libfaketime's, which a wrong clock is made with.
LEFT_FILES = "/dev/shm/faketime_shm_* /dev/shm/sem.faketime_sem_* /tmp/faultwire-clock-*"  # noqa: S108 (a host's own)
# Kills every process whose environment has the variable `$1`, as `name=value` or `name=`, but for those that have `$2`.
# A signal that was sent is no end yet: on a busy machine some were still seen after it. They are waited for, 2 s long.
SWEEP = """
killed=
for process in /proc/[0-9]*; do
    environment="
$(tr '\\0' '\\n' 2>/dev/null <"$process/environ")
"
    case "$environment" in
        *"
$2
"*) ;;
        *"
$1"*) kill -KILL "${process#/proc/}" 2>/dev/null && echo "${process#/proc/}" && killed="$killed ${process#/proc/}" ;;
    esac
done 2>/dev/null
looks=0
for each in $killed; do
    while [ $looks -lt 100 ] && grep -q "^State:.[^ZX]" "/proc/$each/status" 2>/dev/null; do
        looks=$((looks + 1))
        sleep 0.02
    done
done
true
"""


def sweeping(variable: str, but: str = "") -> list[str]:
    """The command that kills every process of a machine whose environment has a variable, `name=value`.

    `name=` is for any value. With `but` those are left that have this one, `name=value`, and so its own shell.
    """
    exactly = "" if variable.endswith("=") else "\n"
    return ["sh", "-c", SWEEP, "sh", variable + exactly, but or f"{MARK}=of nothing"]
