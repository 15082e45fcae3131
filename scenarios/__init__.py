"""The lab's own program: brings the lab up, drives it, captures it, and judges what happened.

It is the only code that knows Docker, and it never imports `services`: what the packets say is read by Wireshark's
dissectors, so that a bug in the services' codec cannot pass its own test.
"""
