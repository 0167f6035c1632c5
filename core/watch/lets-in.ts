/** Who asks, as the policy of a key or a topic knows a service that acts for this account. */
export interface ServiceCaller {
  /** `cloudwatch.amazonaws.com` */
  readonly service: string;
  readonly account: string;
}

interface Statement {
  readonly Effect?: unknown;
  readonly Principal?: unknown;
  readonly Action?: unknown;
  readonly Condition?: unknown;
}

/**
 * Whether a resource's own policy lets a service do each of the actions. It is a narrow reader: what allows is a statement
 * for that service without a condition, or with none but the account's own; any deny of one of the actions counts, unless
 * it is for plain HTTP alone. So it may call a policy closed that is open, and never the other way round.
 */
export function letsIn(
  policy: string | undefined,
  caller: ServiceCaller,
  actions: readonly string[],
): boolean {
  const statements = statementsOf(policy);
  return actions.every(
    (action) =>
      statements.some((one) => one.Effect === 'Allow' && allows(one, caller, action)) &&
      !statements.some((one) => one.Effect === 'Deny' && denies(one, action)),
  );
}

function statementsOf(policy: string | undefined): Statement[] {
  try {
    const { Statement: found } = JSON.parse(policy ?? '{}') as {
      readonly Statement?: Statement | Statement[];
    };
    return [found ?? []].flat();
  } catch {
    return [];
  }
}

function allows(statement: Statement, { service, account }: ServiceCaller, action: string): boolean {
  const { Principal: principal, Action: actions, Condition: condition } = statement;
  const services = textsOf((principal as { readonly Service?: unknown } | undefined)?.Service);
  return (
    services.includes(service) &&
    covers(actions, action) &&
    (condition === undefined || isOnly(condition, 'StringEquals', { 'aws:SourceAccount': account }))
  );
}

function denies({ Action: actions, Condition: condition }: Statement, action: string): boolean {
  // `NotAction` names what is left out, so that it may well be this one.
  if (actions !== undefined && !covers(actions, action)) return false;
  return !isOnly(condition, 'Bool', { 'aws:SecureTransport': 'false' });
}

/** One operator with one key and one value, which policies write as text or as a list of one. */
function isOnly(condition: unknown, operator: string, wanted: Readonly<Record<string, string>>): boolean {
  const [found, ...others] = Object.entries((condition ?? {}) as Record<string, unknown>);
  if (found === undefined || others.length > 0 || found[0] !== operator) return false;
  const keys = Object.entries(found[1] as Record<string, unknown>);
  return (
    keys.length === 1 && keys.every(([key, value]) => wanted[key] !== undefined && same(value, wanted[key]))
  );
}

function same(value: unknown, wanted: string): boolean {
  const [first, ...more] = [value].flat();
  return more.length === 0 && String(first) === wanted;
}

/** Names of actions know no case, and a star stands for any end. */
function covers(actions: unknown, action: string): boolean {
  return textsOf(actions).some((one) => {
    const pattern = one.toLowerCase();
    return pattern.endsWith('*')
      ? action.toLowerCase().startsWith(pattern.slice(0, -1))
      : pattern === action.toLowerCase();
  });
}

function textsOf(value: unknown): string[] {
  return [value].flat().filter((one) => typeof one === 'string');
}
