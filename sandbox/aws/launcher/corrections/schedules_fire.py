"""Schedules fill in `<aws.scheduler.scheduled-time>` and its relatives, and those of a Region that is off do not fire.

The emulator hands the placeholders on as they are and knows no Region that can be off.
"""

import os
import time

BINDS_TO = {"ministack.services.eventbridge": ["_invoke_target"], "ministack.core.responses": ["get_region", "new_uuid"]}


def apply() -> None:
    from ministack.core.responses import get_region, new_uuid
    from ministack.services import eventbridge

    invoke = eventbridge._invoke_target
    off_file = os.environ.get("HOLDFAST_DEAD_REGIONS", "")

    def invoke_when_on(target, event, rule=None, *rest, **named):
        try:
            with open(off_file, encoding="utf-8") as file:
                if get_region() in file.read().split():
                    return None
        except OSError:
            pass
        text = target.get("Input")
        if isinstance(text, str) and "<aws.scheduler." in text:
            facts = {
                "scheduled-time": time.strftime("%Y-%m-%dT%H:%M:00Z", time.gmtime()),
                "execution-id": new_uuid(),
                "attempt-number": "1",
                "schedule-arn": (rule or {}).get("Arn", ""),
            }
            for name, value in facts.items():
                text = text.replace(f"<aws.scheduler.{name}>", value)
            target = {**target, "Input": text}
        return invoke(target, event, rule, *rest, **named)

    eventbridge._invoke_target = invoke_when_on
