import {
  CloudTrailClient,
  DescribeTrailsCommand,
  type EventSelector,
  type AdvancedEventSelector,
  GetEventSelectorsCommand,
  GetTrailStatusCommand,
  type Trail,
} from '@aws-sdk/client-cloudtrail';
import { clientSettings } from './deployment.ts';
import { Fault, type Look } from './doctor-look.ts';

/**
 * What the alarms for tampering listen for: changes, and that a role was taken on (AssumeRole is a read-only event).
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/cloudtrail-integration.html
 */
const watched = {
  's3.amazonaws.com': { readOnly: false, calls: 'calls that change s3.amazonaws.com' },
  'kms.amazonaws.com': { readOnly: false, calls: 'calls that change kms.amazonaws.com' },
  'sts.amazonaws.com': { readOnly: true, calls: 'that somebody takes on a role (read-only events)' },
} as const;
type Watched = keyof typeof watched;
const services = Object.keys(watched) as Watched[];

/**
 * The alarms for tampering hear of calls from a CloudTrail trail, whoever owns it; in an account without one they are
 * silent, and nothing else would say so.
 */
export function trail(region: string): Look {
  const client = new CloudTrailClient({ region, ...clientSettings });
  return {
    what: 'CloudTrail trail',
    fix: `let the organisation's trail cover this account, or make one for all Regions: aws cloudtrail create-trail --region ${region} --name management-events --is-multi-region-trail --s3-bucket-name BUCKET && aws cloudtrail start-logging --region ${region} --name management-events; it must log all management events, reading and writing, those of KMS included`,
    look: async () => {
      const { trailList = [] } = await client.send(new DescribeTrailsCommand({}));
      const here = trailList.filter((one) => one.HomeRegion === region || one.IsMultiRegionTrail === true);
      if (here.length === 0) throw new Fault('no trail logs this Region; alarms for tampering stay silent');
      const reports = await Promise.all(here.map((one) => report(client, one)));
      const missing = services.filter((service) => !reports.some(({ covers }) => covers.includes(service)));
      if (missing.length > 0) {
        const reasons = reports.map(({ name, says }) => `${name} ${says}`).join('; ');
        throw new Fault(`no trail logs ${missing.map((one) => watched[one].calls).join(' or ')}: ${reasons}`);
      }
      return reports
        .filter(({ covers }) => covers.length > 0)
        .map(({ name, says }) => `${name} ${says}`)
        .join('; ');
    },
  };
}

interface TrailReport {
  readonly name: string;
  readonly covers: readonly Watched[];
  readonly says: string;
}

/** What one trail hears. One that may not be looked at is no proof, and no reason to overlook the others. */
async function report(client: CloudTrailClient, one: Trail): Promise<TrailReport> {
  const name = one.Name ?? 'a trail without a name';
  const id = one.TrailARN ?? name;
  try {
    const { IsLogging } = await client.send(new GetTrailStatusCommand({ Name: id }));
    if (IsLogging !== true) return { name, covers: [], says: 'is switched off' };
    const selectors = await client.send(new GetEventSelectorsCommand({ TrailName: id }));
    const covers = services.filter(
      (service) =>
        selectors.EventSelectors?.some((selector) => basicCovers(selector, service)) === true ||
        selectors.AdvancedEventSelectors?.some((selector) => advancedCovers(selector, service)) === true,
    );
    const without = services.filter((service) => !covers.includes(service));
    const says = without.length === 0 ? 'logs' : `leaves out ${without.join(' and ')}`;
    return { name, covers, says: one.IsOrganizationTrail === true ? `${says} (organisation)` : says };
  } catch (error) {
    return { name, covers: [], says: `cannot be looked at (${(error as Error).name})` };
  }
}

function basicCovers(selector: EventSelector, service: Watched): boolean {
  return (
    selector.IncludeManagementEvents !== false &&
    selector.ReadWriteType !== (watched[service].readOnly ? 'WriteOnly' : 'ReadOnly') &&
    selector.ExcludeManagementEventSources?.includes(service) !== true
  );
}

/** Every field must let a management event of the service through, reading or writing as it is watched. */
function advancedCovers({ FieldSelectors = [] }: AdvancedEventSelector, service: Watched): boolean {
  const values: Readonly<Record<string, string>> = {
    eventCategory: 'Management',
    readOnly: String(watched[service].readOnly),
    eventSource: service,
  };
  return (
    FieldSelectors.some(({ Field }) => Field === 'eventCategory') &&
    FieldSelectors.every(({ Field = '', Equals, NotEquals, ...others }) => {
      const value = values[Field];
      // A field that picks events by something else leaves some out.
      if (value === undefined || Object.values(others).some((list) => (list?.length ?? 0) > 0)) return false;
      return (Equals?.includes(value) ?? true) && NotEquals?.includes(value) !== true;
    })
  );
}
