import { DescribeImagesCommand, ECRClient } from '@aws-sdk/client-ecr';
import { DescribeTaskDefinitionCommand, ECSClient } from '@aws-sdk/client-ecs';
import { clientSettings, type Deployment } from './deployment.ts';
import { deployFix, Fault, type Look, revertFix, shellWord, Unknown } from './doctor-look.ts';

const byDigest = /^\d{12}\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com\/([^@]+)@(sha256:[0-9a-f]{64})$/;

/** Whether the image that a restore would run lies in this Region's own registry. */
export function taskImage(deployment: Deployment, region: string): Look {
  const { names, planFile } = deployment;
  const push = `npm run image:push -- --plan ${shellWord(planFile)} && ${deployFix(deployment)}`;
  return {
    what: 'image of the tasks',
    fix: push,
    look: async () => {
      const image = await imageOf(deployment, region);
      const [, registryRegion, repositoryName, imageDigest] = byDigest.exec(image) ?? [];
      if (imageDigest === undefined) throw new Unknown(`${image} is in another kind of registry`);
      const digest = imageDigest.slice(0, 19);
      if (/^sha256:0+$/.test(imageDigest))
        throw new Fault('no image was recorded when the plan was deployed');
      if (registryRegion !== region)
        throw new Fault(`is pulled from ${registryRegion}`, deployFix(deployment));
      const client = new ECRClient({ region, ...clientSettings });
      const order = new DescribeImagesCommand({ repositoryName, imageIds: [{ imageDigest }] });
      const { imageDetails = [] } = await client.send(order).catch((error: unknown) => {
        if (/^(ImageNotFound|RepositoryNotFound)/.test((error as Error).name))
          throw new Fault(`${repositoryName} has no ${digest}…`);
        throw error;
      });
      if (imageDetails.length === 0) throw new Fault(`${repositoryName} has no ${digest}…`);
      return `${repositoryName} has ${digest}…`;
    },
  };

  async function imageOf(of: Deployment, where: string): Promise<string> {
    const client = new ECSClient({ region: where, ...clientSettings });
    const taskDefinition = names.taskFamily('postgres-restore');
    const found = await client
      .send(new DescribeTaskDefinitionCommand({ taskDefinition }))
      .catch((error: unknown) => {
        // ECS has no name of its own for it: ClientException, "Unable to describe task definition."
        if ((error as Error).name === 'ClientException')
          throw new Fault(`there is no task definition ${taskDefinition}`, revertFix(of));
        throw error;
      });
    return found.taskDefinition?.containerDefinitions?.find(({ name }) => name === 'main')?.image ?? '';
  }
}
