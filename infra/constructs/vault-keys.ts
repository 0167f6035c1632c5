import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import { type Deployment, namedRoles, roleArn, type Side } from '../deployment.ts';

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

/** The primaries of both multi-Region keys. */
export class PrimaryVaultKeys extends Construct implements VaultKeys {
  readonly vault: kms.Key;
  readonly signing: kms.Key;

  constructor(scope: Construct, id: string, props: VaultKeysProps) {
    super(scope, id);
    const { names } = props.deployment;
    this.vault = new kms.Key(this, 'Vault', {
      description: `Holdfast ${props.deployment.plan.name}: wraps the data keys of the vault`,
      multiRegion: true,
      enableKeyRotation: true,
      rotationPeriod: Duration.days(90),
      policy: keyPolicy(props),
      pendingWindow: Duration.days(30),
      removalPolicy: RemovalPolicy.RETAIN,
    });
    this.signing = new kms.Key(this, 'Signing', {
      description: `Holdfast ${props.deployment.plan.name}: signs manifests`,
      multiRegion: true,
      keySpec: kms.KeySpec.ECC_NIST_P256,
      keyUsage: kms.KeyUsage.SIGN_VERIFY,
      policy: keyPolicy(props),
      pendingWindow: Duration.days(30),
      removalPolicy: RemovalPolicy.RETAIN,
    });
    addAlias(this, names.vaultKeyAlias, this.vault);
    addAlias(this, names.signingKeyAlias, this.signing);
  }
}

export interface ReplicaVaultKeysProps extends VaultKeysProps {
  /** ARN of the vault key's primary in the other Region. */
  readonly vaultPrimaryArn: string;
  /** ARN of the signing key's primary in the other Region. */
  readonly signingPrimaryArn: string;
}

/** The same keys in a second Region: same key id, same material, a policy of their own. */
export class ReplicaVaultKeys extends Construct implements VaultKeys {
  readonly vault: kms.IKey;
  readonly signing: kms.IKey;

  constructor(scope: Construct, id: string, props: ReplicaVaultKeysProps) {
    super(scope, id);
    const { names } = props.deployment;
    this.vault = this.#replica('Vault', props, props.vaultPrimaryArn);
    this.signing = this.#replica('Signing', props, props.signingPrimaryArn);
    addAlias(this, names.vaultKeyAlias, this.vault);
    addAlias(this, names.signingKeyAlias, this.signing);
  }

  #replica(id: string, props: VaultKeysProps, primaryKeyArn: string): kms.IKey {
    const replica = new kms.CfnReplicaKey(this, id, {
      description: `Holdfast ${props.deployment.plan.name}: replica of the ${id.toLowerCase()} key`,
      primaryKeyArn,
      keyPolicy: keyPolicy(props).toJSON(),
      pendingWindowInDays: 30,
    });
    replica.applyRemovalPolicy(RemovalPolicy.RETAIN);
    return kms.Key.fromKeyArn(this, `${id}Key`, replica.attrArn);
  }
}

function addAlias(scope: Construct, aliasName: string, targetKey: kms.IKey): void {
  const id = aliasName.endsWith('-signing') ? 'SigningAlias' : 'VaultAlias';
  // Kept with the key: whoever restores after `cdk destroy` finds the key by this name.
  new kms.Alias(scope, id, {
    aliasName,
    targetKey,
    removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
  });
}

/**
 * IAM decides who uses a key; who ends its life is decided here, where no IAM policy can widen it. A key that is gone
 * takes every backup with it, so not even the deployment role may disable one.
 */
export function keyPolicy({ deployment, side }: VaultKeysProps): iam.PolicyDocument {
  const roles = namedRoles(deployment);
  const breakGlass = roleArn(deployment, roles.breakGlass);
  const deploymentRole = roleArn(deployment, roles.deployment(side.region));
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
      denyExcept('OnlyDeploymentChangesThisPolicy', ['kms:PutKeyPolicy'], [deploymentRole, breakGlass]),
    ],
  });
}
