"""Templates as Polars expressions: what can be proven to give Jinja's bytes runs column-wise, the rest goes through Jinja itself."""

from templates.compile.planner import MESSAGES_TYPE, RenderPlan, plan

__all__ = ["MESSAGES_TYPE", "RenderPlan", "plan"]
