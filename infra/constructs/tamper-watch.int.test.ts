import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LocalAws, startAws } from '../../sandbox/aws/local-aws.ts';
import type { ResolvedResource } from '../testing/resolve.ts';
import { examplePlan, testStacks } from '../testing/test-app.ts';

const account = '111122223333';
const region = 'us-east-1';
const key = `arn:aws:kms:${region}:${account}:key/mrk-vault`;

let aws: LocalAws;
let resources: readonly ResolvedResource[];
beforeAll(async () => {
  ({ resources } = testStacks(await examplePlan('minimal')));
  aws = await startAws();
});
afterAll(() => aws.stop());

/** Asks EventBridge whether the deployed rule matches what CloudTrail would say of a call. */
async function isTold(rule: string, detail: Record<string, unknown>): Promise<boolean> {
  const found = resources.find(
    (one) =>
      one.type === 'AWS::Events::Rule' &&
      one.region === region &&
      one.properties['Name'] === `holdfast-minimal-${rule}`,
  );
  const event = {
    id: 'e',
    account,
    region,
    time: '2026-11-21T09:00:00Z',
    resources: [],
    source: `aws.${String(detail['eventSource']).split('.')[0]}`,
    'detail-type': 'AWS API Call via CloudTrail',
    detail,
  };
  const response = await fetch(aws.endpoint, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': 'AWSEvents.TestEventPattern',
      authorization: `AWS4-HMAC-SHA256 Credential=test/20261121/${region}/events/aws4_request, SignedHeaders=host, Signature=none`,
    },
    body: JSON.stringify({
      EventPattern: JSON.stringify(found?.properties['EventPattern']),
      Event: JSON.stringify(event),
    }),
  });
  const answer = (await response.json()) as { Result?: boolean };
  expect(answer).toMatchObject({ Result: expect.any(Boolean) });
  return answer.Result === true;
}

const kms = (eventName: string, more: Record<string, unknown>) =>
  isTold('key-endangered', { eventSource: 'kms.amazonaws.com', eventName, ...more });
const s3 = (eventName: string, bucketName: string) =>
  isTold('vault-configuration-changed', {
    eventSource: 's3.amazonaws.com',
    eventName,
    requestParameters: { bucketName },
  });

describe('the watch over keys', () => {
  it.each([
    ['by id', 'ScheduleKeyDeletion', { requestParameters: { keyId: 'mrk-vault' } }],
    ['by ARN', 'DisableKey', { requestParameters: { keyId: key } }],
    ['of the signing key', 'PutKeyPolicy', { requestParameters: { keyId: 'mrk-signing' } }],
    ['by alias', 'DeleteAlias', { requestParameters: { aliasName: 'alias/holdfast-minimal-vault' } }],
    [
      'that was refused, without parameters',
      'ScheduleKeyDeletion',
      {
        requestParameters: null,
        errorCode: 'AccessDenied',
        errorMessage: `User: x is not authorized to perform: kms:ScheduleKeyDeletion on resource: ${key} with an explicit deny`,
      },
    ],
  ])('tells of a call %s', async (_, eventName, more) => {
    expect(await kms(eventName, more)).toBe(true);
  });

  it('is silent about other keys and about their daily use', async () => {
    expect(await kms('ScheduleKeyDeletion', { requestParameters: { keyId: 'mrk-other' } })).toBe(false);
    expect(await kms('DeleteAlias', { requestParameters: { aliasName: 'alias/other' } })).toBe(false);
    expect(await kms('GenerateDataKey', { requestParameters: { keyId: key } })).toBe(false);
  });
});

describe('the watch over the vault', () => {
  const vault = `holdfast-minimal-${account}-${region}`;

  it.each(['DeleteBucketPolicy', 'PutBucketLifecycle', 'PutBucketReplication', 'PutBucketVersioning'])(
    'tells of %s',
    async (eventName) => {
      expect(await s3(eventName, vault)).toBe(true);
    },
  );

  it('is silent about other buckets and about reading', async () => {
    expect(await s3('DeleteBucketPolicy', `${vault}-logs`)).toBe(false);
    expect(await s3('GetBucketPolicy', vault)).toBe(false);
  });
});

describe('the watch over trails', () => {
  const trail = (eventName: string, eventSource = 'cloudtrail.amazonaws.com') =>
    isTold('trail-endangered', { eventSource, eventName, requestParameters: { name: 'organisation' } });

  it.each(['DeleteTrail', 'PutEventSelectors', 'StopLogging', 'UpdateTrail'])('tells of %s', async (name) => {
    expect(await trail(name)).toBe(true);
  });

  it('is silent about looking at them and about what begins, and about calls that are named alike', async () => {
    for (const name of ['DescribeTrails', 'GetTrailStatus', 'StartLogging', 'CreateTrail'])
      expect([name, await trail(name)]).toEqual([name, false]);
    expect(await trail('StopLogging', 'eks.amazonaws.com')).toBe(false);
  });
});
