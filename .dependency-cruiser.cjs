/**
 * Which folder of src may import which: a folder may import those it lists and whatever these list in turn, and
 * nothing else of src. A new folder is added here first. The files directly in src (main, cli, app.module, jobs,
 * data-source, …) put the parts together: they may import every folder, and no folder imports them.
 */
const MAY_IMPORT = {
  common: [],
  config: ['common'],
  metrics: [],
  database: ['config'],
  terminal: ['config'],
  provider: ['config', 'terminal'],
  // Guards and decorators, forms and errors: for the features, so they know none of them.
  http: ['database', 'auth'],
  // API keys and what they open: proved by the guard of auth.
  services: ['database', 'terminal'],
  auth: ['database', 'http', 'provider', 'terminal', 'services'],
  events: ['auth', 'http'],
  notifications: ['auth', 'http'],
  discrepancies: ['notifications'],
  orders: ['discrepancies', 'events', 'provider'],
  payments: ['orders', 'metrics'],
  // What a shop's backend and its users do with orders.
  shop: ['payments'],
  refunds: ['payments'],
  callbacks: ['refunds'],
  reconciliation: ['refunds'],
  admin: ['callbacks', 'reconciliation'],
};

/** A folder with everything it may import, itself included. */
function allowed(folder, seen = new Set()) {
  if (seen.has(folder)) return seen;
  seen.add(folder);
  for (const next of MAY_IMPORT[folder]) allowed(next, seen);
  return seen;
}

const folders = Object.keys(MAY_IMPORT);
const oneOf = (names) => `(${[...names].join('|')})`;
const ENTRY_POINTS =
  '^(src/(main|cli)|dev/(simulated|error-pages|check-openapi)|simulator/(main|bench|bench-child)|bench/main|prove/(main|hostile/collects))\\.ts$';

const OUTSIDE = '^(src|dev|simulator|bench|prove|test)/';

