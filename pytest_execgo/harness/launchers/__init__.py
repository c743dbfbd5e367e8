"""One file per way of bringing up a service."""
