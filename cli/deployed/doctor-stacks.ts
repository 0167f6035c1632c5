import { CloudFormationClient, DescribeStacksCommand, type Stack } from '@aws-sdk/client-cloudformation';
import { planFingerprint, planFingerprintOutput } from '../../core/plan/fingerprint.ts';
import { type StackName, stackNames } from '../../core/plan/names.ts';
import { clientSettings, type Deployment } from './deployment.ts';
import { deployFix, diagnose, Fault, type Finding, revertFix, shellWord } from './doctor-look.ts';

export interface StacksReport {
  readonly findings: readonly Finding[];
  /** False when none of the Region's stacks is there: then nothing else of the deployment can be. */
  readonly deployed: boolean;
}

/** The stacks of a Region: there, whole, and made from this very plan. */
export async function checkStacks(deployment: Deployment, region: string): Promise<StacksReport> {
  const client = new CloudFormationClient({ region, ...clientSettings });
  const stacks = stackNames.filter((name) => regionOf(deployment, name) === region);
  const findings = await Promise.all(stacks.map((name) => lookAt(deployment, { client, region, name })));
  const absent = findings.filter(({ detail }) => detail === notThere);
  if (absent.length < stacks.length) return { findings, deployed: true };
  const detail = `${deployment.names.prefix} is not deployed here; what belongs to it was not looked at`;
  const fix = deployFix(deployment);
  return { findings: [{ what: 'deployment', region, state: 'FAULT', detail, fix }], deployed: false };
}

function regionOf({ plan }: Deployment, name: StackName): string {
  const isStandby = name === 'Replication' || name.endsWith('Standby');
  return isStandby ? plan.regions.standby : plan.regions.primary;
}

const notThere = 'is not there';

interface StackLook {
  readonly client: CloudFormationClient;
  readonly region: string;
  readonly name: StackName;
}

function lookAt(deployment: Deployment, { client, region, name }: StackLook): Promise<Finding> {
  const StackName = deployment.names.stack(name);
  const look = async () => {
    const { Stacks = [] } = await client.send(new DescribeStacksCommand({ StackName })).catch((error) => {
      // https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html: ValidationError when it does not exist
      if (error instanceof Error && /does not exist/.test(error.message)) return { Stacks: [] };
      throw error;
    });
    const [stack] = Stacks;
    if (stack === undefined) throw new Fault(notThere);
    return judge(deployment, stack);
  };
  return diagnose({ what: `stack ${StackName}`, fix: deployFix(deployment), look }, region);
}

function judge(deployment: Deployment, stack: Stack): string {
  const status = stack.StackStatus ?? 'unknown';
  if (status.endsWith('_IN_PROGRESS')) throw new Fault(`is being changed (${status})`, 'wait until it ends');
  if (!['CREATE_COMPLETE', 'UPDATE_COMPLETE', 'IMPORT_COMPLETE'].includes(status))
    throw new Fault(`its last deployment failed (${status})`);
  const deployed = stack.Outputs?.find(({ OutputKey }) => OutputKey === planFingerprintOutput)?.OutputValue;
  const own = planFingerprint(deployment.plan);
  const file = shellWord(deployment.planFile);
  if (deployed === undefined) throw new Fault('was deployed by a version that does not say for which plan');
  if (deployed !== own)
    throw new Fault(`was deployed for another plan (${deployed}) than ${file} is now (${own})`);
  if (stack.DriftInformation?.StackDriftStatus === 'DRIFTED')
    throw new Fault('was changed behind CloudFormation (drift)', revertFix(deployment));
  return `as ${file} says`;
}
