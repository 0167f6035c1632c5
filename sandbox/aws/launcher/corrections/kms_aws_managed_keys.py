"""Describing an alias like `alias/aws/s3` makes the AWS managed key behind it, once per Region; the emulator knows none."""

import re

BINDS_TO = {"ministack.services.kms": ["_describe_key", "_create_key", "_resolve_key", "_aliases", "_alias_arn", "_keys"]}

AWS_ALIAS = re.compile(r"^(?:arn:aws:kms:[^:]+:\d+:)?(alias/aws/[a-z0-9-]+)$")


def apply() -> None:
    import json

    from ministack.services import kms

    describe = kms._describe_key

    def describe_with_managed_keys(data):
        key_id = data.get("KeyId") or ""
        match = AWS_ALIAS.match(key_id)
        if match and kms._resolve_key(key_id) is None:
            made = json.loads(kms._create_key({"Description": f"AWS managed key of {match.group(1)}"})[2])
            kms._aliases[kms._alias_arn(match.group(1))] = made["KeyMetadata"]["KeyId"]
        status, headers, body = describe(data)
        if match and status == 200:
            answer = json.loads(body)
            answer["KeyMetadata"]["KeyManager"] = "AWS"
            body = json.dumps(answer).encode() if isinstance(body, bytes) else json.dumps(answer)
        return status, headers, body

    kms._describe_key = describe_with_managed_keys
