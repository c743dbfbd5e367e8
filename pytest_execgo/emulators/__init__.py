"""Stand-alone programs: the embedded ExecGo engine and the runtime stub.

They use the standard library alone and import nothing else of the package, so that they run the
same way as a child process and in a small container.
"""
