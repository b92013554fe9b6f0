// The console of a virtual machine, its screen (noVNC) or its serial line (xterm.js), and a shell in a container (xterm.js);
// each through one WebSocket.

import { button, fill, h, setBlocked, setText } from '../dom.js';
import { get, socketUrl } from '../api.js';
import { libraries, library } from '../libs.js';
import { act } from '../parts/actions.js';
import { openDialog } from '../parts/dialog.js';
import { typeText } from '../parts/keys.js';
import { refusal } from '../parts/state.js';

const MODES = { vnc: 'Screen', serial: 'Serial line' };
const SHELL = 'exec'; // of a container: it has this one alone
const LIVE = new Set(['running', 'paused', 'starting', 'restarting', 'waking', 'stopping', 'pausing', 'suspending']);
const live = (inst) => LIVE.has(inst.state) && (inst.type === 'vm' || inst.state !== 'paused');
const remembered = () => (localStorage.getItem('lodge.console') === 'serial' ? 'serial' : 'vnc');

// ── what is shown: each is opened into a host and tells when it is connected and when it is lost ─────

async function openScreen({ host, url, readonly, connected, lost }) {
  const { default: RFB } = await library('@novnc/novnc');
  const rfb = new RFB(host, url);
  rfb.scaleViewport = true;
  rfb.viewOnly = readonly;
  rfb.showDotCursor = true;
  rfb.background = 'transparent';
  rfb.addEventListener('connect', connected);
  rfb.addEventListener('disconnect', (e) => lost({ clean: e.detail.clean }));
  return {
    focus: () => rfb.focus(),
    cad: () => rfb.sendCtrlAltDel(),
    paste: (text) => typeText(text, (sym, down) => rfb.sendKey(sym, null, down)),
    close: () => rfb.disconnect(),
    fit: () => {},
  };
}

function colours(host) {
  const css = getComputedStyle(host);
  const of = (name) => css.getPropertyValue(name).trim();
  return { background: of('--console-bg') || '#101418', foreground: of('--console-fg') || '#e6e9ec', cursor: '#8fb2ff' };
}

async function openSerial({ host, url, readonly, connected, lost, sized }) {
  const [{ Terminal }, { FitAddon }] = await libraries('@xterm/xterm', '@xterm/addon-fit');
  const size = Number(localStorage.getItem('lodge.console-font')) || 14;
  const term = new Terminal({ fontSize: size, scrollback: 5000, disableStdin: readonly, cursorBlink: false, theme: colours(host), screenReaderMode: false });
  const fitter = new FitAddon();
  term.loadAddon(fitter);
  term.open(host);
  const ws = new WebSocket(url);
  ws.binaryType = 'arraybuffer';
  const send = (bytes) => ws.readyState === WebSocket.OPEN && ws.send(bytes);
  const tellSize = () => sized && send(JSON.stringify({ resize: [term.cols, term.rows] }));
  ws.onopen = () => (term.reset(), tellSize(), connected());
  term.onResize(tellSize);
  ws.onmessage = (e) => typeof e.data !== 'string' && term.write(new Uint8Array(e.data));
  ws.onclose = (e) => lost({ clean: e.code === 1000, code: /^exit (\d+)$/.exec(e.reason)?.[1] });
  term.onData((text) => send(new TextEncoder().encode(text)));
  term.onBinary((text) => send(Uint8Array.from(text, (c) => c.charCodeAt(0))));
  const fit = () => host.isConnected && host.clientWidth && fitter.fit();
  fit();
  return {
    focus: () => term.focus(),
    paste: (text) => term.paste(text),
    close: () => {
      ws.onclose = null;
      ws.close();
      term.dispose();
    },
    fit,
    font: (step) => {
      term.options.fontSize = Math.min(28, Math.max(8, term.options.fontSize + step));
      localStorage.setItem('lodge.console-font', String(term.options.fontSize));
      fit();
    },
  };
}

