// usage: node s3-pipe.ts put|get BUCKET KEY: standard input to an object, or an object to standard output. What `aws s3 cp -`
// does, for the peers' flows: the same SDK as ours, without the second that the AWS command takes to start.
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

const [direction, Bucket, Key] = process.argv.slice(2);
const client = new S3Client({
  requestChecksumCalculation: 'WHEN_REQUIRED',
  responseChecksumValidation: 'WHEN_REQUIRED',
});
if (direction === 'put') {
  await new Upload({
    client,
    params: { Bucket, Key, Body: process.stdin },
    partSize: 16 * 2 ** 20,
    queueSize: 4,
  }).done();
} else {
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
  await pipeline(Body as Readable, process.stdout);
}
client.destroy();
