import { type App, CfnOutput, type Stack } from 'aws-cdk-lib';
import { planFingerprint, planFingerprintOutput } from '../../core/plan/fingerprint.ts';
import type { Plan } from '../../core/plan/plan.ts';
import type { Deployment } from '../deployment.ts';
import { CatalogStack } from './catalog-stack.ts';
import { ControlStack } from './control-stack.ts';
import { KeysStack } from './keys-stack.ts';
import { ReplicationStack } from './replication-stack.ts';
import { VaultStack } from './vault-stack.ts';

/** All stacks of a deployment. The order below deploys on an empty account, and can be repeated wherever it failed. */
export function buildStacks(app: App, deployment: Deployment) {
  const { plan, names } = deployment;
  const primary = {
    deployment,
    role: 'primary',
    env: { account: plan.account, region: plan.regions.primary },
  } as const;
  const standby = {
    deployment,
    role: 'standby',
    env: { account: plan.account, region: plan.regions.standby },
  } as const;
  const keysStandby = new KeysStack(app, names.stack('KeysStandby'), standby);
  const keys = new KeysStack(app, names.stack('Keys'), primary);
  keys.addStackDependency(keysStandby, 'its keys are replicas of those');
  const vaultStandby = new VaultStack(app, names.stack('VaultStandby'), {
    ...standby,
    keys: keysStandby.keys,
  });
  vaultStandby.addStackDependency(keysStandby, 'keys first: what fails later touches none');
  const catalog = new CatalogStack(app, names.stack('Catalog'), { deployment, env: primary.env });
  const vault = new VaultStack(app, names.stack('Vault'), { ...primary, keys: keys.keys });
  vault.addStackDependency(keys, 'keys first: what fails later touches none');
  vault.addStackDependency(vaultStandby, 'its bucket copies to that one');
  const replication = new ReplicationStack(app, names.stack('Replication'), {
    deployment,
    env: standby.env,
    keys: keysStandby.keys,
  });
  replication.addStackDependency(vault, 'the destination of a replication must exist');
  replication.addStackDependency(catalog, 'the table that it protects must exist');
  const controlPrimary = new ControlStack(app, names.stack('ControlPrimary'), {
    ...primary,
    keys: keys.keys,
  });
  const controlStandby = new ControlStack(app, names.stack('ControlStandby'), {
    ...standby,
    keys: keysStandby.keys,
  });
  for (const control of [controlPrimary, controlStandby]) {
    control.addStackDependency(vault, 'it uses the vaults of both Regions');
    control.addStackDependency(catalog, 'it uses the catalogue');
  }
  const stacks = {
    keysStandby,
    keys,
    vaultStandby,
    catalog,
    vault,
    replication,
    controlPrimary,
    controlStandby,
  };
  Object.values(stacks).forEach((stack) => sayPlan(stack, plan));
  return stacks;
}

function sayPlan(stack: Stack, plan: Plan): void {
  new CfnOutput(stack, planFingerprintOutput, {
    value: planFingerprint(plan),
    description: 'For which plan this was deployed; holdfast doctor compares it',
  });
}
