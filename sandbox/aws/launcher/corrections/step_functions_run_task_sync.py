"""`ecs:runTask.sync` fails with States.TaskFailed when an essential container ends with another code than 0, answers in
PascalCase, and waits as long as the state's own TimeoutSeconds; StopExecution and a timeout stop the task.

The emulator succeeds on any exit code, answers in camelCase, gives up after ten minutes, and leaves the task of a stopped
execution running.
"""

import contextvars
import json
import threading

BINDS_TO = {"ministack.services.stepfunctions": ["_poll_ecs_tasks", "_ExecutionError", "_invoke_ecs_run_task", "_pascal_to_camel",
                                                 "_run_execution", "_executions", "_invoke_resource_with_timeout"],
            "ministack.services.ecs": ["_describe_tasks", "_stop_task"]}

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

    # The emulator copies the context into the thread of each task, so a poll knows for whom it waits.
    execution_arn = contextvars.ContextVar("execution_arn", default=None)
    timed_out = contextvars.ContextVar("timed_out", default=None)
    run_execution = stepfunctions._run_execution
    invoke_with_timeout = stepfunctions._invoke_resource_with_timeout

    def run_known_execution(arn):
        execution_arn.set(arn)
        run_execution(arn)

    def invoke_and_tell(*arguments):
        over = threading.Event()
        timed_out.set(over)
        try:
            return invoke_with_timeout(*arguments)
        except stepfunctions._ExecutionError:
            over.set()
            raise

    def is_wanted():
        execution = stepfunctions._executions.get(execution_arn.get())
        over = timed_out.get()
        return (execution is None or execution["status"] == "RUNNING") and not (over and over.is_set())

    def poll(cluster, task_arns):
        deadline = time.time() + LONGEST_SECONDS
        while time.time() < deadline:
            time.sleep(POLL_SECONDS)
            wanted = is_wanted()
            if not wanted:
                for task in task_arns:
                    ecs._stop_task({"cluster": cluster, "task": task, "reason": "the execution ended"})
            _status, _headers, body = ecs._describe_tasks({"cluster": cluster, "tasks": task_arns})
            tasks = json.loads(body or "{}").get("tasks", [])
            if not wanted:
                # An error would turn the execution from ABORTED to FAILED.
                return pascal(tasks[0]) if tasks else {}
            if tasks and all(task.get("lastStatus") == "STOPPED" for task in tasks):
                return finish(pascal(tasks[0]))
        raise stepfunctions._ExecutionError("States.Timeout", "the task did not stop in time")

    def finish(task):
        failed_to_start = task.get("StopCode") == "TaskFailedToStart"
        bad_exit = any((container.get("ExitCode") or 0) != 0 for container in task.get("Containers", []))
        if failed_to_start or bad_exit or task.get("StopCode") == "UserInitiated":
            raise stepfunctions._ExecutionError("States.TaskFailed", json.dumps(task, default=str))
        return task

    stepfunctions._run_execution = run_known_execution
    stepfunctions._invoke_resource_with_timeout = invoke_and_tell
    stepfunctions._poll_ecs_tasks = poll
