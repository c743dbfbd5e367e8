"""The fixtures server: a stand-alone program with an advisory feed and a control plane.

Trials reach it under a prefix of their own (``/t/<trial_id>/…``), so that the access log and faults
of one trial can never touch another.
"""

VERSION = "0.1.0"
