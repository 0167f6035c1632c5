import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  CloudWatchClient,
  DeleteAlarmMuteRuleCommand,
  DeleteAlarmsCommand,
  DisableAlarmActionsCommand,
  EnableAlarmActionsCommand,
  PutAlarmMuteRuleCommand,
  PutMetricAlarmCommand,
  SetAlarmStateCommand,
} from '@aws-sdk/client-cloudwatch';
import {
  DisableRuleCommand,
  EnableRuleCommand,
  EventBridgeClient,
  PutRuleCommand,
  PutTargetsCommand,
  RemoveTargetsCommand,
} from '@aws-sdk/client-eventbridge';
import { CreateKeyCommand, DisableKeyCommand, EnableKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import {
  CreateSecretCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import {
  CreateTopicCommand,
  ListSubscriptionsByTopicCommand,
  SetTopicAttributesCommand,
  SNSClient,
  SubscribeCommand,
  UnsubscribeCommand,
} from '@aws-sdk/client-sns';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Plan } from '../core/plan/plan.ts';
import { buildLambdas } from '../infra/build-lambdas.ts';
import { examplePlan, testStacks } from '../infra/testing/test-app.ts';
import { type LocalAws, startAws } from '../sandbox/aws/local-aws.ts';

const account = '111122223333';
const region = 'us-west-2';
const topic = `arn:aws:sns:${region}:${account}:holdfast-acme-alarms`;
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-heartbeat-'));
const certificate = path.join(directory, 'cert.pem');
/** Part of the address that nobody may read in a log. */
const token = 'a1b2c3d4-secret';

let aws: LocalAws;
let plan: Plan;
let functions: string;
let outside: https.Server;
let fn: ChildProcess;
let output = '';
let calls: string[] = [];
let answer = 200;
let clients: {
  cloudWatch: CloudWatchClient;
  events: EventBridgeClient;
  kms: KMSClient;
  sns: SNSClient;
  secrets: SecretsManagerClient;
};
let topicKey: string;
let template: ReturnType<typeof testStacks>['resources'];

beforeAll(async () => {
  const acme = await examplePlan('acme');
  plan = {
    ...acme,
    notifications: { oncall: { sns: true, heartbeat: { secret: 'holdfast/heartbeat', everySeconds: 900 } } },
  };
  functions = await buildLambdas(plan, path.join(directory, 'functions'), ['heartbeat']);
  aws = await startAws();
  const client = {
    endpoint: aws.endpoint,
    region,
    credentials: { accessKeyId: account, secretAccessKey: 'test' },
  };
  clients = {
    cloudWatch: new CloudWatchClient(client),
    events: new EventBridgeClient(client),
    kms: new KMSClient(client),
    sns: new SNSClient(client),
    secrets: new SecretsManagerClient(client),
  };
  outside = await listen();
  await deployWatch();
  await clients.secrets.send(
    new CreateSecretCommand({ Name: 'holdfast/heartbeat', SecretString: address() }),
  );
  fn = startFunction();
  for (const stream of [fn.stdout, fn.stderr])
    stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await once(fn, 'message');
});
afterAll(async () => {
  fn?.kill();
  outside?.close();
  await aws?.stop();
  fs.rmSync(directory, { recursive: true, force: true });
});
beforeEach(() => {
  calls = [];
  answer = 200;
});

const address = (protocol = 'https') =>
  `${protocol}://localhost:${(outside.address() as AddressInfo).port}/${token}/{region}`;

/** A dead-man service: HTTPS, with a certificate that the function trusts through NODE_EXTRA_CA_CERTS. */
async function listen(): Promise<https.Server> {
  const key = path.join(directory, 'key.pem');
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject];
  execFileSync('openssl', [...args, '-keyout', key, '-out', certificate], { stdio: 'pipe' });
  const server = https.createServer(
    { key: fs.readFileSync(key), cert: fs.readFileSync(certificate) },
    (request, response) => {
      calls.push(`${request.method} ${request.url}`);
      response.writeHead(answer, answer === 302 ? { location: '/elsewhere' } : {}).end('OK');
    },
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

const ofTypeInTemplate = (type: string) =>
  template.filter((one) => one.region === region && one.type === type).map(({ properties }) => properties);

/** The alarms, rules, topic and its key of the standby Region's template. */
async function deployWatch(): Promise<void> {
  template = testStacks(plan).resources;
  const [key] = ofTypeInTemplate('AWS::KMS::Key');
  const [policy] = ofTypeInTemplate('AWS::SNS::TopicPolicy');
  const { KeyMetadata } = await clients.kms.send(
    new CreateKeyCommand({ Policy: JSON.stringify(key?.['KeyPolicy']) }),
  );
  topicKey = KeyMetadata?.Arn ?? '';
  const Policy = JSON.stringify(policy?.['PolicyDocument']);
  const Attributes = { KmsMasterKeyId: topicKey, Policy };
  await clients.sns.send(new CreateTopicCommand({ Name: 'holdfast-acme-alarms', Attributes }));
  for (const { Name } of ofTemplate('AWS::Events::Rule')) {
    await putRule(Name);
    await putTargets(Name);
  }
  for (const { AlarmName } of ofTemplate('AWS::CloudWatch::Alarm')) await putAlarm(AlarmName);
  await clients.cloudWatch.send(setState('OK'));
}

/** With the key as it was made here in the place of the template's. */
const ofTemplate = (type: string): Record<string, any>[] => {
  const named = ofTypeInTemplate('AWS::SNS::Topic')[0]?.['KmsMasterKeyId'] as string;
  const text = JSON.stringify(ofTypeInTemplate(type)).replaceAll(named, topicKey);
  return JSON.parse(text.replaceAll(named.split('/').at(-1)!, topicKey.split('/').at(-1)!));
};
const ruleOf = (name: string) => {
  const found = ofTemplate('AWS::Events::Rule').find(({ Name }) => Name === name);
  if (found === undefined) throw new Error(`no rule ${name}`);
  return found;
};
const putRule = (name: string, change: { EventPattern?: string } = {}) => {
  const { ScheduleExpression, EventPattern, State } = ruleOf(name);
  const pattern = EventPattern && { EventPattern: JSON.stringify(EventPattern) };
  return clients.events.send(
    new PutRuleCommand({ Name: name, ScheduleExpression, State, ...pattern, ...change }),
  );
};
const putTargets = (Rule: string, Arn: string = ruleOf(Rule)['Targets'][0].Arn) =>
  clients.events.send(new PutTargetsCommand({ Rule, Targets: [{ Id: '0', Arn }] }));
const setTopicKey = (AttributeValue: string) =>
  clients.sns.send(
    new SetTopicAttributesCommand({ TopicArn: topic, AttributeName: 'KmsMasterKeyId', AttributeValue }),
  );
const putAlarm = (name: string, change: object = {}) => {
  const properties = ofTemplate('AWS::CloudWatch::Alarm').find(({ AlarmName }) => AlarmName === name);
  expect(properties?.['AlarmActions']).toHaveLength(1);
  const { AlarmDescription: _, OKActions: __, ...alarm } = properties!;
  return clients.cloudWatch.send(
    new PutMetricAlarmCommand({ ...alarm, AlarmName: name, AlarmActions: [topic], ...change } as never),
  );
};
const deadMan = 'holdfast-acme-dead-man-shop-db';
const setState = (StateValue: 'OK' | 'ALARM' | 'INSUFFICIENT_DATA') =>
  new SetAlarmStateCommand({ AlarmName: deadMan, StateValue, StateReason: 'test' });

/** The bundle in a process of its own, as Lambda keeps it between calls. */
function startFunction(): ChildProcess {
  const file = pathToFileURL(path.join(functions, 'heartbeat/index.mjs')).href;
  const runner = path.join(directory, 'runner.mjs');
  fs.writeFileSync(
    runner,
    `import { handler } from ${JSON.stringify(file)};
    process.on('message', (event) => handler(event).then((reply) => process.send({ reply }), (error) => process.send({ error: error.message })));
    process.send('ready');`,
  );
  return fork(runner, {
    execPath: process.execPath,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: {
      PATH: process.env['PATH'] ?? '',
      ...aws.environment,
      AWS_ACCESS_KEY_ID: account,
      AWS_REGION: region,
      NODE_EXTRA_CA_CERTS: certificate,
      HOLDFAST_PLAN_NAME: 'acme',
      HOLDFAST_REGION: region,
      HOLDFAST_PEER_REGION: 'us-east-1',
      HOLDFAST_TABLE: 'holdfast-acme',
      HOLDFAST_VAULT_KEY_ARN: `arn:aws:kms:${region}:${account}:key/mrk-vault`,
      HOLDFAST_SIGNING_KEY_ARN: `arn:aws:kms:${region}:${account}:key/mrk-signing`,
      HOLDFAST_ALARM_KEY_ARN: topicKey,
      HOLDFAST_BOOTSTRAP_QUALIFIER: 'hnb659fds',
    },
  });
}

/** Calls the function as its rule does; `missing` is the metric, `output` what it logged. */
async function beat() {
  output = '';
  fn.send({ channel: 'oncall' });
  const [answer] = (await once(fn, 'message')) as [{ reply?: { sent: boolean; reasons: string[] } }];
  // The log comes through a pipe, the answer through another.
  await expect.poll(() => output, { timeout: 10_000 }).toMatch(/"heartbeat_missing":\d[^]*"message":"done"/);
  return { ...answer, missing: /"heartbeat_missing":(\d)/.exec(output)?.[1], output };
}

describe('the heartbeat', () => {
  it('stays away while nobody is subscribed, and leaves once somebody is', async () => {
    const alone = await beat();
    expect(alone.reply).toMatchObject({ sent: false, reasons: ['nobody is subscribed to the alarms'] });
    expect([alone.missing, calls]).toEqual(['1', []]);
    await clients.sns.send(
      new SubscribeCommand({
        TopicArn: topic,
        Protocol: 'sqs',
        Endpoint: `arn:aws:sqs:${region}:${account}:q`,
      }),
    );
    const sent = await beat();
    expect(sent.reply).toMatchObject({ sent: true, reasons: [] });
    expect([sent.missing, calls]).toEqual(['0', [`GET /${token}/${region}`]]);
    expect(sent.output).not.toContain(token);
  });

  const rule = 'holdfast-acme-watch-endangered';
  const alarm = 'holdfast-acme-backup-failed-shop-db';
  it.each<
    [
      what: string,
      harm: () => Promise<unknown>,
      heal: () => Promise<unknown>,
      reason: string | (() => string),
    ]
  >([
    [
      'an alarm is gone',
      () => clients.cloudWatch.send(new DeleteAlarmsCommand({ AlarmNames: [alarm] })),
      () => putAlarm(alarm),
      `alarm ${alarm} is missing`,
    ],
    [
      'an alarm is disabled',
      () => clients.cloudWatch.send(new DisableAlarmActionsCommand({ AlarmNames: [alarm] })),
      () => clients.cloudWatch.send(new EnableAlarmActionsCommand({ AlarmNames: [alarm] })),
      `alarm ${alarm} has its actions disabled`,
    ],
    [
      'an alarm tells another topic',
      () => putAlarm(alarm, { AlarmActions: [`${topic}-2`] }),
      () => putAlarm(alarm),
      `alarm ${alarm} does not tell the topic`,
    ],
    [
      'a rule is disabled',
      () => clients.events.send(new DisableRuleCommand({ Name: rule })),
      () => clients.events.send(new EnableRuleCommand({ Name: rule })),
      `rule ${rule} is disabled`,
    ],
    [
      'a rule has no target',
      () => clients.events.send(new RemoveTargetsCommand({ Rule: rule, Ids: ['0'] })),
      () => putTargets(rule),
      `rule ${rule} does not have ${topic} as its target`,
    ],
    [
      'a rule tells another topic',
      () => putTargets(rule, `${topic}-2`),
      () => putTargets(rule),
      `rule ${rule} does not have ${topic} as its target`,
    ],
    [
      'a rule listens for nothing that happens',
      () => putRule(rule, { EventPattern: '{"source":["nobody"]}' }),
      () => putRule(rule),
      `rule ${rule} listens for something else`,
    ],
    [
      'an alarm is muted',
      () =>
        clients.cloudWatch.send(
          new PutAlarmMuteRuleCommand({
            Name: 'holiday',
            Rule: { Schedule: { Expression: 'at(2026-12-24T00:00)', Duration: 'P14D' } },
            MuteTargets: { AlarmNames: [alarm] },
          }),
        ),
      () => clients.cloudWatch.send(new DeleteAlarmMuteRuleCommand({ AlarmMuteRuleName: 'holiday' })),
      `alarm ${alarm} is muted by holiday`,
    ],
    [
      'an alarm counts no silence',
      () => putAlarm(alarm, { TreatMissingData: 'ignore' }),
      () => putAlarm(alarm),
      `alarm ${alarm} was changed: missing data ignore instead of notBreaching`,
    ],
    [
      'the key of the topic is disabled',
      () => clients.kms.send(new DisableKeyCommand({ KeyId: topicKey })),
      () => clients.kms.send(new EnableKeyCommand({ KeyId: topicKey })),
      () => `key ${topicKey} of the topic is Disabled`,
    ],
    [
      'the topic is under a key that lets nobody in',
      () => setTopicKey('alias/aws/sns'),
      () => setTopicKey(topicKey),
      () => `the topic is encrypted with alias/aws/sns instead of ${topicKey}`,
    ],
    [
      'the newest point is too old',
      () => clients.cloudWatch.send(setState('ALARM')),
      () => clients.cloudWatch.send(setState('OK')),
      `no protected recovery point of shop-db within the RPO: ${deadMan} is ALARM`,
    ],
    [
      'the RPO was made longer',
      () => putAlarm(deadMan, { Threshold: 8.1 }).then(() => clients.cloudWatch.send(setState('OK'))),
      () => putAlarm(deadMan).then(() => clients.cloudWatch.send(setState('OK'))),
      `alarm ${deadMan} was changed: threshold 8.1 instead of 8`,
    ],
  ])('stays away when %s', async (_, harm, heal, reason) => {
    await harm();
    const kept = await beat();
    await heal();
    const said = typeof reason === 'string' ? reason : reason();
    expect(kept.reply).toMatchObject({ sent: false, reasons: [said] });
    expect([kept.missing, calls]).toEqual(['1', []]);
  });

  it('leaves again when all of it was put right', async () => {
    expect((await beat()).reply).toMatchObject({ sent: true, reasons: [] });
  });

  it.each([
    [500, 3, 'it answered 500'],
    [302, 3, 'it answered 302'],
  ])('says that it is missing when the address answers %i', async (status, tries, reason) => {
    answer = status;
    const { reply, missing, output } = await beat();
    expect(reply).toMatchObject({ sent: false, reasons: [`the address did not take it: ${reason}`] });
    expect(calls).toEqual(Array(tries).fill(`GET /${token}/${region}`));
    expect(missing).toBe('1');
    expect(output).not.toContain(token);
  });

  it('calls nothing that is not HTTPS, and keeps a wrong secret to itself', async () => {
    const put = (SecretString: string) =>
      clients.secrets.send(new PutSecretValueCommand({ SecretId: 'holdfast/heartbeat', SecretString }));
    await put(address('http'));
    const plain = await beat();
    const closed = await listen();
    const { port } = closed.address() as AddressInfo;
    closed.close();
    await put(`https://127.0.0.1:${port}/${token}`);
    const dead = await beat();
    await put(address());
    expect(plain.reply?.reasons).toEqual([
      'secret holdfast/heartbeat holds no address that begins with https://',
    ]);
    expect(dead.reply?.reasons).toEqual(['the address did not take it: TypeError ECONNREFUSED']);
    expect([plain.output, dead.output].join()).not.toContain(token);
    expect(calls).toEqual([]);
  });

  it('stays away when the last subscriber was taken away', async () => {
    const { Subscriptions = [] } = await clients.sns.send(
      new ListSubscriptionsByTopicCommand({ TopicArn: topic }),
    );
    await clients.sns.send(new UnsubscribeCommand({ SubscriptionArn: Subscriptions[0]?.SubscriptionArn }));
    expect((await beat()).reply?.reasons).toEqual(['nobody is subscribed to the alarms']);
  });
});
