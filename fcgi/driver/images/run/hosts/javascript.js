// Node, started ahead of time: see python.py for what comes on descriptor 3.
'use strict';
const fs = require('fs');
const path = require('path');
const vm = require('vm');
const Module = require('module');

let rest = Buffer.alloc(0);
const words = () => {
  const piece = Buffer.alloc(65536);
  for (;;) {
    const parts = rest.toString('utf8').split('\0');
    if (parts.length >= 3 && parts.length - 1 >= 2 + Number(parts[1])) {
      rest = Buffer.alloc(0);
      return [parts[0], ...parts.slice(2, 2 + Number(parts[1]))];
    }
    const n = fs.readSync(3, piece, 0, piece.length, null);
    if (!n) process.exit(0);
    rest = Buffer.concat([rest, piece.subarray(0, n)]);
  }
};

if (process.argv[2] !== 'session') {
  const argv = words();
  fs.closeSync(3);
  process.argv = [process.execPath, path.resolve(argv[0]), ...argv.slice(1)];
  Module.runMain(process.argv[1]);
} else {
  const net = require('net');
  const util = require('util');
  const context = vm.createContext(Object.assign(Object.create(null), {
    console, process, Buffer, URL, URLSearchParams, TextEncoder, TextDecoder, setTimeout, setInterval, setImmediate,
    clearTimeout, clearInterval, clearImmediate, queueMicrotask, structuredClone,
    require: Module.createRequire('/box/snippet.js'),
  }));
  context.globalThis = context;
  process.on('uncaughtException', (e) => console.error(e));
  // SIGINT ends a snippet: the engine's doing while its own code runs, ours while it waits for a promise.
  let number = 0, interrupt = () => {};
  process.on('SIGINT', () => interrupt('Error: Script execution was interrupted by `SIGINT`'));
  const listen = () => { // anew: where the code came to listen, too, the engine leaves the signal with nobody
    const all = process.rawListeners('SIGINT');
    process.removeAllListeners('SIGINT');
    for (const f of all) process.on('SIGINT', f);
  };
  const run = (file) => {
    try {
      return vm.runInContext(fs.readFileSync(file, 'utf8'), context, { filename: `snippet-${++number}.js`, breakOnSigint: true });
    } finally {
      listen();
    }
  };
  // Standard input anew for each snippet, of the same pipe: a stream stays at its end once it has met it, and does not block.
  const pipe = fs.openSync('/proc/self/fd/0');
  let stdin = null;
  Object.defineProperty(process, 'stdin', { configurable: true, enumerable: true,
    get: () => stdin || (stdin = new net.Socket({ fd: 0, readable: true, writable: false, manualStart: true })) });
  const renew = () => {
    if (stdin) stdin.destroy();
    stdin = null;
    try { fs.closeSync(0); } catch { /* the snippet did */ }
    fs.openSync(`/proc/self/fd/${pipe}`);
  };
  const written = (stream) => new Promise((done) => stream.write('', done));
  const next = async () => {
    const argv = words();
    await new Promise(setImmediate); // a signal that came too late for the snippet before is none of this one's
    let bad = '0\n';
    try {
      const value = await Promise.race([run(argv[0]), new Promise((_, reject) => { interrupt = reject; })]);
      if (value !== undefined) console.log(util.inspect(value));
    } catch (e) {
      console.error(e && e.stack ? String(e.stack).split(/\n +at .*\(node:vm:/)[0] : e); // without our own frames
      bad = '1\n';
    }
    await Promise.all([written(process.stdout), written(process.stderr)]);
    renew();
    fs.writeSync(3, bad);
    setImmediate(next);
  };
  next();
}
