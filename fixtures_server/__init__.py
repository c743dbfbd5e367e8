"""The fixtures server: a stand-alone program with an advisory feed and a control plane.

Each trial has its own scope (the prefix ``/t/<trial_id>/…``), so faults and the access log of one trial
never affect another.
"""

VERSION = "0.1.0"
