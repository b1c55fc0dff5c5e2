# The interpreter and its modules with C parts, processes, threads, floats.
python3 - <<'P'
import asyncio, ctypes, decimal, hashlib, json, math, multiprocessing, os, random, re, signal, sqlite3, struct, subprocess, sys, threading, zlib, lzma, bz2, socket, tempfile, mmap
print(sys.version_info[:2], sys.byteorder, sys.maxsize, struct.calcsize("P"))
print(2**200 % 1000007, math.factorial(50), math.gamma(5.5), math.fsum([0.1] * 10), math.erf(0.3), round(2.5), -7 // 2, float("nan") != float("nan"), 1e308 * 10, 0.1 + 0.2)
print(decimal.Decimal(2).sqrt(), hashlib.sha3_256(b"x" * 999).hexdigest(), hashlib.blake2s(b"y").hexdigest(), zlib.crc32(b"abc" * 1000))
random.seed(1); data = bytes(random.getrandbits(8) for _ in range(50000))
for m in (zlib, lzma, bz2): c = m.compress(data); print(m.__name__, len(c), m.decompress(c) == data)
print(json.dumps({"a": [1, 2.5, None, "é"]}, sort_keys=True), re.findall(r"(\w+)@(\w+)", "me@here you@there"), sorted({3, 1, 2}))
print(subprocess.run(["sh", "-c", "echo out; echo err >&2; exit 5"], capture_output=True))
try: subprocess.run(["/no/such"])
except FileNotFoundError as e: print(e)
t = [threading.Thread(target=lambda i=i: r.append(i * i)) for r in [[]] for i in range(20)]; [x.start() for x in t]; [x.join() for x in t]
with multiprocessing.Pool(3) as p: print(p.map(abs, range(-5, 5)))
async def main(): return await asyncio.gather(*(asyncio.sleep(0.01 * (3 - i), i) for i in range(3)))
print(asyncio.run(main()))
libc = ctypes.CDLL(None); libc.labs.restype = ctypes.c_long; print(libc.labs(ctypes.c_long(-2**40)), ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(lambda x: x * 2)(1.5))
db = sqlite3.connect(":memory:"); db.execute("create table t(x)"); db.executemany("insert into t values(?)", [(i,) for i in range(1000)]); print(db.execute("select sum(x), avg(x), max(x) from t where x % 3 = 0").fetchone())
a, b = socket.socketpair(); a.sendall(b"ping"); print(b.recv(10)); m = mmap.mmap(-1, 8192); m[4096:4100] = b"mmap"; print(m[4094:4102])
signal.signal(signal.SIGUSR1, lambda *x: print("signal")); os.kill(os.getpid(), signal.SIGUSR1)
def deep(n): return 0 if n == 0 else 1 + deep(n - 1)
try: deep(10**6)
except RecursionError: print("recursion")
pid = os.fork()
if pid == 0: os.abort()
print(os.waitpid(pid, 0)[1] & 127)
P
python3 -c 'import sys; sys.exit(33)'; echo $?; python3 -c 'print(undefined)'; echo $?; python3 -m compileall -q -d x . ; echo 'import json' > m.py; python3 -m py_compile m.py; python3 -c 'import ctypes; ctypes.string_at(0)'; echo $?
