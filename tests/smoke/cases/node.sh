# V8's compilers, workers, child processes, compression, wasm.
cat > a.js <<'J'
const { execFileSync, spawnSync } = require('child_process'), crypto = require('crypto'), zlib = require('zlib'), { Worker, isMainThread, parentPort } = require('worker_threads');
if (!isMainThread) { parentPort.postMessage([...Array(1000).keys()].reduce((a, b) => a + b)); return; }
let h = 0; for (let i = 0; i < 3e6; i++) h = (Math.imul(h, 31) + i) | 0; console.log(h);
let f = 0.5; for (let i = 1; i < 2e5; i++) f = f * 1.0000001 + Math.sqrt(i) / i; console.log(f, 0.1 + 0.2, -0, 1 / 3, 2 ** 53 + 1, (123.456).toFixed(1));
console.log([5, 3, 10, 1].sort(), { a: [1, { b: null }] }, 'abc'.padStart(5, '*'), 123456789012345678901234567890n ** 3n, JSON.stringify({ x: [1, 'é'] }));
console.log(crypto.createHash('sha256').update('x'.repeat(1e5)).digest('hex'), zlib.inflateSync(zlib.deflateSync(Buffer.alloc(1e5, 'abc'))).length);
console.log(execFileSync('sh', ['-c', 'echo child']).toString(), spawnSync('/no/such').error.code, /(\d+)-(?<m>\d+)/.exec('2024-05').groups.m);
new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.from([0,97,115,109,1,0,0,0,1,7,1,96,2,127,127,1,127,3,2,1,0,7,7,1,3,97,100,100,0,0,10,9,1,7,0,32,0,32,1,106,11]))).exports.add(40, 2) === 42 && console.log('wasm');
new Worker(__filename).on('message', m => { console.log('worker', m); Promise.reject(new Error('unhandled')).catch(e => { console.log(e.message); process.exitCode = 9; setTimeout(() => console.log('timer'), 30); }); });
J
node a.js; echo $?; node -e 'process.exit(5)'; echo $?; node -e 'throw 3' 2>/dev/null; echo $?; node -p 'process.arch.length > 0 && process.version.split(".")[0]'
