"""Adapters: from a :class:`PlanContext` to a :class:`StandardPlan`."""
