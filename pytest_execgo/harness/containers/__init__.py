"""Services in containers. Only this package imports ``docker`` and ``testcontainers``."""
