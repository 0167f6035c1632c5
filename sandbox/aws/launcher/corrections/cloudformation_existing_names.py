"""CloudFormation creates nothing under a name that is taken; the emulator puts the new thing in the place of the old one.

So a table, role or log group that outlived its stack would be emptied in silence by the next deployment, which on AWS
fails with "already exists". Buckets are refused by the emulator itself.
"""

BINDS_TO = {
    "ministack.services.cloudformation.provisioners": ["_RESOURCE_HANDLERS"],
    "ministack.services.dynamodb": ["_tables"],
    "ministack.services.cloudwatch_logs": ["_log_groups"],
    "ministack.services.iam": ["_roles"],
    "ministack.services.kms": ["_aliases", "_alias_arn"],
    "ministack.services.s3": ["_bucket_policies"],
    "ministack.services.scheduler": ["_schedule_groups"],
}


def apply() -> None:
    from ministack.services import cloudwatch_logs, dynamodb, iam, kms, s3, scheduler
    from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS

    taken = {
        "AWS::DynamoDB::Table": ("TableName", lambda name: name in dynamodb._tables),
        "AWS::DynamoDB::GlobalTable": ("TableName", lambda name: name in dynamodb._tables),
        "AWS::IAM::Role": ("RoleName", lambda name: name in iam._roles),
        "AWS::KMS::Alias": ("AliasName", lambda name: kms._alias_arn(name) in kms._aliases),
        "AWS::Logs::LogGroup": ("LogGroupName", lambda name: name in cloudwatch_logs._log_groups),
        "AWS::Scheduler::ScheduleGroup": ("Name", lambda name: name in scheduler._schedule_groups),
        "AWS::S3::BucketPolicy": ("Bucket", lambda name: bool(s3._bucket_policies.get(name))),
    }
    for kind, (key, exists) in taken.items():
        handlers = _RESOURCE_HANDLERS[kind]
        handlers["create"] = refusing(kind, key, exists, handlers["create"])


def refusing(kind, key, exists, create):
    def create_unless_taken(logical_id, props, stack_name):
        name = props.get(key)
        if name and exists(name):
            raise ValueError(f"Resource of type '{kind}' with identifier '{name}' already exists.")
        return create(logical_id, props, stack_name)

    return create_unless_taken