const layers = folders.map((folder) => ({
  name: `layer-${folder}`,
  severity: 'error',
  comment: `src/${folder} may import ${[...allowed(folder)].join(', ')}: move the code down, or pass what it needs in.`,
  from: { path: `^src/${folder}/`, pathNot: '^src/database/database\\.module\\.ts$' },
  to: { path: OUTSIDE, pathNot: `^src/${oneOf(allowed(folder))}/` },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...layers,
    {
      name: 'layer-database-module',
      severity: 'error',
      comment: 'The module opens the pool, so it knows data-source.ts; it needs no other part.',
      from: { path: '^src/database/database\\.module\\.ts$' },
      to: { path: OUTSIDE, pathNot: `^src/(${oneOf(allowed('database'))}/|data-source\\.ts$)` },
    },
    {
      name: 'layer-embedded-postgres',
      severity: 'error',
      comment: 'The embedded database stands on its own: it is used by tests and benchmarks without the application.',
      from: { path: '^dev/embedded-postgres(/|\\.ts$)' },
      to: { path: '^(src|dev|simulator|bench|prove|test|migrations)/', pathNot: '^dev/embedded-postgres(/|\\.ts$)' },
    },
    {
      name: 'folder-without-a-place',
      severity: 'error',
      comment: 'A new folder of src: say in MAY_IMPORT (.dependency-cruiser.cjs) what it may import.',
      from: { path: '^src/[^/]+/', pathNot: `^src/${oneOf(folders)}/` },
      to: {},
    },
    {
      name: 'provider-behind-its-seam',
      severity: 'error',
      comment:
        'Only provider.module.ts knows the two providers: import PaymentProvider from provider/payment-provider.ts. ' +
        'cli.ts lists the command that explains a real configuration.',
      from: { path: '^(src|bench|prove)/', pathNot: '^src/provider/(provider\\.module\\.ts$|mock/|wechat/)' },
      to: { path: '^src/provider/(mock|wechat)/', pathNot: '^src/provider/wechat/doctor\\.command\\.ts$' },
    },
    {
      name: 'providers-apart',
      severity: 'error',
      comment: 'The mock and the real provider share nothing but the seam.',
      from: { path: '^src/provider/(mock|wechat)/' },
      to: { path: '^src/provider/(mock|wechat)/', pathNot: '^src/provider/$1/' },
    },
    {
      name: 'common-is-plain',
      severity: 'error',
      comment: 'src/common knows neither HTTP nor the database: put this into src/http or src/database.',
      from: { path: '^src/common/' },
      to: {
        path: [
          '^node_modules/(typeorm|@nestjs/(?!common/)[^/]+|pg|fastify|@fastify|undici|class-validator|class-transformer)/',
          '^(node:)?https?2?$',
        ],
      },
    },
    {
      name: 'simulator-shares-nothing',
      severity: 'error',
      comment: 'The simulator judges the provider, so it has its own crypto and its own books: write it anew there.',
      from: { path: '^simulator/' },
      to: { path: '^(src|dev|migrations|bench|prove|test)/' },
    },
    {
      name: 'src-without-simulator',
      severity: 'error',
      comment: 'Only dev/simulated.ts, the entry point of npm run start:simulated, starts the simulator, by its index.',
      from: { path: '^(src|migrations)/' },
      to: { path: '^(simulator|bench|prove|test)/' },
    },
    {
      name: 'src-without-dev',
      severity: 'error',
      comment:
        'What production refuses lies in dev, which the image does not hold: src/embedded-database.ts imports it.',
      from: { path: '^(src|migrations)/', pathNot: '^src/embedded-database\\.ts$' },
      to: { path: '^dev/' },
    },
    {
      name: 'dev-by-one-dynamic-import',
      severity: 'error',
      comment:
        'The image does not hold dev: import the embedded database where it is needed, not when the file is loaded.',
      from: { path: '^src/embedded-database\\.ts$' },
      to: { path: '^dev/', dynamic: false },
    },
    {
      name: 'simulator-by-its-index',
      severity: 'error',
      comment: 'Import simulator/index.ts: what lies behind it is not for others.',
      from: { path: '^(src|dev|bench|prove)/' },
      to: { path: '^simulator/', pathNot: '^simulator/index\\.ts$' },
    },
    {
      name: 'bench-stands-alone',
      severity: 'error',
      comment:
        'A benchmark measures the built service with a load of its own: it needs neither simulator, proofs nor tests.',
      from: { path: '^bench/' },
      to: { path: '^(simulator|prove|test)/' },
    },
    {
      name: 'prove-without-tests',
      severity: 'error',
      comment: 'A proof runs where no test runner is: what both need lies in dev/.',
      from: { path: '^prove/' },
      to: { path: '^test/' },
    },
    {
      name: 'examples-need-nothing',
      severity: 'error',
      comment: 'An example is copied into other projects: it imports nothing but what Node has.',
      from: { path: '^examples/' },
      to: { dependencyTypesNot: ['core'] },
    },
    {
      name: 'migrations-are-frozen',
      severity: 'error',
      comment: 'A migration must do the same for ever: it may not import code that changes.',
      from: { path: '^migrations/' },
      to: { path: OUTSIDE },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      comment: 'Imports run one way: take out what both need.',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-dead-files',
      severity: 'error',
      comment: 'Nothing that runs imports this file: delete it, or import it.',
      from: { path: ENTRY_POINTS },
      to: { path: '^(src|dev|simulator|migrations|bench|prove)/.+\\.ts$', pathNot: ENTRY_POINTS, reachable: false },
    },
    {
      name: 'no-dev-dependencies',
      severity: 'error',
      comment: 'The production image has no devDependencies: move the package to dependencies, or do without it.',
      from: { path: '^(src|simulator|migrations)/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-unlisted-packages',
      severity: 'error',
      comment: 'A package that is there by chance: add it to package.json.',
      from: {},
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'resolvable',
      severity: 'error',
      comment: 'This import leads nowhere.',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    combinedDependencies: false,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default'] },
  },
};
