import { CfnOutput, type Stack } from 'aws-cdk-lib';

/** Stands among the stack's outputs, where whoever is about to destroy it looks. */
export function keptOnDestroy(stack: Stack, what: string): void {
  new CfnOutput(stack, 'KeptOnDestroy', {
    value: `cdk destroy keeps ${what}; see docs/runbook.md, "After cdk destroy"`,
  });
}
