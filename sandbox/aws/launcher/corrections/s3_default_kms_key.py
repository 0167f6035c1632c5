"""A write that asks for `aws:kms` without a key uses the bucket's key, or the account's `aws/s3` key; the emulator refuses it."""

BINDS_TO = {"ministack.services.s3": ["_resolve_sse_write_headers", "_bucket_encryption"]}

KEY_HEADER = "x-amz-server-side-encryption-aws-kms-key-id"


def apply() -> None:
    from ministack.core.responses import get_account_id, get_region
    from ministack.services import s3

    resolve = s3._resolve_sse_write_headers

    def resolve_with_default(headers, bucket_name):
        if headers.get("x-amz-server-side-encryption") == "aws:kms" and not headers.get(KEY_HEADER):
            key = f"arn:aws:kms:{get_region()}:{get_account_id()}:alias/aws/s3"
            headers = {**headers, KEY_HEADER: key}
        return resolve(headers, bucket_name)

    s3._resolve_sse_write_headers = resolve_with_default
