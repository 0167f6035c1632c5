"""AWS runs a task's containers. Without Docker the emulator leaves every task RUNNING for ever.

The containers become processes of this machine (see `host_containers.py`); only ECS is given them, because other
services would try to start their own images.
A task that is stopped midway shows the exit code of the signal (143, or 137 when it had to be killed), not 0.
"""

import json
import os

BINDS_TO = {"ministack.services.ecs": ["_get_docker", "_docker", "_stop_task", "_mark_task_stopped", "_resolve_task"]}


def apply() -> None:
    settings_path = os.environ.get("HOLDFAST_CONTAINERS")
    if not settings_path:
        return
    from host_containers import HostContainers
    from ministack.services import ecs

    with open(settings_path, encoding="utf-8") as file:
        client = HostContainers(json.load(file))
    ecs._docker = client
    ecs._get_docker = lambda: client

    mark_stopped = ecs._mark_task_stopped

    def mark_stopped_with_signal(task_arn, task, reason, stop_code, exit_code=None):
        if stop_code != "UserInitiated":
            return mark_stopped(task_arn, task, reason, stop_code, exit_code)
        codes = []
        for container_id in list(task.get("_docker_ids") or []):
            try:
                container = client.get(container_id)
            except Exception:
                continue
            container.stop(timeout=30)
            codes.append(container.wait()["StatusCode"])
        for record, code in zip(task.get("containers", []), codes):
            record["exitCode"] = code
        return mark_stopped(task_arn, task, reason, stop_code, 143)

    ecs._mark_task_stopped = mark_stopped_with_signal
