import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import {
  CreateStateMachineCommand,
  SFNClient,
  StartExecutionCommand,
  StopExecutionCommand,
} from '@aws-sdk/client-sfn';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LocalAws, startAws } from '../../sandbox/aws/local-aws.ts';
import type { HoldfastError } from '../errors.ts';
import { startFaultyProxy } from '../vault/testing/faulty-proxy.ts';
import { isExecutionRunning } from './executions.aws.ts';
import { readPostgresSecret } from './secrets.aws.ts';

let aws: LocalAws;
let secrets: SecretsManagerClient;
let executions: SFNClient;

beforeAll(async () => {
  aws = await startAws();
  const common = {
    endpoint: aws.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  };
  secrets = new SecretsManagerClient(common);
  executions = new SFNClient(common);
});

afterAll(async () => {
  secrets?.destroy();
  executions?.destroy();
  await aws?.stop();
});

describe('readPostgresSecret', () => {
  const put = (Name: string, SecretString: string) =>
    secrets.send(new CreateSecretCommand({ Name, SecretString }));
  const read = (secret: string) =>
    readPostgresSecret(secrets, { secret, tls: 'verify-full', caFile: '/ca.pem' });

  it('reads what RDS writes, every character of the password included', async () => {
    const password = ' \'"\\:;$`{}%&<>#ä€\t';
    await put(
      'shop',
      JSON.stringify({
        engine: 'postgres',
        host: 'db',
        port: '5433',
        dbname: 'shop',
        username: 'backup',
        password,
      }),
    );
    expect(await read('shop')).toEqual({
      host: 'db',
      port: 5433,
      dbname: 'shop',
      username: 'backup',
      password,
      tls: 'verify-full',
      caFile: '/ca.pem',
    });
  });

  it('takes with IAM only the place from the secret, and the user from the plan', async () => {
    await put('place', JSON.stringify({ host: 'db', port: 5433, dbname: 'shop' }));
    await put(
      'owner',
      JSON.stringify({ host: 'db', dbname: 'shop', username: 'owner', password: 'very-secret' }),
    );
    const iam = { username: 'holdfast_backup', region: 'us-east-1' };
    const readIam = (secret: string, tls: 'verify-full' | 'disable' = 'verify-full') =>
      readPostgresSecret(secrets, { secret, tls, iam });
    const { shortLivedPassword, ...connection } = await readIam('place');
    expect(connection).toEqual({
      host: 'db',
      port: 5433,
      dbname: 'shop',
      username: 'holdfast_backup',
      tls: 'verify-full',
    });
    expect(shortLivedPassword).toBeDefined();
    expect(await readIam('owner')).not.toHaveProperty('password');
    await expect(readIam('place', 'disable')).rejects.toMatchObject({ code: 'SOURCE_TLS' });
    await expect(read('place')).rejects.toMatchObject({
      code: 'SOURCE_CREDENTIALS',
      message: 'secret place does not fit: username',
    });
  });

  it('names what is missing and never shows a value', async () => {
    await put('partial', JSON.stringify({ host: 'db', password: 'very-secret', port: 'very-secret' }));
    await put('text', 'very-secret {');
    const partial = await read('partial').catch((error: unknown) => error);
    const text = await read('text').catch((error: unknown) => error);
    expect(partial).toMatchObject({
      code: 'SOURCE_CREDENTIALS',
      message: expect.stringContaining('port, username'),
    });
    expect(text).toMatchObject({ code: 'SOURCE_CREDENTIALS' });
    expect(JSON.stringify([partial, text, (partial as Error).stack, (text as Error).stack])).not.toContain(
      'very-secret',
    );
  });

  it('says when there is no such secret', async () => {
    await expect(read('nowhere')).rejects.toMatchObject({
      code: 'SOURCE_CREDENTIALS',
      message: 'secret nowhere does not exist in this Region',
    });
  });

  it.each([
    ['AccessDeniedException', 'SOURCE_CREDENTIALS', false],
    ['ExpiredTokenException', 'SOURCE_CREDENTIALS', false],
    ['ThrottlingException', 'SOURCE_UNREACHABLE', true],
    ['reset', 'SOURCE_UNREACHABLE', true],
  ] as const)('says of %s that it is %s, and whether it may pass', async (fault, code, retryable) => {
    const network = await startFaultyProxy(aws.endpoint);
    const body = JSON.stringify({ __type: fault, message: 'not now' });
    network.rule = () => (fault === 'reset' ? fault : { status: 400, body });
    const { credentials, region } = secrets.config;
    const client = new SecretsManagerClient({ endpoint: network.endpoint, region, credentials });
    const error = await readPostgresSecret(client, { secret: 'shop', tls: 'disable' }).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ code, retryable, message: expect.stringContaining('secret shop') });
    expect((error as HoldfastError).hint).not.toContain('JSON');
    await network.stop();
  });
});

describe('isExecutionRunning', () => {
  it('is false only for an execution of this Region that is known to have ended', async () => {
    const definition = JSON.stringify({
      StartAt: 'W',
      States: { W: { Type: 'Wait', Seconds: 300, End: true } },
    });
    const roleArn = 'arn:aws:iam::111122223333:role/test';
    const { stateMachineArn } = await executions.send(
      new CreateStateMachineCommand({ name: 'wait', definition, roleArn }),
    );
    const { executionArn = '' } = await executions.send(new StartExecutionCommand({ stateMachineArn }));
    const running = (owner: string) => isExecutionRunning(executions, 'us-east-1', owner);
    expect(await running(executionArn)).toBe(true);
    await executions.send(new StopExecutionCommand({ executionArn }));
    expect(await running(executionArn)).toBe(false);
    expect(await running(`${executionArn}-never-was`)).toBe(false);
    expect(await running(executionArn.replace('us-east-1', 'us-west-2'))).toBe(true);
    expect(await running('local:host:123')).toBe(true);
  });
});
