import type { CheckResult } from '../../../core/engines/engine.ts';
import type { CallCount } from '../../router/call-ledger.ts';
import { type Drill, made } from '../drill-context.ts';
import { sayCount } from '../report/words.ts';

/** Whose access key id it is, in words. */
const callers: Readonly<Record<string, string>> = {
  sandbox: 'a holdfast command',
  function: 'a Lambda function',
  task: 'a task',
  drill: 'the drill itself',
};

/** What the router has counted since the Region was switched off. */
export function checkWithoutLostRegion(drill: Drill, name: (lost: string) => string): CheckResult {
  const { primary, standby } = made(drill.state.plan, 'plan').regions;
  const calls = made(drill.state.sandbox, 'sandbox').calls();
  return { name: name(primary), ...judge(calls, { lost: primary, standby }) };
}

/**
 * Holds when the lost Region answered nothing: whatever came of the recovery, it came without it. That the other one was
 * counted answering shows that the counting works.
 */
export function judge(
  calls: readonly CallCount[],
  regions: { readonly lost: string; readonly standby: string },
): Omit<CheckResult, 'name'> {
  const of = (region: string, ...outcomes: CallCount['outcome'][]) =>
    calls.filter((call) => call.region === region && outcomes.includes(call.outcome));
  const answered = of(regions.lost, 'answered', 'cutOff');
  const refused = of(regions.lost, 'refused');
  const elsewhere = total(of(regions.standby, 'answered'));
  const worked = `${regions.standby} answered ${sayCount(elsewhere)} calls`;
  if (answered.length > 0)
    return { ok: false, detail: `${regions.lost} was reached by ${list(answered)}; ${worked}` };
  if (elsewhere === 0)
    return { ok: false, detail: `no call was counted at all, not even in ${regions.standby}` };
  const vain =
    refused.length === 0
      ? `no call was made to ${regions.lost}`
      : `${sayCount(total(refused))} calls to ${regions.lost} were refused and none was needed: ${list(refused)}`;
  return { ok: true, detail: `${vain}; ${worked}` };
}

const total = (calls: readonly CallCount[]) => calls.reduce((sum, { count }) => sum + count, 0);

function list(calls: readonly CallCount[]): string {
  return calls
    .map(
      ({ caller, service, operation, count }) =>
        `${callers[caller] ?? caller} (${service} ${operation}, ${sayCount(count)} ×)`,
    )
    .join(', ');
}
