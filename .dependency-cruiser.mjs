/** Imports point downwards only (docs/design.md, "Folders"). Each rule says why; the test suite runs them. */
export default {
  forbidden: [
    {
      name: 'core-knows-no-outside',
      comment: 'the domain must run in a Lambda, a task, a test and a shell alike, so it knows none of them',
      severity: 'error',
      from: { path: '^core/', pathNot: '/testing|\\.test\\.ts$|\\.conformance\\.ts$' },
      to: { path: '^(infra|lambdas|tasks|cli|sandbox|console|test)/' },
    },
    {
      name: 'plan-and-vault-stand-alone',
      comment:
        'a vault must be readable when everything else is lost, so it may not need the rest to be there',
      severity: 'error',
      from: { path: '^core/(plan|vault)/', pathNot: '/testing|\\.test\\.ts$|\\.conformance\\.ts$' },
      to: { path: '^core/(engines|catalog|jobs|recovery|runbooks|evidence|governance|notify)/' },
    },
    {
      name: 'engines-know-neither-catalogue-nor-jobs',
      comment: 'an engine hands over streams; who schedules and records them is not its business',
      severity: 'error',
      from: { path: '^core/engines/', pathNot: '/testing|\\.test\\.ts$|\\.conformance\\.ts$' },
      to: { path: '^core/(catalog|jobs|recovery|runbooks)/' },
    },
    {
      name: 'catalogue-is-below-jobs',
      comment: 'the catalogue is an index of facts; operations write it, it starts none',
      severity: 'error',
      from: { path: '^core/catalog/', pathNot: '/testing|\\.test\\.ts$|\\.conformance\\.ts$' },
      to: { path: '^core/(engines|jobs|recovery|runbooks)/' },
    },
    {
      name: 'sdk-in-adapters-only',
      comment:
        'behind a port there is one file per service that knows the SDK, so that a fake or another store can take its place',
      severity: 'error',
      from: {
        path: '^core/',
        pathNot: '\\.(s3|dynamodb|aws|kms)\\.ts$|/testing|\\.test\\.ts$|\\.conformance\\.ts$',
      },
      to: { path: 'node_modules/@aws-(sdk|crypto)/' },
    },
    {
      name: 'nobody-imports-entry-points',
      comment: 'Lambdas and tasks are thin ends; what two of them need belongs into core',
      severity: 'error',
      from: { path: '^(core|infra|cli)/', pathNot: '/testing|\\.test\\.ts$|\\.conformance\\.ts$' },
      to: { path: '^(lambdas|tasks)/' },
    },
    {
      name: 'production-knows-no-sandbox',
      comment: 'what runs on AWS must not have a second way for the sandbox, or the sandbox proves nothing',
      severity: 'error',
      from: { path: '^(core|infra|lambdas|tasks)/', pathNot: '/testing|\\.test\\.ts$|\\.conformance\\.ts$' },
      to: { path: '^sandbox/' },
    },
    {
      name: 'no-cycles',
      comment: 'a cycle hides which of two files is the lower one',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(\\.cache|out|cdk\\.out)/' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    moduleSystems: ['es6'],
  },
};
