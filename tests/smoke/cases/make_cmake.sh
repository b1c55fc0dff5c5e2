# make -j with rules and a failing one; cmake's own checks and a small project.
printf 'all: a b c\n%%: %%.in\n\tcat $< > $@; echo made $@\n.INTERMEDIATE: x\nfail:\n\t@exit 3\nN := $(shell seq 5 | paste -sd+ | bc 2>/dev/null || echo none)\n$(info $(words 1 2 3) $(patsubst %%.c,%%.o,a.c b.c) $(sort b a))\n' > Makefile
echo 1 > a.in; echo 2 > b.in; echo 3 > c.in; make -Otarget -j4 | sort; make; make fail; echo $?; make nothing; echo $?
mkdir p; cd p; cat > CMakeLists.txt <<'C'
cmake_minimum_required(VERSION 3.20)
project(p C)
include(CheckSymbolExists)
check_symbol_exists(pidfd_open sys/pidfd.h HAVE_PIDFD)
check_symbol_exists(no_such_thing stdio.h HAVE_NOTHING)
message(STATUS "found: ${HAVE_PIDFD} ${HAVE_NOTHING} ${CMAKE_SIZEOF_VOID_P}")
find_package(Threads REQUIRED)
add_library(l STATIC l.c)
add_executable(p p.c)
target_link_libraries(p l Threads::Threads)
enable_testing()
add_test(NAME runs COMMAND p)
C
echo 'int l(void) { return 0; }' > l.c; echo 'int l(void); int main(void) { return l(); }' > p.c
cmake -S . -B b | grep -E 'found|done|works'; cmake --build b -j2 | sed -E 's/\[ *[0-9]+%\]//' | sort; (cd b && ctest | grep -E 'tests passed|Passed' | sed -E 's/ +[0-9.]+ sec//'); cmake -P /no/such; echo $?
