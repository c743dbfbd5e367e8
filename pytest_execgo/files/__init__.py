"""Files that this package does not write itself: the workspaces of tasks."""
