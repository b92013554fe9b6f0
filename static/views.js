// Every view in one table, and what navigation and the palette call it. A new view is a line here and a file in views/.

const instance = () => import('./views/instance.js');
const settings = () => import('./views/settings.js');

// [path, module, word in the navigation]; the module's default export is view(ctx) → {title, node, update?}
export const VIEWS = [
  ['/signin', () => import('./views/signin.js')],
  ['/instances', () => import('./views/instances.js'), 'Instances'],
  ['/instances/:id', instance],
  ['/instances/:id/:tab', instance],
  ['/images', () => import('./views/images.js'), 'Images'],
  ['/volumes', () => import('./views/volumes.js').then((m) => ({ default: m.volumes })), 'Volumes'],
  ['/networks', () => import('./views/volumes.js').then((m) => ({ default: m.networks })), 'Networks'],
  ['/ingress', () => import('./views/ingress.js'), 'Ingress'],
  ['/run', () => import('./views/playground.js'), 'Run code'],
  ['/services', () => import('./views/services.js'), 'Services'],
  ['/api', () => import('./views/api.js')],
  ['/settings', settings, 'Settings'],
  ['/settings/:section', settings],
  ['/settings/:section/:id', settings],
];

// Tabs of an instance: [key, word, load → tab(ctx, inst) → {node, update?(inst)}, shown for this instance?]
export const TABS = [
  ['overview', 'Overview', () => import('./views/instance-overview.js').then((m) => m.overview)],
  ['console', 'Console', () => import('./views/instance-console.js').then((m) => m.consoleTab), (inst) => inst.type === 'vm'],
  ['log', 'Log', () => import('./views/instance-log.js').then((m) => m.log)],
  ['terminal', 'Terminal', () => import('./views/instance-console.js').then((m) => m.consoleTab), (inst) => inst.type !== 'vm'],
  ['usage', 'Usage', () => import('./views/instance-usage.js').then((m) => m.usage)],
  ['ingress', 'Ingress', () => import('./views/instance-ingress.js').then((m) => m.ingress)],
  ['events', 'Events', () => import('./views/instance-events.js').then((m) => m.events)],
  ['configuration', 'Configuration', () => import('./views/instance-configuration.js').then((m) => m.configuration)],
];

// Sections of the settings: [key, word, load → section(ctx) → node, whose, admins only]
export const SETTINGS = [
  ['account', 'Account', () => import('./views/settings-account.js').then((m) => m.account), 'You'],
  ['tokens', 'API tokens', () => import('./views/settings-tokens.js').then((m) => m.tokens), 'You'],
  ['keys', 'SSH keys', () => import('./views/settings-keys.js').then((m) => m.keys), 'You'],
  ['appearance', 'Appearance', () => import('./views/settings-account.js').then((m) => m.appearance), 'You'],
  ['members', 'Members', () => import('./views/settings-people.js').then((m) => m.members), 'Tenant'],
  ['quota', 'Quota', () => import('./views/settings-tenants.js').then((m) => m.quota), 'Tenant'],
  ['flavors', 'Flavors', () => import('./views/settings-flavors.js').then((m) => m.flavors), 'Tenant'],
  ['audit', 'Audit log', () => import('./views/settings-audit.js').then((m) => m.audit), 'Tenant'],
  ['users', 'Users', () => import('./views/settings-people.js').then((m) => m.users), 'Host', true],
  ['tenants', 'Tenants', () => import('./views/settings-tenants.js').then((m) => m.tenants), 'Host', true],
];
