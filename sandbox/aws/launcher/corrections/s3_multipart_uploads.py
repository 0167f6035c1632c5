"""A multipart upload keeps a full-object checksum, and the object lock and tags that its creation asked for.

The emulator refuses a correct full-object CRC-64/NVME, forgets lock and tags of multipart uploads, and computes the
checksum in pure Python at 2.5 MB/s; AWS's own runtime library does it at memory speed.
"""

import base64
import re
import struct
from urllib.parse import parse_qs

BINDS_TO = {
    "ministack.services.s3": [
        "_create_multipart_upload", "_complete_multipart_upload", "_multipart_uploads", "_object_versions", "_object_tags",
        "_apply_object_lock_from_headers", "_crc64nvme", "_crc32c", "_error", "_completed_multipart_uploads",
    ],
}
ALGORITHMS = {"CRC64NVME": ("crc64nvme", ">Q"), "CRC32": ("crc32", ">I"), "CRC32C": ("crc32c", ">I")}


def apply() -> None:
    from awscrt import checksums
    from ministack.services import s3

    s3._crc64nvme = checksums.crc64nvme
    s3._crc32c = checksums.crc32c
    create, complete = s3._create_multipart_upload, s3._complete_multipart_upload

    def create_remembering(bucket, key, headers):
        response = create(bucket, key, headers)
        if response[0] == 200:
            upload_id = re.search(rb"<UploadId>([^<]+)</UploadId>", response[2]).group(1).decode()
            upload = s3._multipart_uploads[upload_id]
            upload["_headers"] = dict(headers)
            upload["_full_object"] = headers.get("x-amz-checksum-type", "").upper() == "FULL_OBJECT"
            if upload["_full_object"]:
                response[1]["x-amz-checksum-type"] = "FULL_OBJECT"
        return response

    def complete_whole(bucket, key, body, query, headers=None):
        upload_id = (query.get("uploadId") or [""])
        upload_id = upload_id[0] if isinstance(upload_id, list) else upload_id
        upload = s3._multipart_uploads.get(upload_id)
        if upload is None or upload_id in s3._completed_multipart_uploads:
            return complete(bucket, key, body, query, headers)
        algorithm, value = None, None
        if upload.get("_full_object") and upload.get("checksum_algorithm") in ALGORITHMS:
            algorithm = upload["checksum_algorithm"]
            value = full_object_checksum(algorithm, upload, body)
            asked = (headers or {}).get(f"x-amz-checksum-{algorithm.lower()}")
            if asked and asked != value:
                return s3._error("BadDigest", f"The {algorithm} you specified did not match the calculated checksum.",
                                 400, f"/{bucket}/{key}")
            upload["checksum_algorithm"] = None
        response = complete(bucket, key, body, query, headers)
        if response[0] != 200:
            if algorithm:
                upload["checksum_algorithm"] = algorithm
            return response
        return finish(bucket, key, upload_id, upload, algorithm, value, response)

    def finish(bucket, key, upload_id, upload, algorithm, value, response):
        version_id = response[1].get("x-amz-version-id")
        records = [v for v in s3._object_versions.get((bucket, key), []) if v["version_id"] == version_id]
        records.append(s3._buckets[bucket]["objects"][key])
        asked = upload.get("_headers", {})
        if algorithm:
            for record in records:
                record["checksums"] = {algorithm: value}
                record["checksum_type"] = "FULL_OBJECT"
            tail = f"<Checksum{algorithm}>{value}</Checksum{algorithm}><ChecksumType>FULL_OBJECT</ChecksumType>"
            closing = b"</CompleteMultipartUploadResult>"
            response = (response[0], response[1], response[2].replace(closing, tail.encode() + closing))
            s3._completed_multipart_uploads[upload_id]["response"] = response
        s3._apply_object_lock_from_headers(bucket, key, asked, version_id)
        tagging = asked.get("x-amz-tagging")
        if tagging:
            s3._object_tags[(bucket, key, version_id)] = {k: v[0] for k, v in parse_qs(tagging).items()}
        return response

    def full_object_checksum(algorithm, upload, body):
        name, layout = ALGORITHMS[algorithm]
        numbers = sorted(int(number) for number in re.findall(rb"<PartNumber>(\d+)</PartNumber>", body))
        running = 0
        for number in numbers:
            if number in upload["parts"]:
                running = getattr(checksums, name)(upload["parts"][number]["body"], running)
        return base64.b64encode(struct.pack(layout, running)).decode()

    s3._create_multipart_upload = create_remembering
    s3._complete_multipart_upload = complete_whole
