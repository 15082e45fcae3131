"""Lessons in which one predicts and then runs a drill, and programs of a class graded by chosen drills.

A lesson is a file of scenarios/lessons/. It holds questions and no answers: an answer is read from the evidence of a
run. This room must not know the command line, nor how a cell is run: a caller runs it, and hands over its folder.
"""
