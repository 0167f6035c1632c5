import type { Plan } from './plan.ts';

/** Where IAM is, and where alone EventBridge is told of its calls. */
const regionOfIam = 'us-east-1';

/**
 * Why a change of a role would ring nowhere. An event that a rule hands to the bus of another Region keeps its content, so
 * the rule that listens there hears it. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-region.html
 */
export function regionNotes({ regions, account }: Plan): { path: string[]; message: string }[] {
  const { primary, standby } = regions;
  if ([primary, standby].includes(regionOfIam)) return [];
  const buses = [primary, standby].map((one) => `arn:aws:events:${one}:${account}:event-bus/default`);
  return [
    {
      path: ['regions'],
      message: `no Region of the plan is ${regionOfIam}, where alone EventBridge is told of IAM's calls: the alarm roles-changed stays silent. Make it one of both, or hand these events on: in ${regionOfIam} a rule for {"source":["aws.iam"]} with the target ${buses.join(' or ')} and a role that may events:PutEvents there`,
    },
  ];
}
