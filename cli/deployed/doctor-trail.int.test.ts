import {
  type AdvancedEventSelector,
  CloudTrailClient,
  CreateTrailCommand,
  DeleteTrailCommand,
  type EventSelector,
  PutEventSelectorsCommand,
  StartLoggingCommand,
  StopLoggingCommand,
} from '@aws-sdk/client-cloudtrail';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type LocalAws, startAws } from '../../sandbox/aws/local-aws.ts';
import { diagnose } from './doctor-look.ts';
import { trail } from './doctor-trail.ts';

const home = 'us-east-1';
const other = 'us-west-2';

let aws: LocalAws;
let client: CloudTrailClient;
const before = { ...process.env };
beforeAll(async () => {
  aws = await startAws();
  Object.assign(process.env, aws.environment);
  client = new CloudTrailClient({ region: home });
});
afterAll(async () => {
  client.destroy();
  process.env = before;
  await aws.stop();
});

const made = new Set<string>();
afterEach(async () => {
  for (const Name of made) await client.send(new DeleteTrailCommand({ Name }));
  made.clear();
});

async function make(Name: string, options: { everywhere?: boolean; organisation?: boolean } = {}) {
  const { everywhere = true, organisation = false } = options;
  await client.send(
    new CreateTrailCommand({
      Name,
      S3BucketName: 'logs',
      IsMultiRegionTrail: everywhere,
      IsOrganizationTrail: organisation,
    }),
  );
  made.add(Name);
  await client.send(new StartLoggingCommand({ Name }));
}
const select = (TrailName: string, change: Partial<EventSelector>) =>
  client.send(
    new PutEventSelectorsCommand({
      TrailName,
      EventSelectors: [{ ReadWriteType: 'All', IncludeManagementEvents: true, ...change }],
    }),
  );
const selectBy = (TrailName: string, ...fields: AdvancedEventSelector['FieldSelectors'] & object[]) =>
  client.send(
    new PutEventSelectorsCommand({ TrailName, AdvancedEventSelectors: [{ FieldSelectors: fields }] }),
  );
const look = (region = home) => diagnose(trail(region), region);

describe('the look for a trail', () => {
  it('finds none, and says what that means and how to make one', async () => {
    expect(await look()).toMatchObject({
      state: 'FAULT',
      detail: 'no trail logs this Region; alarms for tampering stay silent',
      fix: expect.stringMatching(/organisation.*create-trail --region us-east-1 .*--is-multi-region-trail/),
    });
  });

  it('is content with one of all Regions, in both', async () => {
    await make('audit');
    for (const region of [home, other])
      expect(await look(region)).toEqual({
        what: 'CloudTrail trail',
        region,
        state: 'ok',
        detail: 'audit logs',
      });
  });

  it("is content with the organisation's, and asks for no second one", async () => {
    await make('org', { organisation: true });
    expect(await look(other)).toMatchObject({ state: 'ok', detail: 'org logs (organisation)' });
  });

  it('is not content in a Region that a trail of one Region leaves out', async () => {
    await make('single', { everywhere: false });
    expect(await look(home)).toMatchObject({ state: 'ok' });
    expect(await look(other)).toMatchObject({
      state: 'FAULT',
      detail: expect.stringContaining('no trail logs'),
    });
  });

  it('finds one that is switched off', async () => {
    await make('audit');
    await client.send(new StopLoggingCommand({ Name: 'audit' }));
    expect(await look()).toMatchObject({
      state: 'FAULT',
      detail: expect.stringContaining('audit is switched off'),
    });
  });

  it.each<[string, Partial<EventSelector>, RegExp | undefined]>([
    // AssumeRole is a read-only event.
    [
      'writing events alone',
      { ReadWriteType: 'WriteOnly' },
      /^no trail logs that somebody takes on a role \(read-only events\): audit leaves out sts\.amazonaws\.com$/,
    ],
    [
      'reading events alone',
      { ReadWriteType: 'ReadOnly' },
      /^no trail logs calls that change s3\.amazonaws\.com or calls that change kms\.amazonaws\.com: /,
    ],
    [
      'no management events',
      { IncludeManagementEvents: false },
      /kms\.amazonaws\.com or that somebody takes on a role/,
    ],
    ['all but KMS', { ExcludeManagementEventSources: ['kms.amazonaws.com'] }, /change kms\.amazonaws\.com: /],
    ['all but RDS data', { ExcludeManagementEventSources: ['rdsdata.amazonaws.com'] }, undefined],
  ])('judges one with %s', async (_, change, fault) => {
    await make('audit');
    await select('audit', change);
    const found = await look();
    expect(found.state).toBe(fault === undefined ? 'ok' : 'FAULT');
    expect(found.detail).toMatch(fault ?? /^audit logs$/);
  });

  const management = { Field: 'eventCategory', Equals: ['Management'] };
  it.each([
    ['management events', [management], true],
    ['writing ones', [management, { Field: 'readOnly', Equals: ['false'] }], false],
    ['reading ones', [management, { Field: 'readOnly', Equals: ['true'] }], false],
    ['all but KMS', [management, { Field: 'eventSource', NotEquals: ['kms.amazonaws.com'] }], false],
    ['all but RDS data', [management, { Field: 'eventSource', NotEquals: ['rdsdata.amazonaws.com'] }], true],
    ['those of some names', [management, { Field: 'eventName', StartsWith: ['Put'] }], false],
    ['data events', [{ Field: 'eventCategory', Equals: ['Data'] }], false],
  ])('judges one with advanced selectors for %s', async (_, fields, ok) => {
    await make('audit');
    await selectBy('audit', ...fields);
    expect((await look()).state).toBe(ok ? 'ok' : 'FAULT');
  });

  it('is content when two trails together hear both services', async () => {
    await make('keys');
    await selectBy('keys', management, { Field: 'eventSource', Equals: ['kms.amazonaws.com'] });
    expect(await look()).toMatchObject({ state: 'FAULT' });
    await make('rest');
    await select('rest', { ExcludeManagementEventSources: ['kms.amazonaws.com'] });
    expect(await look()).toMatchObject({ state: 'ok' });
  });
});
