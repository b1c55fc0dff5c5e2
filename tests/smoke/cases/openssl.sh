# Digests, ciphers, public keys. The known answers depend on the cryptographic instructions of either machine.
seq 50000 > n
for d in md5 sha1 sha224 sha256 sha384 sha512 sha3-256 blake2b512 sm3 ripemd160; do openssl dgst -$d n; done
for c in aes-128-cbc aes-256-ctr aes-192-ecb chacha20 camellia-128-cbc sm4-cbc aria-128-gcm; do echo $c; openssl enc -$c -K 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f -iv 000102030405060708090a0b0c0d0e0f -in n 2>/dev/null | sha256sum; done
openssl enc -aes-256-cbc -pbkdf2 -iter 1000 -S 0011223344556677 -pass pass:x -in n | tee e | sha256sum; openssl enc -d -aes-256-cbc -pbkdf2 -iter 1000 -S 0011223344556677 -pass pass:x -in e | cmp - n && echo same
openssl dgst -sha256 -mac hmac -macopt key:k n; openssl kdf -keylen 16 -kdfopt digest:SHA256 -kdfopt key:a -kdfopt salt:b -kdfopt info:c HKDF
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out k 2>/dev/null; openssl dgst -sha256 -sign k -out s n; openssl pkey -in k -pubout -out kp; openssl dgst -sha256 -verify kp -signature s n
for a in 'EC -pkeyopt ec_paramgen_curve:P-256' 'EC -pkeyopt ec_paramgen_curve:P-384' ED25519 ED448; do openssl genpkey -algorithm $a -out k; openssl pkey -in k -pubout -out kp; openssl pkeyutl -sign -rawin -inkey k -in s -out t; openssl pkeyutl -verify -rawin -pubin -inkey kp -in s -sigfile t; done
openssl prime 1000000007; openssl rand 32 | wc -c; head -c 100 n | openssl x509; echo $?
openssl req -x509 -newkey rsa:2048 -nodes -keyout k -out c -days 3 -subj /CN=localhost 2>/dev/null; openssl x509 -in c -noout -subject
openssl s_server -accept 127.0.0.1:0 -cert c -key k -www -quiet -naccept 1 < /dev/null > /dev/null 2>&1 & kill $!; wait $! 2>/dev/null; echo done
