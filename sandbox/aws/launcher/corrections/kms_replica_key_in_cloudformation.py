"""AWS::KMS::ReplicaKey makes a replica of a multi-Region key; the emulator knows ReplicateKey as an API call only."""

import json

BINDS_TO = {"ministack.services.cloudformation.provisioners": ["_RESOURCE_HANDLERS", "_kms_key_attrs", "_kms_key_delete"],
            "ministack.services.kms": ["_replicate_key", "_resolve_key", "_keys"]}


def apply() -> None:
    from ministack.core.responses import get_region
    from ministack.services import kms
    from ministack.services.cloudformation import provisioners

    def create(logical_id, props, _stack_name):
        primary_arn = props["PrimaryKeyArn"]
        primary_region = primary_arn.split(":")[3]
        policy = props.get("KeyPolicy")
        order = {
            "KeyId": primary_arn,
            "ReplicaRegion": get_region(),
            "Description": props.get("Description", ""),
            "Tags": [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in props.get("Tags") or []],
        }
        if policy is not None:
            order["Policy"] = policy if isinstance(policy, str) else json.dumps(policy)
        with in_region(primary_region):
            status, _headers, body = kms._replicate_key(order)
        if status != 200:
            raise ValueError(f"AWS::KMS::ReplicaKey {logical_id}: {json.loads(body).get('message')}")
        metadata = json.loads(body)["ReplicaKeyMetadata"]
        return metadata["KeyId"], {"Arn": metadata["Arn"], "KeyId": metadata["KeyId"]}

    def update(physical_id, _old, new_props, _stack_name):
        record = kms._resolve_key(physical_id)
        policy = new_props.get("KeyPolicy")
        if policy is not None:
            record["Policy"] = policy if isinstance(policy, str) else json.dumps(policy)
        return physical_id, provisioners._kms_key_attrs(record)

    provisioners._RESOURCE_HANDLERS["AWS::KMS::ReplicaKey"] = {
        "create": create, "update": update, "delete": provisioners._kms_key_delete,
    }


def in_region(region):
    from ministack.core.responses import get_account_id, request_scope

    return request_scope(get_account_id(), region)
