"""A Lambda that throws answers `errorType` with the thrown error's name, which is what Retry and Catch match.

The emulator's worker script passes on the message only, and every error is called Runtime.HandlerError.
"""

import json

BINDS_TO = {"ministack.core.lambda_runtime": ["_NODEJS_WORKER_SCRIPT"], "ministack.services.lambda_svc": ["_execute_function_warm"]}

MARK = "\u0001holdfast-error\u0001"
REPORTS = (
    ("error: String(err.message || err), trace: err.stack", "error: holdfastError(err), trace: err.stack"),
    ('status: "error", error: e.message, trace: e.stack', 'status: "error", error: holdfastError(e), trace: e.stack'),
)
FUNCTION = (
    "function holdfastError(err) {\n"
    f"  return {json.dumps(MARK)} + JSON.stringify("
    "{ name: (err && err.name) || 'Error', message: String((err && err.message) || err) });\n}\n"
)


def apply() -> None:
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    script = lambda_runtime._NODEJS_WORKER_SCRIPT
    for plain, named in REPORTS:
        if plain not in script:
            raise SystemExit(f"the emulator's worker script no longer has: {plain}")
        script = script.replace(plain, named)
    anchor = "let handlerFn = null;"
    lambda_runtime._NODEJS_WORKER_SCRIPT = script.replace(anchor, FUNCTION + anchor, 1)

    execute = lambda_svc._execute_function_warm

    def execute_with_name(*args, **kwargs):
        result = execute(*args, **kwargs)
        body = result.get("body") if isinstance(result, dict) else None
        message = body.get("errorMessage") if isinstance(body, dict) else None
        if result.get("error") and isinstance(message, str) and message.startswith(MARK):
            told = json.loads(message[len(MARK):])
            body["errorType"], body["errorMessage"] = told["name"], told["message"]
        return result

    lambda_svc._execute_function_warm = execute_with_name
