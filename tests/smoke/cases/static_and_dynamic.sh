# The kinds of ELF files that there are: static, static-pie, ET_EXEC at its fixed address, PIE, and as patchelf leaves them.
cat > p.c <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
static _Thread_local int own = 7;
int main(int argc, char **argv) {
  printf("%d %s %d %zu %d\n", argc, strrchr(argv[0], '/'), own, strlen(getenv("HOME")), getauxval(AT_PAGESZ) == 4096);
  return 40 + argc;
}
C
gcc -O1 -static p.c -o static;         ./static a; echo $?
gcc -O1 -static-pie p.c -o static-pie; ./static-pie a b; echo $?
gcc -O1 -no-pie p.c -o fixed;          ./fixed; echo $?
gcc -O1 -pie -fPIE p.c -o pie;         ./pie a b c; echo $?
cp pie patched; patchelf --set-rpath /nowhere:/usr/lib --page-size 65536 patched; ./patched a; echo $?
patchelf --print-rpath patched
patchelf --set-interpreter "$(realpath "$(patchelf --print-interpreter pie)")" patched; ./patched; echo $?
cp fixed patched; patchelf --set-rpath /a/very/long/path/so/that/the/table/has/to/move/elsewhere/in/the/file patched
./patched a b; echo $?
patchelf --set-interpreter /missing/ld.so patched; ./patched; echo $?
printf 'not a program' > text; chmod +x text; exec 2>/dev/null; ./text; echo $?
head -c 100 static > short; chmod +x short; ./short; echo $?