const OPEN = { vnc: openScreen, serial: openSerial, [SHELL]: openSerial };

// ── the tab ────────────────────────────────────────────────────────────────────────────────────────

class Console {
  constructor(inst) {
    this.inst = inst;
    this.shell = inst.type !== 'vm';
    this.mode = this.shell ? SHELL : remembered();
    this.readonly = false;
    this.attempt = 0;
    this.turn = 0;
    this.build();
  }

  build() {
    this.host = h('div', { class: 'console-host', role: 'group', tabindex: '-1' });
    this.banner = h('div', { class: 'console-banner', role: 'status' });
    this.status = h('span', { class: 'quiet', role: 'status' });
    this.modes = Object.entries(MODES).map(([key, word]) => button(word, { kind: 'small', 'aria-pressed': String(key === this.mode), onclick: () => this.choose(key) }));
    this.cad = button('Ctrl-Alt-Del', { kind: 'small', onclick: () => !this.cad.dataset.blocked && this.shown?.cad?.() });
    this.paste = button('Paste as keys', { icon: 'copy', kind: 'small', onclick: () => !this.paste.dataset.blocked && this.askText() });
    this.smaller = button('Smaller text', { iconOnly: true, icon: 'smaller', kind: 'small', onclick: () => this.shown?.font?.(-1) });
    this.larger = button('Larger text', { iconOnly: true, icon: 'larger', kind: 'small', onclick: () => this.shown?.font?.(1) });
    this.look = h('input', { type: 'checkbox', onchange: () => ((this.readonly = this.look.checked), this.connect()) });
    this.full = button('Full screen', { icon: 'expand', kind: 'small', onclick: () => this.stage.requestFullscreen?.() });
    this.stage = h('div', { class: 'console-stage' }, this.host, this.banner);
    this.node = h('div', { class: 'console-pane' },
      h('div', { class: 'tools', role: 'toolbar', 'aria-label': this.shell ? 'Terminal' : 'Console' }, this.shell ? null : h('span', { class: 'segmented', role: 'group', 'aria-label': 'What is shown' }, this.modes), this.status, h('span', { class: 'grow' }),
        this.shell ? null : h('label', { class: 'inline' }, this.look, 'Only look'), this.cad, this.paste, this.smaller, this.larger, this.full), this.stage);
    this.watcher = new ResizeObserver(() => this.shown?.fit());
    this.watcher.observe(this.host);
    this.draw();
  }

  draw() {
    const screen = this.mode === 'vnc';
    this.modes.forEach((b, i) => b.setAttribute('aria-pressed', String(Object.keys(MODES)[i] === this.mode)));
    this.host.setAttribute('aria-label', `${MODES[this.mode] ?? 'A shell'} ${this.shell ? 'in' : 'of'} ${this.inst.name}`);
    this.smaller.hidden = this.larger.hidden = screen;
    this.cad.hidden = !screen;
    const no = !this.up ? 'It is not connected.' : this.readonly ? 'You only look.' : null;
    setBlocked(this.cad, no);
    setBlocked(this.paste, no);
  }

  choose(mode) {
    if (mode === this.mode && this.up) return;
    this.mode = mode;
    localStorage.setItem('lodge.console', mode);
    this.attempt = 0;
    this.connect();
  }

  say(text, ...more) {
    fill(this.banner, text ? h('p', null, text) : null, more);
    this.banner.hidden = !text;
    this.stage.classList.toggle('dim', Boolean(text));
  }

  async connect() {
    this.close();
    const turn = ++this.turn;
    this.draw();
    if (!live(this.inst)) return this.off();
    setText(this.status, 'Connecting…');
    if (!this.attempt) this.say('');
    const url = socketUrl(`/compute/instances/${this.inst.id}/console?type=${this.mode}${this.readonly ? '&readonly=true' : ''}`);
    const mine = (fn) => (...a) => turn === this.turn && fn(...a);
    try {
      const shown = await OPEN[this.mode]({ host: this.host, url, readonly: this.readonly, sized: this.shell, connected: mine(() => this.connected()), lost: mine((how) => this.lost(how)) });
      if (turn === this.turn) this.shown = shown;
      else shown.close();
    } catch (e) {
      if (turn !== this.turn) return undefined;
      setText(this.status, '');
      this.say(`The console could not be shown: ${e.message}`, button('Try again', { icon: 'restart', kind: 'primary', onclick: () => this.connect() }));
    }
    return undefined;
  }

