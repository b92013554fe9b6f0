// Every view there is and how to bring it before one's eyes; used by the tests of its looks and by the screenshots.

import { openSession } from './mock-run.mjs';

const press = (name) => (page) => page.getByRole('button', { name, exact: true }).first().click();

/** [name, address, what to do there] over a mock's memory */
export function views(state) {
  const all = [...state.instances.values()];
  const up = all.find((i) => i.state === 'running');
  const bad = all.find((i) => i.state === 'error');
  up.ingress = [{ port: 443, targetPort: 8080, host: up.name, url: `https://${up.name}.apps.localhost:8443/`, access: 'members', createdAt: up.createdAt }];
  up.config.env = ['A_RATHER_LONG_NAME_OF_A_VARIABLE=and-a-value-without-any-place-to-break-it', 'TOKEN=********'];
  up.labels = { team: 'blue' };
  up.createdAt = new Date(Date.now() - 26 * 3600e3).toISOString();
  state.quotas.set(state.tenants[0].id, { limit: { instances: all.length, cpu: 16, memory: 8 * 2 ** 30, tokens: 5 }, version: 1, updatedAt: up.createdAt });
  const one = `/instances/${up.id}`;
  openSession(state, 'his');
  openSession(state, 'hers', { user: state.users[1].id, language: 'javascript', state: 'running' });
  if (!state.byName('desk')) state.addImage({ name: 'tiny', kind: 'vm', aliases: ['centos-8', 'debian-11', 'nginx-1.24', 'postgresql-15', 'ubuntu-20.04', 'ubuntu-22.04', 'ubuntu:22.04'], source: 'built', reference: 'localhost/lodge-tiny:1', sizeBytes: 17e6, default: true, public: true, tenant: null, vm: { format: 'qcow2', url: null, sha256: null, virtualBytes: 2 ** 28, minDiskBytes: 2 ** 28, minMemoryBytes: 2 ** 27, defaultUser: 'root', cloudInit: true } });
  const vm = state.byName('desk') ?? state.addInstance({ name: 'desk', type: 'vm' }, 'admin', 'running');
  return [
    ['list', '/instances'],
    ['selection', '/instances?sort=-memory', async (p) => {
      await p.locator('tbody input[type=checkbox]').nth(0).check();
      await p.locator('tbody input[type=checkbox]').nth(1).check();
    }],
    ['create', '/instances', async (p) => {
      await press('Create instance')(p);
      await p.getByText(/^Command, environment/).click();
      await press('Add variable')(p);
      await press('Add port')(p);
      await press('Add label')(p);
    }],
    ['palette', '/instances', async (p) => {
      await p.keyboard.press('Control+k');
      await p.getByRole('combobox', { name: 'Find an instance' }).fill('app 1');
    }],
    ['detail', one],
    ['vm', `/instances/${vm.id}`],
    ['screen', `/instances/${vm.id}/console`, async (p) => {
      await press('Screen')(p);
      await p.locator('#main canvas').waitFor({ state: 'attached' });
    }],
    ['console', `/instances/${vm.id}/console`, (p) => p.getByRole('button', { name: 'Serial line' }).click()],
    ['create vm', '/instances', async (p) => {
      await press('Create instance')(p);
      await p.getByRole('dialog').getByLabel('Kind').selectOption('vm');
      await p.getByText('Further disks, networks, labels').click();
      await press('Add disk')(p);
    }],
    ['terminal', `${one}/terminal`, (p) => p.getByText('Connected', { exact: true }).waitFor()],
    ['failed', `/instances/${bad.id}`],
    ['log', `${one}/log`, (p) => p.locator('.line.err').first().waitFor()],
    ['its ingress', `${one}/ingress`],
    ['usage', `${one}/usage`, (p) => p.locator('.u-over').nth(3).waitFor()],
    ['its events', `${one}/events`],
    ['configuration', `${one}/configuration`],
    ['edit', one, press('Edit')],
    ['delete', one, press('Delete')],
    ['images', '/images'],
    ['pull', '/images', press('Pull image')],
    ['image', '/images', press('Change nginx')],
    ['ingress', '/ingress'],
    ['services', '/services', (p) => p.getByRole('row').nth(3).waitFor()],
    ['volumes', '/volumes', async (p) => {
      if (await p.getByText(`/mnt/archive`).count()) return;
      await press('Attach archive')(p);
      await press('Attach')(p);
      await p.getByText('/mnt/archive').waitFor();
    }],
    ['create volume', '/volumes', press('Create volume')],
    ['networks', '/networks', (p) => p.getByText('10.0.1.0/24').waitFor()],
    ['create network', '/networks', press('Create network')],
    ['run', '/run', async (p) => {
      await p.locator('.cm-content').waitFor();
      await p.locator('.cm-content').click();
      await p.keyboard.press('Control+A');
      await p.keyboard.press('Delete');
      await p.keyboard.insertText('out first line\nerr a mistake in a line that is long enough to be broken somewhere in the middle of itself\nexit 3');
      await p.getByRole('button', { name: 'Run', exact: true }).click();
      await p.getByText(/Exit code 3/).first().waitFor();
      await p.getByLabel('Language').selectOption('javascript');
      await p.locator('.tok-keyword').first().waitFor();
    }],
    ['operations', '/instances', async (p) => {
      if ((await p.locator('.ops-toggle').getAttribute('aria-expanded')) === 'false') await p.locator('.ops-toggle').click();
    }],
    ['account', '/settings/account'],
    ['tokens', '/settings/tokens', async (p) => {
      await p.getByRole('textbox', { name: 'Name' }).fill('ci');
      await press('Create token')(p);
      await p.getByText('shown only this once').waitFor();
    }],
    ['keys', '/settings/keys', async (p) => {
      await p.getByLabel('Public key').fill('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJzQ8kq3 ada@laptop');
      await p.getByRole('textbox', { name: 'Name' }).fill('laptop');
      await press('Add key')(p);
      await p.getByText('SHA256:').first().waitFor();
    }],
    ['quota', '/settings/quota'],
    ['limits', '/settings/quota', press('Change limits')],
    ['flavors', '/settings/flavors'],
    ['tenant', `/settings/tenants/${state.tenants[1].id}`],
    ['members', '/settings/members'],
    ['users', '/settings/users'],
    ['user', '/settings/users', press('Change ada')],
    ['tenants', '/settings/tenants'],
    ['audit', '/settings/audit'],
    ['appearance', '/settings/appearance'],
    ['routes', '/api?q=ssh-keys', (p) => p.getByText(/ of \d+ routes/).waitFor()],
    ['the API', '/api', async (p) => {
      await p.getByText('Creates an instance').click();
      await p.getByRole('heading', { name: 'Body', exact: true }).waitFor();
    }],
    ['nowhere', '/nowhere'],
  ];
}

