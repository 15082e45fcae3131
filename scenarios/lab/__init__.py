"""The machines of the lab: brought up, held, asked, taken down, and programs run on them.

It knows Docker. It must not know drills, services, faults or verdicts: it imports no other room.
"""
