"""Images of services: embedded ones, built from a checkout, or named."""
