// One instance: what it is, why it is so, what can be done now; the tabs below.

import { button, fill, h, setBlocked, setText } from '../dom.js';
import { get } from '../api.js';
import { ago, full } from '../format.js';
import { putInstance, store } from '../live.js';
import { loadPart, subContext } from '../router.js';
import { act, remove } from '../parts/actions.js';
import { copyText } from '../parts/dialog.js';
import { openEdit } from '../parts/edit.js';
import { unread } from '../parts/reading.js';
import { TABS } from '../views.js';
import { kindIcon, refusal, setState, stateBadge, TRANSIENT, VERBS, VM_VERBS, why } from '../parts/state.js';

class Detail {
  constructor(ctx, id) {
    this.ctx = ctx;
    this.id = id;
    this.body = h('div', { class: 'tab-body', role: 'tabpanel', id: 'tab-body', tabindex: '-1' });
    this.node = h('div', { class: 'page' }, h('h1', { class: 'sr-only' }, 'Instance'), h('p', { class: 'quiet pad' }, 'Loading…'));
    this.built = false;
    ctx.on('instance', (changed) => changed === id && this.changed());
    ctx.on('instances', () => (store.instances.has(id) ? this.changed() : this.built && this.load()));
    ctx.dispose(() => (this.tabCtx?.end(), (this.tabCtx = null), (this.ended = true)));
    const tick = () => this.built && this.inst && this.drawHead(this.inst);
    document.addEventListener('lodge:tick', tick);
    ctx.dispose(() => document.removeEventListener('lodge:tick', tick));
  }

  async load() {
    if (store.instances.has(this.id)) this.changed();
    try {
      putInstance(await get(`/compute/instances/${this.id}`));
    } catch (e) {
      // seen before, it went while nobody told: the stream of events was away for a moment
      if (e.status === 404) this.gone(this.inst ? `${this.inst.name} was deleted.` : 'There is no such instance. It may have been deleted.');
      else if (!this.built && e.status !== 401) fill(this.node, h('h1', { class: 'sr-only' }, 'Instance'), unread('The instance', e, () => this.load()));
      else if (!this.ended) setTimeout(() => this.ended || this.load(), 2000);
    }
  }

  changed() {
    const inst = store.instances.get(this.id);
    if (!inst) return this.built && this.gone(`${this.inst.name} was deleted.`);
    const first = !this.built;
    this.inst = inst;
    if (first) this.build(inst);
    this.drawHead(inst);
    if (first) this.showTab(this.tab);
    else this.tabHandle?.update?.(inst);
    return undefined;
  }

  gone(text) {
    this.tabCtx?.end();
    this.tabCtx = null;
    this.built = false;
    fill(this.node, h('div', { class: 'empty' }, h('h1', { tabindex: '-1' }, 'Gone'), h('p', null, text), h('a', { class: 'btn primary', href: '#/instances' }, 'Back to the instances')));
  }

  build(inst) {
    this.built = true;
    this.state = stateBadge(inst.state);
    this.why = h('p', { class: 'why-line' });
    this.addr = h('span', null);
    this.open = h('span', null);
    this.verbs = {};
    const vm = inst.type === 'vm';
    const verbs = ['start', 'stop', 'restart', 'pause', 'unpause', 'suspend', 'reset', 'delete'].filter((v) => vm || !VM_VERBS.has(v)).map((verb) => {
      const kind = verb === 'delete' ? 'danger-ghost' : '';
      const run = () => !this.verbs[verb].dataset.blocked && (verb === 'delete' ? remove(this.inst) : act(this.inst, verb));
      return (this.verbs[verb] = button(VERBS[verb].label, { icon: VERBS[verb].icon, kind, onclick: run }));
    });
    this.kill = button('Force stop', { icon: 'stop', kind: 'danger-ghost', onclick: () => act(this.inst, 'stop', true) });
    verbs.splice(2, 0, this.kill);
    this.edit = button('Edit', { icon: 'edit', onclick: () => this.edit.dataset.blocked || openEdit(this.inst) });
    verbs.splice(-1, 0, this.edit);
    // a click gives the focus away, so that a terminal takes it; from the keyboard it stays among the tabs
    const clicked = (e) => e.detail && e.currentTarget.blur();
    this.tabs = TABS.map(([key, word]) => h('a', { role: 'tab', href: `#/instances/${inst.id}${key === 'overview' ? '' : '/' + key}`, id: `tab-${key}`, 'aria-controls': 'tab-body', onclick: clicked }, word));
    const tablist = h('div', { class: 'tabs', role: 'tablist', 'aria-label': 'About this instance', onkeydown: (e) => this.arrow(e) }, this.tabs);
    const title = h('h1', { tabindex: '-1' }, inst.name);
    fill(this.node, h('div', { class: 'crumb' }, h('a', { href: '#/instances' }, 'Instances')),
      h('div', { class: 'detail-head' }, h('div', { class: 'detail-title' }, kindIcon(inst), title, this.state, this.addr, this.open), h('div', { class: 'verbs', role: 'group', 'aria-label': 'What can be done' }, verbs)),
      this.why, tablist, this.body);
    document.title = `${inst.name} · Lodge`;
    if (document.activeElement === document.body || !document.activeElement?.isConnected) title.focus({ preventScroll: true });
  }

