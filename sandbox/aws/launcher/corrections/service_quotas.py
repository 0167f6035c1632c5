"""Service Quotas tells Fargate's quota of processors, an applied one before the default; the emulator knows no such service.

A raised quota holds at once; AWS looks at the request first, which takes minutes to days.
https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html
"""

import json

BINDS_TO = {"ministack.app": ["SERVICE_HANDLERS"], "ministack.core.router": ["SERVICE_PATTERNS"]}

DEFAULTS = {
    ("fargate", "L-3032A538"): ("Fargate On-Demand vCPU resource count", 4000.0),
}
TARGET = "ServiceQuotasV20190624."


def apply() -> None:
    from ministack import app
    from ministack.core import router
    from ministack.core.responses import error_response_json, get_account_id, get_region

    applied: dict[tuple, float] = {}

    def answer(body):
        return 200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(body).encode()

    def quota(key, value):
        service, code = key
        body = {"ServiceCode": service, "QuotaCode": code, "QuotaName": DEFAULTS[key][0], "Value": value}
        return {**body, "Unit": "None", "Adjustable": True, "GlobalQuota": False}

    async def handle(_method, _path, headers, body, _query):
        order = json.loads(body or b"{}")
        operation = headers.get("x-amz-target", "").removeprefix(TARGET)
        key = (order.get("ServiceCode"), order.get("QuotaCode"))
        place = (get_account_id(), get_region(), *key)
        if key not in DEFAULTS:
            return error_response_json("NoSuchResourceException", "The specified resource does not exist.", 400)
        if operation == "GetAWSDefaultServiceQuota":
            return answer({"Quota": quota(key, DEFAULTS[key][1])})
        if operation == "RequestServiceQuotaIncrease":
            applied[place] = float(order["DesiredValue"])
            return answer({"RequestedQuota": {"Id": "1", "Status": "CASE_OPENED", "DesiredValue": applied[place]}})
        if operation != "GetServiceQuota":
            return error_response_json("UnknownOperationException", operation, 400)
        if place not in applied:
            return error_response_json("NoSuchResourceException", "The specified resource does not exist.", 400)
        return answer({"Quota": quota(key, applied[place])})

    router.SERVICE_PATTERNS["servicequotas"] = {
        "target_prefixes": [TARGET.rstrip(".")],
        "host_patterns": [r"servicequotas\."],
        "credential_scope": "servicequotas",
    }
    app.SERVICE_HANDLERS["servicequotas"] = handle
