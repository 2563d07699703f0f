"""The parts of `benchmarks/inference.py`: what is measured, how each server is started, loaded and judged.

data       the models and the bodies
servers    every server and how it is started
peers      the virtualenvs of servers that are not ours
processes  one server pinned to a core; what it uses
load       the generators: closed loop (wrk) and open loop
figures    what is asked of a server, and what was measured of it
measure    one server's figures
goals      what the figures should be, and are
report     tables
steps      where our time for a request goes, by sampled stacks
stacks     which step a stack belongs to
"""
