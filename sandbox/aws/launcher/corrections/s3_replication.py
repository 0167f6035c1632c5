"""S3 replicates in the background, keeps version ids, and gives the replica the lock and tags of the source.

The emulator copies at once, with new version ids and without locks. Here a worker copies a moment later, one object
after another; while the Region of the source or of the destination is off nothing moves, and the queue is worked off
after its return. The source reads PENDING until then.
"""

import copy
import os
import threading
import time

BINDS_TO = {
    "ministack.services.s3": [
        "_maybe_replicate", "_record_object_version", "_replication_rule_for", "_replication_destination", "_object_versions",
        "_object_retention", "_object_legal_hold", "_object_tags", "_buckets", "_bucket_replication", "_in_account",
    ],
    "ministack.core.responses": ["request_scope", "get_account_id", "get_region"],
}
LAG_SECONDS = 0.3


def apply() -> None:
    from ministack.core.responses import get_account_id, get_region, request_scope
    from ministack.services import s3

    queue, wake = [], threading.Condition()
    record_version = s3._record_object_version
    off_file = os.environ.get("HOLDFAST_DEAD_REGIONS", "")

    def dead_regions():
        try:
            with open(off_file, encoding="utf-8") as file:
                return set(file.read().split())
        except OSError:
            return set()

    def record_and_queue(bucket, key, prior, obj, data):
        version_id = record_version(bucket, key, prior, obj, data)
        if version_id and s3._bucket_replication.get(bucket):
            with wake:
                queue.append((time.time() + LAG_SECONDS, get_account_id(), get_region(), bucket, key, version_id, obj))
                wake.notify()
        return version_id

    def work():
        while True:
            with wake:
                while not queue:
                    wake.wait()
                job = queue[0]
            time.sleep(max(0.0, job[0] - time.time()))
            _due, account, region, bucket, key, version_id, obj = job
            with request_scope(account, region):
                done = replicate(bucket, key, version_id, obj)
            with wake:
                queue.pop(0)
                if not done:
                    # Behind the others: a dead destination must not hold up what goes elsewhere.
                    queue.append((time.time() + 1.0, *job[1:]))

    def replicate(bucket, key, version_id, obj):
        source = next((v for v in s3._object_versions.get((bucket, key), []) if v["version_id"] == version_id), None)
        if source is None:
            return True
        tags = s3._object_tags.get((bucket, key, version_id)) or {}
        rule, role = s3._replication_rule_for(bucket, key, tags)
        if rule is None:
            return True
        stamp(source, obj, "PENDING")
        target = s3._replication_destination(bucket, key, rule, role)
        if target is None:
            stamp(source, obj, "FAILED")
            return True
        name, account, destination = target
        if {s3._buckets[bucket].get("region"), destination.get("region")} & dead_regions():
            return False
        with s3._in_account(account):
            write_replica(name, destination, key, source, obj)
            for store in (s3._object_retention, s3._object_legal_hold):
                if (bucket, key, version_id) in store:
                    store[(name, key, version_id)] = copy.deepcopy(store[(bucket, key, version_id)])
            if tags:
                s3._object_tags[(name, key, version_id)] = dict(tags)
        stamp(source, obj, "COMPLETED")
        return True

    def write_replica(name, destination, key, source, obj):
        versions = s3._object_versions.setdefault((name, key), [])
        if any(v["version_id"] == source["version_id"] for v in versions):
            return
        entry = {**source, "is_latest": True, "replication_status": "REPLICA"}
        for version in versions:
            version["is_latest"] = False
        versions.append(entry)
        destination["objects"][key] = {**obj, "replication_status": "REPLICA", "version_id": source["version_id"]}

    def stamp(source, obj, status):
        source["replication_status"] = status
        obj["replication_status"] = status

    s3._maybe_replicate = lambda *_args, **_kwargs: None
    s3._record_object_version = record_and_queue
    threading.Thread(target=work, daemon=True, name="s3-replication").start()
