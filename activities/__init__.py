"""Activities: the steps that read or change something. Each does one thing, is safe to repeat, and ends within a minute.

A body takes its request and the process's clients, and returns what happened. A failure that no retry cures is part of the
reply (`problem`). A body raises only `TransientFailure`, for the retry policy of the call.
"""
