"""Alarm mute rules can be made, listed by status, read and deleted; the emulator knows none of these calls.

Only their record is kept: alarms ring all the same, for nothing here relies on a muted one.
AWS: "Alarm mute rules", API reference of `PutAlarmMuteRule`, `ListAlarmMuteRules`, `GetAlarmMuteRule`, `DeleteAlarmMuteRule`.
"""

import json

BINDS_TO = {"ministack.services.cloudwatch": ["handle_request", "_json_ok", "_error"]}

ACTIONS = ("PutAlarmMuteRule", "ListAlarmMuteRules", "GetAlarmMuteRule", "DeleteAlarmMuteRule")


def apply() -> None:
    from ministack.core.responses import AccountRegionScopedDict, get_account_id, get_region
    from ministack.services import cloudwatch

    rules = AccountRegionScopedDict()
    handle_as_before = cloudwatch.handle_request

    def summary(rule: dict) -> dict:
        arn = f"arn:aws:cloudwatch:{get_region()}:{get_account_id()}:alarm-mute-rule:{rule['Name']}"
        return {"AlarmMuteRuleArn": arn, "Status": "ACTIVE", "MuteType": "ONE_TIME"}

    def answer(action: str, given: dict):
        if action == "PutAlarmMuteRule":
            rules[given["Name"]] = given
            return cloudwatch._json_ok({})
        if action == "ListAlarmMuteRules":
            wanted = "ACTIVE" in given.get("Statuses", ["ACTIVE"])
            return cloudwatch._json_ok({"AlarmMuteRuleSummaries": [summary(one) for one in rules.values() if wanted]})
        found = rules.get(given["AlarmMuteRuleName"])
        if action == "DeleteAlarmMuteRule":
            rules.pop(given["AlarmMuteRuleName"], None)
            return cloudwatch._json_ok({})
        if found is None:
            return cloudwatch._error("ResourceNotFoundException", "no such rule", 404, use_json=True)
        return cloudwatch._json_ok({**found, **summary(found)})

    async def handle(method, path, headers, body, query_params):
        action = headers.get("x-amz-target", "").rsplit(".", 1)[-1]
        if action not in ACTIONS:
            return await handle_as_before(method, path, headers, body, query_params)
        return answer(action, json.loads(body or "{}"))

    cloudwatch.handle_request = handle
