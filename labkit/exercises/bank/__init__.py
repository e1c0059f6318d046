"""The exercises themselves, one module a topic; importing a module registers its exercises."""
