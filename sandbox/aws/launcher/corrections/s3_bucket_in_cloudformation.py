"""AWS::S3::Bucket applies object lock, replication, lifecycle, encryption and logging; the emulator drops them in silence.

Each property is turned into the body of the API call that sets it, by botocore's own serializer.
"""

BINDS_TO = {
    "ministack.services.cloudformation.provisioners": ["_RESOURCE_HANDLERS"],
    "ministack.services.s3": [
        "_put_object_lock_configuration", "_put_bucket_replication", "_put_bucket_lifecycle", "_put_bucket_encryption",
    ],
}


def apply() -> None:
    import botocore.serialize
    import botocore.session
    from ministack.services import s3
    from ministack.services.cloudformation import provisioners

    model = botocore.session.get_session().get_service_model("s3")
    serializer = botocore.serialize.create_serializer("rest-xml")

    def body(operation, member, value):
        request = serializer.serialize_to_request({"Bucket": "b", member: value}, model.operation_model(operation))
        content = request["body"]
        return content if isinstance(content, bytes) else content.encode()

    def put(name, call, content):
        status, _headers, answer = call(name, content)
        if status >= 400:
            raise ValueError(f"AWS::S3::Bucket {name}: {answer.decode(errors='replace')}")

    def configure(name, props):
        encryption = props.get("BucketEncryption")
        if encryption:
            rules = [encryption_rule(rule) for rule in encryption["ServerSideEncryptionConfiguration"]]
            put(name, s3._put_bucket_encryption,
                body("PutBucketEncryption", "ServerSideEncryptionConfiguration", {"Rules": rules}))
        if props.get("ObjectLockEnabled") or props.get("ObjectLockConfiguration"):
            lock = {"ObjectLockEnabled": "Enabled", **numbers(props.get("ObjectLockConfiguration") or {})}
            put(name, s3._put_object_lock_configuration,
                body("PutObjectLockConfiguration", "ObjectLockConfiguration", lock))
        if props.get("LifecycleConfiguration"):
            rules = [lifecycle_rule(rule) for rule in props["LifecycleConfiguration"]["Rules"]]
            put(name, s3._put_bucket_lifecycle,
                body("PutBucketLifecycleConfiguration", "LifecycleConfiguration", {"Rules": rules}))
        if props.get("ReplicationConfiguration"):
            wanted = props["ReplicationConfiguration"]
            rules = [replication_rule(rule) for rule in wanted["Rules"]]
            put(name, s3._put_bucket_replication,
                body("PutBucketReplication", "ReplicationConfiguration", {"Role": wanted["Role"], "Rules": rules}))

    handlers = provisioners._RESOURCE_HANDLERS["AWS::S3::Bucket"]
    create, update = handlers["create"], handlers["update"]

    def create_whole(logical_id, props, stack_name):
        name, attributes = create(logical_id, props, stack_name)
        configure(name, props)
        return name, attributes

    def update_whole(physical_id, old_props, new_props, stack_name):
        name, attributes = update(physical_id, old_props, new_props, stack_name)
        configure(name, new_props)
        return name, attributes

    handlers["create"], handlers["update"] = create_whole, update_whole


def numbers(value):
    """Template numbers may arrive as text; the API's schema wants integers and booleans."""
    if isinstance(value, dict):
        return {key: numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [numbers(item) for item in value]
    if isinstance(value, str) and value.isdigit():
        return int(value)
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def renamed(value, names):
    return {names.get(key, key): item for key, item in value.items()}


def encryption_rule(rule):
    return numbers(renamed(rule, {"ServerSideEncryptionByDefault": "ApplyServerSideEncryptionByDefault"}))


def filter_of(prefix, tags):
    parts = ([("Prefix", prefix)] if prefix is not None else []) + [("Tag", tag) for tag in tags]
    if len(parts) == 1:
        return {parts[0][0]: parts[0][1]}
    both = {"Tags": list(tags)}
    if prefix is not None:
        both["Prefix"] = prefix
    return {"And": both} if parts else {"Prefix": ""}


def lifecycle_rule(rule):
    answer = {"Status": rule["Status"], "Filter": filter_of(rule.get("Prefix"), rule.get("TagFilters") or [])}
    if rule.get("Id"):
        answer["ID"] = rule["Id"]
    if rule.get("Transitions"):
        answer["Transitions"] = [
            {"Days": int(t["TransitionInDays"]), "StorageClass": t["StorageClass"]} for t in rule["Transitions"]]
    if rule.get("NoncurrentVersionTransitions"):
        answer["NoncurrentVersionTransitions"] = [
            {"NoncurrentDays": int(t["TransitionInDays"]), "StorageClass": t["StorageClass"]}
            for t in rule["NoncurrentVersionTransitions"]]
    if rule.get("AbortIncompleteMultipartUpload"):
        answer["AbortIncompleteMultipartUpload"] = numbers(rule["AbortIncompleteMultipartUpload"])
    if rule.get("ExpirationInDays"):
        answer["Expiration"] = {"Days": int(rule["ExpirationInDays"])}
    if rule.get("NoncurrentVersionExpiration"):
        answer["NoncurrentVersionExpiration"] = numbers(rule["NoncurrentVersionExpiration"])
    return answer


def replication_rule(rule):
    answer = numbers(renamed(rule, {"Id": "ID"}))
    if "Filter" in rule:
        wanted = rule["Filter"]
        both = wanted.get("And") or {}
        tags = both.get("TagFilters") or ([wanted["TagFilter"]] if wanted.get("TagFilter") else [])
        answer["Filter"] = filter_of(wanted.get("Prefix", both.get("Prefix")), tags)
    return answer
