"""Does an engine speak ExecGo's contract? Recorded exchanges of the real one, and a runner for them.

``exchanges.json`` was recorded with ExecGo v1.0.0. Each case is a list of requests with the answers
that must come; volatile values are placeholders. The engine under test is an argument.
"""