  drawHead(inst) {
    setState(this.state, inst.state, inst.status);
    const up = inst.state === 'running' && !inst.reason?.text && inst.startedAt;
    const because = up ? 'Started' : why(inst);
    const at = up ? inst.startedAt : (inst.reason?.at ?? inst.updatedAt);
    fill(this.why, because ? [because, ' · ', h('time', { dateTime: at, title: full(at), class: 'quiet' }, ago(at))] : null);
    this.why.dataset.tone = inst.state === 'error' ? 'bad' : '';
    const addr = inst.network?.address ?? '';
    if (this.addr.textContent !== addr) fill(this.addr, addr ? copyText(addr) : null);
    const rule = (inst.ingress ?? [])[0];
    if (this.url !== rule?.url) {
      this.url = rule?.url;
      fill(this.open, rule ? h('a', { class: 'ext', href: rule.url, target: '_blank', rel: 'noopener' }, new URL(rule.url).host) : null);
    }
    for (const verb in this.verbs) setBlocked(this.verbs[verb], refusal(verb, inst.state, verb === 'delete'));
    setBlocked(this.edit, inst.state === 'deleting' ? 'It is being deleted.' : null);
    const paused = inst.state === 'paused';
    setText(this.verbs.start.lastChild, inst.state === 'asleep' ? 'Wake' : 'Start');
    this.verbs.pause.hidden = paused;
    this.verbs.unpause.hidden = !paused;
    this.kill.hidden = !(TRANSIENT.has(inst.state) && inst.state !== 'deleting');
  }

  arrow(e) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (!step) return;
    const tabs = this.tabs.filter((t) => !t.hidden);
    const next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
    next.focus();
    next.click();
  }

  async showTab(key) {
    const shown = TABS.filter(([, , , when]) => !when || when(this.inst));
    this.tab = shown.some((t) => t[0] === key) ? key : 'overview';
    if (!this.built) return;
    this.tabCtx?.end();
    this.tabHandle = null;
    const ctx = (this.tabCtx = subContext(this.ctx));
    TABS.forEach(([k], i) => {
      this.tabs[i].hidden = !shown.some((t) => t[0] === k);
      this.tabs[i].setAttribute('aria-selected', String(k === this.tab));
      this.tabs[i].tabIndex = k === this.tab ? 0 : -1;
    });
    this.body.setAttribute('aria-labelledby', `tab-${this.tab}`);
    const open = await loadPart(TABS.find((t) => t[0] === this.tab)[2]);
    if (ctx !== this.tabCtx) return; // another tab was chosen meanwhile, or the view was left
    this.tabHandle = open(ctx, this.inst);
    fill(this.body, this.tabHandle.node);
    const tab = this.tabs.find((t) => t.id === `tab-${this.tab}`);
    tab.parentNode.scrollTo({ left: tab.offsetLeft - 90 }); // a strip where it is narrow
  }
}

export default function instance(ctx) {
  const detail = new Detail(ctx, ctx.params.id);
  detail.tab = ctx.params.tab;
  detail.load();
  return {
    title: detail.inst?.name ?? 'Instance',
    node: detail.node,
    update: (params) => {
      if (params.id !== detail.id) return false;
      detail.showTab(params.tab);
      return true;
    },
  };
}
