import { describeCatalogStore } from './catalog-store.conformance.ts';
import { createMemoryCatalogStore } from './catalog-store.memory.ts';

describeCatalogStore('memory', async () => createMemoryCatalogStore());
