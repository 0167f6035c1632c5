"""AWS::DynamoDB::GlobalTable makes its replicas, protected from deletion where the template says so; the emulator accepts
the list and makes the local table only."""

import json

BINDS_TO = {"ministack.services.cloudformation.provisioners": ["_RESOURCE_HANDLERS"],
            "ministack.core.responses": ["get_account_id", "get_region", "request_scope"],
            "ministack.services.dynamodb": ["_update_table", "_tables"]}


def apply() -> None:
    from ministack.core.responses import get_account_id, get_region, request_scope
    from ministack.services import dynamodb
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS["AWS::DynamoDB::GlobalTable"]
    create = handlers["create"]

    def create_with_replicas(logical_id, props, stack_name):
        physical_id, attributes = create(logical_id, props, stack_name)
        for replica in props.get("Replicas") or []:
            if replica["Region"] == get_region():
                continue
            status, _headers, body = dynamodb._update_table({
                "TableName": physical_id,
                "ReplicaUpdates": [{"Create": {"RegionName": replica["Region"]}}],
            })
            if status >= 400:
                raise ValueError(f"AWS::DynamoDB::GlobalTable {logical_id}: {json.loads(body).get('message')}")
        for replica in props.get("Replicas") or []:
            if str(replica.get("DeletionProtectionEnabled", "")).lower() == "true":
                with request_scope(get_account_id(), replica["Region"]):
                    dynamodb._tables[physical_id]["DeletionProtectionEnabled"] = True
        return physical_id, attributes

    handlers["create"] = create_with_replicas
