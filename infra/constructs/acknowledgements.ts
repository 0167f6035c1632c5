import { Validations } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

/** Accepts one finding of cdk-nag, with the evidence why it does no harm here. */
export function acknowledge(construct: IConstruct, id: string, reason: string): void {
  Validations.of(construct).acknowledge({ id, reason });
}

export function acknowledgeAliasScope(construct: IConstruct, region: string, account: string): void {
  acknowledge(
    construct,
    `AwsSolutions-IAM5[Resource::arn:aws:kms:${region}:${account}:key/*]`,
    'kms:DescribeKey reveals no key material, and the id of the key is what is being looked for.',
  );
}
