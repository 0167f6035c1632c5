import { CustomResource, Duration } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import { roleArn } from '../../core/plan/names.ts';
import { type Deployment, namedRolesOf, reapplied, type Side } from '../deployment.ts';
import { acknowledge } from './acknowledgements.ts';
import { HoldfastFunction } from './holdfast-function.ts';

/** The two multi-Region keys of the vault, as one Region knows them. */
export interface VaultKeys {
  /** Wraps the data keys of every stored object. */
  readonly vault: kms.IKey;
  /** Signs manifests. */
  readonly signing: kms.IKey;
}

export interface VaultKeysProps {
  readonly deployment: Deployment;
  /** The Region of the stack. */
  readonly side: Side;
}

const rotationDays = 90;

/**
 * Both keys with their aliases: the primaries in the standby Region, replicas in the primary. They are found by alias or made,
 * by a function of ours and not by `AWS::KMS::Key`: a key has no name by which CloudFormation could take it over again, and
 * of each primary KMS allows one replica a Region, so a second try of a failed deployment, or one after `cdk destroy`,
 * could never succeed (aws-cdk#21203). Nothing here ends a key.
 */
export class KeptVaultKeys extends Construct implements VaultKeys {
  readonly vault: kms.IKey;
  readonly signing: kms.IKey;

  constructor(scope: Construct, id: string, props: VaultKeysProps) {
    super(scope, id);
    const { names, plan } = props.deployment;
    const keeper = this.#keeper(props);
    const keyOf = (keyId: string, own: Readonly<Record<string, unknown>>) => {
      const resource = new CustomResource(this, keyId, {
        serviceToken: keeper.function.functionArn,
        resourceType: 'Custom::HoldfastKey',
        serviceTimeout: Duration.minutes(5),
        properties: {
          KeyPolicy: keyPolicy(props).toJSON(),
          PrimaryRegion: plan.regions.standby,
          VaultBucket: names.vaultBucket(plan.regions.standby),
          ...own,
          ...reapplied(props.deployment),
        },
      });
      resource.node.addDependency(keeper.role);
      return kms.Key.fromKeyArn(this, `${keyId}Key`, resource.getAttString('Arn'));
    };
    this.vault = keyOf('Vault', {
      Alias: names.vaultKeyAlias,
      Description: `Holdfast ${plan.name}: wraps the data keys of the vault`,
      KeySpec: 'SYMMETRIC_DEFAULT',
      RotationDays: rotationDays,
    });
    this.signing = keyOf('Signing', {
      Alias: names.signingKeyAlias,
      Description: `Holdfast ${plan.name}: signs manifests`,
      KeySpec: 'ECC_NIST_P256',
    });
  }

  #keeper(props: VaultKeysProps): HoldfastFunction {
    const { deployment, side } = props;
    const keeper = new HoldfastFunction(this, 'Keeper', {
      deployment,
      bundle: 'keep-key',
      functionName: `${deployment.names.prefix}-keep-key`,
      roleName: namedRolesOf(deployment).keyKeeper(side.region),
      description: `Finds or makes the keys of the vault in ${side.region} during a deployment`,
      // Patience for permissions that are new is 36 s, and for a replica that is being made 60 s.
      timeout: Duration.minutes(4),
    });
    for (const statement of keeperStatements(props)) keeper.role.addToPolicy(statement);
    acknowledgeKeeper(keeper.role, props);
    return keeper;
  }
}

/** Nothing that ends, disables or uses a key. https://docs.aws.amazon.com/kms/latest/developerguide/kms-api-permissions-reference.html */
function keeperStatements({ deployment, side }: VaultKeysProps): iam.PolicyStatement[] {
  const { plan, names } = deployment;
  const aliases = [names.vaultKeyAlias, names.signingKeyAlias];
  const kmsArn = (region: string, resource: string) => `arn:aws:kms:${region}:${plan.account}:${resource}`;
  const anyKey = kmsArn(side.region, 'key/*');
  return [
    new iam.PolicyStatement({
      actions: [
        'kms:DescribeKey',
        'kms:GetKeyPolicy',
        'kms:GetKeyRotationStatus',
        'kms:ListResourceTags',
        'kms:EnableKeyRotation',
        'kms:CreateAlias',
      ],
      resources: [anyKey],
    }),
    new iam.PolicyStatement({
      actions: ['kms:CreateAlias'],
      resources: aliases.map((alias) => kmsArn(side.region, alias)),
    }),
    new iam.PolicyStatement({
      actions: ['kms:PutKeyPolicy'],
      resources: [anyKey],
      conditions: { 'ForAnyValue:StringEquals': { 'kms:ResourceAliases': aliases } },
    }),
    // A replica asks for the first of these rights as well, in its own Region.
    new iam.PolicyStatement({ actions: ['kms:CreateKey', 'kms:ListKeys'], resources: ['*'] }),
    ...(side.role === 'standby'
      ? primaryStatements(deployment, { anyKey, region: side.region })
      : replicaStatements(side, kmsArn)),
  ];
}

