"""CloudFormation cannot delete a table that is protected or a bucket that holds anything, and deletes a global table with its replicas.

The emulator takes protected tables and full buckets away, and leaves replicas behind.
"""

import json

BINDS_TO = {
    "ministack.services.cloudformation.provisioners": ["_RESOURCE_HANDLERS"],
    "ministack.services.dynamodb": ["_delete_table", "_tables"],
    "ministack.services.s3": ["_buckets", "_object_versions"],
    "ministack.core.responses": ["request_scope", "get_account_id", "get_region"],
}


def apply() -> None:
    from ministack.core.responses import get_account_id, get_region, request_scope
    from ministack.services import dynamodb, s3
    from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS

    def delete_table(name):
        if name not in dynamodb._tables:
            return
        status, _headers, body = dynamodb._delete_table({"TableName": name})
        if status >= 400:
            raise ValueError(json.loads(body).get("message"))

    def delete_global_table(physical_id, props):
        regions = [replica["Region"] for replica in props.get("Replicas") or []]
        for region in sorted(regions, key=lambda one: one == get_region()):
            with request_scope(get_account_id(), region):
                delete_table(physical_id)

    delete_bucket = _RESOURCE_HANDLERS["AWS::S3::Bucket"]["delete"]

    def delete_empty_bucket(physical_id, props):
        bucket = s3._buckets.get(physical_id) or {}
        if bucket.get("objects") or any(name == physical_id and kept for (name, _key), kept in s3._object_versions.items()):
            raise ValueError("The bucket you tried to delete is not empty. You must delete all versions in the bucket.")
        delete_bucket(physical_id, props)

    _RESOURCE_HANDLERS["AWS::DynamoDB::Table"]["delete"] = lambda physical_id, props: delete_table(physical_id)
    _RESOURCE_HANDLERS["AWS::DynamoDB::GlobalTable"]["delete"] = delete_global_table
    _RESOURCE_HANDLERS["AWS::S3::Bucket"]["delete"] = delete_empty_bucket
