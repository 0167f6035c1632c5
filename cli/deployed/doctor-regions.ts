import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { type Deployment, isSilence } from './deployment.ts';
import { type Diagnosis, shellWord } from './doctor-look.ts';

export interface RegionsReport {
  readonly checks: readonly Diagnosis[];
  /** Regions that answered to credentials of the plan's account: only there anything can be judged. */
  readonly open: readonly string[];
}

/** How long a Region may take to say who calls, milliseconds: all tries together. */
const waitMs = 8000;

/** What a Region said to the question who calls. */
export type Answer =
  | { readonly kind: 'account'; readonly account: string; readonly arn: string }
  | { readonly kind: 'silent' }
  | { readonly kind: 'none'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string };

/**
 * Who calls, and which Regions answer: before anything else, because without them every other look fails for the same
 * reason. Every Region has an STS of its own, which asks no other Region.
 */
export async function lookAtRegions(
  deployment: Deployment,
  regions: readonly string[],
): Promise<RegionsReport> {
  const answers = await Promise.all(
    regions.map(async (region) => ({ region, answer: await whoCalls(region) })),
  );
  const taken = answers.filter(({ answer }) => answer.kind === 'account');
  const credentials = credentialsOf(
    deployment,
    answers.map(({ answer }) => answer),
  );
  const lost = answers.flatMap(({ region, answer }) =>
    lostRegion(region, answer, taken.length > 0 ? taken[0]?.region : undefined),
  );
  if (credentials === undefined) return { checks: lost, open: [] };
  if (credentials.state !== 'ok') return { checks: [credentials, ...lost], open: [] };
  return { checks: [credentials, ...lost], open: taken.map(({ region }) => region) };
}

async function whoCalls(region: string): Promise<Answer> {
  const client = new STSClient({
    region,
    maxAttempts: 2,
    requestHandler: { connectionTimeout: 3000, requestTimeout: 5000, throwOnRequestTimeout: true },
  });
  const deadline = AbortSignal.timeout(waitMs);
  try {
    const { Account, Arn } = await client.send(new GetCallerIdentityCommand({}), { abortSignal: deadline });
    return { kind: 'account', account: Account ?? '', arn: Arn ?? '' };
  } catch (error) {
    const { name, message } = error instanceof Error ? error : { name: 'unknown', message: String(error) };
    if (deadline.aborted || isSilence(error)) return { kind: 'silent' };
    // The SDK's own word for: no environment, no profile, no role, or a login that is over.
    if (/Credentials|TokenProvider|SSO/.test(name)) return { kind: 'none', reason: firstLine(message) };
    return { kind: 'refused', reason: name };
  } finally {
    client.destroy();
  }
}

/** One diagnosis for all Regions; nothing when no Region said anything about them. */
function credentialsOf({ plan, planFile }: Deployment, answers: readonly Answer[]): Diagnosis | undefined {
  const what = 'credentials';
  const region = '-';
  const whoami = 'aws sts get-caller-identity';
  const caller = answers.find((answer) => answer.kind === 'account');
  if (caller !== undefined) {
    if (caller.account === plan.account) return { what, region, state: 'ok', detail: caller.arn };
    const detail = `these are of account ${caller.account}, the plan is for ${plan.account}`;
    const fix = `set AWS_PROFILE to a profile of account ${plan.account} (${whoami} shows whose credentials are used), or name another plan than ${shellWord(planFile)}`;
    return { what, region, state: 'FAULT', detail, fix };
  }
  const none = answers.find((answer) => answer.kind === 'none');
  if (none !== undefined) {
    const fix = `aws sso login, or set AWS_PROFILE; ${whoami} must answer with account ${plan.account}`;
    return { what, region, state: 'FAULT', detail: `there are none: ${none.reason}`, fix };
  }
  const refused = answers.find((answer) => answer.kind === 'refused');
  if (refused === undefined) return undefined;
  const fix = `log in again (aws sso login, or new keys), until ${whoami} answers with account ${plan.account}`;
  return { what, region, state: 'FAULT', detail: `AWS refuses them (${refused.reason})`, fix };
}

/** A Region in which nothing can be judged, in one line; `other` is one that said who calls. */
export function lostRegion(region: string, answer: Answer, other: string | undefined): Diagnosis[] {
  const what = 'Region';
  if (answer.kind === 'silent') {
    const detail = `${region} does not answer; what needs it was not looked at`;
    const fix =
      other === undefined
        ? `has this machine a way to AWS? then see AWS Health for ${region}`
        : `see AWS Health for ${region}; if it is lost, recover in ${other}: docs/runbook.md, Disaster recovery`;
    return [{ what, region, state: 'FAULT', detail, fix }];
  }
  if (answer.kind === 'refused' && other !== undefined) {
    const detail = `${region} refuses credentials that ${other} takes (${answer.reason}); what needs it was not looked at`;
    const fix = `aws account enable-region --region-name ${region}: a Region that is not enabled answers so`;
    return [{ what, region, state: 'FAULT', detail, fix }];
  }
  // The credentials of one Region only, say by its own sign-in; where no Region got any that is told once.
  if (answer.kind === 'none' && other !== undefined) {
    const detail = `no credentials for ${region}, although ${other} got some (${answer.reason}); what needs it was not looked at`;
    const fix = `sign in for ${region}: aws sts get-caller-identity --region ${region} must answer`;
    return [{ what, region, state: 'FAULT', detail, fix }];
  }
  return [];
}

function firstLine(text: string): string {
  return (text.split('\n')[0] ?? '').slice(0, 120);
}
