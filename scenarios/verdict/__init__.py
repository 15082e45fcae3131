"""What follows from the evidence: expectations held against it, and the verdict.

It is pure: it must not know Docker, a lab, files or a clock.
"""
