import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import type { Deployment } from '../deployment.ts';
import { imageByDigest } from '../task-images.ts';

const elasticRegistry = /^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com\/([a-z0-9/_.-]+)@sha256:/;

/** The image of our tasks in a Region, by digest: what was tested is what runs, in both Regions. */
export class TaskImage {
  readonly uri: string;

  constructor(deployment: Deployment, region: string) {
    this.uri = deployment.image.replaceAll('{region}', region);
    if (!imageByDigest.test(this.uri)) {
      throw new Error(
        `image ${this.uri} is not named by digest; allowed is repository@sha256:<64 hex digits>, with {region} where the Region stands`,
      );
    }
  }

  containerImage(): ecs.ContainerImage {
    return ecs.ContainerImage.fromRegistry(this.uri);
  }

  /** Lets the role that starts tasks pull the image, where it lies in ECR. */
  grantPull(executionRole: iam.Role): void {
    const [, account, region, repository] = elasticRegistry.exec(this.uri) ?? [];
    if (repository === undefined) return;
    executionRole.addToPolicy(
      new iam.PolicyStatement({
        actions: ['ecr:BatchCheckLayerAvailability', 'ecr:BatchGetImage', 'ecr:GetDownloadUrlForLayer'],
        resources: [`arn:aws:ecr:${region}:${account}:repository/${repository}`],
      }),
    );
    executionRole.addToPolicy(
      new iam.PolicyStatement({ actions: ['ecr:GetAuthorizationToken'], resources: ['*'] }),
    );
  }
}
