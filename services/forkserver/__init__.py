"""A program that stays on a host and runs others there without the start of an interpreter: it forks for each.

    python -m services.forkserver [MODULE...]

Commands come on stdin and answers go to stdout (both pipes), one JSON object a line. MODULE is made warm (warming.py).

    {"call": ID, "argv": [MODULE, WORD...], "timeout_s": S}     run `python -m MODULE WORD...`
    {"call": ID, "exec": [PROGRAM, WORD...], "timeout_s": S}    run any other program
        and with "barrier": NAME      be held until the release, and "hold": "start" (the default), before the program's
                                      first step, or "connect", before its first connect() or sendto()
    {"serve": ID, "argv" or "exec": […]}    run a program until it is stopped, and tell what it prints as it comes
    {"signal": NAME, "to": ID}        send a signal to such a program, or to a call, and to none of its children
    {"stop": ID}                      end it: SIGTERM, and SIGKILL after STOP_WITHIN_S, or at once after a SIGSTOP
    {"release": NAME}                 let all that are held at this barrier begin
    {"cancel": ID}                    end a call: SIGTERM, and SIGKILL after KILL_AFTER_S
    {"warm": MODULE}                  make another module warm

    {"ready": [MODULE...], "missing": [MODULE...], "byteorder": ORDER, "calls_limit": N}
    {"ended": ID, "status": N|null, "signal": NAME|null, "stdout": TEXT, "stderr": TEXT, "stdout_dropped": BYTES,
     "stderr_dropped": BYTES, "started": UNIX_S|null, "duration_s": S|null, "cpu_s": S, "timed_out": BOOL,
     "cancelled": BOOL, "escaped": N}
    {"began": ID, "pid": N}           of what is served; then, when it ended by itself or by a signal, its children not:
    {"printed": ID, "text": TEXT}     stdout and stderr, as they come
    {"ended": ID, "status": N|null, "signal": NAME|null, "dropped": BYTES}
    {"signalled": NAME, "to": ID}     after a signal: it was sent, unless the program had ended; with a call's "pid"
    {"stopped": ID}                   after a stop: nothing of it is left
    {"held": NAME, "calls": [ID...]}  all calls of this barrier so far have come to where they are held
    {"warm": MODULE, "missing": [MODULE...]}    which imports of it failed
    {"error": WHY, ...}               a command that was not done, with the "call", "cancel", … that it was

At the end of the input whatever it runs is killed, and the program ends. It never waits for its reader.
"""
