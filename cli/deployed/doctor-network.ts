import {
  DescribeRouteTablesCommand,
  DescribeSecurityGroupsCommand,
  DescribeSubnetsCommand,
  DescribeVpcEndpointsCommand,
  EC2Client,
  type Route,
  type VpcEndpoint,
} from '@aws-sdk/client-ec2';
import type { NetworkPlan } from '../../core/plan/plan.ts';
import { clientSettings, type Deployment } from './deployment.ts';
import { deployFix, diagnose, Fault, type Finding, type Look, shellWord } from './doctor-look.ts';

/** What a task calls: the first four to start and to log, the others for its work. None calls STS. */
const services = ['ecr.api', 'ecr.dkr', 's3', 'logs', 'kms', 'secretsmanager', 'dynamodb'] as const;
const gatewayServices: readonly string[] = ['s3', 'dynamodb'];

interface Network {
  readonly client: EC2Client;
  readonly region: string;
  readonly given: NetworkPlan;
}

/**
 * The plan's own network for a Region: subnets and security groups are in the VPC, and each subnet has a way out. A Region
 * without one has a small VPC of the stack's, which the look at the stacks covers.
 */
export async function checkNetwork(deployment: Deployment, region: string): Promise<Finding[]> {
  const given = deployment.plan.network[region];
  if (given === undefined) return [];
  const network: Network = { client: new EC2Client({ region, ...clientSettings }), region, given };
  const correct = `correct network.${region} in ${shellWord(deployment.planFile)}, then ${deployFix(deployment)}`;
  const looks = [
    ...given.subnetIds.map((id) => subnet(network, id, correct)),
    ...given.securityGroupIds.map((id) => securityGroup(network, id, correct)),
  ];
  const found = await Promise.all(looks.map((look) => diagnose(look, region)));
  const rest = `not looked at: rules of security groups, network ACLs, policies of endpoints, and what lies behind a gateway; only a task sees them, and the newest restore test was one: holdfast status`;
  return [...found, { what: `network beyond ${given.vpcId}`, region, state: 'unknown', detail: rest }];
}

function subnet(network: Network, id: string, correct: string): Look {
  const { client, region, given } = network;
  return {
    what: `subnet ${id}`,
    fix: correct,
    look: async () => {
      // A filter, for an id that is not there is an error otherwise.
      const Filters = [{ Name: 'subnet-id', Values: [id] }];
      const { Subnets = [] } = await client.send(new DescribeSubnetsCommand({ Filters }));
      const found = Subnets.find(({ SubnetId }) => SubnetId === id);
      if (found === undefined) throw new Fault('is not there');
      if (found.VpcId !== given.vpcId) throw new Fault(`belongs to ${found.VpcId}, not to ${given.vpcId}`);
      const { table, routes } = await routesOf(network, id);
      const out = routes.find(({ DestinationCidrBlock }) => DestinationCidrBlock === '0.0.0.0/0');
      const gateway = out === undefined ? undefined : gatewayOf(out);
      if (gateway !== undefined && leadsOut(out, gateway)) return `goes out by ${gateway}`;
      const missing = missingServices(await endpointsOf(network), table);
      if (missing.length === 0) return `reaches what tasks need by VPC endpoints`;
      throw new Fault(
        `${reason(out, gateway, table)}, and there are no VPC endpoints for ${missing.join(', ')}`,
        `${missing.map((service) => makeEndpoint({ service, region, given, table, id })).join(' && ')}, or route 0.0.0.0/0 of ${table} to a NAT gateway`,
      );
    },
  };
}

function securityGroup({ client, given }: Network, id: string, correct: string): Look {
  return {
    what: `security group ${id}`,
    fix: correct,
    look: async () => {
      const Filters = [{ Name: 'group-id', Values: [id] }];
      const { SecurityGroups = [] } = await client.send(new DescribeSecurityGroupsCommand({ Filters }));
      const found = SecurityGroups.find(({ GroupId }) => GroupId === id);
      if (found === undefined) throw new Fault('is not there');
      if (found.VpcId !== given.vpcId) throw new Fault(`belongs to ${found.VpcId}, not to ${given.vpcId}`);
      return `of ${given.vpcId}`;
    },
  };
}

/** The subnet's own route table, else the VPC's main one: https://docs.aws.amazon.com/vpc/latest/userguide/subnet-route-tables.html */
async function routesOf({ client, given }: Network, subnetId: string) {
  const Filters = [{ Name: 'vpc-id', Values: [given.vpcId] }];
  const { RouteTables = [] } = await client.send(new DescribeRouteTablesCommand({ Filters }));
  const associated = (match: (to: { readonly SubnetId?: string; readonly Main?: boolean }) => boolean) =>
    RouteTables.find(({ Associations = [] }) => Associations.some(match));
  const table =
    associated(({ SubnetId }) => SubnetId === subnetId) ?? associated(({ Main }) => Main === true);
  return { table: table?.RouteTableId ?? 'the route table', routes: table?.Routes ?? [] };
}

async function endpointsOf({ client, given }: Network): Promise<VpcEndpoint[]> {
  const Filters = [{ Name: 'vpc-id', Values: [given.vpcId] }];
  const { VpcEndpoints = [] } = await client.send(new DescribeVpcEndpointsCommand({ Filters }));
  return VpcEndpoints.filter(({ VpcId }) => VpcId === given.vpcId);
}

function gatewayOf(route: Route): string | undefined {
  return (
    route.NatGatewayId ??
    route.TransitGatewayId ??
    route.NetworkInterfaceId ??
    route.CoreNetworkArn ??
    route.GatewayId ??
    route.VpcPeeringConnectionId
  );
}

/**
 * Tasks in a network of the plan's get no public address, so an internet gateway leads nowhere for them; nor does a peering,
 * which hands nothing on. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-task-networking.html
 */
function leadsOut(route: Route | undefined, gateway: string): boolean {
  return route?.State !== 'blackhole' && !/^(igw|pcx|local)/.test(gateway);
}

function reason(route: Route | undefined, gateway: string | undefined, table: string): string {
  if (route === undefined) return `${table} has no route to 0.0.0.0/0`;
  if (route.State === 'blackhole') return `the route of ${table} to 0.0.0.0/0 ends in a black hole`;
  if (gateway?.startsWith('igw') === true)
    return `goes out by ${gateway}, which takes public addresses only, and tasks get none`;
  return `goes out by ${gateway}, which leads nowhere`;
}

function missingServices(endpoints: readonly VpcEndpoint[], table: string): string[] {
  return services.filter(
    (service) =>
      !endpoints.some(
        ({ ServiceName, State, VpcEndpointType, RouteTableIds, PrivateDnsEnabled }) =>
          ServiceName?.endsWith(`.${service}`) === true &&
          State?.toLowerCase() === 'available' &&
          (VpcEndpointType === 'Gateway'
            ? RouteTableIds?.includes(table) === true
            : PrivateDnsEnabled !== false),
      ),
  );
}

interface EndpointWish {
  readonly service: string;
  readonly region: string;
  readonly given: NetworkPlan;
  readonly table: string;
  readonly id: string;
}

function makeEndpoint({ service, region, given, table, id }: EndpointWish): string {
  const common = `aws ec2 create-vpc-endpoint --region ${region} --vpc-id ${given.vpcId} --service-name com.amazonaws.${region}.${service}`;
  return gatewayServices.includes(service)
    ? `${common} --vpc-endpoint-type Gateway --route-table-ids ${table}`
    : `${common} --vpc-endpoint-type Interface --private-dns-enabled --subnet-ids ${id} --security-group-ids ${given.securityGroupIds[0]}`;
}
