import type { StateMachineName } from '../../core/plan/names.ts';
import type { Deployment } from '../deployment.ts';

/** Pages of the AWS console, without the host: `https://<region>.console.aws.amazon.com/` stands before them. */
export function deepLinkToStateMachine(
  deployment: Deployment,
  region: string,
  name: StateMachineName,
): string {
  const arn = deployment.names.stateMachineArn(name, region);
  return `states/home?region=${region}#/statemachines/view/${arn}`;
}

export function deepLinkToQueue(deployment: Deployment, region: string): string {
  const { account } = deployment.plan;
  const url = `https://sqs.${region}.amazonaws.com/${account}/${deployment.names.scheduleDeadLetterQueue}`;
  return `sqs/v3/home?region=${region}#/queues/${encodeURIComponent(url)}`;
}

export function deepLinkToEventHistory(region: string, eventSource: string): string {
  return `cloudtrailv2/home?region=${region}#/events?EventSource=${eventSource}`;
}

export function deepLinkToBucket(deployment: Deployment, region: string, bucketRegion: string): string {
  return `s3/buckets/${deployment.names.vaultBucket(bucketRegion)}?region=${region}`;
}

export function deepLinkToFunction(region: string, functionName: string): string {
  return `lambda/home?region=${region}#/functions/${functionName}?tab=monitoring`;
}
