"""Stand-alone programs: the embedded ExecGo engine and the runtime stub.

They import only the standard library and each other, so they also run in a small container.
"""
