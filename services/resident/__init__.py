"""A program that stays on a host and runs clients there without the start of an interpreter: it forks for each call.

    python -m services.resident [MODULE...]

Commands come on stdin and answers go to stdout (both pipes), one JSON object a line. MODULE is made warm (warming.py).

    {"call": ID, "argv": [MODULE, WORD...], "timeout_s": S}     run `python -m MODULE WORD...`
    {"call": ID, "exec": [PROGRAM, WORD...], "timeout_s": S}    run any other program
        either with "at": T           begin at this instant of CLOCK_MONOTONIC, which all hosts of a machine share
        or   with "barrier": NAME     be held until the release, and "hold": "start" (the default), before the program's
                                      first step, or "connect", before its first connect() or sendto()
    {"release": NAME}                 let all that are held at this barrier begin
    {"cancel": ID}                    end a call: SIGTERM, and SIGKILL after KILL_AFTER_S
    {"warm": MODULE}                  make another module warm
    {"running": true}                 ask what runs

    {"ready": [MODULE...], "missing": [MODULE...], "byteorder": ORDER, "calls_limit": N}
    {"ended": ID, "status": N|null, "signal": NAME|null, "stdout": TEXT, "stderr": TEXT, "stdout_dropped": BYTES,
     "stderr_dropped": BYTES, "started": UNIX_S|null, "duration_s": S|null, "cpu_s": S, "timed_out": BOOL,
     "cancelled": BOOL, "escaped": N}
    {"held": NAME, "calls": [ID...]}  all calls of this barrier so far have come to where they are held
    {"warm": MODULE, "missing": [MODULE...]}    which imports of it failed
    {"running": [ID...], "held": {NAME: [ID...]}}
    {"error": WHY, ...}               a command that was not done, with the "call", "cancel", … that it was

At the end of the input every call is killed, and the program ends. It never waits for its reader.
"""
