"""Containers as processes of this machine: the few calls of a Docker client that ECS makes.

Our own image runs as the project's task entry point, `…/postgres:<major>` as a real server from the project's cache.
Processes share the host's network and disk, so what Fargate keeps apart is rewritten: the scratch server's port becomes
a free one per task, the shared volume a temporary folder. Each process is described by a JSON file, so that whoever
switches a Region off finds its processes.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import uuid


class ContainerNotFound(Exception):
    pass


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class HostContainers:
    """Stands where `docker.DockerClient` would: `.containers` and `.images`."""

    def __init__(self, settings: dict):
        self._settings = settings
        self._by_id: dict[str, Container] = {}
        self._tasks: dict[str, dict] = {}
        self._lock = threading.Lock()
        self.containers = self
        self.images = self
        os.makedirs(settings["directory"], exist_ok=True)

    # containers
    def run(self, image: str, **options) -> "Container":
        task_arn = options.get("labels", {}).get("com.amazonaws.ecs.task-arn", "")
        region = task_arn.split(":")[3] if task_arn.count(":") > 3 else "us-east-1"
        environment = self._environment(dict(options.get("environment") or {}), task_arn, region)
        container = Container(self._program(image, options.get("command") or []), environment, {
            "image": image,
            "name": options.get("name", ""),
            "taskArn": task_arn,
            "region": region,
            "directory": self._settings["directory"],
        })
        with self._lock:
            self._by_id[container.id] = container
        return container

    def get(self, reference: str) -> "Container":
        with self._lock:
            found = self._by_id.get(reference)
        if found is None:
            raise ContainerNotFound(reference)
        return found

    def list(self, **_filters) -> list:
        with self._lock:
            return list(self._by_id.values())

    # images: everything that a definition may name is on this machine already
    def pull(self, _image: str, **_options) -> "HostContainers":
        return self

    def tag(self, *_args, **_options) -> bool:
        return True

    def _program(self, image: str, command: list) -> list[str]:
        node, project = self._settings["node"], self._settings["project"]
        postgres = re.search(r"(?:^|/)postgres:(\d+)", image)
        if postgres:
            return [node, f"{project}/sandbox/containers/scratch-postgres.ts", postgres.group(1)]
        if re.search(r"(?:^|/)holdfast", image) and command:
            return [node, f"{project}/tasks/{command[0]}/main.ts", *command[1:]]
        program = self._settings.get("programs", {}).get(image.split("@")[0])
        if program:
            return [*program, *command]
        raise RuntimeError(f"the sandbox has no program for image {image} with command {command}")

    def _environment(self, wanted: dict, task_arn: str, region: str) -> dict:
        with self._lock:
            task = self._tasks.setdefault(task_arn, {"port": str(_free_port())})
        control = os.path.join(self._settings["directory"], "scratch-" + (task_arn.rsplit("/", 1)[-1] or "none"))
        for name in ("PGPORT", "HOLDFAST_SCRATCH_PORT"):
            if name in wanted:
                wanted[name] = task["port"]
        if "HOLDFAST_SCRATCH_CONTROL" in wanted or "PGPORT" in wanted:
            os.makedirs(control, exist_ok=True)
            os.chmod(control, 0o777)
            wanted["HOLDFAST_SCRATCH_CONTROL"] = control
        # The container's own credentials endpoint is the emulator's; tasks are to use the router like everybody else.
        for name in [name for name in wanted if name.startswith(("AWS_CONTAINER_", "ECS_CONTAINER_"))]:
            del wanted[name]
        return {
            "PATH": self._settings["path"],
            "HOME": self._settings["directory"],
            "LANG": "C.UTF-8",
            **wanted,
            **self._settings.get("environment", {}),
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ENDPOINT_URL": self._settings["endpoint"],
            "AWS_ACCESS_KEY_ID": "task",
            "AWS_SECRET_ACCESS_KEY": "task",
        }


class Container:
    """A process with the life of a container; `status` and exit codes as the Docker client shows them."""

    def __init__(self, program: list[str], environment: dict, facts: dict):
        self.id = uuid.uuid4().hex * 2
        self.name = facts["name"]
        self.attrs = {"NetworkSettings": {"IPAddress": "127.0.0.1", "Networks": {}}, "Config": {"Image": facts["image"]}}
        self._log_path = os.path.join(facts["directory"], f"{self.id[:12]}.log")
        self._facts_path = os.path.join(facts["directory"], f"{self.id[:12]}.json")
        with open(self._log_path, "ab") as log:
            self._process = subprocess.Popen(
                program, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=facts["directory"], start_new_session=True,
            )
        # Put into place whole: others read these files at any time.
        partial = f"{self._facts_path}.partial"
        with open(partial, "w", encoding="utf-8") as file:
            json.dump({"pid": self._process.pid, "taskArn": facts["taskArn"], "region": facts["region"],
                       "image": facts["image"], "name": facts["name"], "log": self._log_path}, file)
        os.replace(partial, self._facts_path)

    @property
    def status(self) -> str:
        return "running" if self._process.poll() is None else "exited"

    def reload(self) -> None:
        self._process.poll()

    def wait(self, timeout=None) -> dict:
        code = self._process.wait(timeout)
        # A shell's and Docker's way to write a signal: 137 for SIGKILL, 143 for SIGTERM.
        return {"StatusCode": code if code >= 0 else 128 - code}

    def logs(self, stream=False, follow=False, tail=None, **_options):
        if not stream:
            with open(self._log_path, "rb") as log:
                content = log.read()
            return b"\n".join(content.splitlines()[-tail:]) if isinstance(tail, int) else content
        return self._stream(follow)

    def _stream(self, follow: bool):
        with open(self._log_path, "rb") as log:
            while True:
                ended = self._process.poll() is not None
                lines = log.readlines()
                if lines:
                    yield b"".join(lines)
                elif ended or not follow:
                    return
                else:
                    time.sleep(0.1)

    def stop(self, timeout=10) -> None:
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait(5)

    def kill(self, signal_name=signal.SIGKILL) -> None:
        self._signal(signal_name)

    def remove(self, **_options) -> None:
        if self._process.poll() is None:
            self._signal(signal.SIGKILL)
            self._process.wait(5)
        if os.path.exists(self._facts_path):
            os.unlink(self._facts_path)

    def _signal(self, number) -> None:
        if self._process.poll() is not None:
            return
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            pass
