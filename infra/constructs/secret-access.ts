import * as iam from 'aws-cdk-lib/aws-iam';
import type { Deployment, Side } from '../deployment.ts';
import { acknowledge } from './acknowledgements.ts';
import type { Grantee } from './grantee.ts';

/** To read secrets by the names of the plan; Secrets Manager adds six characters to each ARN. */
export function grantSecrets(
  grantee: Grantee,
  { deployment, side }: { readonly deployment: Deployment; readonly side: Side },
  owners: readonly { readonly connection: { readonly secret: string } }[],
): void {
  const resources = [...new Set(owners.map(({ connection }) => connection.secret))].map(
    (name) => `arn:aws:secretsmanager:${side.region}:${deployment.plan.account}:secret:${name}-??????`,
  );
  if (resources.length === 0) return;
  grantee.addToPolicy(new iam.PolicyStatement({ actions: ['secretsmanager:GetSecretValue'], resources }));
  // A secret may be under a key of its owner's, which the plan does not know; the key's own policy has the other word.
  // Secrets Manager asks it in the caller's name only for a secret that the statement above lets the caller read, so the names
  // need not stand here once more: forty long ones would exceed what a role's policies may hold.
  const keys = `arn:aws:kms:${side.region}:${deployment.plan.account}:key/*`;
  grantee.addToPolicy(
    new iam.PolicyStatement({
      actions: ['kms:Decrypt'],
      resources: [keys],
      conditions: {
        StringEquals: { 'kms:ViaService': `secretsmanager.${side.region}.amazonaws.com` },
        StringLike: {
          'kms:EncryptionContext:SecretARN': `arn:aws:secretsmanager:${side.region}:${deployment.plan.account}:secret:*`,
        },
      },
    }),
  );
  acknowledge(
    grantee,
    `AwsSolutions-IAM5[Resource::${keys}]`,
    'Decrypts only through Secrets Manager, which asks only for the secrets that the role may read: those that the plan names.',
  );
}
