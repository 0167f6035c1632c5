"""`ecs:runTask.sync` fails with States.TaskFailed when an essential container ends with another code than 0, answers in
PascalCase, and waits as long as the state's own TimeoutSeconds; StopExecution and a timeout stop the task.

The emulator succeeds on any exit code, answers in camelCase and gives up after ten minutes.
"""

import json

BINDS_TO = {"ministack.services.stepfunctions": ["_poll_ecs_tasks", "_ExecutionError", "_invoke_ecs_run_task", "_pascal_to_camel"],
            "ministack.services.ecs": ["_describe_tasks"]}

POLL_SECONDS = 0.2
LONGEST_SECONDS = 24 * 3600


def pascal(value):
    if isinstance(value, list):
        return [pascal(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key[:1].upper() + key[1:]: pascal(item) for key, item in value.items()}


def apply() -> None:
    import time

    from ministack.services import ecs, stepfunctions

    def poll(cluster, task_arns):
        deadline = time.time() + LONGEST_SECONDS
        while time.time() < deadline:
            time.sleep(POLL_SECONDS)
            _status, _headers, body = ecs._describe_tasks({"cluster": cluster, "tasks": task_arns})
            tasks = json.loads(body or "{}").get("tasks", [])
            if tasks and all(task.get("lastStatus") == "STOPPED" for task in tasks):
                return finish(pascal(tasks[0]))
        raise stepfunctions._ExecutionError("States.Timeout", "the task did not stop in time")

    def finish(task):
        failed_to_start = task.get("StopCode") == "TaskFailedToStart"
        bad_exit = any((container.get("ExitCode") or 0) != 0 for container in task.get("Containers", []))
        if failed_to_start or bad_exit or task.get("StopCode") == "UserInitiated":
            raise stepfunctions._ExecutionError("States.TaskFailed", json.dumps(task, default=str))
        return task

    stepfunctions._poll_ecs_tasks = poll