/** A primary is tagged when it is made, and made only where no vault is. */
function primaryStatements(
  { plan, names }: Deployment,
  where: { readonly anyKey: string; readonly region: string },
): iam.PolicyStatement[] {
  return [
    serviceLinkedRole(plan.account),
    new iam.PolicyStatement({
      actions: ['kms:TagResource'],
      resources: [where.anyKey],
      conditions: { 'ForAllValues:StringEquals': { 'aws:TagKeys': ['holdfast-alias'] } },
    }),
    // HeadBucket.
    new iam.PolicyStatement({
      actions: ['s3:ListBucket'],
      resources: [`arn:aws:s3:::${names.vaultBucket(where.region)}`],
    }),
  ];
}

/** KMS keeps the replicas of multi-Region keys alike by a role that the first such key of an account makes. */
function serviceLinkedRole(account: string): iam.PolicyStatement {
  const service = 'mrk.kms.amazonaws.com';
  return new iam.PolicyStatement({
    actions: ['iam:CreateServiceLinkedRole'],
    resources: [
      `arn:aws:iam::${account}:role/aws-service-role/${service}/AWSServiceRoleForKeyManagementServiceMultiRegionKeys`,
    ],
    conditions: { StringEquals: { 'iam:AWSServiceName': service } },
  });
}

function replicaStatements(side: Side, kmsArn: (region: string, resource: string) => string) {
  const resources = [kmsArn(side.peerRegion, 'key/*')];
  return [
    new iam.PolicyStatement({ actions: ['kms:DescribeKey'], resources }),
    new iam.PolicyStatement({
      actions: ['kms:ReplicateKey'],
      resources,
      conditions: { StringEquals: { 'kms:ReplicaRegion': side.region } },
    }),
  ];
}

function acknowledgeKeeper(role: iam.Role, { deployment, side }: VaultKeysProps): void {
  const regions = side.role === 'standby' ? [side.region] : [side.region, side.peerRegion];
  for (const region of regions) {
    acknowledge(
      role,
      `AwsSolutions-IAM5[Resource::arn:aws:kms:${region}:${deployment.plan.account}:key/*]`,
      'The id of a key is known only once it is made; what could do harm is bound to the aliases or to the own Region.',
    );
  }
  acknowledge(
    role,
    'AwsSolutions-IAM5[Resource::*]',
    'kms:CreateKey knows no resource, as there is none yet, and kms:ListKeys knows none either.',
  );
}

/**
 * IAM decides who uses a key; who ends its life is decided here, where no IAM policy can widen it. A key that is gone
 * takes every backup with it, so not even what deploys may disable one.
 */
export function keyPolicy({ deployment, side }: VaultKeysProps): iam.PolicyDocument {
  const roles = namedRolesOf(deployment);
  const breakGlass = roleArn(deployment.plan, roles.breakGlass);
  const denyExcept = (sid: string, actions: readonly string[], exempt: readonly string[]) =>
    new iam.PolicyStatement({
      sid,
      effect: iam.Effect.DENY,
      principals: [new iam.AnyPrincipal()],
      actions: [...actions],
      resources: ['*'],
      conditions: { ArnNotEquals: { 'aws:PrincipalArn': [...exempt] } },
    });
  return new iam.PolicyDocument({
    statements: [
      new iam.PolicyStatement({
        sid: 'AccountDecidesByIam',
        principals: [new iam.AccountPrincipal(deployment.plan.account)],
        actions: ['kms:*'],
        resources: ['*'],
      }),
      denyExcept(
        'OnlyBreakGlassEndsAKey',
        ['kms:ScheduleKeyDeletion', 'kms:DisableKey', 'kms:DeleteImportedKeyMaterial'],
        [breakGlass],
      ),
      denyExcept(
        'OnlyTheKeeperChangesThisPolicy',
        ['kms:PutKeyPolicy'],
        [roleArn(deployment.plan, roles.keyKeeper(side.region)), breakGlass],
      ),
    ],
  });
}
