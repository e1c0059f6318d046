"""The interactive parts: one module a lesson, each a pure `view(...)` and a `panel(...)` around it."""
