import { type App, CfnOutput } from 'aws-cdk-lib';
import { planFingerprint, planFingerprintOutput } from '../../core/plan/fingerprint.ts';
import type { Deployment } from '../deployment.ts';
import { ControlStack } from './control-stack.ts';
import { ReplicationStack } from './replication-stack.ts';
import { VaultStack } from './vault-stack.ts';
import { VaultStandbyStack } from './vault-standby-stack.ts';

/** All stacks of a deployment. The order below deploys on an empty account. */
export function buildStacks(app: App, deployment: Deployment) {
  const { plan, names } = deployment;
  const inPrimary = { env: { account: plan.account, region: plan.regions.primary } };
  const inStandby = { env: { account: plan.account, region: plan.regions.standby } };
  const vaultStandby = new VaultStandbyStack(app, names.stack('VaultStandby'), { deployment, ...inStandby });
  const vault = new VaultStack(app, names.stack('Vault'), { deployment, ...inPrimary });
  vault.addStackDependency(vaultStandby, 'its bucket copies to that one, its keys are replicas of those');
  const replication = new ReplicationStack(app, names.stack('Replication'), {
    deployment,
    ...inStandby,
    keys: vaultStandby.keys,
  });
  replication.addStackDependency(vault, 'the destination of a replication must exist');
  const controlPrimary = new ControlStack(app, names.stack('ControlPrimary'), {
    deployment,
    ...inPrimary,
    role: 'primary',
    keys: vault.keys,
  });
  const controlStandby = new ControlStack(app, names.stack('ControlStandby'), {
    deployment,
    ...inStandby,
    role: 'standby',
    keys: vaultStandby.keys,
  });
  // The catalogue has its replica in the standby Region, but it is the primary's stack that makes it.
  controlStandby.addStackDependency(vault, 'it uses the replica of the catalogue');
  const stacks = { vaultStandby, vault, replication, controlPrimary, controlStandby };
  for (const stack of Object.values(stacks)) {
    new CfnOutput(stack, planFingerprintOutput, {
      value: planFingerprint(plan),
      description: 'For which plan this was deployed; holdfast doctor compares it',
    });
  }
  return stacks;
}
