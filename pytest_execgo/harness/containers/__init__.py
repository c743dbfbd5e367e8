"""Services that are containers. Only this package imports ``docker`` and ``testcontainers``."""
