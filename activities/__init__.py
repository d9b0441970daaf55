"""Steps with an effect: each does one thing, is safe to repeat, and ends within a minute.

A body takes its request and the process's clients, and returns what happened. What no retry cures is part of the reply
(`problem`); only `TransientFailure` is raised, for the retry policy of the call.
"""
