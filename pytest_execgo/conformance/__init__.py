"""Tests whether an engine keeps ExecGo's HTTP contract: recorded exchanges, and a search.

``exchanges.json`` was recorded with ExecGo v1.0.0. Each case is a list of requests and expected answers,
in which volatile values are placeholders. The engine under test is an argument.
"""
