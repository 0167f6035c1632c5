import { describe, expect, it } from 'vitest';
import { letsIn } from './lets-in.ts';

const account = '111122223333';
const caller = { service: 'cloudwatch.amazonaws.com', account };
const needed = ['kms:Decrypt', 'kms:GenerateDataKey'];

const allow = {
  Effect: 'Allow',
  Principal: { Service: 'cloudwatch.amazonaws.com' },
  Action: ['kms:Decrypt', 'kms:GenerateDataKey*'],
  Resource: '*',
};
const ofAccount = { StringEquals: { 'aws:SourceAccount': account } };
const owner = {
  Effect: 'Allow',
  Principal: { AWS: `arn:aws:iam::${account}:root` },
  Action: 'kms:*',
  Resource: '*',
};
const deny = (more: object) => ({ Effect: 'Deny', Principal: '*', Resource: '*', ...more });
const ask = (...statements: object[]) =>
  letsIn(JSON.stringify({ Version: '2012-10-17', Statement: statements }), caller, needed);

describe('a policy', () => {
  it.each([
    ['by name', [allow]],
    ['for its own account', [{ ...allow, Condition: ofAccount }]],
    [
      'for its own account, in a list',
      [{ ...allow, Condition: { StringEquals: { 'aws:SourceAccount': [account] } } }],
    ],
    [
      'among others',
      [owner, { ...allow, Principal: { Service: ['events.amazonaws.com', 'cloudwatch.amazonaws.com'] } }],
    ],
    [
      'by two statements',
      [
        { ...allow, Action: 'kms:Decrypt' },
        { ...allow, Action: 'kms:generatedatakey' },
      ],
    ],
    ['with a deny of something else', [allow, deny({ Action: ['kms:DisableKey', 'kms:PutKeyPolicy'] })]],
    [
      'with a deny of plain HTTP',
      [allow, deny({ Action: 'kms:Decrypt', Condition: { Bool: { 'aws:SecureTransport': 'false' } } })],
    ],
  ])('lets the service in %s', (_, statements) => {
    expect(ask(...statements)).toBe(true);
  });

  it.each([
    ['says nothing of it', [owner]],
    ['names another service', [{ ...allow, Principal: { Service: 'events.amazonaws.com' } }]],
    ['leaves an action out', [{ ...allow, Action: ['kms:Decrypt'] }]],
    ['allows what begins alike', [{ ...allow, Action: ['kms:Decrypt', 'kms:GenerateDataKeyPair'] }]],
    [
      'is for another account',
      [{ ...allow, Condition: { StringEquals: { 'aws:SourceAccount': '999999999999' } } }],
    ],
    [
      'has one more condition',
      [{ ...allow, Condition: { ...ofAccount, ArnLike: { 'aws:SourceArn': 'arn:aws:cloudwatch:*' } } }],
    ],
    [
      'has one more key in its condition',
      [{ ...allow, Condition: { StringEquals: { ...ofAccount.StringEquals, 'aws:SourceArn': 'x' } } }],
    ],
    [
      'denies one of the actions to somebody',
      [allow, deny({ Action: 'kms:Decrypt', Principal: { AWS: 'x' } })],
    ],
    ['denies everything', [allow, deny({ Action: '*' })]],
    ['denies all but something', [allow, deny({ NotAction: 'kms:DescribeKey' })]],
    [
      'denies by HTTPS',
      [allow, deny({ Action: 'kms:*', Condition: { Bool: { 'aws:SecureTransport': 'true' } } })],
    ],
  ])('does not when it %s', (_, statements) => {
    expect(ask(...statements)).toBe(false);
  });

  it('that is missing or unreadable lets nobody in', () => {
    for (const policy of [undefined, '', '{', '{}', 'null'])
      expect([policy, letsIn(policy, caller, needed)]).toEqual([policy, false]);
  });
});
