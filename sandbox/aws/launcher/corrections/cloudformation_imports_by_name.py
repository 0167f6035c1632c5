"""An import finds global tables and bucket policies by name, as it does buckets, tables and roles; the emulator knows no import of them.

Nor does it import a bucket while a stack is created: its validation takes the bucket's own name for a conflict.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/resource-import-supported-resources.html
"""

BINDS_TO = {
    "ministack.services.cloudformation.provisioners": ["_RESOURCE_HANDLERS", "_ddb_import"],
    "ministack.services.cloudformation.changesets": ["_IMPORT_LOOKUPS", "_table_import_problem", "_deploy_stack_async"],
    "ministack.services.cloudformation.stacks": ["_validation_errors"],
    "ministack.services.s3": ["_bucket_policies"],
}


def apply() -> None:
    from ministack.services import s3
    from ministack.services.cloudformation import changesets, provisioners, stacks

    def policy_problem(bucket):
        return None if s3._bucket_policies.get(bucket) else "The bucket policy does not exist"

    def import_policy(identifier):
        return f"{identifier['Bucket']}-policy", {}

    changesets._IMPORT_LOOKUPS["AWS::DynamoDB::GlobalTable"] = (("TableName",), changesets._table_import_problem)
    changesets._IMPORT_LOOKUPS["AWS::S3::BucketPolicy"] = (("Bucket",), policy_problem)
    provisioners._RESOURCE_HANDLERS["AWS::DynamoDB::GlobalTable"]["import"] = provisioners._ddb_import
    provisioners._RESOURCE_HANDLERS["AWS::S3::BucketPolicy"]["import"] = import_policy

    importing = {}
    deploy, validate = changesets._deploy_stack_async, stacks._validation_errors

    def deploy_knowing_imports(stack_name, stack_id, *args, **settings):
        importing[stack_id] = set(settings.get("imports") or {})
        return deploy(stack_name, stack_id, *args, **settings)

    def validate_what_is_made(*args, **settings):
        stack_id = args[6]
        return [error for error in validate(*args, **settings) if error[0] not in importing.get(stack_id, ())]

    changesets._deploy_stack_async = deploy_knowing_imports
    stacks._validation_errors = validate_what_is_made
