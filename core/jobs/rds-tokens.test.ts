import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { rdsTokens } from './rds-tokens.aws.ts';

const host = 'shop.cluster-abc.eu-central-1.rds.amazonaws.com';
const user = { host, port: 5433, username: 'holdfast_backup', region: 'us-east-1' };

/** A token is a signed URL without its scheme. */
const parsed = (token: string) => new URL(`https://${token}`);

describe('tokens of RDS', () => {
  beforeEach(() => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIDEXAMPLE');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'not-a-key');
    vi.stubEnv('AWS_SESSION_TOKEN', 'session');
    vi.useFakeTimers({ now: new Date('2026-11-21T10:00:00Z'), toFake: ['Date'] });
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllEnvs();
  });

  it('are signed for one user at one endpoint of its own Region, for 15 minutes', async () => {
    const { host: authority, searchParams } = parsed(await rdsTokens(user).ask());
    expect(authority).toBe(`${host}:5433`);
    const { 'X-Amz-Signature': signature, ...rest } = Object.fromEntries(searchParams);
    expect(signature).toMatch(/^[0-9a-f]{64}$/);
    expect(rest).toEqual({
      Action: 'connect',
      DBUser: 'holdfast_backup',
      'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
      'X-Amz-Credential': 'AKIDEXAMPLE/20261121/eu-central-1/rds-db/aws4_request',
      'X-Amz-Date': '20261121T100000Z',
      'X-Amz-Expires': '900',
      'X-Amz-Security-Token': 'session',
      'X-Amz-SignedHeaders': 'host',
    });
  });

  it('are signed for the Region of the task where the endpoint names none', async () => {
    const token = await rdsTokens({ ...user, host: 'db.internal' }).ask();
    expect(parsed(token).searchParams.get('X-Amz-Credential')).toContain('/us-east-1/rds-db/');
  });

  it('are made anew at each call', async () => {
    const tokens = rdsTokens(user);
    const first = parsed(await tokens.ask());
    vi.setSystemTime(new Date('2026-11-21T10:20:00Z'));
    const second = parsed(await tokens.ask());
    expect(second.searchParams.get('X-Amz-Date')).toBe('20261121T102000Z');
    expect(second.searchParams.get('X-Amz-Signature')).not.toBe(first.searchParams.get('X-Amz-Signature'));
  });

  it('are renewed in password files several times within their time', () => {
    expect(rdsTokens(user).renewSeconds).toBeLessThanOrEqual(300);
  });

  it('say without a secret that they cannot be signed', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', undefined);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', undefined);
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/nonexistent');
    vi.stubEnv('AWS_CONFIG_FILE', '/nonexistent');
    await expect(rdsTokens(user).ask()).rejects.toMatchObject({
      code: 'SOURCE_CREDENTIALS',
      message: `no token for holdfast_backup at ${host} could be signed`,
    });
  });
});
