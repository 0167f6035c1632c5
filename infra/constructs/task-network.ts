import * as ec2 from 'aws-cdk-lib/aws-ec2';
import { Construct } from 'constructs';
import type { Plan } from '../../core/plan/plan.ts';
import { acknowledge } from './acknowledgements.ts';

export interface TaskNetworkProps {
  readonly plan: Plan;
  readonly region: string;
}

/** Where tasks run: the plan's own network for the Region, or a small one made for them. */
export class TaskNetwork extends Construct {
  readonly subnetIds: readonly string[];
  readonly securityGroupIds: readonly string[];
  readonly assignPublicIp: 'ENABLED' | 'DISABLED';

  constructor(scope: Construct, id: string, props: TaskNetworkProps) {
    super(scope, id);
    const given = props.plan.network[props.region];
    if (given !== undefined) {
      this.subnetIds = given.subnetIds;
      this.securityGroupIds = given.securityGroupIds;
      // A network of one's own brings its way out along: NAT or endpoints.
      this.assignPublicIp = 'DISABLED';
      return;
    }
    const vpc = this.#smallVpc();
    const group = new ec2.SecurityGroup(this, 'Egress', {
      vpc,
      description: 'Holdfast tasks: nothing comes in, everything may go out',
      allowAllOutbound: true,
    });
    this.subnetIds = vpc.publicSubnets.map((subnet) => subnet.subnetId);
    this.securityGroupIds = [group.securityGroupId];
    this.assignPublicIp = 'ENABLED';
  }

  /** Public subnets and no NAT: a gateway would cost more per month than most backups, and nothing can connect to the tasks. */
  #smallVpc(): ec2.Vpc {
    const vpc = new ec2.Vpc(this, 'Vpc', {
      ipAddresses: ec2.IpAddresses.cidr('10.77.0.0/24'),
      maxAzs: 2,
      natGateways: 0,
      subnetConfiguration: [
        { name: 'tasks', subnetType: ec2.SubnetType.PUBLIC, cidrMask: 26, mapPublicIpOnLaunch: false },
      ],
      // The group is unused; emptying it would take a function with rights on every group of the account.
      restrictDefaultSecurityGroup: false,
      gatewayEndpoints: {
        S3: { service: ec2.GatewayVpcEndpointAwsService.S3 },
        DynamoDB: { service: ec2.GatewayVpcEndpointAwsService.DYNAMODB },
      },
    });
    acknowledge(
      vpc,
      'AwsSolutions-VPC7',
      'Only tasks of Holdfast run here, their group admits nothing, and every call they make is in CloudTrail; flow logs would add cost and no evidence.',
    );
    return vpc;
  }
}
