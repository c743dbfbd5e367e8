"""What a record means: verify, attribute, explain. Pure functions; nothing here touches a service."""
