import { runSimulation } from '@cloud-copilot/iam-simulate';
import type { ResolvedResource } from './resolve.ts';

export interface Attempt {
  readonly action: string;
  readonly resource: string;
  readonly context?: Readonly<Record<string, string | readonly string[]>>;
}

export type Verdict = 'Allowed' | 'ExplicitlyDenied' | 'ImplicitlyDenied';

/** Who tries: a role of the app with its own policies, or anybody with the policy given. */
export interface Principal {
  readonly arn: string;
  readonly policies: readonly unknown[];
}

const account = '111122223333';

/** An administrator: everything that identity policies can give. */
export function administrator(arn = `arn:aws:iam::${account}:role/admin`): Principal {
  return {
    arn,
    policies: [{ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] }],
  };
}

/** A role of the app, found by a part of its logical id (or its name), with every policy attached to it. */
export function roleOf(
  resources: readonly ResolvedResource[],
  match: { readonly region: string; readonly id: RegExp },
): Principal {
  const found = resources.filter(
    ({ type, region, logicalId, properties }) =>
      type === 'AWS::IAM::Role' &&
      region === match.region &&
      (match.id.test(logicalId) || match.id.test(properties['RoleName'] ?? '')),
  );
  const [role] = found;
  if (role === undefined || found.length > 1)
    throw new Error(`${match.id} matches ${found.length} roles in ${match.region}`);
  return principalOf(resources, role);
}

/** A role with every policy attached to it. */
export function principalOf(resources: readonly ResolvedResource[], role: ResolvedResource): Principal {
  const name: string = role.properties['RoleName'] ?? role.logicalId;
  const policies = resources
    .filter(
      ({ type, stack, properties }) =>
        type === 'AWS::IAM::Policy' && stack === role.stack && properties['Roles'].includes(name),
    )
    .map(({ properties }) => properties['PolicyDocument']);
  const inline = (role.properties['Policies'] ?? []) as { readonly PolicyDocument: unknown }[];
  return {
    arn: `arn:aws:iam::${account}:role/${name}`,
    policies: [...policies, ...inline.map(({ PolicyDocument }) => PolicyDocument)],
  };
}

/** Characters of all policies in a role, as IAM counts them: without white space. */
export function policyCharacters({ policies }: Principal): number {
  return policies.reduce<number>((total, policy) => total + JSON.stringify(policy).length, 0);
}

/** What IAM would answer, with bucket or key policies of the app on the other side. */
export async function simulate(
  principal: Principal,
  attempt: Attempt,
  resourcePolicy?: unknown,
): Promise<Verdict> {
  const response = await runSimulation(
    {
      request: {
        principal: principal.arn,
        action: attempt.action,
        resource: { resource: attempt.resource, accountId: account },
        contextVariables: withKnownKeys({
          'aws:PrincipalArn': principal.arn,
          'aws:SecureTransport': 'true',
          's3:TlsVersion': '1.3',
          ...attempt.context,
        }),
      },
      identityPolicies: principal.policies.map((policy, i) => ({
        name: `policy-${i}`,
        policy: withKnownKeys(policy),
      })),
      serviceControlPolicies: [],
      resourceControlPolicies: [],
      ...(resourcePolicy === undefined ? {} : { resourcePolicy }),
    } as Parameters<typeof runSimulation>[0],
    {},
  );
  if (response.resultType === 'error') throw new Error(JSON.stringify(response.errors));
  return response.overallResult as Verdict;
}

export function bucketPolicy(resources: readonly ResolvedResource[], bucketName: string): unknown {
  const found = resources.find(
    ({ type, properties }) => type === 'AWS::S3::BucketPolicy' && properties['Bucket'] === bucketName,
  );
  if (found === undefined) throw new Error(`no policy of bucket ${bucketName}`);
  return found.properties['PolicyDocument'];
}

/** The simulator drops some keys of KMS from requests; under a name that it keeps, the condition is evaluated the same. */
function withKnownKeys<T>(value: T): T {
  const text = JSON.stringify(value);
  return JSON.parse(
    text
      .replaceAll('kms:EncryptionContext:', 'aws:PrincipalTag/EncryptionContext:')
      .replaceAll('kms:ReplicaRegion', 'aws:PrincipalTag/ReplicaRegion')
      .replaceAll('kms:ResourceAliases', 'aws:TagKeys'),
  ) as T;
}
