"""Facts on disk as they happen: the timeline, snapshots, logs, and what the services did."""
