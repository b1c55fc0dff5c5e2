# The Go tool builds, vets and tests; goroutines, maps, signals, os/exec.
export GOCACHE=$PWD/cache GOPATH=$PWD/path GOFLAGS=-mod=mod GO111MODULE=on GOTOOLCHAIN=local
mkdir m; cd m; cat > go.mod <<< 'module m'; cat > main.go <<'G'
package main

import ("crypto/sha256"; "fmt"; "math"; "os"; "os/exec"; "os/signal"; "sort"; "sync"; "syscall"; "time")

func main() {
	var wg sync.WaitGroup; var mu sync.Mutex; sum := 0
	for i := 0; i < 200; i++ { wg.Add(1); go func(i int) { defer wg.Done(); for j := 0; j < 1000; j++ { mu.Lock(); sum += i; mu.Unlock() } }(i) }
	wg.Wait(); fmt.Println(sum)
	m := map[string]int{}; for i := 0; i < 1000; i++ { m[fmt.Sprint(i%17)] += i }; k := []string{}; for x := range m { k = append(k, x) }; sort.Strings(k); fmt.Println(k[:3], m["3"])
	fmt.Printf("%x %v %v %.17g\n", sha256.Sum256([]byte("abc")), math.Sqrt(2), math.Inf(-1), math.Sin(1))
	out, err := exec.Command("sh", "-c", "echo child; exit 4").Output(); fmt.Printf("%q %v\n", out, err)
	_, err = exec.Command("/no/such").Output(); fmt.Println(err)
	c := make(chan os.Signal, 1); signal.Notify(c, syscall.SIGUSR1); syscall.Kill(os.Getpid(), syscall.SIGUSR1); fmt.Println(<-c)
	select { case <-time.After(20 * time.Millisecond): fmt.Println("later") }
	defer func() { fmt.Println(recover()); os.Exit(6) }(); var p *int; fmt.Println(*p)
}
G
printf 'package main\nimport "testing"\nfunc TestA(t *testing.T) {}\nfunc TestB(t *testing.T) { t.Fatal("no") }\n' > main_test.go
go build -o main . && ./main; echo $?; go vet .; go test . 2>&1 | grep -E '^(---|FAIL)' | sed -E 's/[0-9.]+s//'; printf 'package main\nfunc main() { x := 1 }\n' > main.go; go build .; echo $?
