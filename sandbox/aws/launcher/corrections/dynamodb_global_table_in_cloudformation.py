"""AWS::DynamoDB::GlobalTable makes its replicas; the emulator accepts the list and makes the local table only."""

import json

BINDS_TO = {"ministack.services.cloudformation.provisioners": ["_RESOURCE_HANDLERS"],
            "ministack.services.dynamodb": ["_update_table", "_tables"]}


def apply() -> None:
    from ministack.core.responses import get_region
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
        return physical_id, attributes

    handlers["create"] = create_with_replicas