  connected() {
    this.up = true;
    this.attempt = 0;
    setText(this.status, this.readonly ? 'Connected; you only look' : 'Connected');
    this.say('');
    this.draw();
    if (document.activeElement === document.body || this.node.contains(document.activeElement)) this.shown?.focus();
  }

  async lost({ clean, code }) {
    const was = this.up;
    this.up = false;
    this.draw();
    setText(this.status, '');
    if (!live(this.inst)) return this.off();
    if (this.shell && was && clean) return this.say(code > 0 ? `The shell has ended with code ${code}.` : 'The shell has ended.', button('Open another', { icon: 'restart', kind: 'primary', onclick: () => this.connect() }));
    const wait = Math.min(10000, 400 * 2 ** this.attempt++);
    this.say(was ? 'The other side is gone. Trying again…' : 'No connection yet. Trying again…', button('Now', { icon: 'restart', kind: 'small', onclick: () => this.connect() }));
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.connect(), wait);
    if (this.attempt === 2) await this.explain();
    return undefined;
  }

  /** The browser hides why a handshake failed: the plain request tells, unless it only misses the WebSocket. */
  async explain() {
    const turn = this.turn;
    try {
      await get(`/compute/instances/${this.inst.id}/console?type=${this.mode}`);
    } catch (e) {
      if (turn === this.turn && !/WebSocket/.test(e.message)) this.say(`${e.message}. Trying again…`, button('Now', { icon: 'restart', kind: 'small', onclick: () => this.connect() }));
    }
  }

  off() {
    clearTimeout(this.timer);
    setText(this.status, '');
    const can = refusal('start', this.inst.state) === null;
    this.say(`It is ${this.inst.state}: there is nothing to show.`, can ? button(this.inst.state === 'asleep' ? 'Wake it' : 'Start it', { icon: 'play', kind: 'primary', onclick: () => act(this.inst, 'start') }) : null);
  }

  askText() {
    const area = h('textarea', { rows: '6', spellcheck: 'false', autocapitalize: 'off', autofocus: true, 'aria-label': 'Text to type' });
    const dialog = openDialog({ title: 'Paste as keys', cls: 'small-dlg', body: [h('p', { class: 'quiet' }, this.mode === 'vnc' ? 'Typed key by key, as on a US keyboard.' : 'Sent as if it were typed.'), area],
      actions: [button('Cancel', { onclick: () => dialog.close() }), h('button', { type: 'submit', class: 'btn primary' }, 'Type it')],
      onsubmit: () => {
        const text = area.value;
        dialog.close();
        this.shown?.paste(text);
        this.shown?.focus();
      } });
  }

  update(inst) {
    const before = live(this.inst);
    const changed = inst.state !== this.inst.state;
    this.inst = { ...inst };
    if (live(inst) && !before) {
      this.attempt = 0;
      this.connect();
    } else if (!live(inst) && changed) {
      this.turn++;
      this.close();
      this.draw();
      this.off();
    }
  }

  close() {
    clearTimeout(this.timer);
    const shown = this.shown;
    this.shown = null;
    this.up = false;
    shown?.close();
    this.host.replaceChildren();
  }

  end() {
    this.turn++;
    this.watcher.disconnect();
    this.close();
  }
}

export function consoleTab(ctx, inst) {
  const tab = new Console({ ...inst });
  ctx.dispose(() => tab.end());
  tab.connect();
  return { node: tab.node, update: (i) => tab.update(i) };
}
