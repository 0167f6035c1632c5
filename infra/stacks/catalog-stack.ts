import { Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { Catalog } from '../constructs/catalog.ts';
import { type Deployment, sideOf } from '../deployment.ts';
import { keptOnDestroy } from './kept-on-destroy.ts';

export interface CatalogStackProps extends StackProps {
  readonly deployment: Deployment;
}

/** The catalogue of both Regions and nothing else, so that only its own failure can roll it back. */
export class CatalogStack extends Stack {
  constructor(scope: Construct, id: string, props: CatalogStackProps) {
    super(scope, id, { description: 'Holdfast: catalogue of both Regions', ...props });
    const { deployment } = props;
    new Catalog(this, 'Catalog', { deployment, side: sideOf(deployment.plan, 'primary') });
    keptOnDestroy(this, 'the catalogue table in both Regions');
  }
}
