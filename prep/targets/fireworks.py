"""The target fireworks."""

from typing import Any

from prep.sources.shapes.legal import OPENAI_ROW_KEYS
from prep.targets.checks.chat import ChatRules
from prep.targets.checks.limits import MIN_ROWS_FIREWORKS
from prep.targets.checks.order import system_first
from prep.targets.checks.rules import Findings, kind_of
from prep.targets.profile import Checker
from prep.targets.service import ChatService


class Fireworks(ChatService):
    """As OpenAI's, from three rows on. A row may have a weight of its own, any number, if all rows have one."""

    name = "fireworks"
    title = "Fireworks fine-tuning"
    rules = ChatRules(row_keys=OPENAI_ROW_KEYS | {"weight"}, order=system_first)
    min_rows = MIN_ROWS_FIREWORKS
    left_out_rules = frozenset({"roles.system_first"})

    def checker(self) -> Checker:
        """Returns what checks chats and the weights of rows."""
        check_chat = super().checker()
        first_has_weight: bool | None = None

        def check(row: dict[str, Any], found: Findings) -> None:
            nonlocal first_has_weight
            has_weight = "weight" in row
            if first_has_weight is None:
                first_has_weight = has_weight
            if has_weight != first_has_weight:
                found.error("weight", "weight.root_partial", "some rows have a weight and some have none; the first row decides")
            weight = row.get("weight", 1.0)
            if isinstance(weight, bool) or not isinstance(weight, (int, float)):
                found.error("weight", "weight.root_type", f"a row's weight is a number, not {kind_of(weight)}")
            check_chat({key: value for key, value in row.items() if key != "weight"}, found)

        return check
