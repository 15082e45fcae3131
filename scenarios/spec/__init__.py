"""What a person may write: a drill, a service, and the words of both, as frozen values; and how they are read.

It must not know Docker, a lab that runs, or `services`: a file is read, checked and explained without any of them.
"""
