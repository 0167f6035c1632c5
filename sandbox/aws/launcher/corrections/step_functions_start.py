"""StartExecution is idempotent while an execution of the same name and input runs; the emulator refuses the second call."""

import json

BINDS_TO = {"ministack.services.stepfunctions": ["_start_execution", "_executions", "_resolve_state_machine_arn", "_state_machines"],
            "ministack.core.responses": ["json_response", "get_region", "get_account_id"]}


def apply() -> None:
    from ministack.core.responses import get_account_id, get_region, json_response
    from ministack.services import stepfunctions

    start = stepfunctions._start_execution

    def start_once(data):
        machine = stepfunctions._resolve_state_machine_arn(data.get("stateMachineArn", "").split("#")[0])
        name = data.get("name")
        if machine and name:
            arn = (f"arn:aws:states:{get_region()}:{get_account_id()}:execution:"
                   f"{stepfunctions._state_machines[machine]['name']}:{name}")
            running = stepfunctions._executions.get(arn)
            if running and running["status"] == "RUNNING" and same(running["input"], data.get("input", "{}")):
                return json_response({"executionArn": arn, "startDate": running["startDate"]})
        return start(data)

    stepfunctions._start_execution = start_once
    handlers = getattr(stepfunctions, "_HANDLERS", None)
    if isinstance(handlers, dict) and "StartExecution" in handlers:
        handlers["StartExecution"] = start_once


def same(one, other):
    try:
        return json.loads(one) == json.loads(other)
    except ValueError:
        return one == other
