// Users by their id, as far as one may know them: oneself and the members of the tenant.

import { get } from '../api.js';
import { store } from '../live.js';

let known = { session: null, names: new Map() };

async function members({ tenant, tenants = [] }) {
  const slug = tenant?.slug ?? tenant;
  const own = tenants.find((t) => t.slug === slug || t.id === slug);
  return own ? (await get(`/tenants/${own.id}/members`)).members : [];
}

/** → Map of id → name. What cannot be read now is asked for the next time. */
export async function people() {
  const { session } = store;
  if (known.session === session) return known.names;
  const names = new Map([[session.user.id, 'you']]);
  try {
    for (const m of await members(session)) if (!names.has(m.user)) names.set(m.user, m.username);
    known = { session, names };
  } catch {
    /* a list is worth more than the names in it */
  }
  return names;
}
